//! What starts the jobs at a site: as its steps are cut, and as it is played.

use super::{number::narrow, simulate::Launcher};
use crate::config::site::{LauncherKind, Site};

/// Seconds that a step of srun costs, and each of its ranks (measured on the lab).
const STEP: (f64, f64) = (0.031, 0.004);
/// Seconds from a job's end to the begin of the next one that a worker has pulled.
const PULL: f64 = 0.002;
/// Bytes that a line of a multi-prog config takes at most, as they are written now.
const LINE: u64 = 64;

/// What starts the jobs at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The launcher.
    pub launcher: LauncherKind,
    /// Most ranks of one step.
    pub ranks: u32,
    /// Steps at once, at least; 1 is one after the other.
    pub lanes: u32,
}

/// The slots of an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Nodes.
    pub nodes: u32,
    /// Jobs that a node runs at once.
    pub per_node: u32,
}

impl Slots {
    /// All of them.
    pub fn all(self) -> u32 {
        self.nodes.saturating_mul(self.per_node)
    }

    /// The widest step where `lanes` of them run beside each other. Each has as many slots on one
    /// node as on another, since srun deals the ranks of each step to the nodes in turn.
    pub fn share(self, lanes: u32) -> u32 {
        let per_node = (self.per_node / lanes.max(1)).max(1);
        self.nodes.saturating_mul(per_node).max(1)
    }

    /// How many steps of up to `ranks` ranks run at once, where a site asks for `lanes`: as many as
    /// the slots hold, or one after the other.
    pub fn lanes(self, lanes: u32, ranks: u32) -> u32 {
        match lanes {
            0 | 1 => 1,
            _ => (self.all() / ranks.max(1)).max(1),
        }
    }
}

impl Start {
    /// What starts jobs at `site`.
    pub fn of(site: &Site) -> Self {
        let by_bytes = narrow(site.chunk.max_bytes.0 / LINE).max(1);
        Self {
            launcher: site.launcher,
            ranks: site.chunk.max_tasks.unwrap_or(by_bytes).min(by_bytes),
            lanes: site.lanes(),
        }
    }

    /// The launcher on these slots.
    pub(super) fn on(self, slots: Slots) -> Launcher {
        match self.launcher {
            LauncherKind::Chunks => {
                let ranks = self.ranks.min(slots.share(self.lanes)).max(1);
                let (step, rank) = STEP;
                let gap = step + rank * f64::from(ranks);
                Launcher::Steps {
                    ranks,
                    lanes: slots.lanes(self.lanes, ranks),
                    gap,
                }
            },
            LauncherKind::Worker => Launcher::Pull {
                slots: slots.all(),
                gap: PULL,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn steps(nodes: u32, per_node: u32, start: Start) -> (u32, u32) {
        match start.on(Slots { nodes, per_node }) {
            Launcher::Steps { ranks, lanes, .. } => (ranks, lanes),
            Launcher::Pull { .. } => panic!("chunks are steps"),
        }
    }

    #[rstest]
    #[case::one_after_the_other(10, 12, 937, 1, (120, 1))]
    #[case::one_after_the_other_though_it_is_narrow(10, 12, 40, 1, (40, 1))]
    #[case::each_its_share(10, 12, 937, 4, (30, 4))]
    #[case::what_does_not_divide_is_one_more_lane(10, 24, 937, 5, (40, 6))]
    #[case::no_more_lanes_than_slots_of_a_node(10, 2, 937, 4, (10, 2))]
    #[case::a_wide_allocation_has_more(1000, 12, 937, 4, (937, 12))]
    fn steps_fill_the_slots(
        #[case] nodes: u32,
        #[case] per_node: u32,
        #[case] ranks: u32,
        #[case] lanes: u32,
        #[case] shape: (u32, u32),
    ) {
        let launcher = LauncherKind::Chunks;
        let start = Start {
            launcher,
            ranks,
            lanes,
        };
        assert_eq!(steps(nodes, per_node, start), shape);
    }

    proptest! {
        #[test]
        fn no_more_ranks_run_at_once_than_there_are_slots(
            nodes in 1..2000_u32, per_node in 1..200_u32, most in 1..2000_u32, lanes in 1..70_u32,
        ) {
            let start = Start { launcher: LauncherKind::Chunks, ranks: most, lanes };
            let (ranks, at_once) = steps(nodes, per_node, start);
            let slots = nodes * per_node;
            prop_assert!(ranks * at_once <= slots && ranks <= most);
            prop_assert!(lanes == 1 || ranks * at_once > slots - ranks);
        }
    }
}
