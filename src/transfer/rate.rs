//! How fast bytes may go and how fast they do.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Holds all streams of a transfer to one rate, and measures what they reach.
#[derive(Debug)]
pub(super) struct Governor {
    /// Bytes a second; `None` for as fast as it goes.
    limit: Option<u64>,
    next: Mutex<Option<Instant>>,
    /// Bytes that went over the link.
    passed: AtomicU64,
    /// Bytes that did not need to.
    saved: AtomicU64,
    since: Instant,
}

impl Governor {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit: limit.filter(|limit| *limit > 0),
            next: Mutex::new(None),
            passed: AtomicU64::new(0),
            saved: AtomicU64::new(0),
            since: Instant::now(),
        }
    }

    /// Waits until `bytes` more may go.
    pub(super) async fn pass(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.passed.fetch_add(bytes, Ordering::Relaxed);
        let Some(limit) = self.limit else { return };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a duration needs no more digits"
        )]
        let takes = Duration::from_secs_f64(bytes as f64 / limit as f64);
        let at = {
            let Ok(mut next) = self.next.lock() else {
                return;
            };
            let at = next.unwrap_or_else(Instant::now).max(Instant::now());
            *next = Some(at + takes);
            at
        };
        sleep_until(at).await;
    }

    /// So many bytes more have arrived than have gone over the link.
    pub(super) fn save(&self, bytes: u64) {
        self.saved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// How long `bytes` of files would take at the rate measured so far; `None` while that is not
    /// known.
    pub(super) fn time_for(&self, bytes: u64) -> Option<Duration> {
        let (passed, spent) = self.measured()?;
        let moved = passed.saturating_add(self.saved.load(Ordering::Relaxed));
        Some(spent.mul_f64(ratio(bytes, moved)))
    }

    /// Bytes a second over the link, all streams together; `None` while that is not known.
    pub(super) fn rate(&self) -> Option<f64> {
        let (passed, spent) = self.measured()?;
        Some(ratio(passed, 1) / spent.as_secs_f64())
    }

    fn measured(&self) -> Option<(u64, Duration)> {
        let passed = self.passed.load(Ordering::Relaxed);
        let spent = self.since.elapsed();
        let enough = passed >= 1 << 20 && spent >= Duration::from_millis(500);
        enough.then_some((passed, spent))
    }
}

/// How fast one of several streams gets on.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    governor: Arc<Governor>,
    streams: usize,
}

impl Pace {
    /// That of one of `streams` under `governor`.
    pub(super) fn new(governor: &Arc<Governor>, streams: usize) -> Self {
        Self {
            governor: Arc::clone(governor),
            streams: streams.max(1),
        }
    }

    /// Bytes a second over the link; `None` while that is not known.
    pub(super) fn of_one(&self) -> Option<f64> {
        let streams = u64::try_from(self.streams).unwrap_or(u64::MAX);
        Some(self.governor.rate()? / ratio(streams, 1))
    }

    /// [`Governor::save`].
    pub(super) fn save(&self, bytes: u64) {
        self.governor.save(bytes);
    }
}

fn ratio(bytes: u64, of: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "an estimate needs no more digits"
    )]
    let ratio = bytes as f64 / of as f64;
    ratio
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_streams_together_keep_to_the_limit() {
        let governor = Governor::new(Some(1_000_000));
        let begin = Instant::now();
        let stream = || async {
            for _ in 0..20 {
                governor.pass(50_000).await;
            }
        };
        tokio::join!(stream(), stream(), stream());
        let spent = begin.elapsed();
        assert!(spent >= Duration::from_millis(2900), "{spent:?}");
        assert!(spent <= Duration::from_millis(3100), "{spent:?}");
        let estimate = governor.time_for(1_000_000).unwrap();
        assert!(estimate > Duration::from_millis(900), "{estimate:?}");
        governor.save(3_000_000);
        let sooner = governor.time_for(1_000_000).unwrap();
        assert_eq!(sooner.as_millis(), estimate.as_millis() / 2);
        let rate = governor.rate().unwrap();
        assert!((900_000.0..1_100_000.0).contains(&rate), "{rate}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_waits() {
        let governor = Governor::new(None);
        let begin = Instant::now();
        governor.pass(usize::MAX).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
