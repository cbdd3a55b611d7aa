//! What a controller may be told about time and patience.

use std::time::Duration;

use super::pool::Affinity;

/// The settings of a controller.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// An agent that has heard nothing for so long ends its jobs; they are run again somewhat
    /// later.
    pub fence: Duration,
    /// Jobs live on when the connection to their host is lost, and are asked for when it is back.
    /// They are run again only when their agent is known to be gone.
    pub keep: bool,
    /// A connection without jobs that is older is made anew (spec/pantasks.md §5.2).
    pub connect_time: Duration,
    /// The first pause after a failure to connect; it doubles with each (spec/pantasks.md §5.2).
    pub retry: Duration,
    /// The longest pause.
    pub longest_retry: Duration,
    /// How long a connection may take until its agent answers.
    pub patience: Duration,
    /// How often a job may be lost with its host before it counts as failed: it may be what brings
    /// its hosts down.
    pub losses: u32,
    /// How patient jobs and hosts are with each other.
    pub affinity: Affinity,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fence: Duration::from_mins(1),
            keep: false,
            connect_time: Duration::from_hours(10),
            retry: Duration::from_secs(10),
            longest_retry: Duration::from_hours(1),
            patience: Duration::from_secs(50),
            losses: 5,
            affinity: Affinity::default(),
        }
    }
}

impl Settings {
    /// The pause after a failure to connect that was not the first in a row.
    pub(super) fn pause_after(&self, failures: u32) -> Duration {
        let doubled = self.retry.checked_mul(2_u32.saturating_pow(failures));
        doubled
            .unwrap_or(self.longest_retry)
            .min(self.longest_retry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let settings = Settings::default();
        let pauses: Vec<u64> = [0, 1, 2, 8, 9, 100]
            .map(|failures| settings.pause_after(failures).as_secs())
            .to_vec();
        assert_eq!(pauses, [10, 20, 40, 2560, 3600, 3600]);
    }
}
