//! What a task's jobs came to.

use super::exit_macro::End;

/// How long jobs took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Times {
    count: u64,
    total: f64,
    shortest: f64,
    longest: f64,
}

impl Times {
    /// Adds a job that took `seconds`.
    pub fn add(&mut self, seconds: f64) {
        if self.count == 0 {
            self.shortest = seconds;
            self.longest = seconds;
        }
        self.count += 1;
        self.total += seconds;
        self.shortest = self.shortest.min(seconds);
        self.longest = self.longest.max(seconds);
    }

    /// The number of jobs.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The shortest, the mean and the longest time in seconds, where there was a job.
    pub fn summary(&self) -> Option<[f64; 3]> {
        #[expect(clippy::cast_precision_loss, reason = "2^52 jobs are out of reach")]
        let mean = self.total / self.count as f64;
        (self.count > 0).then_some([self.shortest, mean, self.longest])
    }
}

/// The counters of one task.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Statistics {
    /// Jobs submitted, what `nmax` limits.
    pub submitted: u64,
    /// Ends with exit status 0.
    pub success: Times,
    /// Ends with another status, by a signal, or without a start.
    pub failure: Times,
    /// Jobs that outlived their timeout or their pending period.
    pub timeouts: u64,
    /// Evaluations of task.exec that made no job.
    pub skipped: u64,
}

impl Statistics {
    /// Counts a job that ended so after `seconds`.
    pub fn record(&mut self, end: &End, seconds: f64) {
        match end {
            End::Exit(0) => self.success.add(seconds),
            End::Exit(_) | End::Crash(_) | End::NotStarted(_) | End::Lost(_) => {
                self.failure.add(seconds);
            },
            End::Timeout | End::Pending => self.timeouts += 1,
            End::Killed => {},
        }
    }

    /// The times of all jobs that ended by themselves.
    pub fn all(&self) -> Times {
        match (self.success.count, self.failure.count) {
            (_, 0) => self.success,
            (0, _) => self.failure,
            _ => Times {
                count: self.success.count + self.failure.count,
                total: self.success.total + self.failure.total,
                shortest: self.success.shortest.min(self.failure.shortest),
                longest: self.success.longest.max(self.failure.longest),
            },
        }
    }

    /// Starts the measured times afresh; what `nmax` counts stays.
    pub fn reset(&mut self) {
        *self = Self {
            submitted: self.submitted,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_end_has_its_counter() {
        let mut statistics = Statistics::default();
        for end in [
            End::Exit(0),
            End::Exit(0),
            End::Exit(3),
            End::Crash(9),
            End::Timeout,
            End::Pending,
            End::Killed,
        ] {
            statistics.record(&end, 1.0);
        }
        let counts = (
            statistics.success.count(),
            statistics.failure.count(),
            statistics.timeouts,
        );
        assert_eq!(counts, (2, 2, 2));
    }

    proptest! {
        #[test]
        fn the_whole_is_its_parts(ends in prop::collection::vec((0..2i32, 0.0..1e6f64), 0..20)) {
            let mut statistics = Statistics::default();
            let mut all = Times::default();
            for (code, seconds) in ends {
                statistics.record(&End::Exit(code), seconds);
                all.add(seconds);
            }
            prop_assert_eq!(statistics.all().count(), all.count());
            match (statistics.all().summary(), all.summary()) {
                (Some([low, mean, high]), Some([l, m, h])) => {
                    let near = |a: f64, b: f64| (a - b).abs() < 1e-6 * b.max(1.0);
                    prop_assert!(near(low, l) && near(high, h) && near(mean, m));
                    prop_assert!(low <= mean * 1.000_001 && mean <= high * 1.000_001);
                },
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}
