//! Advice on threads: with how many cores a job, a node does most jobs an hour.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{calibration::Threaded, times::FEWEST};

/// Walltime of the same work by threads a job: the developer notes' test (seed 003).
const NOTES: [(&str, &[(u32, f64)]); 3] = [
    ("chip", &[(2, 560.0), (3, 496.0), (4, 492.0)]),
    ("warp", &[(2, 259.0), (3, 246.0), (4, 241.0)]),
    ("stack", &[(2, 967.0), (3, 760.0), (4, 631.0)]),
];

/// What a node does with so many threads a job.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Throughput {
    /// Threads a job.
    pub threads: u32,
    /// Jobs of a node at once.
    pub slots: u32,
    /// Seconds of a job.
    pub seconds: f64,
    /// Jobs an hour of a node.
    pub jobs_per_hour: f64,
    /// Whether this was measured here; else it follows from the developer notes.
    pub measured: bool,
}

/// What a node holds, and what a job takes of its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Cores.
    pub cores: u32,
    /// Bytes of memory, if known.
    pub memory: Option<u64>,
    /// Bytes that a job needs, if known.
    pub job_memory: Option<u64>,
}

/// What a node does by threads a job, the best first; of equals, fewer threads. Measured numbers
/// of threads count where there are enough jobs; others follow by the ratios of the notes, if the
/// stage is in them. Empty if fewer than two are known.
pub fn advise(stage: &str, measured: &BTreeMap<u32, Threaded>, node: Node) -> Vec<Throughput> {
    let enough = |of: &&Threaded| usize::try_from(of.jobs).is_ok_and(|jobs| jobs >= FEWEST);
    let here: BTreeMap<u32, f64> = measured
        .iter()
        .filter(|(_, of)| enough(of) && of.mean > 0.0)
        .map(|(threads, of)| (*threads, of.mean))
        .collect();
    let mut known: BTreeMap<u32, (f64, bool)> = follows(stage, &here)
        .map(|(threads, seconds)| (threads, (seconds, false)))
        .collect();
    known.extend(here.iter().map(|(threads, s)| (*threads, (*s, true))));
    let mut advice: Vec<Throughput> = known
        .into_iter()
        .filter_map(|(threads, (seconds, measured))| {
            let slots = node.slots(threads);
            (slots > 0).then(|| Throughput {
                threads,
                slots,
                seconds,
                jobs_per_hour: f64::from(slots) * 3600.0 / seconds,
                measured,
            })
        })
        .collect();
    advice.sort_by(|a, b| b.jobs_per_hour.total_cmp(&a.jobs_per_hour));
    if advice.len() < 2 {
        advice.clear();
    }
    advice
}

/// Seconds by threads, scaled from the notes to what was measured with a number that they have.
fn follows<'a>(stage: &str, here: &'a BTreeMap<u32, f64>) -> impl Iterator<Item = (u32, f64)> + 'a {
    let table = NOTES.iter().find(|(name, _)| *name == stage);
    let rows = table.map_or(&[] as &[_], |(_, rows)| rows);
    let scale = rows
        .iter()
        .find_map(|(threads, walltime)| Some(here.get(threads)? / walltime));
    rows.iter()
        .filter_map(move |(threads, walltime)| Some((*threads, walltime * scale?)))
}

impl Node {
    fn slots(self, threads: u32) -> u32 {
        let by_cores = self.cores / threads.max(1);
        let by_memory = match (self.memory, self.job_memory) {
            (Some(node), Some(job)) if job > 0 => u32::try_from(node / job).unwrap_or(u32::MAX),
            _ => u32::MAX,
        };
        by_cores.min(by_memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Node = Node {
        cores: 24,
        memory: None,
        job_memory: None,
    };

    fn jobs(threads: u32, mean: f64) -> (u32, Threaded) {
        (threads, Threaded { jobs: 100, mean })
    }

    #[test]
    fn the_notes_say_that_two_threads_a_chip_do_most_where_memory_allows() {
        let measured = BTreeMap::from([jobs(2, 150.0)]);
        let advice = advise("chip", &measured, NODE);
        let order: Vec<_> = advice
            .iter()
            .map(|t| (t.threads, t.slots, t.measured))
            .collect();
        assert_eq!(order, [(2, 12, true), (3, 8, false), (4, 6, false)]);
        assert!((advice[0].jobs_per_hour - 288.0).abs() < 1e-9);
        assert!((advice[1].seconds - 150.0 * 496.0 / 560.0).abs() < 1e-9);
    }

    #[test]
    fn where_memory_holds_few_jobs_more_threads_use_the_cores() {
        let node = Node {
            memory: Some(64 << 30),
            job_memory: Some(10 << 30),
            ..NODE
        };
        let advice = advise("stack", &BTreeMap::from([jobs(2, 967.0)]), node);
        assert_eq!((advice[0].threads, advice[0].slots), (4, 6));
    }

    #[test]
    fn what_was_measured_here_counts_more_than_the_notes() {
        let measured = BTreeMap::from([jobs(2, 560.0), jobs(4, 200.0)]);
        assert_eq!(advise("chip", &measured, NODE)[0].threads, 4);
    }

    #[test]
    fn nothing_is_advised_of_a_stage_that_only_one_number_is_known_of() {
        assert_eq!(
            advise("photometry", &BTreeMap::from([jobs(2, 9.0)]), NODE),
            []
        );
        assert_eq!(advise("chip", &BTreeMap::new(), NODE), []);
    }
}
