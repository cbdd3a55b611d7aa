//! The one place that reads the clock (design decision 9).

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant},
};

use jiff::Timestamp;

/// Where the time comes from: the machine's clock, or a hand-set one in tests.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// A point of the time that only passes: nobody sets it, so it measures.
    fn instant(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that moves only when told, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    milliseconds: AtomicI64,
    start: (i64, Instant),
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        let milliseconds = start.as_millisecond();
        Self {
            milliseconds: AtomicI64::new(milliseconds),
            start: (milliseconds, Instant::now()),
        }
    }

    /// Moves the clock forward by `seconds`.
    pub fn advance(&self, seconds: i64) {
        self.milliseconds
            .fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let milliseconds = self.milliseconds.load(Ordering::SeqCst);
        Timestamp::from_millisecond(milliseconds).unwrap_or_default()
    }

    fn instant(&self) -> Instant {
        let (milliseconds, instant) = self.start;
        let passed = self.milliseconds.load(Ordering::SeqCst) - milliseconds;
        instant + Duration::from_millis(u64::try_from(passed).unwrap_or(0))
    }
}
