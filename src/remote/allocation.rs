//! The allocation of a stage's jobs at a site, from the recipe's cost or from finished jobs.

use super::workplace::{RemoteError, Workplace};
use crate::{
    allocator::{self, Allocation, Calibrated, Limits, Start, Wish, Work},
    config::{
        recipe::Cost,
        site::{Formula, Prefer, Site},
    },
    state::timing::TimingFilter,
};

/// Finished jobs that a calibration looks at, at most: the newest, since programs change.
pub const NEWEST: u32 = 100_000;

/// Where the random numbers of every forecast begin, so that the same work gets the same request.
const SEED: u64 = 1;

/// How the jobs of a stage become a request of a site.
#[derive(Debug, Clone)]
pub struct Reckoning {
    /// The stage.
    pub stage: String,
    /// What a job costs, as the recipe says.
    pub cost: Cost,
    /// The site.
    pub site: Site,
    /// The formula.
    pub formula: Formula,
    /// What the queue likes.
    pub prefer: Prefer,
    /// What finished jobs say; empty unless the formula asks for it.
    pub kinds: Vec<Calibrated>,
}

impl Workplace {
    /// How jobs of a stage become a request of a site, by its formula and preference.
    ///
    /// # Errors
    /// An unknown stage or site, or whatever state.db says.
    pub fn reckoning(&self, stage: &str, site_name: &str) -> Result<Reckoning, RemoteError> {
        let site = self.loaded.site(site_name)?.clone();
        let recipe = &self.loaded.recipe(stage)?.recipe;
        let reckoning = Reckoning {
            stage: recipe.stage.clone(),
            cost: recipe.cost.clone(),
            formula: site.formula,
            prefer: site.prefer,
            kinds: Vec::new(),
            site,
        };
        match reckoning.formula {
            Formula::Calibrated => self.calibrated(reckoning, site_name),
            Formula::Seed | Formula::Ipp | Formula::Bounded => Ok(reckoning),
        }
    }

    /// The same by formula `calibrated`, whatever the site's own is.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn calibrated(
        &self,
        reckoning: Reckoning,
        site_name: &str,
    ) -> Result<Reckoning, RemoteError> {
        let kinds = self.calibration(&reckoning.stage, Some(site_name), None)?;
        Ok(Reckoning {
            formula: Formula::Calibrated,
            kinds,
            ..reckoning
        })
    }

    /// What the finished jobs of a stage took, at a site or anywhere, by kind.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn calibration(
        &self,
        stage: &str,
        site: Option<&str>,
        by: Option<&str>,
    ) -> Result<Vec<Calibrated>, RemoteError> {
        let timings = self.store.timings(&TimingFilter {
            stage,
            site,
            by,
            newest: NEWEST,
        })?;
        let recipe = self.loaded.recipe(stage).ok();
        let limit = recipe.and_then(|loaded| loaded.recipe.cost.limit);
        let limit = limit.map(|limit| super::define::seconds(limit.0));
        Ok(allocator::calibrate(&timings, limit))
    }
}

impl Reckoning {
    /// The request for so many jobs; in one run if they must be and nearly fit.
    ///
    /// # Errors
    /// Jobs that no request of the site holds.
    pub fn allocate(&self, jobs: u64, one_run: bool) -> Result<Allocation, RemoteError> {
        let limits = Limits::of(&self.site);
        let work = work(&self.stage, jobs, &self.cost, &self.site);
        let Some(load) = allocator::load(&self.kinds, jobs) else {
            let mut allocation = allocator::allocate(self.formula, &work, &limits)?;
            if self.formula == Formula::Calibrated {
                allocation.notes.insert(0, self.scarcity());
            }
            return Ok(allocation);
        };
        let wish = Wish {
            prefer: self.prefer,
            start: Start::of(&self.site),
            one_run,
            seed: SEED,
        };
        let mut allocation = allocator::propose(&self.stage, &load, work.threads, &limits, wish)?;
        allocation.notes.extend(self.memory_note());
        Ok(allocation)
    }

    /// Jobs that a node runs at once.
    pub fn slots_per_node(&self) -> u32 {
        let threads = work(&self.stage, 1, &self.cost, &self.site).threads;
        (self.site.nodes.cores / threads.max(1)).max(1)
    }

    fn scarcity(&self) -> String {
        let scarce = self.kinds.iter().find_map(Calibrated::scarcity);
        scarce.unwrap_or_else(|| {
            format!(
                "no finished job of {} to reckon with: the recipe's cost counts",
                self.stage
            )
        })
    }

    /// A warning if jobs took more memory than they are given.
    fn memory_note(&self) -> Option<String> {
        let seen = self.kinds.iter().filter_map(|kind| kind.memory);
        let most = seen.map(|memory| memory.max).fold(0.0, f64::max);
        let given = self.cost.memory?;
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        let given_mib = mib(super::define::seconds(given.0));
        (mib(most) > given_mib).then(|| {
            format!(
                "jobs took up to {:.0} MiB of memory, cost.memory of the recipe gives them \
                 {given_mib:.0}: raise it",
                mib(most)
            )
        })
    }
}

/// The work of so many jobs. A job that needs more memory than its share of a node counts as
/// using the cores of that memory.
pub(super) fn work(stage: &str, jobs: u64, cost: &Cost, site: &Site) -> Work {
    let by_memory = match (cost.memory, site.nodes.memory) {
        (Some(job), Some(node)) if node.0 > 0 => {
            let share =
                (u128::from(job.0) * u128::from(site.nodes.cores)).div_ceil(u128::from(node.0));
            u32::try_from(share).unwrap_or(u32::MAX)
        },
        _ => 1,
    };
    Work {
        stage: stage.to_owned(),
        jobs,
        threads: cost.threads.max(by_memory),
        seconds_per_job: super::define::seconds(cost.seconds.0),
        longest: None,
    }
}
