//! The old tool's state words and ours (design §5).

use std::{fmt, str::FromStr};

/// State of a run in the old tool's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunWord {
    /// Defined.
    New,
    /// Prepared, and on its way to the queue.
    Pending,
    /// Submitted, and not yet home.
    Run,
    /// Waiting for a login.
    Auth,
    /// Over.
    Full,
    /// Could not be prepared.
    PrepFail,
    /// Could not be submitted, polled or brought home.
    ExecFail,
    /// Its files on the site are gone. The old tool has no such word.
    Cleaned,
    /// Held by an operator. The old tool has no such word.
    Hold,
    /// Given up. The old tool has no such word.
    Cancelled,
}

/// State of a component in the old tool's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ComponentWord {
    /// Bundled into a run.
    New,
    /// Its jobs are written.
    PrepDone,
    /// Its jobs could not be written.
    PrepFail,
    /// At least one of its jobs failed.
    Fail,
    /// All its jobs passed.
    Pass,
    /// Free to be bundled again.
    Retry,
}

/// A word that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no state of a {subject}: use {}", .known.join(", "))]
pub struct UnknownWord {
    word: String,
    subject: &'static str,
    known: Vec<&'static str>,
}

impl RunWord {
    const ALL: [Self; 10] = [
        Self::New,
        Self::Pending,
        Self::Run,
        Self::Auth,
        Self::Full,
        Self::PrepFail,
        Self::ExecFail,
        Self::Cleaned,
        Self::Hold,
        Self::Cancelled,
    ];

    /// The word for a run whose state in state.db is `state`; `None` if that is no state.
    pub fn of_state(state: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|word| word.states().contains(&state))
    }

    /// The states in state.db that this word stands for.
    pub fn states(self) -> &'static [&'static str] {
        match self {
            Self::New => &["new"],
            Self::Pending => &["pending", "staging", "submitting"],
            Self::Run => &["run", "returning", "importing"],
            Self::Auth => &[
                "auth:new",
                "auth:pending",
                "auth:staging",
                "auth:submitting",
                "auth:run",
                "auth:returning",
                "auth:importing",
            ],
            Self::Full => &["full"],
            Self::PrepFail => &["error:prepare"],
            Self::ExecFail => &["error:exec", "error:poll"],
            Self::Cleaned => &["cleaned"],
            Self::Hold => &[
                "hold:new",
                "hold:pending",
                "hold:staging",
                "hold:submitting",
                "hold:run",
                "hold:returning",
                "hold:importing",
            ],
            Self::Cancelled => &["cancelled"],
        }
    }

    /// The word as the old tool writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Run => "run",
            Self::Auth => "auth",
            Self::Full => "full",
            Self::PrepFail => "prep_fail",
            Self::ExecFail => "exec_fail",
            Self::Cleaned => "cleaned",
            Self::Hold => "hold",
            Self::Cancelled => "cancelled",
        }
    }
}

impl ComponentWord {
    const ALL: [Self; 6] = [
        Self::New,
        Self::PrepDone,
        Self::PrepFail,
        Self::Fail,
        Self::Pass,
        Self::Retry,
    ];

    /// The word for a component whose state in state.db is `state`; `None` if that is no state.
    pub fn of_state(state: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|word| word.states().contains(&state))
    }

    /// The states in state.db that this word stands for.
    pub fn states(self) -> &'static [&'static str] {
        match self {
            Self::New => &["new"],
            Self::PrepDone => &["prepared"],
            Self::PrepFail => &["prep_failed"],
            Self::Fail => &["failed", "partial"],
            Self::Pass => &["passed"],
            Self::Retry => &["retry"],
        }
    }

    /// The word as the old tool writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::PrepDone => "prep_done",
            Self::PrepFail => "prep_fail",
            Self::Fail => "fail",
            Self::Pass => "pass",
            Self::Retry => "retry",
        }
    }
}

impl fmt::Display for RunWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for ComponentWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for RunWord {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|word| word.word() == text)
            .ok_or_else(|| UnknownWord {
                word: text.to_owned(),
                subject: "run",
                known: Self::ALL.map(Self::word).to_vec(),
            })
    }
}

impl FromStr for ComponentWord {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|word| word.word() == text)
            .ok_or_else(|| UnknownWord {
                word: text.to_owned(),
                subject: "component",
                known: Self::ALL.map(Self::word).to_vec(),
            })
    }
}
