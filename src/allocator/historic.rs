//! The formulas of the original: that of the developer notes, and that of its final scripts.

use super::{
    Allocation, Limits, Work,
    number::{narrow, real, whole},
};
use crate::config::{site::Formula, units::Seconds};

const HOUR: u64 = 3600;

/// Fill factor, a constant of the original.
const IPP_FILL: f64 = 0.8;
/// Threads of a job, a constant of the original although its commands ask for 4.
const IPP_THREADS: u32 = 2;

/// Seconds of one job of a stage, as the original's final scripts have them (spec/remote.md §4).
pub fn ipp_cost(stage: &str) -> Option<Seconds> {
    let seconds = match stage {
        "camera" | "cam" => 1700,
        "chip" => 150,
        "warp" => 110,
        "stack" => 1500,
        "staticsky" => 7200,
        "diff" | "ff" => 300,
        _ => return None,
    };
    Some(Seconds(seconds))
}

/// The notes' worked example: whole hours, no minima or maxima but the number of nodes from which
/// the time follows.
pub(super) fn seed(work: &Work, limits: &Limits) -> Allocation {
    let node_hours = node_hours(work.jobs, work.threads, work.seconds_per_job, limits);
    let (nodes, hours) = fit(node_hours, limits.fill_factor, limits);
    request(Formula::Seed, nodes, hours, work.jobs, node_hours, limits)
}

/// The formula of the original's final scripts (spec/remote.md §4): whole hours, 2 threads, a
/// fill of 0.8 and its own table of costs, whatever the recipe and the site say. Subscription
/// and slack come after the limits, so that a request can exceed them.
pub(super) fn ipp(work: &Work, limits: &Limits) -> Allocation {
    let cost = ipp_cost(&work.stage);
    let seconds = cost.map_or(work.seconds_per_job, |cost| real(cost.0));
    let node_hours = node_hours(work.jobs, IPP_THREADS, seconds, limits);
    let min_hours = limits.min_walltime.0.div_ceil(HOUR);
    let max_hours = (limits.max_walltime.0 / HOUR).max(1);
    let (min_nodes, max_nodes) = (u64::from(limits.min_nodes), u64::from(limits.max_nodes));
    let mut remarks = Vec::new();
    let (nodes, hours) = if node_hours < IPP_FILL * real(min_nodes) * real(min_hours) {
        (min_nodes, min_hours)
    } else if node_hours > IPP_FILL * real(max_nodes) * real(max_hours) {
        remarks.push(format!(
            "{} jobs need {node_hours:.1} node-hours, more than the site's limits hold in one run",
            work.jobs
        ));
        (max_nodes, max_hours)
    } else {
        fit(node_hours, IPP_FILL, limits)
    };
    let (subscription, slack) = match work.stage.as_str() {
        "stack" | "staticsky" => (3, 2),
        _ => (1, 1),
    };
    if cost.is_none() {
        remarks.push(format!(
            "stage {} is not in the formula's table of costs: {seconds} s a job are the recipe's",
            work.stage
        ));
    }
    let mut allocation = request(
        Formula::Ipp,
        nodes.saturating_mul(subscription),
        hours.saturating_add(slack),
        work.jobs,
        node_hours,
        limits,
    );
    remarks.append(&mut allocation.notes);
    Allocation {
        notes: remarks,
        ..allocation
    }
}

fn node_hours(jobs: u64, threads: u32, seconds: f64, limits: &Limits) -> f64 {
    let nodes = real(jobs) * f64::from(threads) / f64::from(limits.cores_per_node);
    nodes * seconds / real(HOUR)
}

fn fit(node_hours: f64, fill: f64, limits: &Limits) -> (u64, u64) {
    let hours = whole(node_hours / (fill * f64::from(limits.max_nodes))).saturating_add(1);
    let nodes = whole(node_hours / (fill * real(hours))).saturating_add(1);
    (nodes, hours)
}

fn request(
    formula: Formula,
    nodes: u64,
    hours: u64,
    jobs: u64,
    node_hours: f64,
    limits: &Limits,
) -> Allocation {
    let nodes = narrow(nodes);
    let walltime = Seconds(hours.saturating_mul(HOUR));
    let requested = f64::from(nodes) * real(hours);
    let fill = node_hours / requested;
    let mut remarks = Vec::new();
    if nodes > limits.max_nodes {
        remarks.push(format!(
            "{nodes} nodes are over the site's {}",
            limits.max_nodes
        ));
    }
    if walltime > limits.max_walltime {
        remarks.push(format!(
            "a walltime of {walltime} is over the site's {}",
            limits.max_walltime
        ));
    }
    if fill > 1.0 {
        remarks.push(format!(
            "the request holds only {:.0} % of the work",
            100.0 / fill
        ));
    }
    Allocation {
        formula,
        tasks: None,
        nodes,
        walltime_hours: real(hours),
        walltime,
        runs: 1,
        jobs_per_run: jobs,
        capacity_jobs: jobs,
        core_hours: requested * f64::from(limits.cores_per_node),
        fill,
        outlook: None,
        notes: remarks,
    }
}
