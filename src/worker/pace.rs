//! How many jobs a node is given ahead of its free room, so that short ones need not wait for a
//! word of the coordinator. Pure.

use std::time::Duration;

/// Most jobs ahead for each core.
const MOST_AHEAD: f64 = 32.0;
/// How many of the latest jobs weigh in the mean.
const MEMORY: f64 = 32.0;

/// How long jobs take that ended lately, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    mean: Option<f64>,
    ahead: f64,
}

impl Pace {
    /// Nothing has ended. What a node is given ahead is to last about as long as `ahead`.
    pub(super) fn new(ahead: Duration) -> Self {
        Self {
            mean: None,
            ahead: ahead.as_secs_f64() * 1000.0,
        }
    }

    /// A job took so many milliseconds.
    pub(super) fn took(&mut self, milliseconds: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a mean need not be exact")]
        let sample = milliseconds as f64;
        let mean = self.mean.unwrap_or(sample);
        self.mean = Some(mean + (sample - mean) / MEMORY);
    }

    /// Jobs ahead for a node of so many cores: none unless jobs are short.
    pub(super) fn ahead(&self, cores: u32) -> usize {
        let each = self.mean.map_or(0.0, |mean| {
            (self.ahead / mean.max(1.0)).floor().min(MOST_AHEAD)
        });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the limit"
        )]
        let each = each as usize;
        each * usize::try_from(cores).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_jobs_are_given_ahead() {
        let mut pace = Pace::new(Duration::from_millis(50));
        assert_eq!(pace.ahead(24), 0);
        pace.took(2);
        assert_eq!(pace.ahead(2), 50);
        pace.took(20_000);
        assert_eq!(pace.ahead(2), 0);
        let mut pace = Pace::new(Duration::from_millis(50));
        pace.took(0);
        assert_eq!(pace.ahead(2), 64);
    }
}
