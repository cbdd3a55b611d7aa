//! Dealing the jobs of a run to the tasks of an array.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::chunk::ChunkJob;

/// Deals jobs to so many tasks, the longest first, each to the task with the least to do, so that tasks
/// differ by one job at most. None goes without while there are as many jobs as tasks. O(n log n).
pub(super) fn deal(mut jobs: Vec<ChunkJob>, tasks: u32) -> Vec<Vec<ChunkJob>> {
    jobs.sort_unstable_by_key(|job| (Reverse(job.seconds), job.seq));
    let mut hands: Vec<Vec<ChunkJob>> = (0..tasks.max(1)).map(|_| Vec::new()).collect();
    let mut least: BinaryHeap<Reverse<(u64, usize, usize)>> =
        (0..hands.len()).map(|hand| Reverse((0, 0, hand))).collect();
    for job in jobs {
        let Some(Reverse((seconds, count, at))) = least.pop() else {
            break;
        };
        if let Some(hand) = hands.get_mut(at) {
            hand.push(job);
        }
        least.push(Reverse((
            seconds.saturating_add(job.seconds),
            count + 1,
            at,
        )));
    }
    hands
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn jobs(seconds: &[u64]) -> Vec<ChunkJob> {
        (1..)
            .zip(seconds)
            .map(|(seq, seconds)| ChunkJob {
                seq,
                seconds: *seconds,
                offset: 0,
                length: 1,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn every_job_is_dealt_once_and_no_task_has_more_by_more_than_a_job(
            seconds in prop::collection::vec(0..1000_u64, 1..200), tasks in 1..30_u32,
        ) {
            let hands = deal(jobs(&seconds), tasks);
            prop_assert_eq!(hands.len(), tasks as usize);
            let mut seen: Vec<u64> = hands.iter().flatten().map(|job| job.seq).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (1..=seconds.len() as u64).collect::<Vec<_>>());
            let works = || hands.iter().map(|hand| hand.iter().map(|job| job.seconds).sum::<u64>());
            let longest = seconds.iter().max().unwrap();
            prop_assert!(works().max().unwrap() - works().min().unwrap() <= *longest);
            if seconds.len() >= tasks as usize {
                prop_assert!(hands.iter().all(|hand| !hand.is_empty()), "{:?}", hands);
            }
        }
    }

    #[test]
    fn jobs_of_the_same_length_go_round() {
        let hands = deal(jobs(&[5; 7]), 3);
        let seqs: Vec<Vec<u64>> = hands
            .iter()
            .map(|hand| hand.iter().map(|job| job.seq).collect())
            .collect();
        assert_eq!(seqs, [vec![1, 4, 7], vec![2, 5], vec![3, 6]]);
    }
}
