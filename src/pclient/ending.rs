//! How an agent ends its jobs, and when it may say that they are gone.

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{mark::Mark, wire::Word};
use crate::process::{
    group,
    marked::{self, Left},
};

/// How long jobs are killed before an agent gives up and goes without a word.
const LAST_TRIES: Duration = Duration::from_secs(20);

/// Between two of those tries.
const A_MOMENT: Duration = Duration::from_millis(20);

/// Why an agent does not begin, or cannot go on.
#[derive(Debug, Error)]
pub(super) enum AgentError {
    /// Jobs cannot be killed.
    #[error("{0} processes of jobs hang and cannot be killed, perhaps on a disk that is gone")]
    Hanging(usize),
    /// Jobs may be left.
    #[error(
        "a process hangs while it is being started, perhaps from a disk that is gone, and nobody \
         can tell whether it is of a job"
    )]
    Unknown,
    /// The system said so.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whether all jobs are gone for certain.
pub(super) fn gone(left: Left) -> Result<(), AgentError> {
    match left {
        Left::Nothing => Ok(()),
        Left::Hanging(count) => Err(AgentError::Hanging(count)),
        Left::Unknown => Err(AgentError::Unknown),
    }
}

/// Kills everything that has the mark, the guard too, and waits for what is left of those groups.
///
/// # Errors
/// Where not everything is gone after [`LAST_TRIES`], or nobody can tell.
pub(super) fn kill_all(mark: &Mark, groups: &BTreeSet<u32>) -> Result<(), AgentError> {
    let kill = || match marked::kill(&|entry| mark.is(entry))? {
        // One that cleared its environment has no mark, but its group was killed.
        Left::Nothing => Ok(match group::members(groups)? {
            0 => Left::Nothing,
            count => Left::Hanging(count),
        }),
        left => Ok(left),
    };
    until_gone(kill, LAST_TRIES)
}

/// Kills until all jobs are gone, at least for so long.
fn until_gone(
    mut kill: impl FnMut() -> io::Result<Left>,
    patience: Duration,
) -> Result<(), AgentError> {
    let begin = Instant::now();
    loop {
        let killed = kill().map_err(AgentError::from).and_then(gone);
        if killed.is_ok() || begin.elapsed() >= patience {
            return killed;
        }
        std::thread::park_timeout(A_MOMENT);
    }
}

/// What is said when the controller wants the agent to go: nothing unless all jobs are gone.
pub(super) fn last_word(ended: &Result<(), AgentError>) -> Option<Word> {
    ended.is_ok().then_some(Word::Gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gone_is_said_only_when_everything_is_gone() {
        let mut lefts = [Left::Hanging(2), Left::Unknown, Left::Nothing].into_iter();
        let ended = until_gone(|| Ok(lefts.next().unwrap()), LAST_TRIES);
        assert_eq!(last_word(&ended), Some(Word::Gone));
        for left in [Left::Hanging(1), Left::Unknown] {
            let ended = until_gone(|| Ok(left), Duration::ZERO);
            assert_eq!(last_word(&ended), None);
        }
        let ended = until_gone(
            || Err(io::ErrorKind::PermissionDenied.into()),
            Duration::ZERO,
        );
        assert_eq!(last_word(&ended), None);
    }
}
