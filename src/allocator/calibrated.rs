//! The formula that knows what jobs took: requests are found by playing the launcher on drawn
//! times, not from a mean.
//!
//! A request holds its jobs if, of many plays, the share [`SURE`] is over within the walltime. Of
//! the requests whose work fills the site's `fill_factor`, the preference decides: the fewest runs
//! and of these the fewest whole hours (as the default formula), the shortest walltime however
//! many runs that takes, or the fewest runs and of these the shortest walltime, so the most nodes.
//! If none fills that share, those count that fill nearly as much as the best, and it is said.

use std::iter;

use super::{
    Allocation, AllocationError, Limits, Outlook, array,
    forecast::{Forecast, Load},
    number::{narrow, real, whole, whole_up},
    simulate::Launchers,
    start::{Slots, Start},
};
use crate::config::{
    site::{Formula, Prefer},
    units::Seconds,
};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// Share of the plays that must be over within the walltime.
const SURE: f64 = 0.95;
/// Jobs that are drawn to try a request, and to tell of the one that is found.
const DRAWS: (u64, u64) = (100_000, 1_000_000);
/// Share of the best fill that still counts as filling nearly as much.
const NEARLY: f64 = 0.95;
/// Seconds of an allocation before its first job begins and after its last one.
const AROUND: f64 = 15.0;

/// What is wanted of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// What the site's queue likes.
    pub prefer: Prefer,
    /// What starts the jobs.
    pub start: Start,
    /// Whether all jobs must be in one run.
    pub one_run: bool,
    /// Where random numbers begin; the same gives the same request.
    pub seed: u64,
}

/// The request for jobs of known times. `threads` are the cores that a job takes.
///
/// # Errors
/// Limits that make no sense, or jobs that no request within them can hold.
pub fn propose(
    stage: &str,
    load: &Load<'_>,
    threads: u32,
    limits: &Limits,
    wish: Wish,
) -> Result<Allocation, AllocationError> {
    limits.check()?;
    let search = Search::new(stage, load, threads, limits, wish)?;
    let capacity = search.capacity(limits.max_walltime.0);
    if capacity == 0 {
        return Err(AllocationError::TooLong {
            stage: stage.to_owned(),
            seconds: load.scaled(1).longest(),
            max: limits.max_walltime,
        });
    }
    // What a bundle was cut to may miss by a play or two when it is played again.
    let nearly = capacity.saturating_add(capacity / 16);
    let fewest = match load.jobs().div_ceil(capacity) {
        _ if wish.one_run && load.jobs() <= nearly => 1,
        runs => runs,
    };
    let found = search.first_that_fills(fewest);
    let runs = u32::try_from(fewest).map_err(|_| AllocationError::TooMany {
        stage: stage.to_owned(),
        jobs: load.jobs(),
    })?;
    let shape = found.unwrap_or_else(|| search.largest(runs));
    Ok(array::cut(search.allocation(&shape, capacity), limits))
}

/// Walltimes to try, in seconds, shortest first; the last is the longest that the site grants.
fn ladder(prefer: Prefer, limits: &Limits) -> impl Iterator<Item = u64> {
    let first = match prefer {
        Prefer::Hours => HOUR,
        Prefer::Short | Prefer::Wide => limits.min_walltime.0.max(MINUTE),
    };
    let most = limits.max_walltime.0;
    let next = move |at: &u64| {
        Some(match prefer {
            Prefer::Hours if *at < 4 * HOUR => at + HOUR,
            Prefer::Hours => (at / HOUR * 5 / 4 * HOUR).max(at + HOUR),
            Prefer::Short | Prefer::Wide => (at * 5 / 4).next_multiple_of(MINUTE),
        })
    };
    iter::successors(Some(first), next)
        .take_while(move |walltime| *walltime < most)
        .chain(iter::once(most))
        .filter({
            let least = limits.min_walltime.0;
            move |walltime| *walltime >= least
        })
}

/// A request that holds its jobs.
#[derive(Debug)]
struct Shape {
    runs: u32,
    jobs: u64,
    nodes: u32,
    walltime: u64,
    /// Share of the slots' time that jobs use.
    fill: f64,
    forecast: Forecast,
}

struct Search<'a> {
    load: &'a Load<'a>,
    limits: &'a Limits,
    wish: Wish,
    threads: u32,
    slots_per_node: u32,
    mean: f64,
}

