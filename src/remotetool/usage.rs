//! What is wrong with a command line, and how it should look.

use std::{fmt::Write as _, num::ParseIntError};

use super::{
    exit::Exit,
    options::{self, MODES, ModeSpec, OPTIONS},
    words::UnknownWord,
};

/// A command line that cannot be run, with the usage text that helps. Both go to standard error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}\n\n{usage}")]
pub struct UsageError {
    /// What is wrong.
    #[source]
    pub problem: Problem,
    /// How it should look.
    pub usage: String,
}

/// What is wrong with a command line, in the wording of the original where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No mode.
    #[error("mode argument is required")]
    NoMode,
    /// Two modes.
    #[error("only one mode selection is allowed: {0} and {1} are two")]
    SeveralModes(&'static str, &'static str),
    /// An option that no mode has, or not this one.
    #[error("Unknown option: {option}{}", hint(*.nearest))]
    UnknownOption {
        /// The option.
        option: String,
        /// The option of this mode that looks most like it.
        nearest: Option<&'static str>,
    },
    /// An option at the end of the line, or before another.
    #[error("Required argument for {0} is missing.")]
    NoValue(&'static str),
    /// A value that is not a number, or out of its option's range.
    #[error("Unable to read argument value for {option}: `{value}`: {source}")]
    BadNumber {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// Why it is none.
        source: ParseIntError,
    },
    /// A value that is not a time.
    #[error(
        "Unable to read argument value for {option}: `{value}` is not a time such as \
         2014-05-02T01:10:44"
    )]
    BadTime {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// A word that names no state.
    #[error("Unable to read argument value for {option}: {source}")]
    BadState {
        /// The option.
        option: &'static str,
        /// The word, and those there are.
        source: UnknownWord,
    },
    /// An option of one value that is given twice with different ones.
    #[error("{option} is given as `{first}` and as `{second}`")]
    Contradiction {
        /// The option.
        option: &'static str,
        /// Its first value.
        first: String,
        /// Its second value.
        second: String,
    },
    /// An option the mode cannot do without.
    #[error("{0} is required")]
    Required(&'static str),
    /// Words that belong to no option.
    #[error("extra arguments: {0}")]
    Extra(String),
}

impl UsageError {
    pub(super) fn new(problem: Problem, mode: Option<&ModeSpec>) -> Self {
        Self {
            problem,
            usage: usage(mode),
        }
    }

    /// How the process ends: as in the original, a missing required option is an unknown error,
    /// everything else a configuration error.
    pub fn exit(&self) -> Exit {
        match self.problem {
            Problem::Required(_) => Exit::Unknown,
            _ => Exit::Config,
        }
    }
}

/// The usage of one mode, or of all.
pub(super) fn usage(mode: Option<&ModeSpec>) -> String {
    match mode {
        Some(mode) => mode_usage(mode),
        None => all_usage(),
    }
}

fn all_usage() -> String {
    let mut text = "Usage: remotetool <mode> [<options>]\n\n<mode>:\n".to_owned();
    for mode in MODES {
        line(&mut text, mode.name, mode.about);
    }
    text.push_str("\nremotetool <mode> -help lists the options of a mode.\n");
    text.push_str("Example: remotetool -listrun -state pending\n");
    text
}

fn mode_usage(mode: &ModeSpec) -> String {
    let ModeSpec {
        name,
        about,
        example,
        ..
    } = mode;
    let mut text = format!("Usage: remotetool {name} [<options>]\n\n{name}: {about}\n");
    for option in mode.options().filter_map(options::option) {
        let left = match option.value {
            Some(value) => format!("{} {value}", option.name),
            None => option.name.to_owned(),
        };
        if mode.required.contains(&option.name) {
            line(&mut text, &left, &format!("{} (required)", option.about));
        } else {
            line(&mut text, &left, option.about);
        }
    }
    let _infallible = writeln!(text, "\nExample: remotetool {example}");
    text
}

fn line(text: &mut String, left: &str, right: &str) {
    let _infallible = writeln!(text, "  {left:<20}  {right}");
}

/// The option most like `given` among those of `mode`, or of all modes.
pub(super) fn nearest(given: &str, mode: Option<&ModeSpec>) -> Option<&'static str> {
    let candidates: Vec<&'static str> = match mode {
        Some(mode) => mode.options().collect(),
        None => MODES
            .iter()
            .map(|mode| mode.name)
            .chain(OPTIONS.iter().map(|option| option.name))
            .collect(),
    };
    candidates
        .into_iter()
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(likeness, name)| *likeness > 0.85 && *name != given)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

fn hint(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}
