//! Plays an allocation: which slot runs which job when.

use std::{cmp::Reverse, collections::BinaryHeap};

/// How jobs get to the slots of an allocation. They are taken in the order in which they come,
/// which is longest expected first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Launcher {
    /// A slot that is free takes the next job. Between two jobs it is idle for `gap` seconds.
    Pull {
        /// Slots.
        slots: u32,
        /// Seconds that a slot loses with each job.
        gap: f64,
    },
    /// Steps of up to `ranks` jobs that all begin together; what a step occupies is free when its
    /// last job is over.
    Steps {
        /// Jobs of a step, each on a slot of its own.
        ranks: u32,
        /// Steps at once.
        lanes: u32,
        /// Seconds that each step loses.
        gap: f64,
    },
}

/// Launchers beside each other, each with the jobs that it was dealt: the tasks of an array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Launchers {
    /// Each of them.
    pub each: Launcher,
    /// How many.
    pub tasks: u32,
}

/// Where and when a job ran; times in seconds from the beginning of the allocation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Which slot.
    pub slot: u64,
    /// When it began.
    pub start: f64,
    /// When it was over.
    pub end: f64,
}

/// How an allocation went.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Played {
    /// Seconds until the last job was over.
    pub makespan: f64,
    /// Seconds of all jobs together.
    pub work: f64,
}

impl Launcher {
    /// Slots that are there.
    pub fn slots(self) -> u64 {
        match self {
            Self::Pull { slots, .. } => u64::from(slots),
            Self::Steps { ranks, lanes, .. } => u64::from(ranks) * u64::from(lanes),
        }
    }

    /// Plays jobs that take `seconds` each; `placed` hears of each. O(n log slots).
    pub fn play(
        self,
        seconds: impl Iterator<Item = f64>,
        mut placed: impl FnMut(Placed),
    ) -> Played {
        match self {
            Self::Pull { slots, gap } => {
                let mut lanes = Lanes::new(slots);
                let mut played = Played::default();
                for seconds in seconds {
                    lanes.next(|slot, free| {
                        let end = free + seconds;
                        placed(Placed {
                            slot,
                            start: free,
                            end,
                        });
                        played.count(seconds, end);
                        end + gap
                    });
                }
                played
            },
            Self::Steps { ranks, lanes, gap } => {
                steps(seconds, ranks.max(1), lanes, gap, &mut placed)
            },
        }
    }
}

impl Launchers {
    /// Plays jobs that take `seconds` each, dealt in turn, by tasks that all begin at once: what one
    /// of them has left goes to no other.
    pub fn play(self, seconds: impl Iterator<Item = f64>) -> Played {
        let tasks = usize::try_from(self.tasks).unwrap_or(usize::MAX).max(1);
        if tasks == 1 {
            return self.each.play(seconds, |_| {});
        }
        let seconds: Vec<f64> = seconds.collect();
        let hand = |task| seconds.iter().skip(task).step_by(tasks).copied();
        (0..tasks.min(seconds.len()))
            .map(|task| self.each.play(hand(task), |_| {}))
            .fold(Played::default(), |all, one| Played {
                makespan: all.makespan.max(one.makespan),
                work: all.work + one.work,
            })
    }
}

fn steps(
    mut seconds: impl Iterator<Item = f64>,
    ranks: u32,
    lanes: u32,
    gap: f64,
    placed: &mut impl FnMut(Placed),
) -> Played {
    let mut lanes = Lanes::new(lanes);
    let mut played = Played::default();
    let mut next = seconds.next();
    while next.is_some() {
        lanes.next(|lane, free| {
            let mut over = free;
            for rank in 0..u64::from(ranks) {
                let Some(taken) = next else { break };
                let end = free + taken;
                placed(Placed {
                    slot: lane * u64::from(ranks) + rank,
                    start: free,
                    end,
                });
                played.count(taken, end);
                over = over.max(end);
                next = seconds.next();
            }
            over + gap
        });
    }
    played
}

impl Played {
    fn count(&mut self, seconds: f64, end: f64) {
        self.work += seconds;
        self.makespan = self.makespan.max(end);
    }
}

/// What is free when: the lane that is free first is next, of several the first one.
struct Lanes {
    /// When each lane that was used is free again, and its number.
    used: BinaryHeap<Reverse<(Moment, u32)>>,
    all: u32,
}

impl Lanes {
    fn new(all: u32) -> Self {
        Self {
            used: BinaryHeap::new(),
            all: all.max(1),
        }
    }

    /// Gives the next lane, and when it is free, to `occupy`, which tells when it is free again.
    fn next(&mut self, occupy: impl FnOnce(u64, f64) -> f64) {
        let fresh = u32::try_from(self.used.len()).unwrap_or(u32::MAX);
        if fresh < self.all {
            let until = occupy(u64::from(fresh), 0.0);
            self.used.push(Reverse((Moment(until), fresh)));
        } else if let Some(mut first) = self.used.peek_mut() {
            let Reverse((Moment(free), lane)) = *first;
            *first = Reverse((Moment(occupy(u64::from(lane), free)), lane));
        }
    }
}

