//! When jobs that wait go on their way together.

use std::time::Duration;

use jiff::Timestamp;

use crate::config::site::AsHost;

/// What is to be done with the jobs that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// So many, those that came first, go together now.
    Now(usize),
    /// Nothing before so much time has passed.
    In(Duration),
    /// There are none.
    Never,
}

/// What is due where jobs have waited `since` then, the first of them first.
pub(super) fn due(since: &[Timestamp], now: Timestamp, settings: &AsHost) -> Due {
    let most = usize::try_from(settings.jobs.max(1)).unwrap_or(usize::MAX);
    let Some(first) = since.first() else {
        return Due::Never;
    };
    if since.len() >= most {
        return Due::Now(most);
    }
    let waited = u64::try_from(now.duration_since(*first).as_secs()).unwrap_or(0);
    match settings.wait.0.saturating_sub(waited) {
        0 => Due::Now(since.len()),
        left => Due::In(Duration::from_secs(left)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::units::Seconds;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn settings(jobs: u32, wait: u64) -> AsHost {
        AsHost {
            jobs,
            wait: Seconds(wait),
            ..AsHost::default()
        }
    }

    #[test]
    fn a_full_bundle_goes_at_once_and_others_when_the_first_has_waited() {
        let since = [at(0), at(5), at(9)];
        assert_eq!(due(&since, at(9), &settings(2, 30)), Due::Now(2));
        let left = Due::In(Duration::from_secs(21));
        assert_eq!(due(&since, at(9), &settings(4, 30)), left);
        assert_eq!(due(&since, at(30), &settings(4, 30)), Due::Now(3));
        assert_eq!(due(&[], at(30), &settings(4, 30)), Due::Never);
    }

    proptest! {
        #[test]
        fn no_bundle_is_larger_than_it_may_be_and_no_job_waits_for_ever(
            ages in prop::collection::vec(0_i64..1000, 1..50), jobs in 1_u32..60, wait in 0_u64..500,
        ) {
            let mut since: Vec<Timestamp> = ages.into_iter().map(at).collect();
            since.sort();
            let settings = settings(jobs, wait);
            match due(&since, at(1000), &settings) {
                Due::Now(count) => prop_assert!(count >= 1 && count <= since.len() && count <= jobs as usize),
                Due::In(left) => {
                    prop_assert!(since.len() < jobs as usize);
                    let then = at(1000).saturating_add(left).unwrap();
                    prop_assert_eq!(due(&since, then, &settings), Due::Now(since.len()));
                },
                Due::Never => prop_assert!(false),
            }
        }
    }
}
