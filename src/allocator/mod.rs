//! Nodes × walltime from work: pure formulas, chosen by name, and what finished jobs teach them.

mod array;
mod bounded;
mod calibrated;
mod calibration;
mod forecast;
mod historic;
mod number;
mod simulate;
mod split;
mod start;
mod threads;
mod times;

use serde::Serialize;

use crate::config::{
    site::{Formula, Site},
    units::Seconds,
};

pub use array::TaskLimits;
pub use calibrated::{Wish, propose};
pub use calibration::{Calibrated, Threaded, calibrate, load};
pub use forecast::{Forecast, Kind, Load};
pub use historic::ipp_cost;
pub use simulate::{Launcher, Launchers, Placed, Played};
pub use split::{Part, split};
pub use start::{Slots, Start};
pub use threads::{Node, Throughput, advise};
pub use times::{FEWEST, Summary, Times};

/// What is to be computed: a bundle of jobs of one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Stage, by which formula `ipp` looks up its own cost.
    pub stage: String,
    /// Number of jobs.
    pub jobs: u64,
    /// Cores a job uses.
    pub threads: u32,
    /// Expected seconds of a job.
    pub seconds_per_job: f64,
    /// Expected seconds of the longest job, where it is known to differ.
    pub longest: Option<f64>,
}

/// What a site grants (seconds are whole, as schedulers count them).
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Cores of a node.
    pub cores_per_node: u32,
    /// Fewest nodes of a request.
    pub min_nodes: u32,
    /// Most nodes of a request.
    pub max_nodes: u32,
    /// Shortest walltime of a request.
    pub min_walltime: Seconds,
    /// Longest walltime of a request.
    pub max_walltime: Seconds,
    /// Share of a request that work should fill, above 0 and at most 1.
    pub fill_factor: f64,
    /// The tasks into which each request is cut, where the site wants arrays.
    pub array: Option<TaskLimits>,
}

/// A request for a batch job. As JSON its walltime is in hours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Allocation {
    /// The formula that gave it.
    pub formula: Formula,
    /// Tasks of each run's array; `None` where a run is a single job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// Nodes of each run, or of each task of its array.
    pub nodes: u32,
    /// Walltime of each run, in hours.
    pub walltime_hours: f64,
    /// Walltime of each run.
    #[serde(skip)]
    pub walltime: Seconds,
    /// Runs into which the work is split.
    pub runs: u32,
    /// Jobs of the largest run when the runs are as even as they can be.
    pub jobs_per_run: u64,
    /// Most jobs that one run may hold: the capacity that [`split()`] takes.
    #[serde(skip)]
    pub capacity_jobs: u64,
    /// Core-hours that all runs together ask for.
    pub core_hours: f64,
    /// Share of these core-hours that the work is predicted to use. For formula `seed` and a
    /// walltime of one hour this is the notes' "unused side calculation".
    pub fill: f64,
    /// How a run will go, where it was played.
    #[serde(flatten)]
    pub outlook: Option<Outlook>,
    /// What a person should know about it.
    pub notes: Vec<String>,
}

/// How a run will go, as plays with drawn times tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Outlook {
    /// Seconds after which half of the plays are over.
    pub expected_seconds: u64,
    /// Share of the slots' time until then that jobs use.
    pub efficiency: f64,
    /// Share of the plays that are not over within the walltime.
    pub overrun: f64,
    /// Number of plays.
    pub plays: u64,
}