impl<'a> Search<'a> {
    fn new(
        stage: &str,
        load: &'a Load<'a>,
        threads: u32,
        limits: &'a Limits,
        wish: Wish,
    ) -> Result<Self, AllocationError> {
        if load.jobs() == 0 {
            return Err(AllocationError::NoJobs(stage.to_owned()));
        }
        let slots_per_node = limits.slots_per_node(stage, threads)?;
        Ok(Self {
            mean: load.mean(),
            load,
            limits,
            wish,
            threads,
            slots_per_node,
        })
    }

    fn slots(&self, nodes: u32) -> Slots {
        Slots {
            nodes,
            per_node: self.slots_per_node,
        }
    }

    /// What starts the jobs on so many nodes.
    fn launchers(&self, nodes: u32) -> Launchers {
        let (nodes, tasks) = match self.limits.array {
            Some(array) => (array.nodes, array.tasks(nodes)),
            None => (nodes, 1),
        };
        let each = self.wish.start.on(self.slots(nodes));
        Launchers { each, tasks }
    }

    fn forecast(&self, jobs: u64, nodes: u32) -> Forecast {
        let load = self.load.scaled(jobs);
        load.forecast(self.launchers(nodes), self.wish.seed, DRAWS.0)
    }

    /// Seconds of an allocation within which it is almost surely over.
    fn end(forecast: &Forecast) -> f64 {
        forecast.within(SURE) + AROUND
    }

    fn holds(&self, jobs: u64, nodes: u32, walltime: u64) -> Option<Forecast> {
        let forecast = self.forecast(jobs, nodes);
        (Self::end(&forecast) <= real(walltime)).then_some(forecast)
    }

    /// Most jobs that the largest request of a walltime holds: 0 if not even one.
    fn capacity(&self, walltime: u64) -> u64 {
        let nodes = self.limits.max_nodes;
        let slots = f64::from(self.slots(nodes).all());
        let time = real(walltime) - AROUND;
        let ideal = whole(time * slots / self.mean);
        let (mut low, mut high) = (0, ideal.min(self.load.jobs()));
        while low < high {
            let middle = match high {
                // All of them often fit, and the ideal is mostly missed by little.
                _ if high == self.load.jobs() && low == 0 => high,
                _ => high - ((high - low) / 8).max(1),
            };
            let middle = middle.max(low + 1);
            if self.holds(middle, nodes, walltime).is_some() {
                low = middle;
                if high - low <= low / 64 {
                    break;
                }
            } else {
                high = middle - 1;
            }
        }
        low
    }

    /// The shortest request that fills enough; if none does, the shortest that fills nearly as much
    /// as the best.
    fn first_that_fills(&self, fewest: u64) -> Option<Shape> {
        let mut shapes: Vec<Shape> = Vec::new();
        for walltime in ladder(self.wish.prefer, self.limits) {
            let Some(shape) = self.shape(walltime, fewest) else {
                continue;
            };
            if shape.fill >= self.limits.fill_factor {
                return Some(shape);
            }
            shapes.push(shape);
        }
        let best = shapes.iter().map(|shape| shape.fill).fold(0.0, f64::max);
        shapes.into_iter().find(|shape| shape.fill >= NEARLY * best)
    }

    /// The smallest request of at most that walltime for an even share of the jobs.
    fn shape(&self, walltime: u64, fewest: u64) -> Option<Shape> {
        let all = self.load.jobs();
        let runs = match self.wish.prefer {
            Prefer::Short if !self.wish.one_run => match self.capacity(walltime) {
                0 => return None,
                capacity => all.div_ceil(capacity).max(fewest),
            },
            _ => fewest,
        };
        let jobs = all.div_ceil(runs);
        let (nodes, forecast) = self.nodes(jobs, walltime)?;
        let needed = whole_up(Self::end(&forecast))
            .next_multiple_of(MINUTE)
            .max(self.limits.min_walltime.0)
            .min(walltime);
        let runs = u32::try_from(runs).ok()?;
        Some(self.with(runs, jobs, nodes, needed, forecast))
    }

