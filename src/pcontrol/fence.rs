//! The fence: how long silence may last.

use std::time::Duration;

/// What an agent was told: it ends its jobs when it has heard nothing for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fence(pub(super) Duration);

impl Fence {
    /// As it counts here: the agent's own, and time for what it kills to be gone. A connection on
    /// which nothing was heard for so long is given up.
    pub(super) fn here(self) -> Duration {
        self.0 + (self.0 / 4).max(Duration::from_secs(1))
    }

    /// A host that was not heard for so long gets no more jobs: it was to say something at least
    /// twice (see [`crate::pclient::wire`]).
    pub(super) fn overdue(self) -> Duration {
        (self.0 / 2).min(Duration::from_secs(40))
    }
}
