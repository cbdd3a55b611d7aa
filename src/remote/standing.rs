//! Where everything stands, by stage.

use serde::Serialize;

use super::{
    order,
    workplace::{RemoteError, Workplace},
};
use crate::state::{
    back_off::Waiting,
    component::ComponentState,
    run::{RunFilter, RunState},
};

/// Where one stage stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct StageStanding {
    /// The stage.
    pub stage: String,
    /// Queued by an earlier stage and not bundled yet.
    pub queued: u64,
    /// All runs.
    pub runs: u64,
    /// Runs that move on by themselves.
    pub active: u64,
    /// Runs that wait for a login.
    pub auth: u64,
    /// Runs in error.
    pub error: u64,
    /// Runs that are full.
    pub full: u64,
    /// Components, each counted once however often it was bundled; those free to be bundled again are left out.
    pub components: u64,
    /// Components that passed.
    pub passed: u64,
    /// Components that failed and stay so.
    pub failed: u64,
    /// Components that may be bundled again only later.
    pub waiting: Waiting,
    /// Jobs of all runs.
    pub jobs: u64,
    /// Products at home.
    pub products: u64,
}

impl Workplace {
    /// Where the stages stand, in the order of their chains; only runs with one of `labels`, if
    /// any are given.
    pub fn by_stage(&self, labels: &[String]) -> Result<Vec<StageStanding>, RemoteError> {
        let mut stages: Vec<StageStanding> = Vec::new();
        for stage in order::stages(&self.loaded.recipes) {
            let queued = self.store.queued(&stage)?;
            stages.push(StageStanding {
                stage,
                queued,
                ..StageStanding::default()
            });
        }
        let filter = RunFilter {
            labels: labels.to_vec(),
            ..RunFilter::default()
        };
        for run in self.store.runs(&filter)? {
            let place = stages.iter().position(|stage| stage.stage == run.stage);
            let Some(standing) = (match place {
                Some(place) => stages.get_mut(place),
                None => {
                    stages.push(StageStanding {
                        stage: run.stage.clone(),
                        ..StageStanding::default()
                    });
                    stages.last_mut()
                },
            }) else {
                continue;
            };
            standing.runs += 1;
            standing.jobs += run.jobs;
            match run.state {
                RunState::Active(_) => standing.active += 1,
                RunState::Auth(_) => standing.auth += 1,
                RunState::Error(_) => standing.error += 1,
                RunState::Full => standing.full += 1,
                RunState::Hold(_) | RunState::Cancelled | RunState::Cleaned => {},
            }
            for (state, count) in self.store.tally(run.run_id)? {
                match state {
                    ComponentState::Retry => continue,
                    ComponentState::Passed => standing.passed += count,
                    ComponentState::Failed
                    | ComponentState::Partial
                    | ComponentState::PrepFailed => standing.failed += count,
                    ComponentState::New | ComponentState::Prepared => {},
                }
                standing.components += count;
            }
            standing.products += self.store.count_products(run.run_id)?;
        }
        for delayed in self.store.delayed(self.clock.now())? {
            let is_ours = labels.is_empty() || labels.contains(&delayed.label);
            let mut standings = stages.iter_mut();
            if let Some(standing) = standings.find(|of| is_ours && of.stage == delayed.stage) {
                standing.waiting.extend([delayed.waiting]);
            }
        }
        Ok(stages)
    }
}
