//! The settings of the scheduler's programs: the original's configuration file
//! (spec/pantasks.md §1.10).
//!
//! A line is `NAME value`; `input FILE` takes the lines of another file in its place; `#` begins a
//! line nobody reads. `$OTHER` in a value is the value of that setting, or of the environment's
//! variable where there is no such setting; `\$` is a dollar. Of several lines with one name the
//! last holds. Values are expanded when they are asked for, so what nobody asks for cannot be wrong.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;

use super::options::Options;

/// The variable of the environment that names the file.
const VARIABLE: &str = "PTOLEMY";
/// The file in the working directory.
const HERE: &str = "ptolemy.rc";
/// The file in the home directory.
const HOME: &str = ".ptolemyrc";

/// Most files within each other.
const NESTING: usize = 20;

/// Most settings that lead from one to the next by `$NAME`.
const CHAIN: usize = 50;

/// Settings as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    entries: Vec<Entry>,
    environment: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    value: String,
    origin: Origin,
}

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file, at a line; the first is 1.
    File(Arc<Path>, usize),
    /// On the command line (`-D`, `-C`).
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// What is wrong with settings.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file that the command line or the environment names cannot be read.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that another one names cannot be read.
    #[error("{at}: input {path}: {source}", path = .path.display())]
    Input {
        /// The line that names it.
        at: Origin,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Files within files without an end.
    #[error("{0}: input files are nested more than {NESTING} deep: a file that names itself?")]
    Nested(Origin),
    /// A value names what is not there.
    #[error("{at}: {name}: there is no setting ${missing} and no such variable of the environment")]
    Missing {
        /// Where the value stands.
        at: Origin,
        /// Its name.
        name: String,
        /// What it names.
        missing: String,
    },
    /// Values that lead back to themselves.
    #[error("{at}: {name}: the value leads back to itself")]
    Circle {
        /// Where the value stands.
        at: Origin,
        /// Its name.
        name: String,
    },
    /// A value that cannot be used.
    #[error("{at}: {name} {value}: {reason}")]
    Value {
        /// Where the value stands.
        at: Origin,
        /// Its name.
        name: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Settings {
    /// The settings that hold for a command line: those of the file it names with `-c`, else of
    /// the one `$PTOLEMY` names, else of `./ptolemy.rc`, else of `~/.ptolemyrc`; its own `-D` and
    /// `-C` win.
    ///
    /// # Errors
    /// [`SettingsError`]; that neither of the last two files is there is none.
    pub fn of(options: &Options) -> Result<Self, SettingsError> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let mut settings = Self {
            entries: Vec::new(),
            environment,
        };
        let named = options.config.clone();
        let named = named.or_else(|| settings.variable(VARIABLE).map(PathBuf::from));
        let home = settings
            .variable("HOME")
            .map(|home| Path::new(home).join(HOME));
        let file = named.or_else(|| {
            let usual = [Some(PathBuf::from(HERE)), home];
            usual.into_iter().flatten().find(|path| path.is_file())
        });
        if let Some(path) = file {
            let text = read(&path).map_err(|source| SettingsError::File {
                path: path.clone(),
                source,
            })?;
            settings.take(&path, &text, 0)?;
        }
        for (name, value) in &options.settings {
            settings.push(name, value, Origin::CommandLine);
        }
        Ok(settings)
    }

    /// The value of a setting; none where it is not set, or to nothing.
    ///
    /// # Errors
    /// [`SettingsError::Missing`], [`SettingsError::Circle`].
    pub fn get(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let Some(entry) = self.last(name) else {
            return Ok(None);
        };
        let value = self.expand(entry, &entry.value, CHAIN)?;
        Ok(Some(value).filter(|value| !value.is_empty()))
    }

    /// The values of all lines with this name, in order; those of the command line alone where it
    /// has any.
    ///
    /// # Errors
    /// [`SettingsError::Missing`], [`SettingsError::Circle`].
    pub fn all(&self, name: &str) -> Result<Vec<String>, SettingsError> {
        let own = |entry: &&Entry| entry.name == name;
        let typed = |entry: &&Entry| entry.origin == Origin::CommandLine;
        let only_typed = self.entries.iter().filter(own).any(|entry| typed(&entry));
        let entries = self.entries.iter().filter(own);
        entries
            .filter(|entry| !only_typed || typed(entry))
            .map(|entry| self.expand(entry, &entry.value, CHAIN))
            .collect()
    }

    /// The error that the value of `name` cannot be used.
    pub fn unusable(&self, name: &str, reason: impl Into<String>) -> SettingsError {
        let entry = self.last(name);
        SettingsError::Value {
            at: entry.map_or(Origin::CommandLine, |entry| entry.origin.clone()),
            name: name.to_owned(),
            value: entry.map(|entry| entry.value.clone()).unwrap_or_default(),
            reason: reason.into(),
        }
    }

    /// A variable of the environment as it was when the settings were read.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.environment.iter();
        let found = variables.find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn take(&mut self, path: &Path, text: &str, depth: usize) -> Result<(), SettingsError> {
        let file: Arc<Path> = Arc::from(path);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = Origin::File(Arc::clone(&file), index + 1);
            let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let value = value.trim();
            if name != "input" {
                self.push(name, value, at);
                continue;
            }
            if depth + 1 >= NESTING {
                return Err(SettingsError::Nested(at));
            }
            let entry = Entry {
                name: name.to_owned(),
                value: value.to_owned(),
                origin: at.clone(),
            };
            let named = self.expand(&entry, value, CHAIN)?;
            let inner = path.parent().unwrap_or(Path::new("")).join(named);
            let text = read(&inner).map_err(|source| SettingsError::Input {
                at,
                path: inner.clone(),
                source,
            })?;
            self.take(&inner, &text, depth + 1)?;
        }
        Ok(())
    }

    fn push(&mut self, name: &str, value: &str, origin: Origin) {
        self.entries.push(Entry {
            name: name.to_owned(),
            value: value.to_owned(),
            origin,
        });
    }

    fn last(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.name == name)
    }

    /// `text`, which stands in `entry`, with each `$NAME` replaced, over at most `left` steps.
    fn expand(&self, entry: &Entry, text: &str, left: usize) -> Result<String, SettingsError> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            if let Some(before) = before.strip_suffix('\\') {
                expanded.push_str(before);
                expanded.push('$');
                rest = after;
                continue;
            }
            expanded.push_str(before);
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, behind) = after
                .split_at_checked(end.unwrap_or(after.len()))
                .unwrap_or(("", after));
            rest = behind;
            if name.is_empty() {
                expanded.push('$');
            } else if let Some(other) = self.last(name) {
                let Some(left) = left.checked_sub(1) else {
                    return Err(SettingsError::Circle {
                        at: entry.origin.clone(),
                        name: entry.name.clone(),
                    });
                };
                expanded.push_str(&self.expand(other, &other.value, left)?);
            } else if let Some(value) = self.variable(name) {
                expanded.push_str(value);
            } else {
                return Err(SettingsError::Missing {
                    at: entry.origin.clone(),
                    name: entry.name.clone(),
                    missing: name.to_owned(),
                });
            }
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

