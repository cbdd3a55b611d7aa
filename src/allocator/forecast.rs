//! When an allocation of jobs of known times will be over: it is played many times with times
//! drawn at random.

use super::{
    number::{real, whole_up},
    simulate::Launchers,
    times::{Times, between},
};

/// Fewest and most plays of one forecast. The more jobs there are, the less one play differs from
/// the next.
const PLAYS: (u64, u64) = (4, 400);

/// Jobs of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Kind<'a> {
    /// How many.
    pub jobs: u64,
    /// How long they take.
    pub times: &'a Times,
}

/// A set of jobs, longest expected first.
#[derive(Debug, Clone)]
pub struct Load<'a> {
    kinds: Vec<Kind<'a>>,
}

/// How often an allocation was over when.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Seconds until the last job was over, in ascending order; one of each play.
    makespans: Vec<f64>,
    /// Seconds of all jobs together, on average.
    pub work: f64,
}

impl<'a> Load<'a> {
    /// Orders kinds of jobs as a launcher takes them.
    pub fn new(mut kinds: Vec<Kind<'a>>) -> Self {
        kinds.retain(|kind| kind.jobs > 0);
        kinds.sort_by(|a, b| b.times.mean().total_cmp(&a.times.mean()));
        Self { kinds }
    }

    /// All jobs.
    pub fn jobs(&self) -> u64 {
        self.kinds
            .iter()
            .fold(0, |sum, kind| sum.saturating_add(kind.jobs))
    }

    /// Mean seconds of a job.
    pub fn mean(&self) -> f64 {
        let work = |kind: &Kind<'_>| real(kind.jobs) * kind.times.mean();
        self.kinds.iter().map(work).sum::<f64>() / real(self.jobs().max(1))
    }

    /// Seconds that the longest of all jobs exceeds in every second draw.
    pub fn longest(&self) -> f64 {
        let of = |kind: &Kind<'_>| kind.times.quantile(0.5_f64.powf(1.0 / real(kind.jobs)));
        self.kinds.iter().map(of).fold(0.0, f64::max)
    }

    /// So many jobs of the same mixture.
    #[must_use]
    pub fn scaled(&self, jobs: u64) -> Self {
        let all = real(self.jobs().max(1));
        let mut left = jobs;
        let mut kinds = self.kinds.clone();
        for kind in &mut kinds {
            let share = whole_up(real(kind.jobs) / all * real(jobs)).min(left);
            kind.jobs = share;
            left -= share;
        }
        Self::new(kinds)
    }

    /// Plays the jobs on launchers, as often as about `draws` jobs allow; the same `seed` gives
    /// the same forecast.
    pub fn forecast(&self, launchers: Launchers, seed: u64, draws: u64) -> Forecast {
        let jobs = self.jobs();
        let plays = (draws / jobs.max(1)).clamp(PLAYS.0, PLAYS.1);
        let mut work = 0.0;
        let mut makespans: Vec<f64> = (0..plays)
            .map(|play| {
                let mut random = fastrand::Rng::with_seed(seed.wrapping_add(play));
                let seconds = self.kinds.iter().flat_map(|kind| {
                    std::iter::repeat_n(
                        kind.times,
                        usize::try_from(kind.jobs).unwrap_or(usize::MAX),
                    )
                });
                let played = launchers.play(seconds.map(|times| times.draw(&mut random)));
                work += played.work;
                played.makespan
            })
            .collect();
        makespans.sort_unstable_by(f64::total_cmp);
        Forecast {
            makespans,
            work: work / real(plays),
        }
    }
}

impl Forecast {
    /// Seconds within which a share of the plays was over.
    pub fn within(&self, share: f64) -> f64 {
        let last = self.makespans.len().saturating_sub(1);
        between(&self.makespans, share * real(last as u64))
    }

    /// Share of the plays that were not over after so many seconds.
    pub fn overrun(&self, seconds: f64) -> f64 {
        let over = self.makespans.iter().filter(|end| **end > seconds).count();
        real(over as u64) / real(self.makespans.len() as u64)
    }

    /// Plays of which it was made.
    pub fn plays(&self) -> u64 {
        self.makespans.len() as u64
    }
}
