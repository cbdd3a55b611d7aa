//! The command line of the scheduler's programs (spec/pantasks.md §1.10).

use std::{ffi::OsString, path::PathBuf};

use thiserror::Error;

/// What a command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// How to use the program.
    Help,
    /// Which program it is.
    Version,
    /// To run it.
    Run(Options),
}

/// The options of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Whether the rc file is loaded.
    pub rc: bool,
    /// Files to load before anything else.
    pub load: Vec<PathBuf>,
    /// Whether that is all.
    pub only: bool,
    /// Whether each expanded line is shown.
    pub trace: bool,
    /// The file with the settings, if it was named.
    pub config: Option<PathBuf>,
    /// Settings that win over those of the file, in order.
    pub settings: Vec<(String, String)>,
    /// The script.
    pub script: Option<PathBuf>,
    /// Its words.
    pub words: Vec<String>,
}

/// A command line that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// No such option.
    #[error("unknown option {0}")]
    Unknown(String),
    /// An option that lacks its value.
    #[error("{0} needs a value")]
    Value(&'static str),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rc: true,
            load: Vec::new(),
            only: false,
            trace: false,
            config: None,
            settings: Vec::new(),
            script: None,
            words: Vec::new(),
        }
    }
}

/// Reads a command line. Everything behind the script is the script's.
///
/// # Errors
/// [`OptionsError`].
pub fn parse(arguments: &[OsString]) -> Result<Asked, OptionsError> {
    let mut options = Options::default();
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = |option| words.next().ok_or(OptionsError::Value(option));
        match word.to_str().unwrap_or_default() {
            "-h" | "--help" | "-help" => return Ok(Asked::Help),
            "--version" => return Ok(Asked::Version),
            "--norc" | "--no-rc" => options.rc = false,
            "--load" => options.load.push(value("--load")?.into()),
            "--only" => options.only = true,
            "--trace" => options.trace = true,
            "-c" => options.config = Some(value("-c")?.into()),
            "-C" => {
                let word = text(value("-C")?);
                options.settings.push(("CONFIG".to_owned(), word));
            },
            "-D" => {
                let name = text(value("-D")?);
                options.settings.push((name, text(value("-D")?)));
            },
            option if option.starts_with('-') && option.len() > 1 => {
                return Err(OptionsError::Unknown(option.to_owned()));
            },
            _ => {
                options.script = Some(word.into());
                options.words = words.map(text).collect();
                break;
            },
        }
    }
    Ok(Asked::Run(options))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn parsed(line: &str) -> Result<Asked, OptionsError> {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        parse(&words)
    }

    #[test]
    fn what_stands_behind_the_script_is_the_scripts() {
        let options = Options {
            rc: false,
            load: vec!["a.pro".into(), "b.pro".into()],
            settings: vec![("PORT".into(), "2000".into())],
            script: Some("night.pro".into()),
            words: vec!["--only".into(), "x".into()],
            ..Options::default()
        };
        let line = "--norc --load a.pro --load b.pro -D PORT 2000 night.pro --only x";
        assert_eq!(parsed(line), Ok(Asked::Run(options)));
    }

    #[rstest]
    #[case("--load", OptionsError::Value("--load"))]
    #[case("-D NAME", OptionsError::Value("-D"))]
    #[case("--nonsense", OptionsError::Unknown("--nonsense".into()))]
    fn a_wrong_line_is_told(#[case] line: &str, #[case] error: OptionsError) {
        assert_eq!(parsed(line), Err(error));
    }
}
