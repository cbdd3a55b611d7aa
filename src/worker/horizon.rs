//! When the allocation ends, and what may still begin before that. Pure.

/// Most seconds that are kept free at the end.
const MOST_MARGIN: u64 = 30;

/// When an allocation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Horizon {
    /// The end in seconds since 1970, and the seconds that are kept free before it.
    end: Option<(i64, u64)>,
}

impl Horizon {
    /// An allocation that began at `start`, in seconds since 1970, and lasts `walltime` seconds; it
    /// has no end if that is not known.
    pub(super) fn new(start: i64, walltime: Option<u64>) -> Self {
        let end = walltime.map(|walltime| {
            let length = i64::try_from(walltime).unwrap_or(i64::MAX);
            let margin = (walltime / 10).min(MOST_MARGIN);
            (start.saturating_add(length), margin)
        });
        Self { end }
    }

    /// Seconds that a job may take that begins now.
    pub(super) fn left(self, now: i64) -> u64 {
        self.end.map_or(u64::MAX, |(end, margin)| {
            let left = u64::try_from(end.saturating_sub(now)).unwrap_or(0);
            left.saturating_sub(margin)
        })
    }

    /// Whether what runs is to be ended now, so that there is time to write it down.
    pub(super) fn is_reached(self, now: i64) -> bool {
        self.end.is_some_and(|(end, margin)| {
            let left = u64::try_from(end.saturating_sub(now)).unwrap_or(0);
            left <= margin / 2
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_be_over_in_time_does_not_begin_and_the_rest_is_ended_before_the_end() {
        let horizon = Horizon::new(1000, Some(600));
        assert_eq!(horizon.left(1000), 570);
        assert_eq!(horizon.left(1565), 5);
        assert_eq!((horizon.left(1580), horizon.is_reached(1580)), (0, false));
        assert!(horizon.is_reached(1585));
        let short = Horizon::new(1000, Some(60));
        assert_eq!((short.left(1000), short.is_reached(1056)), (54, false));
        assert!(short.is_reached(1057));
        let open = Horizon::new(1000, None);
        assert_eq!(
            (open.left(i64::MAX), open.is_reached(i64::MAX)),
            (u64::MAX, false)
        );
    }
}
