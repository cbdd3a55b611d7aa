//! A job's part of `commands.sh`, read without a shell: what prepare writes and `run-job.sh`
//! evaluates (templates/srun/run-job.sh).

mod words;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use words::{Word, lines};

/// All that a job does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commands {
    /// Number of its first output in the manifest.
    pub base: u64,
    /// Seconds after which it is killed.
    pub limit: Option<u64>,
    /// Record file that it writes.
    pub record: Option<PathBuf>,
    /// Files that must be there and not be empty, or nothing is run.
    pub need: Vec<PathBuf>,
    /// Lines of the record if one is not.
    pub otherwise: Vec<String>,
    /// Its outputs, in the manifest's order.
    pub outputs: Vec<OutputRule>,
    /// Directory that its steps run in.
    pub directory: PathBuf,
    /// Program and arguments of each step, none of them empty.
    pub steps: Vec<Vec<OsString>>,
}

/// An output and what must hold for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRule {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the job has failed without it.
    pub required: bool,
    /// Whether it counts as there when it is empty.
    pub may_be_empty: bool,
}

/// Text that prepare did not write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of a job's commands: {what}: `{text}`")]
pub struct CommandsError {
    /// Line of the job's part, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
    /// The offending text.
    pub text: String,
}

impl Commands {
    /// Reads a job's part.
    ///
    /// # Errors
    /// The first line that prepare does not write.
    pub fn read(slice: &[u8]) -> Result<Self, CommandsError> {
        let text = std::str::from_utf8(slice).map_err(|_| CommandsError {
            line: 1,
            what: "not UTF-8",
            text: String::from_utf8_lossy(slice).chars().take(80).collect(),
        })?;
        let mut commands = Self::default();
        let mut place = Place::Top;
        for (number, line) in lines(text)? {
            let words: Vec<&str> = line.iter().map(|word| word.text.as_str()).collect();
            let wrong = |what| CommandsError {
                line: number,
                what,
                text: words.join(" "),
            };
            place = match place {
                Place::Top => commands.top(&words).ok_or_else(|| wrong("not known"))?,
                Place::Outputs => commands
                    .outputs(&words)
                    .ok_or_else(|| wrong("not an output"))?,
                Place::Job => commands
                    .step(&line, &words)
                    .ok_or_else(|| wrong("not a step"))?,
            };
        }
        match place {
            Place::Top if !commands.steps.is_empty() => Ok(commands),
            _ => Err(CommandsError {
                line: text.lines().count(),
                what: "it ends too early",
                text: text.lines().next_back().unwrap_or_default().to_owned(),
            }),
        }
    }

    fn top(&mut self, words: &[&str]) -> Option<Place> {
        match words {
            ["or_outputs()", "{"] => return Some(Place::Outputs),
            ["or_job()", "{"] => return Some(Place::Job),
            ["or_need", files @ ..] => self.need = files.iter().map(PathBuf::from).collect(),
            ["or_else", lines @ ..] => {
                self.otherwise = lines.iter().map(|line| (*line).to_owned()).collect();
            },
            [setting] => match setting.split_once('=')? {
                ("or_base", number) => self.base = number.parse().ok()?,
                ("or_limit", number) => self.limit = Some(number.parse().ok()?),
                ("or_record", path) => self.record = Some(path.into()),
                _ => return None,
            },
            _ => return None,
        }
        Some(Place::Top)
    }

    fn outputs(&mut self, words: &[&str]) -> Option<Place> {
        match words {
            ["}"] => return Some(Place::Top),
            ["or_check", outputs @ ..] => {
                let (pairs, rest) = outputs.as_chunks::<2>();
                if !rest.is_empty() {
                    return None;
                }
                for [flag, path] in pairs {
                    let (required, may_be_empty) = match *flag {
                        "r" => (true, false),
                        "R" => (true, true),
                        "o" => (false, false),
                        "O" => (false, true),
                        _ => return None,
                    };
                    self.outputs.push(OutputRule {
                        path: Path::new(path).to_owned(),
                        required,
                        may_be_empty,
                    });
                }
            },
            _ => return None,
        }
        Some(Place::Outputs)
    }

    fn step(&mut self, line: &[Word], words: &[&str]) -> Option<Place> {
        if let (["}"], [Word { bare: true, .. }]) = (words, line) {
            return Some(Place::Top);
        }
        let [argv @ .., or, back] = line else {
            return None;
        };
        if !(or.bare && or.text == "||" && back.bare && back.text == "return") {
            return None;
        }
        let arguments = words.get(..argv.len())?;
        match arguments {
            ["cd", directory] if self.directory.as_os_str().is_empty() => {
                self.directory = directory.into();
            },
            [] | ["", ..] => return None,
            argv => self.steps.push(argv.iter().map(OsString::from).collect()),
        }
        Some(Place::Job)
    }
}

/// Where in a job's part a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Outputs,
    Job,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SLICE: &str = r#"or_base=7
or_limit=60
or_record='/s/a b.dbinfo'
or_need '/s/warp 1' /s/w2
or_else '{"quality":4242}'
or_outputs() {
or_check r "/s/o'1" O /s/log
}
or_job() {
cd '/s/a b' || return
mkdir -p 'x
y' '' '}' || return
/bin/sh -c "echo 'a' >b || \$x" || return
}
"#;

    #[test]
    fn all_that_a_job_does_is_read() {
        let rule = |path: &str, required, may_be_empty| OutputRule {
            path: path.into(),
            required,
            may_be_empty,
        };
        let expected = Commands {
            base: 7,
            limit: Some(60),
            record: Some("/s/a b.dbinfo".into()),
            need: vec!["/s/warp 1".into(), "/s/w2".into()],
            otherwise: vec!["{\"quality\":4242}".into()],
            outputs: vec![rule("/s/o'1", true, false), rule("/s/log", false, true)],
            directory: "/s/a b".into(),
            steps: vec![
                ["mkdir", "-p", "x\ny", "", "}"].map(OsString::from).into(),
                ["/bin/sh", "-c", "echo 'a' >b || $x"]
                    .map(OsString::from)
                    .into(),
            ],
        };
        assert_eq!(Commands::read(SLICE.as_bytes()).unwrap(), expected);
    }

    #[rstest]
    #[case(
        "or_base=7",
        "or_base=x",
        "line 1 of a job's commands: not known: `or_base=x`"
    )]
    #[case(
        "or_limit=60",
        "rm -rf /",
        "line 2 of a job's commands: not known: `rm -rf /`"
    )]
    #[case(
        "or_check r",
        "or_check z",
        "line 7 of a job's commands: not an output: `or_check z /s/o'1 O /s/log`"
    )]
    #[case(
        "cd '/s/a b' || return",
        "cd /s",
        "line 10 of a job's commands: not a step: `cd /s`"
    )]
    #[case(
        "mkdir -p",
        "''",
        "line 11 of a job's commands: not a step: ` x\ny  } || return`"
    )]
    #[case(
        "return\n}\n",
        "return\n",
        "line 13 of a job's commands: it ends too early: `/bin/sh -c \"echo 'a' >b || \\$x\" || return`"
    )]
    #[case(
        "/s/w2\n",
        "'/s/w2\n",
        "line 13 of a job's commands: a quote is not closed"
    )]
    fn what_prepare_does_not_write_is_refused(
        #[case] from: &str,
        #[case] to: &str,
        #[case] said: &str,
    ) {
        assert!(SLICE.contains(from));
        let error = Commands::read(SLICE.replacen(from, to, 1).as_bytes());
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            drop(Commands::read(&bytes));
        }
    }
}