/// Why no request fits.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AllocationError {
    /// There are no jobs.
    #[error("stage {0} has no jobs: there is nothing to allocate")]
    NoJobs(String),
    /// The cost of a job makes no sense.
    #[error(
        "stage {stage}: {threads} threads for {seconds} s is no cost of a job: both must be above 0"
    )]
    BadCost {
        /// The stage.
        stage: String,
        /// Its threads.
        threads: u32,
        /// Its seconds.
        seconds: f64,
    },
    /// The site's limits contradict themselves.
    #[error("the site's limits make no sense: {0}")]
    BadLimits(&'static str),
    /// A job needs more cores than a node has.
    #[error(
        "a job of stage {stage} needs {threads} cores, but a node has {cores}: lower the recipe's \
         cost.threads, or use a site with larger nodes"
    )]
    TooWide {
        /// The stage.
        stage: String,
        /// Cores a job needs.
        threads: u32,
        /// Cores of a node.
        cores: u32,
    },
    /// A job is longer than the longest walltime.
    #[error(
        "a job of stage {stage} takes {seconds} s, but the longest walltime is {max}: split the \
         job, or raise the site's walltime.max"
    )]
    TooLong {
        /// The stage.
        stage: String,
        /// Seconds of the longest job.
        seconds: f64,
        /// The longest walltime.
        max: Seconds,
    },
    /// More runs than can be counted.
    #[error("{jobs} jobs of stage {stage} are more than 4294967295 runs hold: define less at once")]
    TooMany {
        /// The stage.
        stage: String,
        /// Its jobs.
        jobs: u64,
    },
}

/// The request that `formula` makes for `work` at a site with `limits`.
///
/// # Errors
/// Work or limits that make no sense; with [`Formula::Bounded`] also a job that no request within
/// the limits can run.
///
/// [`Formula::Calibrated`] without times of finished jobs is [`Formula::Bounded`]; with them see
/// [`propose`].
pub fn allocate(
    formula: Formula,
    work: &Work,
    limits: &Limits,
) -> Result<Allocation, AllocationError> {
    limits.check()?;
    work.check()?;
    let whole = match formula {
        Formula::Seed => historic::seed(work, limits),
        Formula::Ipp => historic::ipp(work, limits),
        Formula::Bounded | Formula::Calibrated => bounded::allocate(work, limits)?,
    };
    Ok(array::cut(whole, limits))
}

impl Limits {
    /// The limits that `site` states.
    pub fn of(site: &Site) -> Self {
        let limits = Self {
            cores_per_node: site.nodes.cores,
            min_nodes: site.nodes.min,
            max_nodes: site.nodes.max,
            min_walltime: site.walltime.min,
            max_walltime: site.walltime.max,
            fill_factor: site.fill_factor,
            array: None,
        };
        match TaskLimits::of(site) {
            Some(array) => array.within(&limits),
            None => limits,
        }
    }

    /// Jobs of so many threads that a node has at once.
    fn slots_per_node(&self, stage: &str, threads: u32) -> Result<u32, AllocationError> {
        match self.cores_per_node / threads.max(1) {
            0 => Err(AllocationError::TooWide {
                stage: stage.to_owned(),
                threads,
                cores: self.cores_per_node,
            }),
            slots => Ok(slots),
        }
    }

    /// That cores stay idle beside jobs of so many threads, if some do.
    fn idle_note(&self, threads: u32) -> Option<String> {
        let idle = self.cores_per_node % threads.max(1);
        (idle > 0).then(|| {
            format!(
                "{idle} of {} cores of each node stay idle: jobs take {threads} each",
                self.cores_per_node
            )
        })
    }

    fn check(&self) -> Result<(), AllocationError> {
        let wrong = if self.cores_per_node == 0 {
            "nodes.cores is 0"
        } else if self.max_nodes == 0 {
            "nodes.max is 0"
        } else if self.min_nodes > self.max_nodes {
            "nodes.min is above nodes.max"
        } else if self.max_walltime.0 == 0 {
            "walltime.max is 0"
        } else if self.min_walltime.0 > self.max_walltime.0 {
            "walltime.min is above walltime.max"
        } else if !(self.fill_factor > 0.0 && self.fill_factor <= 1.0) {
            "fill_factor is not above 0 and at most 1"
        } else {
            return Ok(());
        };
        Err(AllocationError::BadLimits(wrong))
    }
}

impl Work {
    fn check(&self) -> Result<(), AllocationError> {
        if self.jobs == 0 {
            return Err(AllocationError::NoJobs(self.stage.clone()));
        }
        let sane = |seconds: f64| seconds.is_finite() && seconds > 0.0;
        for seconds in [Some(self.seconds_per_job), self.longest]
            .into_iter()
            .flatten()
        {
            if !sane(seconds) || self.threads == 0 {
                return Err(AllocationError::BadCost {
                    stage: self.stage.clone(),
                    threads: self.threads,
                    seconds,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
