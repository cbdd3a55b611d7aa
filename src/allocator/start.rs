//! What starts the jobs at a site, as it is played.

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
}

impl Start {
    /// What starts jobs at `site`.
    pub fn of(site: &Site) -> Self {
        let by_bytes = narrow(site.chunk.max_bytes.0 / LINE).max(1);
        Self {
            launcher: site.launcher,
            ranks: site.chunk.max_tasks.unwrap_or(by_bytes).min(by_bytes),
        }
    }

    /// The launcher on so many slots.
    pub(super) fn on(self, slots: u32) -> Launcher {
        match self.launcher {
            LauncherKind::Chunks => {
                let ranks = self.ranks.min(slots).max(1);
                let (step, rank) = STEP;
                let gap = step + rank * f64::from(ranks);
                Launcher::Steps {
                    ranks,
                    lanes: 1,
                    gap,
                }
            },
            LauncherKind::Worker => Launcher::Pull { slots, gap: PULL },
        }
    }
}
