//! Cores and memory of a node, and who has them. Pure.

use serde::{Deserialize, Serialize};

/// Cores and bytes of memory.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub(super) struct Need {
    /// Cores.
    pub(super) threads: u32,
    /// Bytes of memory; of a node, `u64::MAX` where nobody said how many it has.
    pub(super) memory: u64,
}

impl Need {
    /// What a job with this need takes of a node that has `whole`: at least a core, and at most
    /// all of it, since a job that asks for more would never begin.
    #[must_use]
    pub(super) fn of(self, whole: Self) -> Self {
        Self {
            threads: self.threads.clamp(1, whole.threads.max(1)),
            memory: self.memory.min(whole.memory),
        }
    }
}

/// A node's cores and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    whole: Need,
    taken: Need,
}

impl Room {
    /// All of it free.
    pub(super) fn new(whole: Need) -> Self {
        Self {
            whole,
            taken: Need::default(),
        }
    }

    /// All that the node has.
    pub(super) fn whole(&self) -> Need {
        self.whole
    }

    /// Takes what a job needs, if that is free.
    pub(super) fn take(&mut self, need: Need) -> bool {
        let fits = self.fits(need);
        if fits {
            let need = need.of(self.whole);
            self.taken.threads += need.threads;
            self.taken.memory += need.memory;
        }
        fits
    }

    /// Whether what a job needs is free.
    pub(super) fn fits(&self, need: Need) -> bool {
        let need = need.of(self.whole);
        need.threads <= self.whole.threads.max(1).saturating_sub(self.taken.threads)
            && need.memory <= self.whole.memory.saturating_sub(self.taken.memory)
    }

    /// Gives back what [`Room::take`] took.
    pub(super) fn give_back(&mut self, need: Need) {
        let need = need.of(self.whole);
        self.taken.threads = self.taken.threads.saturating_sub(need.threads);
        self.taken.memory = self.taken.memory.saturating_sub(need.memory);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_job_that_asks_for_more_than_a_node_gets_the_whole_of_it() {
        let mut room = Room::new(Need {
            threads: 4,
            memory: u64::MAX,
        });
        let huge = Need {
            threads: 48,
            memory: u64::MAX,
        };
        let small = Need {
            threads: 0,
            memory: 0,
        };
        assert!(room.take(huge));
        assert!(!room.take(small));
        room.give_back(huge);
        assert!(room.take(small) && !room.take(huge));
    }

    proptest! {
        #[test]
        fn no_more_is_taken_than_is_there(
            whole in (1_u32..9, 0_u64..50),
            needs in prop::collection::vec((0_u32..12, 0_u64..60, any::<bool>()), 0..60),
        ) {
            let whole = Need { threads: whole.0, memory: whole.1 };
            let mut room = Room::new(whole);
            let mut inside: Vec<Need> = Vec::new();
            for (threads, memory, leave) in needs {
                if leave && let Some(need) = inside.pop() {
                    room.give_back(need);
                }
                let need = Need { threads, memory };
                if room.take(need) {
                    inside.push(need);
                }
                let sum = |of: fn(Need) -> u64| inside.iter().map(|need| of(need.of(whole))).sum::<u64>();
                prop_assert!(sum(|need| need.threads.into()) <= whole.threads.into());
                prop_assert!(sum(|need| need.memory) <= whole.memory);
            }
        }
    }
}
