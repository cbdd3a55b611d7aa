//! The default formula: never over the site's limits.
//!
//! A request holds `jobs` if its slot-seconds are at least the work divided by the fill factor,
//! if its slots can take the jobs one after the other within the walltime, and if the longest job
//! fits in it. As in the notes' example, the walltime is the fewest whole hours in which the
//! site's largest number of nodes would do; the nodes are then as few as do in that time; and
//! last, the walltime is cut to the minutes which these nodes need.

use super::{
    Allocation, AllocationError, Limits, Work,
    number::{narrow, real, whole, whole_up},
};
use crate::config::{site::Formula, units::Seconds};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

pub(super) fn allocate(work: &Work, limits: &Limits) -> Result<Allocation, AllocationError> {
    let plan = Plan::new(work, limits)?;
    let capacity = plan.capacity();
    let runs = work.jobs.div_ceil(capacity);
    let jobs = work.jobs.div_ceil(runs);
    let too_many = |_| AllocationError::TooMany {
        stage: work.stage.clone(),
        jobs: work.jobs,
    };
    let runs = u32::try_from(runs).map_err(too_many)?;
    let (nodes, walltime) = plan.request(jobs);

    let hours = real(walltime) / real(HOUR);
    let core_hours = f64::from(nodes) * f64::from(limits.cores_per_node) * hours * f64::from(runs);
    let used = real(work.jobs) * f64::from(work.threads) * plan.seconds / real(HOUR);
    Ok(Allocation {
        formula: Formula::Bounded,
        tasks: None,
        nodes,
        walltime_hours: hours,
        walltime: Seconds(walltime),
        runs,
        jobs_per_run: jobs,
        capacity_jobs: capacity,
        core_hours,
        fill: used / core_hours,
        outlook: None,
        notes: plan.notes(work, limits, runs),
    })
}

/// Work and limits in the units of the search: slots (of which a node has a whole number) and
/// seconds.
struct Plan {
    seconds: f64,
    longest: f64,
    slots_per_node: u64,
    min_nodes: u64,
    max_nodes: u64,
    min_walltime: u64,
    max_walltime: u64,
    fill: f64,
}

impl Plan {
    fn new(work: &Work, limits: &Limits) -> Result<Self, AllocationError> {
        let slots_per_node = u64::from(limits.slots_per_node(&work.stage, work.threads)?);
        let seconds = work.seconds_per_job;
        let longest = work.longest.map_or(seconds, |longest| longest.max(seconds));
        if longest > real(limits.max_walltime.0) {
            return Err(AllocationError::TooLong {
                stage: work.stage.clone(),
                seconds: longest,
                max: limits.max_walltime,
            });
        }
        Ok(Self {
            seconds,
            longest,
            slots_per_node,
            min_nodes: u64::from(limits.min_nodes.max(1)),
            max_nodes: u64::from(limits.max_nodes),
            min_walltime: limits.min_walltime.0,
            max_walltime: limits.max_walltime.0,
            fill: limits.fill_factor,
        })
    }

    /// Most jobs that the largest request holds. One job always fits, if with less slack than
    /// the fill factor asks for.
    fn capacity(&self) -> u64 {
        let slots = self.max_nodes * self.slots_per_node;
        let walltime = real(self.max_walltime);
        let by_fill = whole(self.fill * real(slots) * walltime / self.seconds);
        let by_turns = slots.saturating_mul(whole(walltime / self.seconds));
        by_fill.min(by_turns).max(1)
    }

    fn request(&self, jobs: u64) -> (u32, u64) {
        let shortest = self.walltime_of(self.max_nodes, jobs);
        let target = shortest
            .div_ceil(HOUR)
            .saturating_mul(HOUR)
            .min(self.max_walltime);
        let nodes = self.nodes_within(target, jobs);
        let walltime = self
            .walltime_of(nodes, jobs)
            .div_ceil(MINUTE)
            .saturating_mul(MINUTE)
            .min(target);
        (narrow(nodes), walltime)
    }

    /// Seconds in which `nodes` hold `jobs`, within the limits.
    fn walltime_of(&self, nodes: u64, jobs: u64) -> u64 {
        let slots = nodes * self.slots_per_node;
        let by_fill = real(jobs) * self.seconds / (self.fill * real(slots));
        let by_turns = real(jobs.div_ceil(slots)) * self.seconds;
        whole_up(by_fill.max(by_turns).max(self.longest))
            .max(self.min_walltime)
            .min(self.max_walltime)
    }

    /// Fewest nodes that hold `jobs` in `walltime` seconds, within the limits.
    fn nodes_within(&self, walltime: u64, jobs: u64) -> u64 {
        let by_fill = whole_up(real(jobs) * self.seconds / (self.fill * real(walltime)));
        let turns = whole(real(walltime) / self.seconds).max(1);
        by_fill
            .max(jobs.div_ceil(turns))
            .div_ceil(self.slots_per_node)
            .clamp(self.min_nodes, self.max_nodes)
    }

    fn notes(&self, work: &Work, limits: &Limits, runs: u32) -> Vec<String> {
        let mut notes = Vec::new();
        if runs > 1 {
            notes.push(format!(
                "{} jobs are more than one run of this site holds ({}): split into {runs} runs",
                work.jobs,
                self.capacity()
            ));
        }
        notes.extend(limits.idle_note(work.threads));
        let slots = real(self.max_nodes * self.slots_per_node);
        if self.seconds > self.fill * slots * real(self.max_walltime) {
            notes.push(format!(
                "one job of {} s leaves less slack in the longest walltime than the fill factor \
                 asks for",
                self.seconds
            ));
        }
        notes
    }
}
