//! Waiting for a condition.

use std::time::{Duration, Instant};

/// Waits until a condition holds, at most a minute.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(
            begin.elapsed() < Duration::from_mins(1),
            "not in time: {what}"
        );
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
