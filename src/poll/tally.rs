//! How the tasks of an array stand, as the scheduler lists them.

use std::{collections::BTreeMap, fmt};

use crate::batch::{JobId, JobStatus};

/// How many tasks of an array are where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    tasks: u32,
    running: u32,
    waiting: u32,
    /// How many ended how, of those whose end is known.
    endings: BTreeMap<String, u32>,
}

impl Tally {
    /// The tasks of the array `id` of so many; `None` if the scheduler lists none of them.
    pub(super) fn of(
        statuses: &BTreeMap<JobId, JobStatus>,
        id: &JobId,
        tasks: u32,
    ) -> Option<Self> {
        let listed = statuses.iter().filter(|(task, _)| task.is_task_of(id));
        let mut tally = Self {
            tasks,
            running: 0,
            waiting: 0,
            endings: BTreeMap::new(),
        };
        let mut count = 0;
        for (_, status) in listed {
            count += 1;
            match status {
                JobStatus::Running { .. } => tally.running += 1,
                JobStatus::Queued { .. } | JobStatus::Held { .. } => tally.waiting += 1,
                JobStatus::Ended(ending) => {
                    *tally.endings.entry(ending.to_string()).or_default() += 1;
                },
                // It may be anything.
                JobStatus::Unknown => return None,
            }
        }
        (count > 0).then_some(tally)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tasks,
            running,
            waiting,
            endings,
        } = self;
        let living = running.saturating_add(*waiting);
        // The scheduler forgets tasks that are over before the others are.
        let ended = tasks.saturating_sub(living);
        if living > 0 {
            write!(
                f,
                "{ended} of {tasks} tasks have ended, {running} run, {waiting} wait"
            )?;
        } else {
            write!(f, "its {tasks} tasks have ended")?;
        }
        let mut sign = ": ";
        for (ending, count) in endings {
            write!(f, "{sign}{count} {ending}")?;
            sign = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Ending;

    fn tally(states: &[(&str, JobStatus)]) -> Option<String> {
        let parsed = states
            .iter()
            .map(|(id, status)| (id.parse().unwrap(), status.clone()));
        let id = "7".parse().unwrap();
        Tally::of(&parsed.collect(), &id, 8).map(|tally| tally.to_string())
    }

    fn queued() -> JobStatus {
        JobStatus::Queued {
            reason: String::new(),
        }
    }

    fn running() -> JobStatus {
        JobStatus::Running {
            node_count: None,
            started: None,
        }
    }

    #[test]
    fn what_is_not_listed_any_more_has_ended() {
        let states = [
            ("7", running()),
            ("7_3", JobStatus::Ended(Ending::Cancelled)),
            ("7_4", running()),
            ("7_5", running()),
            ("7_6", queued()),
            ("7_7", queued()),
            ("70_1", queued()),
        ];
        assert_eq!(
            tally(&states).unwrap(),
            "4 of 8 tasks have ended, 2 run, 2 wait: 1 cancelled"
        );
    }

    #[test]
    fn an_array_that_is_over_tells_how_its_tasks_ended() {
        let states = [
            ("7_0", JobStatus::Ended(Ending::Completed)),
            ("7_1", JobStatus::Ended(Ending::Completed)),
            ("7_2", JobStatus::Ended(Ending::Timeout)),
        ];
        assert_eq!(
            tally(&states).unwrap(),
            "its 8 tasks have ended: 2 completed, 1 killed at walltime"
        );
    }

    #[test]
    fn nothing_is_told_of_what_is_not_known() {
        assert_eq!(tally(&[("7", running())]), None);
        assert_eq!(
            tally(&[("7_1", JobStatus::Unknown), ("7_2", running())]),
            None
        );
    }
}
