//! Which of several requests the queue of a site would have done first.

use std::fmt;

use serde::Serialize;

use super::{exit::CliError, workplace};
use crate::{
    allocator::Allocation,
    batch::Foresight,
    config::{site::Prefer, units::Seconds},
    remote::{Reckoning, Workplace},
};

/// A request, and when it would begin.
#[derive(Debug, Serialize)]
pub(super) struct Choice {
    pub(super) prefer: Prefer,
    #[serde(flatten)]
    pub(super) allocation: Allocation,
    begins: Foresight,
    /// Seconds from now until all its runs are over, one after the other, if that is foreseen.
    over_in_seconds: Option<u64>,
}

/// The requests of all preferences, the one that is over first at the beginning, those of which
/// nothing is foreseen at the end. The scheduler is asked once.
pub(super) fn choices(
    workplace: &Workplace,
    reckoning: &Reckoning,
    jobs: u64,
    site: &str,
) -> Result<Vec<Choice>, CliError> {
    let mut allocations: Vec<(Prefer, Allocation)> = Vec::new();
    for prefer in [Prefer::Hours, Prefer::Wide, Prefer::Short] {
        let reckoning = Reckoning {
            prefer,
            ..reckoning.clone()
        };
        let allocation = reckoning.allocate(jobs, false)?;
        let same = |(_, known): &(Prefer, Allocation)| {
            let shape = |of: &Allocation| (of.tasks, of.nodes, of.walltime, of.runs);
            shape(known) == shape(&allocation)
        };
        if !allocations.iter().any(same) {
            allocations.push((prefer, allocation));
        }
    }
    let (prefers, allocations): (Vec<_>, Vec<_>) = allocations.into_iter().unzip();
    let begins = workplace::block_on(workplace.foresee(site, &allocations))??;
    let now = workplace.clock.now();
    let mut choices: Vec<Choice> = prefers
        .into_iter()
        .zip(allocations)
        .zip(begins)
        .map(|((prefer, allocation), begins)| Choice {
            over_in_seconds: over(&allocation, &begins, now),
            prefer,
            allocation,
            begins,
        })
        .collect();
    choices.sort_by_key(|choice| choice.over_in_seconds.unwrap_or(u64::MAX));
    Ok(choices)
}

fn over(allocation: &Allocation, begins: &Foresight, now: jiff::Timestamp) -> Option<u64> {
    let wait = match begins {
        Foresight::Now => 0,
        Foresight::At(at) => u64::try_from(at.as_second() - now.as_second()).unwrap_or(0),
        Foresight::Unknown(_) => return None,
    };
    let run = allocation
        .outlook
        .map_or(allocation.walltime.0, |outlook| outlook.expected_seconds);
    Some(wait + run * u64::from(allocation.runs))
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Allocation {
            runs,
            tasks,
            nodes,
            walltime,
            ..
        } = &self.allocation;
        let tasks = tasks.map_or_else(String::new, |tasks| format!("{tasks} tasks x "));
        let word = match self.prefer {
            Prefer::Hours => "hours",
            Prefer::Short => "short",
            Prefer::Wide => "wide",
        };
        write!(
            f,
            "{word:<6} {runs} x {tasks}{nodes} nodes for {walltime}: "
        )?;
        let over = Seconds(self.over_in_seconds.unwrap_or_default());
        match &self.begins {
            Foresight::Unknown(why) => write!(f, "not foreseen ({why})"),
            Foresight::Now => write!(f, "begins now, over in {over}"),
            Foresight::At(at) => write!(f, "begins {at}, over in {over}"),
        }
    }
}
