//! The name a scheduler gives a job.

use std::{fmt, str::FromStr};

/// A scheduler's own id of a job: `123`, `123_4` (a Slurm array task), `Moab.17`. Letters,
/// digits, `_`, `.` and `-` only, so that it may stand in any argv.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(String);

/// A text that is no job id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a job id: it must begin with a letter or digit and hold only letters, digits, `_`, `.` and `-`"
)]
pub struct JobIdError(String);

impl JobId {
    /// The id as the scheduler writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the whole array, for the id of one array task.
    pub(super) fn array(&self) -> Option<&str> {
        self.0.split_once('_').map(|(array, _)| array)
    }
}

impl FromStr for JobId {
    type Err = JobIdError;

    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && text.len() <= 128 && text.chars().all(allowed) {
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
    fn anything_a_shell_could_act_on_is_refused(#[case] text: &str) {
        assert!(text.parse::<JobId>().is_err());
    }
}