    /// The largest request, whether or not it holds an even share of the jobs.
    fn largest(&self, runs: u32) -> Shape {
        let jobs = self.load.jobs().div_ceil(u64::from(runs.max(1)));
        let nodes = self.limits.max_nodes;
        let forecast = self.forecast(jobs, nodes);
        self.with(runs, jobs, nodes, self.limits.max_walltime.0, forecast)
    }

    fn with(&self, runs: u32, jobs: u64, nodes: u32, walltime: u64, forecast: Forecast) -> Shape {
        let asked = f64::from(self.slots(nodes).all()) * real(walltime);
        Shape {
            runs,
            jobs,
            nodes,
            walltime,
            fill: forecast.work / asked,
            forecast,
        }
    }

    /// Fewest nodes that hold so many jobs.
    fn nodes(&self, jobs: u64, walltime: u64) -> Option<(u32, Forecast)> {
        let (least, most) = (self.limits.min_nodes.max(1), self.limits.max_nodes);
        let time = (real(walltime) - AROUND).max(1.0);
        let slots = real(jobs) * self.mean / time;
        let ideal = narrow(whole_up(slots / f64::from(self.slots_per_node)));
        if ideal > most {
            return None;
        }
        let mut too_few = ideal.max(least).saturating_sub(1);
        let mut step = 1;
        let (mut enough, mut forecast) = loop {
            let tried = too_few.saturating_add(step).min(most);
            match self.holds(jobs, tried, walltime) {
                Some(forecast) => break (tried, forecast),
                None if tried == most => return None,
                None => (too_few, step) = (tried, (step * 2).max(tried / 16)),
            }
        };
        while enough - too_few > (1 + enough / 200) {
            let middle = too_few + (enough - too_few) / 2;
            match self.holds(jobs, middle, walltime) {
                Some(found) => (enough, forecast) = (middle, found),
                None => too_few = middle,
            }
        }
        Some((enough, forecast))
    }

    fn allocation(&self, shape: &Shape, capacity: u64) -> Allocation {
        let limits = self.limits;
        let hours = real(shape.walltime) / real(HOUR);
        let cores = f64::from(shape.nodes) * f64::from(limits.cores_per_node);
        let core_hours = cores * hours * f64::from(shape.runs);
        let used = real(self.load.jobs()) * f64::from(self.threads) * self.mean / real(HOUR);
        let slots = f64::from(self.slots(shape.nodes).all());
        // Other random numbers than those that the walltime was cut to.
        let other = self.load.scaled(shape.jobs).forecast(
            self.launchers(shape.nodes),
            self.wish.seed ^ u64::MAX,
            DRAWS.1,
        );
        let makespan = shape.forecast.within(0.5);
        let outlook = Outlook {
            expected_seconds: whole_up(makespan + AROUND),
            efficiency: shape.forecast.work / (slots * (makespan + AROUND)),
            overrun: other.overrun(real(shape.walltime) - AROUND),
            plays: other.plays(),
        };
        Allocation {
            formula: Formula::Calibrated,
            tasks: None,
            nodes: shape.nodes,
            walltime_hours: hours,
            walltime: Seconds(shape.walltime),
            runs: shape.runs,
            jobs_per_run: shape.jobs,
            capacity_jobs: match self.wish.prefer {
                Prefer::Short => shape.jobs,
                Prefer::Hours | Prefer::Wide => capacity,
            },
            core_hours,
            fill: used / core_hours,
            outlook: Some(outlook),
            notes: self.notes(shape, outlook),
        }
    }

    fn notes(&self, shape: &Shape, outlook: Outlook) -> Vec<String> {
        let mut notes = vec![format!(
            "played {} times: over after {} in half of them, not over within the walltime in {:.1} %",
            outlook.plays,
            Seconds(outlook.expected_seconds),
            outlook.overrun * 100.0
        )];
        if shape.runs > 1 {
            notes.push(format!(
                "{} jobs go into {} runs of up to {}",
                self.load.jobs(),
                shape.runs,
                shape.jobs
            ));
        }
        if shape.fill < self.limits.fill_factor {
            notes.push(format!(
                "no request fills {:.0} % of its slots' time; this one fills {:.0} %",
                self.limits.fill_factor * 100.0,
                shape.fill * 100.0
            ));
        }
        notes.extend(self.limits.idle_note(self.threads));
        notes
    }
}

#[cfg(test)]
mod tests;
