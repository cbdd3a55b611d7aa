//! Cutting a bundle into runs.

use std::ops::Range;

/// Consecutive components that make one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Indices of the components.
    pub components: Range<usize>,
    /// Jobs of all of them.
    pub jobs: u64,
    /// Whether this is one component with more jobs than a run may hold.
    pub oversized: bool,
}

/// Cuts a bundle, given the jobs of its components, into runs of at most `capacity_jobs` jobs.
///
/// The components keep their order and none is cut apart; one that exceeds the capacity alone is
/// a part of its own and marked. There are no more parts than that needs, and of all such cuts
/// this is one whose largest part is smallest.
pub fn split(jobs_per_component: &[u32], capacity_jobs: u64) -> Vec<Part> {
    let fullest = fill(jobs_per_component, capacity_jobs, capacity_jobs);
    let (mut low, mut high) = (0, capacity_jobs);
    while low < high {
        let middle = low + (high - low) / 2;
        let parts = fill(jobs_per_component, capacity_jobs, middle);
        if parts.len() == fullest.len() && holds(&parts, middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    fill(jobs_per_component, capacity_jobs, high)
}

fn holds(parts: &[Part], target: u64) -> bool {
    parts
        .iter()
        .all(|part| part.oversized || part.jobs <= target)
}

/// Fills one part after the other up to `target` jobs.
fn fill(jobs_per_component: &[u32], capacity: u64, target: u64) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (index, jobs) in jobs_per_component.iter().enumerate() {
        let jobs = u64::from(*jobs);
        match parts.last_mut() {
            Some(last) if !last.oversized && last.jobs + jobs <= target => {
                last.components.end = index + 1;
                last.jobs += jobs;
            },
            _ => parts.push(Part {
                components: index..index + 1,
                jobs,
                oversized: jobs > capacity,
            }),
        }
    }
    parts
}
