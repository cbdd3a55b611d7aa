//! How a job can end, and which macro of its task follows.

use std::fmt;

use crate::process::Outcome;

/// How a job came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The program ended with this status.
    Exit(i32),
    /// A signal ended the program.
    Crash(i32),
    /// The job outlived its timeout.
    Timeout,
    /// The job was not started within its pending period.
    Pending,
    /// The program could not be started, for the reason given: it does not exist, or there are
    /// too many processes. Counts as exit status 1 (spec/pantasks.md §3.6).
    NotStarted(String),
    /// The host or the controller that ran it answers no more, and it cannot be run again.
    Lost(String),
    /// A human removed it.
    Killed,
}

impl End {
    /// What `$JOB_STATUS` holds: the exit status, or a word.
    pub fn status(&self) -> String {
        match self {
            Self::Exit(code) => code.to_string(),
            Self::NotStarted(_) => "1".to_owned(),
            Self::Crash(_) | Self::Lost(_) => "CRASH".to_owned(),
            Self::Timeout => "TIMEOUT".to_owned(),
            Self::Pending => "PENDING".to_owned(),
            Self::Killed => "KILLED".to_owned(),
        }
    }

    /// Whether the job counts as a success.
    pub fn is_success(&self) -> bool {
        *self == Self::Exit(0)
    }
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Exit(code) => Self::Exit(code),
            Outcome::Signal(signal) => Self::Crash(signal),
            Outcome::NotStarted(why) => Self::NotStarted(why),
            Outcome::Blocked => Self::Timeout,
            Outcome::Stopped => Self::Killed,
            Outcome::Lost(why) => Self::Lost(why),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Crash(signal) => write!(f, "ended by signal {signal}"),
            Self::Timeout => f.write_str("timeout"),
            Self::Pending => f.write_str("not started in time"),
            Self::NotStarted(why) => write!(f, "not started: {why}"),
            Self::Lost(why) => write!(f, "lost: {why}"),
            Self::Killed => f.write_str("killed"),
        }
    }
}

/// The `task.exit` macros of one task, in the order of their definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitMacros<B>(Vec<(String, B)>);

impl<B> Default for ExitMacros<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Names that are no exit values.
pub(super) const RESERVED: [&str; 4] = ["timeout", "crash", "default", "pending"];

impl<B> ExitMacros<B> {
    /// Sets the macro `name`; the same name again replaces it in its place. Names are compared
    /// as text, so `0` and `00` are two macros (spec/pantasks.md §3.1).
    pub fn set(&mut self, name: &str, body: B) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = body,
            None => self.0.push((name.to_owned(), body)),
        }
    }

    /// The names and bodies in the order of their definition.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &B)> {
        self.0.iter().map(|(name, body)| (name.as_str(), body))
    }

    /// The macro that follows `end`, with its name. An exit status without a macro of its own
    /// gets `default`; a crash, a timeout and a job that was never started get only theirs
    /// (spec/pantasks.md §3.4); a killed job gets none.
    pub fn pick(&self, end: &End) -> Option<(&str, &B)> {
        let named = |wanted: &str| self.iter().find(|(name, _)| *name == wanted);
        let by_status = |status| {
            self.iter()
                .find(|(name, _)| !RESERVED.contains(name) && leading_integer(name) == status)
                .or_else(|| named("default"))
        };
        match end {
            End::Exit(code) => by_status(*code),
            End::NotStarted(_) => by_status(1),
            End::Crash(_) | End::Lost(_) => named("crash"),
            End::Timeout => named("timeout"),
            End::Pending => named("pending"),
            End::Killed => None,
        }
    }
}

/// The number a word begins with, 0 where it begins with none: how the original read exit names.
pub(super) fn leading_integer(word: &str) -> i32 {
    let word = word.trim_start();
    let sign = word.starts_with(['-', '+']);
    let digits = word
        .bytes()
        .skip(usize::from(sign))
        .take_while(u8::is_ascii_digit)
        .count();
    let end = digits + usize::from(sign);
    word.get(..end).map_or(0, |n| n.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn macros(names: &[&'static str]) -> ExitMacros<usize> {
        let mut macros = ExitMacros::default();
        for (n, name) in names.iter().enumerate() {
            macros.set(name, n);
        }
        macros
    }

    #[rstest]
    #[case::own_status(&["0", "5", "default"], End::Exit(5), Some("5"))]
    #[case::default_for_the_rest(&["0", "default"], End::Exit(9), Some("default"))]
    #[case::none_without_default(&["0", "crash"], End::Exit(9), None)]
    #[case::an_unknown_word_counts_as_zero(&["success"], End::Exit(0), Some("success"))]
    #[case::reserved_words_are_no_zero(&["timeout", "crash", "pending"], End::Exit(0), None)]
    #[case::first_of_equal_values(&["00", "0"], End::Exit(0), Some("00"))]
    #[case::crash_has_no_default(&["default"], End::Crash(11), None)]
    #[case::crash(&["default", "crash"], End::Crash(11), Some("crash"))]
    #[case::lost_is_a_crash(&["default", "crash"], End::Lost("gone".into()), Some("crash"))]
    #[case::timeout(&["default", "timeout"], End::Timeout, Some("timeout"))]
    #[case::timeout_has_no_default(&["default"], End::Timeout, None)]
    #[case::pending(&["default", "pending"], End::Pending, Some("pending"))]
    #[case::missing_program_is_status_1(&["0", "1"], End::NotStarted("no".into()), Some("1"))]
    #[case::missing_program_default(&["0", "default"], End::NotStarted("no".into()), Some("default"))]
    #[case::killed(&["0", "default", "crash"], End::Killed, None)]
    #[case::negative(&["-1"], End::Exit(-1), Some("-1"))]
    fn the_macro_after_an_end(
        #[case] names: &[&'static str],
        #[case] end: End,
        #[case] picked: Option<&str>,
    ) {
        assert_eq!(macros(names).pick(&end).map(|(name, _)| name), picked);
    }

    #[test]
    fn the_same_name_again_replaces_in_place() {
        let mut macros = macros(&["crash", "0"]);
        macros.set("crash", 7);
        assert_eq!(
            macros.iter().collect::<Vec<_>>(),
            [("crash", &7), ("0", &1)]
        );
    }
}
