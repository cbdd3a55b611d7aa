//! Exit codes (design §7): public and few.

use std::{fmt, process::ExitCode};

use crate::{
    config::problem::{Look, Problem, render},
    connection::{LinkError, Remedy, operator::OperatorError},
    exec::scratch::ScratchError,
    remote::RemoteError,
    state::StateError,
};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed.
    Failed,
    /// 2: wrong usage or configuration.
    Usage,
    /// 3: a site needs a login.
    Login,
    /// 4: nothing to do yet; poll again.
    Later,
    /// 5: state.db refuses: newer, locked, damaged.
    State,
}

impl Exit {
    /// The code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Login => 3,
            Self::Later => 4,
            Self::State => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command stopped.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The configuration is wrong.
    Config(Vec<Problem>),
    /// Something asked for is not right.
    Usage(String),
    /// Something went wrong.
    Failed(String),
    /// Something could not be done with runs.
    Remote(RemoteError),
    /// A link could not be brought up or taken down.
    Link(OperatorError),
}

impl CliError {
    /// The exit code that tells what kind of thing went wrong.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Usage(_) => Exit::Usage,
            Self::Remote(
                RemoteError::Link(error) | RemoteError::Scratch(ScratchError::Link(error)),
            )
            | Self::Link(OperatorError::Link(error)) => link(error),
            Self::Remote(RemoteError::Name(_) | RemoteError::Label(_) | RemoteError::NoSite) => {
                Exit::Usage
            },
            Self::Remote(error) => error.state().map_or(Exit::Failed, state),
            Self::Link(OperatorError::Open(_)) => Exit::Login,
            Self::Failed(_) | Self::Link(_) => Exit::Failed,
        }
    }
}

fn link(error: &LinkError) -> Exit {
    match error.remedy() {
        Remedy::Login => Exit::Login,
        Remedy::Time => Exit::Later,
        Remedy::Change => Exit::Failed,
    }
}

fn state(error: &StateError) -> Exit {
    match error {
        StateError::Illegal(_) | StateError::Record(_) => Exit::Failed,
        StateError::NoRow { .. } => Exit::Usage,
        StateError::Held { .. } => Exit::Later,
        _ => Exit::State,
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(problems) => {
                let plural = if problems.len() == 1 { "" } else { "s" };
                writeln!(
                    f,
                    "the configuration has {} problem{plural}",
                    problems.len()
                )?;
                f.write_str(&render(problems, Look::of(&std::io::stderr())))
            },
            Self::Usage(text) | Self::Failed(text) => f.write_str(text),
            Self::Remote(error) => error.fmt(f),
            Self::Link(error) => error.fmt(f),
        }
    }
}

impl From<OperatorError> for CliError {
    fn from(error: OperatorError) -> Self {
        Self::Link(error)
    }
}

impl<E: Into<RemoteError>> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::Remote(error.into())
    }
}

impl From<Vec<Problem>> for CliError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Config(problems)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{exec::ExecError, poll::PollError, prepare::PrepareError};

    #[rstest]
    #[case(StateError::Locked, 5)]
    #[case(StateError::ReadOnly("state.db".into()), 5)]
    #[case(StateError::Missing("state.db".into()), 5)]
    #[case(StateError::NetworkDisk { path: "state.db".into(), kind: "NFS" }, 5)]
    #[case(StateError::NoRow { what: "run", id: 17 }, 2)]
    #[case(StateError::Held { run: 17, owner: "other".into(), seconds: 9 }, 4)]
    fn what_state_db_says_has_its_exit_code(#[case] error: StateError, #[case] code: u8) {
        assert_eq!(CliError::from(error).exit().code(), code);
    }

    #[test]
    fn a_locked_state_db_has_the_same_exit_code_at_every_step() {
        let steps: [RemoteError; 3] = [
            PrepareError::from(StateError::Locked).into(),
            ExecError::from(StateError::Locked).into(),
            PollError::from(StateError::Locked).into(),
        ];
        for error in steps {
            assert_eq!(CliError::from(error).exit().code(), 5);
        }
    }
}
