//! How a command ends: what it prints, and its exit code.

use super::exit::Exit;
use crate::{
    remote::RemoteError,
    state::{IllegalMove, StateError},
};

/// What a command that was done prints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    /// For standard output.
    pub(super) out: String,
    /// Lines for standard error.
    pub(super) notes: Vec<String>,
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// For standard error.
    pub(super) text: String,
    /// The exit code.
    pub(super) exit: Exit,
}

impl Answer {
    pub(super) fn of(out: String) -> Self {
        Self {
            out,
            notes: Vec::new(),
        }
    }

    /// The answer to an update: that nothing is different is only a notice.
    pub(super) fn changed(changed: bool, mut notes: Vec<String>) -> Self {
        if !changed {
            notes.push("no rows changed".to_owned());
        }
        Self {
            out: String::new(),
            notes,
        }
    }

    /// The answer to a revert: that there was nothing to revert is an error.
    pub(super) fn reverted(rows: usize, notes: Vec<String>) -> Result<Self, Failure> {
        if rows == 0 {
            return Err(Failure::new("no rows affected"));
        }
        Ok(Self {
            out: String::new(),
            notes,
        })
    }
}

impl Failure {
    /// A failure of no class of its own.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            exit: Exit::Unknown,
        }
    }
}

impl From<IllegalMove> for Failure {
    fn from(error: IllegalMove) -> Self {
        Self::new(error.to_string())
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        RemoteError::from(error).into()
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let exit = match &error {
            RemoteError::State(
                StateError::Illegal(_) | StateError::NoRow { .. } | StateError::Held { .. },
            )
            | RemoteError::Link(_)
            | RemoteError::Scratch(_)
            | RemoteError::Exec(_)
            | RemoteError::Poll(_)
            | RemoteError::Query(_)
            | RemoteError::Site(_) => Exit::Unknown,
            RemoteError::State(_) => Exit::Sys,
            RemoteError::Name(_)
            | RemoteError::Label(_)
            | RemoteError::NoSite
            | RemoteError::Allocation(_) => Exit::Config,
            RemoteError::Prepare(_) | RemoteError::Decision(_) => Exit::Data,
        };
        Self {
            text: error.to_string(),
            exit,
        }
    }
}
