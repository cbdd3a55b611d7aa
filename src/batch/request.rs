//! What a batch job asks for, and the words that may stand in a directive.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::config::{site::Site, units::Seconds};

/// What a batch job asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The job's name: the text of a [`Token`](super::Token).
    pub name: String,
    /// Nodes.
    pub nodes: u32,
    /// Cores of each node.
    pub cores_per_node: u32,
    /// Walltime.
    pub walltime: Seconds,
    /// File on the site that the job's output goes to; its directory must exist.
    pub output: PathBuf,
    /// The tasks of the array that it is, each of which asks for these nodes and this walltime.
    pub array: Option<JobArray>,
    /// Account that is charged.
    pub account: Option<String>,
    /// Moab class.
    pub queue: Option<String>,
    /// Quality of service.
    pub qos: Option<String>,
    /// Partition.
    pub partition: Option<String>,
    /// Advance reservation.
    pub reservation: Option<String>,
    /// Node features.
    pub constraint: Option<String>,
    /// Further directives, each without its `#SBATCH` or `#MSUB`.
    pub directives: Vec<String>,
}

/// The tasks of a job array, numbered from 0. Shown as `0-7%4` is by Slurm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobArray {
    /// How many; more than none.
    pub tasks: u32,
    /// Most of them at once.
    pub max_running: Option<u32>,
}

impl JobArray {
    /// So many tasks at `site`; `None` of none.
    pub fn of(site: &Site, tasks: Option<u32>) -> Option<Self> {
        let max_running = site.array.as_ref().and_then(|array| array.max_running);
        tasks
            .filter(|tasks| *tasks > 0)
            .map(|tasks| Self { tasks, max_running })
    }

    /// The number of the last one.
    pub(super) fn last(self) -> u32 {
        self.tasks.saturating_sub(1)
    }

    /// `%4`, or nothing.
    pub(super) fn throttle(self) -> String {
        self.max_running
            .map_or_else(String::new, |most| format!("%{most}"))
    }
}

impl fmt::Display for JobArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0-{}{}", self.last(), self.throttle())
    }
}

/// A request that cannot be written as directives.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// A value holds a character that could end the directive or mean something else.
    #[error("`{key}` may not hold {found:?} (in {text:?}): {hint}")]
    Character {
        /// The key of `outrigger.yaml`, or `name` or `output`.
        key: &'static str,
        /// Its value.
        text: String,
        /// The character that is not allowed.
        found: char,
        /// What is allowed.
        hint: &'static str,
    },
    /// A value has a form that would be taken for something else.
    #[error("`{key}` is {text:?}: {hint}")]
    Form {
        /// The key.
        key: &'static str,
        /// Its value.
        text: String,
        /// What is wrong with it.
        hint: &'static str,
    },
    /// The scheduler has no word for a key.
    #[error("{scheduler} has no `{key}`: remove the key, or use {instead}")]
    NoWord {
        /// The key.
        key: &'static str,
        /// The scheduler.
        scheduler: &'static str,
        /// Which key says the same.
        instead: &'static str,
    },
}

impl DirectiveError {
    /// The key of `outrigger.yaml` it is about, or `name` or `output`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Character { key, .. } | Self::Form { key, .. } | Self::NoWord { key, .. } => key,
        }
    }
}

impl JobRequest {
    /// The request for `nodes` nodes of `site` during `walltime`, charged as the site says.
    pub fn new(
        site: &Site,
        name: impl Into<String>,
        nodes: u32,
        walltime: Seconds,
        output: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            nodes,
            cores_per_node: site.nodes.cores,
            walltime,
            output: output.into(),
            array: None,
            account: site.account.clone(),
            queue: site.queue.clone(),
            qos: site.qos.clone(),
            partition: site.partition.clone(),
            reservation: site.reservation.clone(),
            constraint: site.constraint.clone(),
            directives: site.directives.clone(),
        }
    }

    /// The name, checked.
    pub(super) fn checked_name(&self) -> Result<&str, DirectiveError> {
        Words::NAME.check("name", &self.name)
    }

    /// The output file, checked.
    pub(super) fn checked_output(&self) -> Result<&str, DirectiveError> {
        let text = path_text(&self.output)?;
        if !text.starts_with('/') {
            return Err(DirectiveError::Form {
                key: "output",
                text: text.to_owned(),
                hint: "it must be an absolute path",
            });
        }
        Words::PATH.check("output", text)
    }

    /// The optional keys that are set, checked, in the order of this struct.
    pub(super) fn checked_options(&self) -> Result<Vec<(&'static str, &str)>, DirectiveError> {
        let keys = [
            ("account", &self.account, Words::VALUE),
            ("queue", &self.queue, Words::VALUE),
            ("qos", &self.qos, Words::VALUE),
            ("partition", &self.partition, Words::VALUE),
            ("reservation", &self.reservation, Words::VALUE),
            ("constraint", &self.constraint, Words::CONSTRAINT),
        ];
        keys.into_iter()
            .filter_map(|(key, value, words)| {
                let value = value.as_deref()?;
                Some(words.check(key, value).map(|value| (key, value)))
            })
            .collect()
    }

    /// The further directives, checked.
    pub(super) fn checked_directives(&self) -> Result<Vec<&str>, DirectiveError> {
        self.directives
            .iter()
            .map(|line| {
                let text = Words::DIRECTIVE.check("directives", line)?;
                if text.starts_with('-') {
                    Ok(text)
                } else {
                    Err(DirectiveError::Form {
                        key: "directives",
                        text: line.clone(),
                        hint: "write the option alone, beginning with `-`, without `#SBATCH` or `#MSUB`",
                    })
                }
            })
            .collect()
    }
}

