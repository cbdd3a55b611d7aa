//! How long the site keeps what nobody uses, and what follows from that: pure.

use jiff::{SignedDuration, Timestamp};

use crate::config::units::Seconds;

/// Inputs are touched when this part of the purge age has passed, so that three quarters of it
/// are left for the queue and the job.
const OLD_PART: u64 = 4;

/// The time, and how long the site keeps what nobody uses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Age {
    /// The time now.
    pub(crate) now: Timestamp,
    /// The site's purge age; nothing if it purges nothing that we know of.
    pub(crate) purge: Option<Seconds>,
}

impl Age {
    /// Whether a file last touched at `touched` must be touched before a job needs it.
    pub(crate) fn is_old(self, touched: Timestamp) -> bool {
        self.purge.is_some_and(|purge| {
            let passed = self.now.as_second().saturating_sub(touched.as_second());
            u64::try_from(passed).is_ok_and(|passed| passed >= purge.0 / OLD_PART)
        })
    }

    /// Whether a file of which we do not know when it was last touched must be.
    pub(crate) fn is_known(self) -> bool {
        self.purge.is_some()
    }
}

/// When the site may purge a file last touched at `touched`; nothing if it never does. The
/// beginning of 1970 stands for a time that is not known.
pub fn purged_at(touched: Timestamp, purge: Option<Seconds>) -> Option<Timestamp> {
    let purge = i64::try_from(purge?.0).ok()?;
    if touched == Timestamp::UNIX_EPOCH {
        return Some(touched);
    }
    touched.checked_add(SignedDuration::from_secs(purge)).ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[rstest]
    #[case(Some(400), 99, false)]
    #[case(Some(400), 100, true)]
    #[case(Some(400), 4000, true)]
    #[case(Some(400), -5, false)]
    #[case(None, 4000, false)]
    fn a_file_is_old_when_a_quarter_of_the_purge_age_has_passed(
        #[case] purge: Option<u64>,
        #[case] passed: i64,
        #[case] old: bool,
    ) {
        let age = Age {
            now: at(10_000 + passed),
            purge: purge.map(Seconds),
        };
        assert_eq!(age.is_old(at(10_000)), old);
    }

    #[test]
    fn what_is_touched_lives_for_another_purge_age() {
        assert_eq!(purged_at(at(5), Some(Seconds(10))), Some(at(15)));
        assert_eq!(purged_at(at(5), None), None);
        assert_eq!(purged_at(at(5), Some(Seconds(u64::MAX))), None);
    }
}
