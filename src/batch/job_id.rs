//! The name a scheduler gives a job.

use std::{fmt, str::FromStr};

/// A scheduler's own id of a job: `123`, `Moab.17`; of an array's task: `123_4` (Slurm, and the local
/// scheduler), `123[4]` (Moab). Letters, digits, `_`, `.` and `-`, and a number or nothing in brackets
/// at the end, so that it may stand in any argv.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(String);

/// A text that is no job id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a job id: it must begin with a letter or digit and hold only letters, digits, `_`, `.` and `-`, or end like `[4]`"
)]
pub struct JobIdError(String);

impl JobId {
    /// The id as the scheduler writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names one task of the array that `whole` names.
    pub fn is_task_of(&self, whole: &Self) -> bool {
        self.array() == Some(whole.root())
    }

    /// The id of the whole array, for the id of one array task.
    pub(super) fn array(&self) -> Option<&str> {
        Some(self.task()?.0)
    }

    /// The id of the whole array and the number, for the id of one array task.
    pub(super) fn task(&self) -> Option<(&str, &str)> {
        let (array, task) = match self.0.strip_suffix(']') {
            Some(open) => open.split_once('[')?,
            None => self.0.split_once('_')?,
        };
        is_number(task).then_some((array, task))
    }

    /// The id without the brackets that Moab may show a whole array with.
    pub(super) fn root(&self) -> &str {
        self.0.strip_suffix("[]").unwrap_or(&self.0)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let bracketed = text.strip_suffix(']').and_then(|open| open.split_once('['));
        let (plain, task) = bracketed.unwrap_or((text, ""));
        let is_task = task.is_empty() || is_number(task);
        if begins && text.len() <= 128 && plain.chars().all(allowed) && is_task {
            Ok(Self(text.to_owned()))
        } else {
            Err(JobIdError(text.escape_debug().take(80).collect()))
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("123")]
    #[case("123_4")]
    #[case("Moab.17")]
    #[case("881196.admin2")]
    #[case("235[1]")]
    #[case("Moab.45[37]")]
    #[case("235[]")]
    fn ids_of_all_schedulers_are_taken(#[case] text: &str) {
        assert_eq!(text.parse::<JobId>().unwrap().to_string(), text);
    }

    #[rstest]
    #[case("")]
    #[case("-1")]
    #[case("12 34")]
    #[case("12;reboot")]
    #[case("$(id)")]
    #[case("123\n")]
    #[case("123_[1-4]")]
    #[case("[1]")]
    #[case("123[1]x")]
    #[case("123[1-4]")]
    #[case("123[a]")]
    #[case("123]")]
    #[case("123[1][2]")]
    fn anything_a_shell_could_act_on_is_refused(#[case] text: &str) {
        assert!(text.parse::<JobId>().is_err());
    }
    #[rstest]
    #[case("123_4", "123", true)]
    #[case("1700000000-1_0", "1700000000-1", true)]
    #[case("Moab.45[37]", "Moab.45", true)]
    #[case("45[37]", "45[]", true)]
    #[case("123_4", "12", false)]
    #[case("123", "123", false)]
    #[case("45[]", "45", false)]
    fn a_task_knows_its_array(#[case] task: &str, #[case] whole: &str, #[case] is: bool) {
        let id = |text: &str| text.parse::<JobId>().unwrap();
        assert_eq!(id(task).is_task_of(&id(whole)), is);
    }
}