/// Seconds in an order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moment(f64);

impl Eq for Moment {}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moment {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::allocator::number::real;

    fn any_launcher() -> impl Strategy<Value = Launcher> {
        let gap = 0.0..0.5_f64;
        prop_oneof![
            (1..40_u32, gap.clone()).prop_map(|(slots, gap)| Launcher::Pull { slots, gap }),
            (1..12_u32, 1..5_u32, gap).prop_map(|(ranks, lanes, gap)| Launcher::Steps {
                ranks,
                lanes,
                gap
            }),
        ]
    }

    fn any_jobs() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0.0..1000.0_f64, 1..200)
    }

    fn longest(jobs: &[f64]) -> f64 {
        jobs.iter().copied().fold(0.0, f64::max)
    }

    proptest! {
        #[test]
        fn no_slot_runs_two_jobs_at_a_time_and_every_job_runs_once(
            launcher in any_launcher(), jobs in any_jobs(),
        ) {
            let mut placed = Vec::new();
            let played = launcher.play(jobs.iter().copied(), |job| placed.push(job));
            prop_assert_eq!(placed.len(), jobs.len());
            for (job, seconds) in placed.iter().zip(&jobs) {
                prop_assert!((job.end - job.start - seconds).abs() < 1e-6);
                prop_assert!(job.slot < launcher.slots());
                prop_assert!(job.end <= played.makespan);
            }
            placed.sort_by(|a, b| a.slot.cmp(&b.slot).then(a.start.total_cmp(&b.start)));
            for pair in placed.windows(2) {
                prop_assert!(pair[0].slot != pair[1].slot || pair[0].end <= pair[1].start);
            }
        }

        #[test]
        fn no_allocation_ends_before_the_ideal(launcher in any_launcher(), jobs in any_jobs()) {
            let played = launcher.play(jobs.iter().copied(), |_| {});
            let work: f64 = jobs.iter().sum();
            let ideal = longest(&jobs).max(work / real(launcher.slots()));
            prop_assert!((played.work - work).abs() < 1e-6 * work.max(1.0));
            prop_assert!(played.makespan >= ideal - 1e-6);
        }

        #[test]
        fn tasks_do_all_the_work_and_none_helps_another(
            each in any_launcher(), tasks in 1..9_u32, jobs in any_jobs(),
        ) {
            let alone = |jobs: &[f64]| each.play(jobs.iter().copied(), |_| {}).makespan;
            let played = Launchers { each, tasks }.play(jobs.iter().copied());
            let work: f64 = jobs.iter().sum();
            prop_assert!((played.work - work).abs() < 1e-6 * work.max(1.0));
            let hands = (0..tasks as usize).map(|task| {
                jobs.iter().skip(task).step_by(tasks as usize).copied().collect::<Vec<f64>>()
            });
            let last = hands.map(|hand| alone(&hand)).fold(0.0, f64::max);
            prop_assert!((played.makespan - last).abs() < 1e-9);
        }

        #[test]
        fn pulled_jobs_end_within_the_bound_of_list_scheduling(
            slots in 1..40_u32, jobs in any_jobs(),
        ) {
            let played = Launcher::Pull { slots, gap: 0.0 }.play(jobs.iter().copied(), |_| {});
            let work: f64 = jobs.iter().sum();
            let share = 1.0 / f64::from(slots);
            let bound = work * share + (1.0 - share) * longest(&jobs);
            prop_assert!(played.makespan <= bound + 1e-6);
        }

        #[test]
        fn more_slots_never_make_pulled_jobs_end_later(slots in 1..40_u32, jobs in any_jobs()) {
            let end = |slots| {
                Launcher::Pull { slots, gap: 0.1 }.play(jobs.iter().copied(), |_| {}).makespan
            };
            prop_assert!(end(slots + 1) <= end(slots) + 1e-6);
        }
    }

    #[test]
    fn a_step_holds_its_slots_until_its_last_job_is_over() {
        let jobs = [10.0, 1.0, 1.0, 1.0];
        let steps = |lanes| Launcher::Steps {
            ranks: 2,
            lanes,
            gap: 0.0,
        };
        let end = |launcher: Launcher| launcher.play(jobs.into_iter(), |_| {}).makespan;
        assert!((end(steps(1)) - 11.0).abs() < 1e-9);
        assert!((end(steps(2)) - 10.0).abs() < 1e-9);
        assert!((end(Launcher::Pull { slots: 2, gap: 0.0 }) - 10.0).abs() < 1e-9);
    }
}
