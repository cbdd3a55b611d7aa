//! What an operator does to runs and components: revert, hold, release, cancel, clean.

use std::path::Path;

use super::{
    define::secret,
    workplace::{RemoteError, Workplace},
};
use crate::{
    batch::JobId,
    connection::Host,
    state::{
        StateError,
        component::{ComponentEvent, ComponentState},
        event::Act,
        run::{Run, RunEvent, RunState, Stage, Step},
        run_dir::{self, decision::Decision},
    },
};

/// Who acts, in the event log.
const ACTOR: &str = "operator";

/// What cleaning a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cleaned {
    /// Its directory on the site is gone.
    Removed(String),
    /// It never had one.
    Nothing,
}

impl Workplace {
    /// Lets a run in error try its failed step again. After a failed exec it gets a new token, so
    /// that a batch job of the old one could never be taken for it.
    pub fn revert_run(&mut self, run_id: i64) -> Result<RunState, RemoteError> {
        let run = self.store.run(run_id)?;
        let act = Act::new(self.clock.now(), ACTOR, "reverted");
        if run.state == RunState::Error(Step::Prepare) {
            self.revert_components_of(run_id, |state| state == ComponentState::PrepFailed)?;
            let left = self.store.components(run_id)?;
            let unwritten = [ComponentState::New, ComponentState::Prepared];
            if left
                .iter()
                .all(|component| !unwritten.contains(&component.state))
            {
                let act = act.because("its components are free to be bundled again");
                self.store.give_up(run_id, act)?;
                return Ok(RunState::Cancelled);
            }
        }
        Ok(self.store.revert(run_id, secret(), act)?)
    }

    /// Lets a run in `auth` go on without waiting for the next look at the link.
    pub fn revert_auth(&mut self, run_id: i64) -> Result<RunState, RemoteError> {
        let act = Act::new(self.clock.now(), ACTOR, "an operator says the link is back");
        Ok(self.store.advance(run_id, RunEvent::LinkUp, act)?)
    }

    /// Frees failed components of a run to be bundled again; tells how many.
    pub fn revert_components(&mut self, run_id: i64) -> Result<usize, RemoteError> {
        use ComponentState::{Failed, Partial, PrepFailed};
        self.revert_components_of(run_id, |state| {
            matches!(state, Failed | Partial | PrepFailed)
        })
    }

    fn revert_components_of(
        &mut self,
        run_id: i64,
        which: impl Fn(ComponentState) -> bool,
    ) -> Result<usize, RemoteError> {
        let moves: Vec<_> = self
            .store
            .components(run_id)?
            .into_iter()
            .filter(|component| which(component.state))
            .map(|component| {
                (
                    component.component_id,
                    ComponentEvent::Revert,
                    component.reason,
                )
            })
            .collect();
        self.store
            .advance_components(&moves, Act::new(self.clock.now(), ACTOR, ""))?;
        Ok(moves.len())
    }

    /// Holds a run where it is.
    pub fn hold(&mut self, run_id: i64, why: &str) -> Result<RunState, RemoteError> {
        Ok(self.store.advance(
            run_id,
            RunEvent::Hold,
            Act::new(self.clock.now(), ACTOR, why),
        )?)
    }

    /// Lets a held run go on.
    pub fn let_go(&mut self, run_id: i64) -> Result<RunState, RemoteError> {
        let act = Act::new(self.clock.now(), ACTOR, "released");
        Ok(self.store.advance(run_id, RunEvent::Release, act)?)
    }

    /// Gives a run up: its batch job is cancelled first, its components are free again.
    pub async fn cancel(&mut self, run_id: i64, why: &str) -> Result<(), RemoteError> {
        self.claim(run_id)?;
        let done = self.cancel_claimed(run_id, why).await;
        self.release(run_id)?;
        done
    }

    async fn cancel_claimed(&mut self, run_id: i64, why: &str) -> Result<(), RemoteError> {
        let run = self.store.run(run_id)?;
        run.state
            .after(RunEvent::Cancel)
            .map_err(StateError::from)?;
        if may_be_queued(&run) {
            let site = self.loaded.site(&run.site)?.clone();
            let host = Host::open(&run.site, &site).await?;
            let scheduler = self.scheduler(&site);
            let known = run
                .job_id
                .as_deref()
                .and_then(|id| id.parse::<JobId>().ok());
            let ids = match known {
                Some(id) => vec![id],
                None => {
                    let answer = host.run(&scheduler.find(&run.token), None).await?;
                    scheduler
                        .parse_find(&answer, &run.token)
                        .map_err(|error| RemoteError::Site(error.to_string()))?
                },
            };
            for id in ids {
                let answer = host.run(&scheduler.cancel(&id), None).await?;
                scheduler
                    .parse_cancel(&answer)
                    .map_err(|error| RemoteError::Site(error.to_string()))?;
            }
        }
        let act = Act::new(self.clock.now(), ACTOR, why);
        Ok(self.store.give_up(run_id, act)?)
    }

    /// Removes a run's directory on the site. Products that stay on the site are elsewhere and
    /// are not touched.
    pub async fn clean(&mut self, run_id: i64) -> Result<Cleaned, RemoteError> {
        let run = self.store.run(run_id)?;
        run.state.after(RunEvent::Clean).map_err(StateError::from)?;
        let act = Act::new(self.clock.now(), ACTOR, "cleaned");
        let site = self.loaded.site(&run.site)?.clone();
        let run_dir = self.run_dir(&run);
        if run.job_id.is_none() && !run_dir.join(run_dir::DECISION).exists() {
            self.store.advance(run_id, RunEvent::Clean, act)?;
            return Ok(Cleaned::Nothing);
        }
        let decision = Decision::read(&run_dir)?;
        if !is_ours(&decision.remote_dir, &site.own_directory()) {
            return Err(RemoteError::Site(format!(
                "{} is not a run directory below {}: not removed",
                decision.remote_dir.display(),
                site.own_directory().display()
            )));
        }
        let directory = decision.remote_dir.to_string_lossy().into_owned();
        let host = Host::open(&run.site, &site).await?;
        let argv = ["rm", "-rf", "--", &directory].map(str::to_owned);
        let answer = host.run(&argv, None).await?;
        if !answer.ok() {
            return Err(RemoteError::Site(format!(
                "{directory}: {}",
                answer.err().trim()
            )));
        }
        self.store.advance(run_id, RunEvent::Clean, act)?;
        Ok(Cleaned::Removed(directory))
    }
}

/// Whether the scheduler may have the run's batch job.
fn may_be_queued(run: &Run) -> bool {
    let stage = match run.state {
        RunState::Active(stage) | RunState::Auth(stage) | RunState::Hold(stage) => stage,
        RunState::Error(Step::Prepare) => Stage::New,
        _ => Stage::Submitting,
    };
    matches!(stage, Stage::Submitting | Stage::Run)
}

/// Whether a directory is one that we made for a run: below our own directory in scratch.
fn is_ours(directory: &Path, own: &Path) -> bool {
    directory.parent() == Some(own)
        && directory
            .components()
            .all(|part| part != std::path::Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_directory_may_be_removed() {
        let own = Path::new("/scratch/us/outrigger");
        assert!(is_ours(
            Path::new("/scratch/us/outrigger/chip.1.0a1b2c3d"),
            own
        ));
        assert!(!is_ours(Path::new("/scratch/us"), own));
        assert!(!is_ours(Path::new("/scratch/us/outrigger/x/.."), own));
        assert!(!is_ours(Path::new("/home/us/outrigger/chip.1"), own));
    }
}