fn path_text(path: &Path) -> Result<&str, DirectiveError> {
    path.to_str().ok_or_else(|| DirectiveError::Form {
        key: "output",
        text: path.to_string_lossy().into_owned(),
        hint: "the scheduler takes only UTF-8 paths",
    })
}

/// The characters that a kind of value may be made of, besides letters and digits.
struct Words {
    signs: &'static str,
    dash_first: bool,
    hint: &'static str,
}

impl Words {
    const NAME: Self = Self {
        signs: "-_.",
        dash_first: false,
        hint: "letters, digits, `-`, `_` and `.` are allowed",
    };
    const VALUE: Self = Self {
        signs: "-_.,:/+@=",
        dash_first: false,
        hint: "letters, digits and `-_.,:/+@=` are allowed",
    };
    const CONSTRAINT: Self = Self {
        signs: "-_.,:/+@=&|*()[]",
        dash_first: false,
        hint: "letters, digits and `-_.,:/+@=&|*()[]` are allowed",
    };
    const PATH: Self = Self {
        signs: "-_.,:/+@=~",
        dash_first: false,
        hint: "schedulers expand or split it; letters, digits and `-_.,:/+@=~` are allowed",
    };
    const DIRECTIVE: Self = Self {
        signs: "-_.,:/+@=&|*()[]% ",
        dash_first: true,
        hint: "letters, digits, blanks and `-_.,:/+@=&|*()[]%` are allowed",
    };

    fn check<'a>(&self, key: &'static str, text: &'a str) -> Result<&'a str, DirectiveError> {
        let allowed = |c: &char| c.is_ascii_alphanumeric() || self.signs.contains(*c);
        if let Some(found) = text.chars().find(|c| !allowed(c)) {
            return Err(DirectiveError::Character {
                key,
                text: text.to_owned(),
                found,
                hint: self.hint,
            });
        }
        if text.trim().is_empty() {
            return Err(DirectiveError::Form {
                key,
                text: text.to_owned(),
                hint: "it is empty: remove the key or give it a value",
            });
        }
        if text.starts_with('-') && !self.dash_first {
            return Err(DirectiveError::Form {
                key,
                text: text.to_owned(),
                hint: "it would be taken for an option: it may not begin with `-`",
            });
        }
        Ok(text)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::batch::{Dialect, Moab, Slurm};

    pub(in crate::batch) fn request() -> JobRequest {
        JobRequest {
            name: "or-12-1-9f3c01ab".into(),
            nodes: 4,
            cores_per_node: 24,
            walltime: Seconds(8 * 3600),
            output: "/scratch3/survey/runs/12/job.out".into(),
            array: None,
            account: Some("ps1".into()),
            queue: None,
            qos: Some("standard".into()),
            partition: None,
            reservation: Some("maint_2".into()),
            constraint: None,
            directives: Vec::new(),
        }
    }

    #[rstest]
    #[case("ps1\n#SBATCH --uid=0", '\n')]
    #[case("ps1 #x", ' ')]
    #[case("ps1#x", '#')]
    #[case("ps1\r", '\r')]
    #[case("$(id)", '$')]
    #[case("a;b", ';')]
    #[case("a'b", '\'')]
    #[case("ps\u{2028}1", '\u{2028}')]
    fn an_account_cannot_smuggle_in_a_directive(#[case] account: &str, #[case] sign: char) {
        let mut request = request();
        request.account = Some(account.into());
        let error = Slurm::new(None).directives(&request).unwrap_err();
        assert!(
            matches!(&error, DirectiveError::Character { key: "account", found, text, .. }
                if *found == sign && text == account),
            "{error}"
        );
    }

    #[test]
    fn an_error_names_the_key_and_the_text() {
        let mut request = request();
        request.qos = Some("a b".into());
        insta::assert_snapshot!(
            Moab::new(None).directives(&request).unwrap_err(),
            @r#"`qos` may not hold ' ' (in "a b"): letters, digits and `-_.,:/+@=` are allowed"#
        );
    }

    #[rstest]
    #[case("#SBATCH --gres=gpu")]
    #[case("gres=gpu")]
    #[case("--comment=a\nreboot")]
    #[case("")]
    fn a_further_directive_is_one_option(#[case] line: &str) {
        let mut request = request();
        request.directives = vec![line.into()];
        assert!(Slurm::new(None).directives(&request).is_err());
    }

    #[rstest]
    #[case("job.out")]
    #[case("/scratch/my run/job.out")]
    #[case("/scratch/%u/job.out")]
    #[case("/scratch/$USER/job.out")]
    fn an_output_path_that_the_scheduler_would_change_is_refused(#[case] path: &str) {
        let mut request = request();
        request.output = path.into();
        assert!(Slurm::new(None).directives(&request).is_err());
        assert!(Moab::new(None).directives(&request).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_stays_one_directive_a_line(
            name in "(?s).{0,12}",
            account in proptest::option::of("(?s).{0,12}"),
            constraint in proptest::option::of("(?s).{0,12}"),
            directive in "(?s)-.{0,12}",
        ) {
            let asked = JobRequest {
                name, account, constraint, directives: vec![directive], ..request()
            };
            for scheduler in [&Slurm::new(None) as &dyn Dialect, &Moab::new(None)] {
                for line in scheduler.directives(&asked).unwrap_or_default() {
                    let prefix = ["#SBATCH -", "#MSUB -"].iter().any(|p| line.starts_with(p));
                    prop_assert!(prefix, "{line:?}");
                    prop_assert!(!line.chars().any(char::is_control), "{line:?}");
                    prop_assert_eq!(line.matches('#').count(), 1, "{:?}", line);
                }
            }
        }
    }
}
