//! Legacy dbinfo: one command line a job, read to argv and run only if its program and every
//! option are on the site's allow list (design decision 5). No shell.

use std::collections::BTreeMap;

use crate::config::site::AllowedProgram;

/// A command line that may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    /// The program's path here.
    pub(super) program: std::path::PathBuf,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
}

/// Reads a legacy dbinfo line.
///
/// # Errors
/// When it is empty, not one line, badly quoted, or not allowed; the text says which word.
pub(super) fn read(
    text: &str,
    allowed: &BTreeMap<String, AllowedProgram>,
) -> Result<Command, String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let line = lines.next().ok_or("its dbinfo is empty")?;
    if let Some(more) = lines.next() {
        return Err(format!("its dbinfo has more than one line: `{more}`"));
    }
    let words =
        shlex::split(line).ok_or_else(|| format!("its dbinfo is badly quoted: `{line}`"))?;
    let (name, arguments) = words.split_first().ok_or("its dbinfo is empty")?;
    let program = allowed.get(name).ok_or_else(|| {
        format!("its dbinfo asks for `{name}`, which `legacy_dbinfo` does not allow")
    })?;
    let is_option = |word: &&String| word.starts_with('-') && word.parse::<f64>().is_err();
    if let Some(option) = arguments
        .iter()
        .filter(is_option)
        .find(|word| !program.options.contains(word))
    {
        return Err(format!(
            "its dbinfo gives `{name}` the option `{option}`, which `legacy_dbinfo` does not allow"
        ));
    }
    Ok(Command {
        program: program.path.clone(),
        arguments: arguments.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> BTreeMap<String, AllowedProgram> {
        let options = ["-addprocessedimfile", "-exp_id", "-bg", "-dbname"]
            .map(String::from)
            .to_vec();
        BTreeMap::from([(
            "chiptool".into(),
            AllowedProgram {
                path: "/opt/chiptool".into(),
                options,
            },
        )])
    }

    #[test]
    fn values_with_hyphens_stay_whole() {
        let line = "chiptool -addprocessedimfile -exp_id 91 -bg -1.2e-05 -dbname 'my-db'";
        let command = read(line, &allowed()).unwrap();
        assert_eq!(command.arguments[4], "-1.2e-05");
        assert_eq!(command.arguments[6], "my-db");
    }

    #[test]
    fn what_is_not_on_the_list_is_not_run() {
        for (line, word) in [
            ("rm -rf /", "`rm`"),
            ("chiptool -dropeverything", "`-dropeverything`"),
            ("chiptool -exp_id 'x", "badly quoted"),
            ("", "empty"),
            (
                "chiptool -exp_id 1\nchiptool -exp_id 2",
                "more than one line",
            ),
        ] {
            let error = read(line, &allowed()).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn nothing_is_left_to_a_shell() {
        let command = read("chiptool -exp_id $(reboot)", &allowed()).unwrap();
        assert_eq!(command.arguments[1], "$(reboot)");
    }
}
