//! How long jobs take, as a distribution that can be drawn from.
//!
//! It is empirical: jobs of one stage often fall into several heaps (a frame without stars ends at
//! once), which no named curve follows. Between the times that were seen it is interpolated.
//! Beyond the longest it goes on as a Pareto tail with Hill's exponent, since the longest job of a
//! run is mostly longer than any before it, and decides when the run ends.

use super::number::{real, whole};

/// Fewest jobs that make a distribution: with fewer, a twentieth of it was never seen.
pub const FEWEST: usize = 20;

/// Heaviest tail that is believed; beyond it a mean hardly exists.
const HEAVIEST: f64 = 0.5;

/// How long jobs of a kind take.
#[derive(Debug, Clone, PartialEq)]
pub struct Times {
    /// Seconds that were seen, in ascending order; at least [`FEWEST`].
    seen: Vec<f64>,
    mean: f64,
    /// Exponent of the tail beyond the longest; 0 = none.
    tail: f64,
    /// Time at which a job is killed.
    limit: f64,
}

/// What a set of numbers looks like.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Summary {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Half are not above it.
    pub median: f64,
    /// 95 % are not above it.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

impl Times {
    /// The distribution of the seconds that jobs took, each killed after `limit` seconds; `None`
    /// if they are fewer than [`FEWEST`], or all took no time.
    pub fn fit(mut seconds: Vec<f64>, limit: Option<f64>) -> Option<Self> {
        seconds.retain(|seconds| seconds.is_finite() && *seconds >= 0.0);
        seconds.sort_unstable_by(f64::total_cmp);
        let longest = *seconds.last()?;
        if seconds.len() < FEWEST || longest <= 0.0 {
            return None;
        }
        Some(Self {
            mean: mean(&seconds),
            tail: hill(&seconds).min(HEAVIEST),
            limit: limit.unwrap_or(f64::INFINITY).max(longest),
            seen: seconds,
        })
    }

    /// Mean of what was seen, in seconds.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The time that a share of the jobs does not exceed, in seconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let places = real(self.seen.len() as u64 + 1);
        let place = share.clamp(0.0, 1.0) * places;
        if place <= real(self.seen.len() as u64) {
            return between(&self.seen, place - 1.0);
        }
        let beyond = ((1.0 - share) * places).max(f64::MIN_POSITIVE);
        let longest = self.seen.last().copied().unwrap_or_default();
        (longest * beyond.powf(-self.tail)).min(self.limit)
    }

    /// The time of a job drawn at random, in seconds.
    pub fn draw(&self, random: &mut fastrand::Rng) -> f64 {
        self.quantile(random.f64())
    }
}

impl Summary {
    /// Sums up numbers; `None` if there are none.
    pub fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_unstable_by(f64::total_cmp);
        let last = numbers.len().checked_sub(1)?;
        let at = |share: f64| between(&numbers, share * real(last as u64));
        Some(Self {
            count: numbers.len(),
            mean: mean(&numbers),
            median: at(0.5),
            p95: at(0.95),
            max: at(1.0),
        })
    }
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / real(numbers.len() as u64)
}

/// The number at a place that may lie between two.
pub(super) fn between(sorted: &[f64], place: f64) -> f64 {
    let place = place.max(0.0);
    let low = whole(place);
    let at = |index: u64| {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        sorted.get(index).or(sorted.last()).copied()
    };
    let (below, above) = (at(low).unwrap_or_default(), at(low + 1).unwrap_or_default());
    below + (above - below) * (place - real(low))
}

/// Hill's estimate of the exponent of the tail, from as many of the largest as the root of all.
fn hill(sorted: &[f64]) -> f64 {
    let count = sorted.len().isqrt();
    let (body, tail) = sorted.split_at(sorted.len() - count);
    match body.last() {
        Some(begin) if *begin > 0.0 => {
            tail.iter().map(|x| (x / begin).ln()).sum::<f64>() / real(count as u64)
        },
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn too_few_jobs_are_no_distribution() {
        assert_eq!(Times::fit(vec![150.0; FEWEST - 1], None), None);
        assert_eq!(Times::fit(vec![0.0; 100], None), None);
        assert!(Times::fit(vec![150.0; FEWEST], None).is_some());
    }

    #[test]
    fn two_heaps_stay_two_heaps() {
        let heaps: Vec<f64> = (0..1000)
            .map(|n| if n < 700 { 2.0 } else { 200.0 })
            .collect();
        let times = Times::fit(heaps, None).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let drawn: Vec<f64> = (0..10_000).map(|_| times.draw(&mut random)).collect();
        let between = drawn.iter().filter(|t| (3.0..199.0).contains(*t)).count();
        assert!(between < 50, "{between}");
        let short = drawn.iter().filter(|t| **t <= 3.0).count();
        assert!((6800..7200).contains(&short), "{short}");
    }

    #[test]
    fn the_longest_of_many_is_longer_than_any_that_was_seen_and_no_longer_than_the_limit() {
        let mut random = fastrand::Rng::with_seed(1);
        let pareto: Vec<f64> = (0..1000).map(|_| 10.0 * random.f64().powf(-0.4)).collect();
        let seen = pareto.iter().copied().fold(0.0, f64::max);
        let free = Times::fit(pareto.clone(), None).unwrap();
        let bound = Times::fit(pareto, Some(seen * 1.5)).unwrap();
        let longest = |times: &Times| {
            let mut random = fastrand::Rng::with_seed(2);
            (0..100_000)
                .map(|_| times.draw(&mut random))
                .fold(0.0, f64::max)
        };
        assert!(longest(&free) > 2.0 * seen, "{}", longest(&free));
        assert!((longest(&bound) - seen * 1.5).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn a_larger_share_never_takes_less_and_none_is_below_what_was_seen(
            seconds in prop::collection::vec(0.0..1e5_f64, 20..200), a in 0.0..=1.0_f64, b in 0.0..=1.0_f64,
        ) {
            let Some(times) = Times::fit(seconds, None) else { return Ok(()); };
            let (low, high) = (times.quantile(a.min(b)), times.quantile(a.max(b)));
            prop_assert!(low <= high);
            prop_assert!(low >= times.seen[0]);
        }

        #[test]
        fn a_summary_is_in_order_and_within_what_it_sums_up(
            numbers in prop::collection::vec(-1e9..1e9_f64, 1..100),
        ) {
            let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let summary = Summary::of(numbers).unwrap();
            let Summary { median, p95, max, mean, .. } = summary;
            prop_assert!(least <= median && median <= p95 && p95 <= max);
            prop_assert!(least - 1e-3 <= mean && mean <= max + 1e-3);
        }
    }
}
