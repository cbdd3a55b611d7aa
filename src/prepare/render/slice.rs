//! A job's part of `commands.sh`: what `run-job.sh` evaluates (templates/srun/run-job.sh).

use crate::prepare::template::quote;

/// Longest argument that Linux gives to a program (`MAX_ARG_STRLEN`, with its NUL), in bytes.
const MAX_ARGUMENT: usize = 131_071;
/// Longest slice, in bytes: it is read into a variable of the shell.
const MAX_SLICE: usize = 1 << 20;

/// One step, rendered.
#[derive(Debug)]
pub(super) enum StepText {
    /// Program and arguments.
    Argv(Vec<String>),
    /// A line for a shell of its own.
    Shell(String),
}

/// What must hold before a job starts.
#[derive(Debug)]
pub(super) struct PrecheckText {
    /// Files that must not be missing or empty.
    pub(super) files: Vec<String>,
    /// Lines of the record if one is.
    pub(super) otherwise: Vec<String>,
}

/// All that a job does.
#[derive(Debug)]
pub(super) struct JobText<'a> {
    /// Directory that its steps run in.
    pub(super) root: &'a str,
    /// Seconds after which it is killed.
    pub(super) limit: Option<u64>,
    /// Record file that it writes.
    pub(super) record: Option<String>,
    pub(super) precheck: Option<PrecheckText>,
    pub(super) steps: Vec<StepText>,
    /// Each output with whether it is required and whether it may be empty.
    pub(super) outputs: Vec<(&'a str, bool, bool)>,
}

impl JobText<'_> {
    /// The slice. A step that fails ends the job; a shell line runs in a shell of its own, so that
    /// whatever it says it cannot end the wrapper.
    pub(super) fn slice(&self) -> Result<Vec<u8>, String> {
        let mut text = String::with_capacity(1024);
        if let Some(limit) = self.limit {
            line(&mut text, &["or_limit=", &limit.to_string()]);
        }
        if let Some(record) = &self.record {
            line(&mut text, &["or_record=", &quote(record)?]);
        }
        if let Some(precheck) = &self.precheck {
            words(&mut text, "or_need", precheck.files.iter())?;
            words(&mut text, "or_else", precheck.otherwise.iter())?;
        }
        text.push_str("or_outputs() {\nor_check");
        for (path, required, may_be_empty) in &self.outputs {
            let flag = match (required, may_be_empty) {
                (true, false) => " r ",
                (true, true) => " R ",
                (false, false) => " o ",
                (false, true) => " O ",
            };
            text.push_str(flag);
            text.push_str(&quote(path)?);
        }
        text.push_str("\n}\nor_job() {\n");
        line(&mut text, &["cd ", &quote(self.root)?, " || return"]);
        for step in &self.steps {
            match step {
                StepText::Argv(arguments) => {
                    let (program, rest) = arguments.split_first().ok_or("a step is empty")?;
                    if program.is_empty() {
                        return Err("a step names no program".into());
                    }
                    text.push_str(&quote(fits(program)?)?);
                    for argument in rest {
                        text.push(' ');
                        text.push_str(&quote(fits(argument)?)?);
                    }
                    text.push_str(" || return\n");
                },
                StepText::Shell(script) => {
                    line(
                        &mut text,
                        &["/bin/sh -c ", &quote(fits(script)?)?, " || return"],
                    );
                },
            }
        }
        text.push_str("}\n");
        if text.len() > MAX_SLICE {
            return Err(format!(
                "its commands take {} bytes, over the limit of {MAX_SLICE}",
                text.len()
            ));
        }
        Ok(text.into_bytes())
    }
}

fn line(text: &mut String, pieces: &[&str]) {
    text.extend(pieces.iter().copied());
    text.push('\n');
}

fn words<'a>(
    text: &mut String,
    function: &str,
    arguments: impl Iterator<Item = &'a String>,
) -> Result<(), String> {
    text.push_str(function);
    for argument in arguments {
        text.push(' ');
        text.push_str(&quote(argument)?);
    }
    text.push('\n');
    Ok(())
}

fn fits(argument: &str) -> Result<&str, String> {
    if argument.len() <= MAX_ARGUMENT {
        return Ok(argument);
    }
    let start: String = argument.chars().take(40).collect();
    Err(format!(
        "an argument of {} bytes is over the limit of {MAX_ARGUMENT}: `{start}…`",
        argument.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(steps: Vec<StepText>) -> JobText<'static> {
        JobText {
            root: "/scratch/a b",
            limit: Some(60),
            record: Some("/scratch/x.dbinfo".into()),
            precheck: Some(PrecheckText {
                files: vec!["/scratch/warp 1".into()],
                otherwise: vec!["{\"quality\":4242}".into()],
            }),
            steps,
            outputs: vec![("/scratch/o'1", true, false), ("/scratch/log", false, true)],
        }
    }

    #[test]
    fn a_slice_holds_all_that_a_job_does() {
        let steps = vec![
            StepText::Argv(vec![
                "mkdir".into(),
                "-p".into(),
                "x y".into(),
                String::new(),
            ]),
            StepText::Shell("echo 'a' >b".into()),
        ];
        let slice = String::from_utf8(job(steps).slice().unwrap()).unwrap();
        insta::assert_snapshot!(slice, @r#"
        or_limit=60
        or_record=/scratch/x.dbinfo
        or_need '/scratch/warp 1'
        or_else '{"quality":4242}'
        or_outputs() {
        or_check r "/scratch/o'1" O /scratch/log
        }
        or_job() {
        cd '/scratch/a b' || return
        mkdir -p 'x y' '' || return
        /bin/sh -c "echo 'a' >b" || return
        }
        "#);
    }

    #[test]
    fn what_no_program_can_be_given_is_refused() {
        let error = |argument: String| {
            job(vec![StepText::Argv(vec!["p".into(), argument])])
                .slice()
                .unwrap_err()
        };
        assert_eq!(error("a\0b".into()), "`a\\0b` holds a NUL");
        assert!(error("x".repeat(131_072)).starts_with("an argument of 131072 bytes"));
        let many = (0..10)
            .map(|_| StepText::Shell("x".repeat(120_000)))
            .collect();
        assert!(
            job(many)
                .slice()
                .unwrap_err()
                .contains("over the limit of 1048576")
        );
    }
}
