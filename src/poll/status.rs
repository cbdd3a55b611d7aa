//! One scheduler query for all runs of a site.

use std::{collections::BTreeMap, path::Path};

use super::{ACTOR, Poll, PollError, Polled, tally::Tally};
use crate::{
    batch::{
        AskError, JobId, JobStatus, QueryError,
        once::{self, Fence, Once},
        trace::{self, NEVER, Proof, Trace},
    },
    connection::{LinkError, PROBE_LIMIT, Remedy},
    state::{
        Store,
        edit::RunEdit,
        event::Act,
        run::{Run, RunEvent, RunState, Stage},
    },
};

/// A run and the directory that it has on the site.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The run; `run`, or waiting in `auth` there or later.
    pub run: Run,
    /// Its directory on the site.
    pub remote_dir: String,
    /// The walltime of its batch job, or of each task of it, in seconds.
    pub walltime: u64,
    /// Tasks of the array that its batch job is, if it is one.
    pub tasks: Option<u32>,
}

impl Poll<'_> {
    /// Asks for the batch jobs of all `runs` with one query and moves those that are over to
    /// `returning`; the answers are by run. Link loss moves all of them to `auth`. A run that
    /// someone took elsewhere meanwhile is left out.
    pub async fn ask(
        &self,
        store: &mut Store,
        runs: &[Watched],
    ) -> Result<BTreeMap<i64, Polled>, PollError> {
        let found = match self.look(runs).await {
            Ok(found) => found,
            Err(Asked::Link(error)) if error.remedy() == Remedy::Login => {
                return self.all_auth(store, runs, &error.to_string());
            },
            Err(Asked::Link(error)) => return Err(PollError::Query(error.to_string())),
            Err(Asked::Query(why)) => return Err(PollError::Query(why)),
        };
        let mut polled = BTreeMap::new();
        for watched in runs {
            let run = &watched.run;
            let mut state = store.run(run.run_id)?.state;
            if let RunState::Auth(_) = state {
                state = self.advance(store, run.run_id, RunEvent::LinkUp, "the link is back")?;
            }
            let answer = match state {
                RunState::Active(Stage::Run) => {
                    let found = found.get(&run.run_id).cloned().unwrap_or_default();
                    match self.stranded(store, watched, &found.status).await? {
                        Some(given_back) => given_back,
                        None => self.take(store, run, &found)?,
                    }
                },
                RunState::Active(Stage::Returning | Stage::Importing) => Polled::Ended,
                _ => continue,
            };
            polled.insert(run.run_id, answer);
        }
        Ok(polled)
    }

    /// What there is to know of the batch jobs of `runs`.
    async fn look(&self, runs: &[Watched]) -> Result<BTreeMap<i64, Found>, Asked> {
        let waiting: Vec<&Watched> = runs
            .iter()
            .filter(|w| {
                matches!(
                    w.run.state,
                    RunState::Active(Stage::Run) | RunState::Auth(Stage::Run)
                )
            })
            .collect();
        let waits = |w: &Watched| matches!(w.run.state, RunState::Auth(_));
        let ids: Vec<JobId> = waiting.iter().filter_map(|w| id(&w.run)).collect();
        if ids.is_empty() && runs.iter().any(waits) {
            self.host.probe(PROBE_LIMIT).await?;
        }
        let statuses = self.statuses(&ids).await?;
        let mut found: BTreeMap<i64, Found> = BTreeMap::new();
        let mut over = Vec::new();
        for watched in waiting {
            let id = id(&watched.run);
            let status = id.as_ref().and_then(|id| statuses.get(id).cloned());
            let status = status.unwrap_or(JobStatus::Unknown);
            if matches!(status, JobStatus::Unknown | JobStatus::Ended(_)) {
                over.push(watched);
            }
            let tasks = id.zip(watched.tasks);
            let tally = tasks.and_then(|(id, tasks)| Tally::of(&statuses, &id, tasks));
            let none = Found::default();
            let of_run = Found {
                status,
                tally,
                ..none
            };
            found.insert(watched.run.run_id, of_run);
        }
        for (watched, trace) in over.iter().zip(self.traces(&over).await?) {
            let Some(found) = found.get_mut(&watched.run.run_id) else {
                continue;
            };
            let is_due = found.status == JobStatus::Unknown && self.is_due(&watched.run);
            found.over = match trace.proof(watched.tasks, watched.walltime) {
                Proof::Over(why) => Some(why),
                Proof::NotBegun if is_due && self.closed(watched).await? => Some(NEVER),
                Proof::RestNotBegun if is_due => {
                    self.close_rest(watched).await?;
                    None
                },
                Proof::NotBegun | Proof::RestNotBegun | Proof::None => None,
            };
            if let Some(claimant) = trace.other_copy(id(&watched.run).as_ref(), watched.tasks)
                && let Some(status) = self.alive(&watched.run, claimant).await?
            {
                found.status = status;
                found.claimant = Some(claimant.clone());
            }
        }
        Ok(found)
    }

    /// The state of the batch job that claimed the run's token, should it be another copy than
    /// the one we know of and not be over: that one runs the jobs.
    async fn alive(&self, run: &Run, claimant: &JobId) -> Result<Option<JobStatus>, Asked> {
        let ours = self.scheduler.find(&run.token).await?;
        if !ours.contains(claimant) {
            return Ok(None);
        }
        let status = self
            .statuses(std::slice::from_ref(claimant))
            .await?
            .remove(claimant);
        Ok(status.filter(|s| !matches!(s, JobStatus::Unknown | JobStatus::Ended(_))))
    }

    /// Whether the scheduler has not known a run's batch job for so long that it is time for other
    /// evidence.
    fn is_due(&self, run: &Run) -> bool {
        let since = run
            .unseen_since
            .map(|since| self.clock.now().duration_since(since));
        since.is_some_and(|unseen| unseen.as_secs() >= trace::patience(self.site.scheduler))
    }

    /// Takes the claim of a run's token, so that no batch job of it can begin any more; tells
    /// whether that came in time.
    pub(super) async fn closed(&self, watched: &Watched) -> Result<bool, Asked> {
        let once = Once {
            dir: Path::new(&watched.remote_dir),
            token: &watched.run.token,
        };
        let answer = self.host.run(&once.fence(), None).await?;
        Ok(once::read_fence(&answer)? == Fence::Closed)
    }

    /// Closes the tasks of an array that have not begun, so that none of them can any more; the next
    /// look sees that all is over.
    async fn close_rest(&self, watched: &Watched) -> Result<(), Asked> {
        let once = Once {
            dir: Path::new(&watched.remote_dir),
            token: &watched.run.token,
        };
        let fence = once.fence_tasks(watched.tasks.unwrap_or(0));
        once::read_fence(&self.host.run(&fence, None).await?)?;
        Ok(())
    }

    fn take(&self, store: &mut Store, run: &Run, found: &Found) -> Result<Polled, PollError> {
        let status = &found.status;
        if let Some(claimant) = &found.claimant {
            let edit = RunEdit {
                job_id: Some(claimant.to_string()),
                ..RunEdit::default()
            };
            let act = Act::new(self.clock.now(), ACTOR, "another copy runs its jobs");
            store.edit_run(run.run_id, &edit, act)?;
        }
        let seen = !matches!(status, JobStatus::Unknown);
        let unseen = store.polled(run.run_id, seen, self.clock.now())?;
        let tally = found.tally.as_ref().map(Tally::to_string);
        if let (
            Some(tally),
            JobStatus::Queued { .. } | JobStatus::Held { .. } | JobStatus::Running { .. },
        ) = (&tally, status)
        {
            store.note(run.run_id, tally)?;
        }
        let why = match status {
            JobStatus::Queued { reason } | JobStatus::Held { reason } => {
                return Ok(Polled::Queued {
                    why: reason.clone(),
                });
            },
            JobStatus::Running { .. } => return Ok(Polled::Running),
            JobStatus::Ended(ending) => {
                let how = tally.unwrap_or_else(|| ending.to_string());
                format!("its batch job is over: {how}")
            },
            JobStatus::Unknown => match found.over {
                Some(over) => {
                    format!("{over}; the scheduler has not known it for {unseen} s")
                },
                None => return Ok(Polled::Unseen),
            },
        };
        self.advance(store, run.run_id, RunEvent::Ended, &why)?;
        Ok(Polled::Ended)
    }

    async fn statuses(&self, ids: &[JobId]) -> Result<BTreeMap<JobId, JobStatus>, Asked> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        Ok(self.scheduler.status(ids).await?)
    }

    /// What each run's batch script has left in its directory.
    async fn traces(&self, runs: &[&Watched]) -> Result<Vec<Trace>, Asked> {
        let jobs: Vec<_> = runs
            .iter()
            .map(|w| (w.remote_dir.as_str(), w.run.token.as_str(), w.tasks))
            .collect();
        trace::ask(self.host, &jobs).await?.map_err(Asked::Query)
    }

    fn all_auth(
        &self,
        store: &mut Store,
        runs: &[Watched],
        why: &str,
    ) -> Result<BTreeMap<i64, Polled>, PollError> {
        let mut polled = BTreeMap::new();
        for Watched { run, .. } in runs {
            if let RunState::Active(_) = store.run(run.run_id)?.state {
                self.advance(store, run.run_id, RunEvent::LinkDown, why)?;
            }
            let why = why.to_owned();
            polled.insert(run.run_id, Polled::Auth { why });
        }
        Ok(polled)
    }
}

/// What was found of a run's batch job.
#[derive(Debug, Clone)]
struct Found {
    status: JobStatus,
    /// How the tasks of an array stand, if the scheduler lists them.
    tally: Option<Tally>,
    /// What proves that it is over, whatever the scheduler knows.
    over: Option<&'static str>,
    /// The copy that runs the jobs, if it is another than the one we know of.
    claimant: Option<JobId>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            status: JobStatus::Unknown,
            tally: None,
            over: None,
            claimant: None,
        }
    }
}

/// Why nothing was learned.
pub(super) enum Asked {
    Link(LinkError),
    Query(String),
}

impl From<QueryError> for Asked {
    fn from(error: QueryError) -> Self {
        Self::Query(error.to_string())
    }
}

impl From<LinkError> for Asked {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<AskError> for Asked {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Link(error) => Self::Link(error),
            AskError::Query(error) => Self::Query(error.to_string()),
        }
    }
}

fn id(run: &Run) -> Option<JobId> {
    run.job_id.as_deref().and_then(|text| text.parse().ok())
}
