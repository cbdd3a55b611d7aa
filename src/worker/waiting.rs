//! The jobs that wait for a node: the longest first. Pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    desk::{NodeId, Task},
    room::Need,
};

/// The node that a job failed on last, if it did.
pub(super) type Lane = Option<NodeId>;

/// Jobs by lane and need, each group with the longest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    lanes: BTreeMap<Lane, BTreeMap<Need, BTreeSet<Entry>>>,
}

/// Expected seconds and number of a job.
type Entry = (Reverse<u64>, u64);

impl Waiting {
    pub(super) fn add(&mut self, lane: Lane, task: &Task) {
        let groups = self.lanes.entry(lane).or_default();
        let group = groups.entry(task.need).or_default();
        group.insert((Reverse(task.seconds), task.seq));
    }

    pub(super) fn remove(&mut self, lane: Lane, task: &Task) {
        let Some(groups) = self.lanes.get_mut(&lane) else {
            return;
        };
        if let Some(group) = groups.get_mut(&task.need) {
            group.remove(&(Reverse(task.seconds), task.seq));
            if group.is_empty() {
                groups.remove(&task.need);
            }
        }
        if groups.is_empty() {
            self.lanes.remove(&lane);
        }
    }

    /// The longest job of a lane that is `allowed`, with a need that `fits`, that takes at most
    /// `left` seconds. Of jobs of equal length the first counts.
    pub(super) fn pick(
        &self,
        left: u64,
        allowed: impl Fn(Lane) -> bool,
        fits: impl Fn(Need) -> bool,
    ) -> Option<u64> {
        let lanes = self.lanes.iter().filter(|(lane, _)| allowed(**lane));
        let groups = lanes.flat_map(|(_, groups)| groups);
        let firsts = groups
            .filter(|(need, _)| fits(**need))
            .filter_map(|(_, group)| group.range((Reverse(left), 0)..).next());
        firsts.min().map(|(_, seq)| *seq)
    }

    /// Whether a job is here that takes at most `left` seconds.
    pub(super) fn has_any(&self, left: u64) -> bool {
        self.pick(left, |_| true, |_| true).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::desk::tests::task, *};

    #[test]
    fn the_longest_that_fits_comes_first() {
        let mut waiting = Waiting::default();
        for (seq, threads, seconds) in [(1, 1, 10), (2, 4, 90), (3, 1, 30), (4, 1, 30)] {
            waiting.add(None, &task(seq, threads, seconds));
        }
        waiting.add(Some(NodeId(7)), &task(5, 1, 80));
        let pick = |left, threads| {
            waiting.pick(left, |lane| lane.is_none(), |need| need.threads <= threads)
        };
        assert_eq!(pick(u64::MAX, 4), Some(2));
        assert_eq!(pick(u64::MAX, 1), Some(3));
        assert_eq!(pick(89, 4), Some(3));
        assert_eq!(pick(29, 4), Some(1));
        assert_eq!(pick(9, 4), None);
        assert_eq!(
            waiting.pick(u64::MAX, |_| true, |need| need.threads < 4),
            Some(5)
        );
        waiting.remove(None, &task(1, 1, 10));
        assert!(!waiting.has_any(29));
    }
}