fn read(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read_from(text: &str, own: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("x.rc");
        std::fs::write(&file, text).unwrap();
        std::fs::write(directory.path().join("inner.rc"), "# inner\nB inner\n").unwrap();
        Settings::of(&Options {
            config: Some(file),
            settings: own
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
            ..Options::default()
        })
    }

    #[rstest]
    #[case::plain("A one  two ", Some("one  two"))]
    #[case::last_wins("A 1\nA 2\n", Some("2"))]
    #[case::other("A $B/x$B.y\nB 7", Some("7/x7.y"))]
    #[case::dollar("A \\$B $ 5", Some("$B $ 5"))]
    #[case::inner("input inner.rc\nA $B", Some("inner"))]
    #[case::named_file("F inner\ninput $F.rc\nA $B", Some("inner"))]
    #[case::comment("# A 1", None)]
    #[case::nothing("A", None)]
    fn a_value(#[case] text: &str, #[case] value: Option<&str>) {
        let settings = read_from(text, &[]).unwrap();
        assert_eq!(settings.get("A").unwrap().as_deref(), value);
    }

    #[test]
    fn the_command_line_wins() {
        let settings = read_from("A 1\nM x\nM y\nN x\n", &[("A", "$N"), ("N", "2")]).unwrap();
        assert_eq!(settings.get("A").unwrap().as_deref(), Some("2"));
        assert_eq!(settings.all("M").unwrap(), ["x", "y"]);
        assert_eq!(settings.all("N").unwrap(), ["2"]);
    }

    #[rstest]
    #[case("B 1\nA $NO_SUCH_NAME", "x.rc:2: A: there is no setting $NO_SUCH_NAME")]
    #[case("A $B\nB $A", ": the value leads back to itself")]
    #[case("\ninput none.rc", "x.rc:2: input ")]
    #[case("input x.rc", "x.rc:1: input files are nested more than 20 deep")]
    fn what_is_wrong_is_told_with_its_place(#[case] text: &str, #[case] said: &str) {
        let error = match read_from(text, &[]) {
            Ok(settings) => settings.get("A").unwrap_err(),
            Err(error) => error,
        };
        let error = error.to_string();
        assert!(error.contains(said), "{error}");
    }
}
