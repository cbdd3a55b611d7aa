//! What an operator does to runs and components: revert, hold, release, cancel, clean.

use std::path::PathBuf;

use super::{
    define::secret,
    scratch::scratch_of,
    workplace::{RemoteError, Workplace},
};
use crate::{
    batch::{
        JobId,
        once::{self, Fence, Once},
    },
    config::site::Site,
    connection::Host,
    exec::scratch::{
        ScratchError,
        guard::Guard,
        rule::{Candidate, Sorted, is_run_directory},
    },
    state::{
        StateError,
        component::{Component, ComponentEvent, ComponentState},
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
    /// What it had there is gone.
    Removed {
        /// Its directory on the site.
        directory: Option<PathBuf>,
        /// Files that it was the last to use.
        files: usize,
        /// Bytes of which the ledger knew.
        bytes: u64,
    },
    /// It never had anything there.
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

    /// Frees failed components of a run to be bundled again, and lets those that are free wait no
    /// longer; tells how many.
    pub fn revert_components(&mut self, run_id: i64) -> Result<usize, RemoteError> {
        use ComponentState::{Failed, Partial, PrepFailed};
        let hastened = self.hasten(self.store.components(run_id)?)?;
        let reverted = self.revert_components_of(run_id, |state| {
            matches!(state, Failed | Partial | PrepFailed)
        })?;
        Ok(hastened + reverted)
    }

    /// Makes those of `components` that wait due at once; tells how many.
    pub fn hasten(&mut self, mut components: Vec<Component>) -> Result<usize, RemoteError> {
        let now = self.clock.now();
        components.retain(|component| component.is_delayed(now));
        let ids: Vec<i64> = components
            .iter()
            .map(|component| component.component_id)
            .collect();
        self.store
            .hasten(&ids, Act::new(now, ACTOR, "due at once"))?;
        Ok(ids.len())
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
            let scheduler = self.scheduler(&site, &host);
            let known = run
                .job_id
                .as_deref()
                .and_then(|id| id.parse::<JobId>().ok());
            let ids = match known {
                Some(id) => vec![id],
                None => {
                    // A submission on its way may still arrive: then it must find nothing to do.
                    let begun = self.close_token(&run, &host).await?;
                    let mut ids = scheduler.find(&run.token).await?;
                    ids.extend(begun.filter(|id| !ids.contains(id)));
                    ids
                },
            };
            for id in ids {
                scheduler.cancel(&id).await?;
            }
        }
        let act = Act::new(self.clock.now(), ACTOR, why);
        Ok(self.store.give_up(run_id, act)?)
    }

    /// Takes the claim of a run's token on the site, or those of an array's tasks; gives the batch job
    /// that came first. A run whose directory is gone here is known by its token alone.
    async fn close_token(&self, run: &Run, host: &Host) -> Result<Option<JobId>, RemoteError> {
        let decision = match Decision::read(&self.run_dir(run)) {
            Ok(decision) => decision,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let once = Once {
            dir: &decision.remote_dir,
            token: &run.token,
        };
        let tasks = decision.allocation.tasks.unwrap_or(0);
        let answer = host.run(&once.fence_tasks(tasks), None).await?;
        match once::read_fence(&answer)? {
            Fence::Closed => Ok(None),
            Fence::Begun(id) => Ok(id),
        }
    }

    /// Removes what a run that is over has on the site: its directory, and what it was the last to
    /// use, that no run which is not over needs and that is here too. Files that the jobs left
    /// only on the site are not touched.
    pub async fn clean(&mut self, run_id: i64) -> Result<Cleaned, RemoteError> {
        let run = self.store.run(run_id)?;
        let name = run.site.clone();
        let site = self.loaded.site(&name)?.clone();
        let runs = self.loaded.runs_directory();
        let scratch = scratch_of(&self.loaded, &name, &site, &runs);
        let guard = Guard::remove(self.store.path(), &name).await;
        let _guard = guard.map_err(ScratchError::from)?;
        let sorted = match scratch.sort_out(&self.store) {
            // Only its directory, which is nobody else's, may go then.
            Err(ScratchError::Unknown { .. }) => Sorted::default(),
            sorted => sorted?,
        };
        let mut candidates = sorted.candidates.iter();
        let left = candidates.find(|one| one.run_id == run_id).cloned();
        if run.state != RunState::Cleaned || left.is_none() {
            run.state.after(RunEvent::Clean).map_err(StateError::from)?;
        }
        let directory = self.remote_directory(&run, &site)?;
        if let Some(path) = &directory
            && let Some(file) = sorted.stays_in(path)
        {
            return Err(RemoteError::Site(format!(
                "{} is in its directory, and another run needs it, or it is nowhere else: not removed",
                file.display()
            )));
        }
        let cleaned = if directory.is_none() && left.is_none() {
            Cleaned::Nothing
        } else {
            let found = Candidate {
                directory: directory.clone(),
                ..left.unwrap_or_else(|| Candidate::nothing(&run))
            };
            let host = Host::open(&name, &site).await?;
            scratch.clean(&mut self.store, &host, &found).await?;
            Cleaned::Removed {
                directory,
                files: found.files.len(),
                bytes: found.bytes,
            }
        };
        if run.state != RunState::Cleaned {
            let act = Act::new(self.clock.now(), ACTOR, "cleaned");
            self.store.advance(run_id, RunEvent::Clean, act)?;
        }
        Ok(cleaned)
    }

    /// The directory of a run on the site, unless it never had one or has it no longer.
    fn remote_directory(&self, run: &Run, site: &Site) -> Result<Option<PathBuf>, RemoteError> {
        let run_dir = self.run_dir(run);
        let never = run.job_id.is_none() && !run_dir.join(run_dir::DECISION).exists();
        if never || run.state == RunState::Cleaned {
            return Ok(None);
        }
        let directory = Decision::read(&run_dir)?.remote_dir;
        if !is_run_directory(&directory, &site.own_directory()) {
            return Err(RemoteError::Site(format!(
                "{} is not a run directory below {}: not removed",
                directory.display(),
                site.own_directory().display()
            )));
        }
        Ok(Some(directory))
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
