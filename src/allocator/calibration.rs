//! What finished jobs say of those to come, kind by kind.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    forecast::{Kind, Load},
    number::real,
    times::{FEWEST, Summary, Times},
};
use crate::state::timing::Timing;

/// What is known of one kind of jobs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibrated {
    /// Value of the field that tells kinds apart; empty if they were not told apart.
    pub kind: String,
    /// Seconds that jobs took.
    pub wall: Summary,
    /// Peak memory in bytes, of the jobs whose launcher knew it.
    pub memory: Option<Summary>,
    /// Cores that were busy on average, where the CPU time is known.
    pub cores: Option<f64>,
    /// How many jobs were given so many threads, and their mean seconds.
    pub threads: BTreeMap<u32, Threaded>,
    /// The distribution; `None` if there are too few jobs for one.
    #[serde(skip)]
    pub times: Option<Times>,
    /// Whether there are enough jobs for a distribution.
    pub enough: bool,
}

/// Jobs that were given the same number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Threaded {
    /// How many.
    pub jobs: u64,
    /// Their mean seconds.
    pub mean: f64,
}

/// Sums up finished jobs by kind, in the order of the kinds. A job is killed after `limit`
/// seconds, if there is one.
pub fn calibrate(timings: &[Timing], limit: Option<f64>) -> Vec<Calibrated> {
    let mut kinds: BTreeMap<&str, Vec<&Timing>> = BTreeMap::new();
    for timing in timings {
        kinds.entry(&timing.kind).or_default().push(timing);
    }
    let sums = kinds.into_iter();
    sums.filter_map(|(kind, timings)| sum_up(kind, &timings, limit))
        .collect()
}

/// Jobs to come, as many of each kind as there were; `None` if any kind is known too little.
pub fn load(kinds: &[Calibrated], jobs: u64) -> Option<Load<'_>> {
    let times: Option<Vec<Kind<'_>>> = kinds
        .iter()
        .map(|kind| {
            Some(Kind {
                jobs: kind.wall.count as u64,
                times: kind.times.as_ref()?,
            })
        })
        .collect();
    let known = Load::new(times?);
    (known.jobs() > 0).then(|| known.scaled(jobs))
}

fn sum_up(kind: &str, timings: &[&Timing], limit: Option<f64>) -> Option<Calibrated> {
    let wall: Vec<f64> = timings.iter().map(|timing| timing.wall).collect();
    let memory = timings.iter().filter_map(|timing| timing.memory.map(real));
    let times = Times::fit(wall.clone(), limit);
    Some(Calibrated {
        kind: kind.to_owned(),
        memory: Summary::of(memory.collect()),
        cores: cores(timings),
        threads: threads(timings),
        enough: times.is_some(),
        times,
        wall: Summary::of(wall)?,
    })
}

/// CPU seconds for each second of those jobs whose CPU time is known.
fn cores(timings: &[&Timing]) -> Option<f64> {
    let known = timings.iter().filter_map(|t| Some((t.cpu?, t.wall)));
    let (cpu, wall) = known.fold((0.0, 0.0), |(cpu, wall), (c, w)| (cpu + c, wall + w));
    (wall > 0.0).then(|| cpu / wall)
}

fn threads(timings: &[&Timing]) -> BTreeMap<u32, Threaded> {
    let mut threads: BTreeMap<u32, Threaded> = BTreeMap::new();
    for timing in timings {
        let of = threads.entry(timing.threads).or_default();
        of.jobs += 1;
        of.mean += (timing.wall - of.mean) / real(of.jobs);
    }
    threads
}

impl Calibrated {
    /// What to say where there are too few jobs.
    pub fn scarcity(&self) -> Option<String> {
        (!self.enough).then(|| {
            format!(
                "{} finished jobs are too few to reckon with (at least {FEWEST}): the recipe's \
                 cost counts",
                self.wall.count
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(kind: &str, wall: f64, threads: u32) -> Timing {
        Timing {
            kind: kind.into(),
            wall,
            cpu: Some(wall * 1.5),
            memory: Some(1 << 30),
            threads,
        }
    }

    #[test]
    fn kinds_are_told_apart_and_each_has_its_own_distribution() {
        let timings: Vec<Timing> = (0..40)
            .map(|n| timing("g", 100.0 + f64::from(n), 2))
            .chain((0..10).map(|n| timing("y", 300.0 + f64::from(n), 4)))
            .collect();
        let kinds = calibrate(&timings, None);
        let [g, y] = kinds.as_slice() else {
            panic!("{kinds:?}")
        };
        assert_eq!((g.kind.as_str(), g.wall.count, g.enough), ("g", 40, true));
        assert!((g.wall.median - 119.5).abs() < 1e-9);
        assert!((g.cores.unwrap() - 1.5).abs() < 1e-9);
        assert!((g.memory.unwrap().max - f64::from(1 << 30)).abs() < 1.0);
        assert_eq!(y.threads[&4].jobs, 10);
        assert_eq!(
            y.scarcity().unwrap(),
            "10 finished jobs are too few to reckon with (at least 20): the recipe's cost counts"
        );
        assert!(load(&kinds, 5).is_none());
        assert_eq!(load(&kinds[..1], 5).unwrap().jobs(), 5);
    }
}
