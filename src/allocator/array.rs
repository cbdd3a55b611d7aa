//! Requests that are cut into the tasks of a job array, which the scheduler begins one by one.

use super::{Allocation, Limits};
use crate::config::site::Site;

/// The tasks into which a request is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskLimits {
    /// Nodes of one task; more than none.
    pub nodes: u32,
    /// Most tasks; more than none.
    pub most: u32,
}

impl TaskLimits {
    /// Those that `site` states, if it wants arrays.
    pub fn of(site: &Site) -> Option<Self> {
        site.array.as_ref().map(|array| Self {
            nodes: array.nodes.max(1),
            most: array.max_tasks.max(1),
        })
    }

    /// Limits within which a request is a whole number of tasks.
    pub(super) fn within(self, limits: &Limits) -> Limits {
        let whole = |tasks: u32| tasks.clamp(1, self.most).saturating_mul(self.nodes);
        let max_nodes = whole(limits.max_nodes / self.nodes);
        Limits {
            min_nodes: whole(limits.min_nodes.div_ceil(self.nodes)).min(max_nodes),
            max_nodes,
            array: Some(self),
            ..limits.clone()
        }
    }

    /// Tasks of a request of so many nodes.
    pub(super) fn tasks(self, nodes: u32) -> u32 {
        nodes.div_ceil(self.nodes).clamp(1, self.most)
    }
}

/// Cuts the request into tasks, none without a job; what is one task is a single job.
pub(super) fn cut(whole: Allocation, limits: &Limits) -> Allocation {
    let Some(array) = limits.array else {
        return whole;
    };
    let jobs = u32::try_from(whole.jobs_per_run).unwrap_or(u32::MAX);
    let tasks = array.tasks(whole.nodes).min(jobs.max(1));
    let nodes = tasks.saturating_mul(array.nodes);
    let grown = f64::from(nodes) / f64::from(whole.nodes.max(1));
    let mut notes = whole.notes;
    if nodes < whole.nodes && tasks == array.most {
        notes.push(format!(
            "{} nodes are more than an array of {} tasks of {} has",
            whole.nodes, array.most, array.nodes
        ));
    }
    Allocation {
        tasks: (tasks > 1).then_some(tasks),
        nodes: array.nodes,
        core_hours: whole.core_hours * grown,
        fill: whole.fill / grown,
        notes,
        ..whole
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        allocator::{Work, allocate},
        config::{site::Formula, units::Seconds},
    };

    fn limits(max_nodes: u32, array: TaskLimits) -> Limits {
        array.within(&Limits {
            cores_per_node: 24,
            min_nodes: 1,
            max_nodes,
            min_walltime: Seconds(60),
            max_walltime: Seconds(8 * 3600),
            fill_factor: 0.8,
            array: None,
        })
    }

    fn work(jobs: u64) -> Work {
        Work {
            stage: "chip".into(),
            jobs,
            threads: 2,
            seconds_per_job: 150.0,
            longest: None,
        }
    }

    #[test]
    fn a_wide_request_becomes_tasks_of_the_same_walltime() {
        let one = TaskLimits {
            nodes: 1,
            most: 1000,
        };
        let wide = allocate(
            Formula::Bounded,
            &work(10_000),
            &Limits {
                array: None,
                ..limits(40, one)
            },
        );
        let (wide, tasks) = (
            wide.unwrap(),
            allocate(Formula::Bounded, &work(10_000), &limits(40, one)),
        );
        let tasks = tasks.unwrap();
        assert_eq!((tasks.tasks, tasks.nodes), (Some(wide.nodes), 1));
        assert_eq!(tasks.walltime, wide.walltime);
        assert!((tasks.core_hours - wide.core_hours).abs() < 1e-9);
    }

    #[test]
    fn what_fits_one_task_is_no_array() {
        let two = TaskLimits {
            nodes: 2,
            most: 1000,
        };
        let allocation = allocate(Formula::Bounded, &work(3), &limits(40, two)).unwrap();
        assert_eq!((allocation.tasks, allocation.nodes), (None, 2));
    }

    proptest! {
        #[test]
        fn all_tasks_together_are_within_the_limits_and_hold_the_jobs(
            jobs in 1..100_000_u64, max_nodes in 1..200_u32, nodes in 1..8_u32, most in 1..50_u32,
        ) {
            prop_assume!(nodes <= max_nodes);
            let limits = limits(max_nodes, TaskLimits { nodes, most });
            let given = allocate(Formula::Bounded, &work(jobs), &limits).unwrap();
            let tasks = given.tasks.unwrap_or(1);
            prop_assert!(tasks <= most && tasks * given.nodes <= max_nodes);
            prop_assert!(u64::from(tasks) <= given.jobs_per_run);
            prop_assert!(given.tasks != Some(1) && given.nodes == nodes);
            // The busiest task runs its jobs turn by turn.
            let of_task = given.jobs_per_run.div_ceil(u64::from(tasks));
            let turns = of_task.div_ceil(u64::from(nodes) * 12);
            prop_assert!(turns * 150 <= given.walltime.0, "{:?}", given);
        }
    }
}
