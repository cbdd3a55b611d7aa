//! One scheduler query for all runs of a site.

use std::collections::BTreeMap;

use super::{Poll, PollError, Polled};
use crate::{
    batch::{JobId, JobStatus},
    state::{
        Store,
        run::{Run, RunEvent, RunState, Stage},
    },
};

/// Polls in a row at which nobody knows a batch job before its run is harvested as it is. What
/// its jobs left still decides; "not in the queue" alone says nothing about them.
const PATIENCE: u64 = 5;

/// For each remote run directory among the arguments: prints its place (from 0) if its batch
/// script has left its end there.
const MARKS: &str = r#"i=0
for dir in "$@"; do
  [ -e "$dir/ended" ] && printf '%s\n' "$i"
  i=$((i + 1))
done
printf 'asked for %s\n' "$i""#;

/// A run and the directory that it has on the site.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The run; `run`, or waiting in `auth` there or later.
    pub run: Run,
    /// Its directory on the site.
    pub remote_dir: String,
}

impl Poll<'_> {
    /// Asks for the batch jobs of all `runs` with one query and moves those that are over to
    /// `returning`. The answers are in the order of the runs. Link loss moves all of them to
    /// `auth`.
    pub async fn ask(
        &self,
        store: &mut Store,
        runs: &[Watched],
    ) -> Result<Vec<(i64, Polled)>, PollError> {
        let waiting: Vec<&Watched> = runs
            .iter()
            .filter(|w| {
                matches!(
                    w.run.state,
                    RunState::Active(Stage::Run) | RunState::Auth(Stage::Run)
                )
            })
            .collect();
        let ids: Vec<JobId> = waiting.iter().filter_map(|w| id(&w.run)).collect();
        let statuses = match self.statuses(&ids).await {
            Ok(statuses) => statuses,
            Err(Asked::Link(why)) => return self.all_auth(store, runs, &why),
            Err(Asked::Query(why)) => return Err(PollError::Query(why)),
        };
        let unknown: Vec<&Watched> = waiting
            .iter()
            .filter(|w| matches!(status(&statuses, &w.run), JobStatus::Unknown))
            .copied()
            .collect();
        let ended = match self.marked(&unknown).await {
            Ok(ended) => ended,
            Err(why) => return self.all_auth(store, runs, &why),
        };
        let mut polled = Vec::with_capacity(runs.len());
        for watched in runs {
            let run = &watched.run;
            let mut state = run.state;
            if let RunState::Auth(_) = state {
                state = self.advance(store, run.run_id, RunEvent::LinkUp, "the link is back")?;
            }
            let answer = if state == RunState::Active(Stage::Run) {
                self.take(
                    store,
                    run,
                    &status(&statuses, run),
                    ended.contains(&run.run_id),
                )?
            } else {
                Polled::Ended
            };
            polled.push((run.run_id, answer));
        }
        Ok(polled)
    }

    fn take(
        &self,
        store: &mut Store,
        run: &Run,
        status: &JobStatus,
        ended: bool,
    ) -> Result<Polled, PollError> {
        let seen = !matches!(status, JobStatus::Unknown);
        let unseen = store.polled(run.run_id, seen, self.clock.now())?;
        let why = match status {
            JobStatus::Queued { reason } | JobStatus::Held { reason } => {
                return Ok(Polled::Queued {
                    why: reason.clone(),
                });
            },
            JobStatus::Running { .. } => return Ok(Polled::Running),
            JobStatus::Ended(ending) => format!("its batch job is over: {ending}"),
            JobStatus::Unknown if ended => {
                "its batch job left its end; the scheduler has forgotten it".to_owned()
            },
            JobStatus::Unknown if unseen < PATIENCE => return Ok(Polled::Unseen),
            JobStatus::Unknown => {
                format!("the scheduler did not know its batch job at {unseen} polls in a row")
            },
        };
        self.advance(store, run.run_id, RunEvent::Ended, &why)?;
        Ok(Polled::Ended)
    }

    async fn statuses(&self, ids: &[JobId]) -> Result<BTreeMap<JobId, JobStatus>, Asked> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let answer = self
            .host
            .run(&self.scheduler.status(ids), None)
            .await
            .map_err(|error| Asked::Link(error.to_string()))?;
        self.scheduler
            .parse_status(&answer, ids)
            .map_err(|error| Asked::Query(error.to_string()))
    }

    /// Runs among `unknown` whose batch script has left its end.
    async fn marked(&self, unknown: &[&Watched]) -> Result<Vec<i64>, String> {
        if unknown.is_empty() {
            return Ok(Vec::new());
        }
        let dirs: Vec<String> = unknown.iter().map(|w| w.remote_dir.clone()).collect();
        let answer = self
            .host
            .script(MARKS, &dirs)
            .await
            .map_err(|error| error.to_string())?;
        let places = answer.out();
        let places = places.lines().filter_map(|line| line.parse::<usize>().ok());
        Ok(places
            .filter_map(|place| unknown.get(place).map(|w| w.run.run_id))
            .collect())
    }

    fn all_auth(
        &self,
        store: &mut Store,
        runs: &[Watched],
        why: &str,
    ) -> Result<Vec<(i64, Polled)>, PollError> {
        runs.iter()
            .map(|watched| {
                if !matches!(watched.run.state, RunState::Auth(_)) {
                    self.advance(store, watched.run.run_id, RunEvent::LinkDown, why)?;
                }
                Ok((
                    watched.run.run_id,
                    Polled::Auth {
                        why: why.to_owned(),
                    },
                ))
            })
            .collect()
    }
}

enum Asked {
    Link(String),
    Query(String),
}

fn id(run: &Run) -> Option<JobId> {
    run.job_id.as_deref().and_then(|text| text.parse().ok())
}

/// What the scheduler said of a run; one that was not asked for is unknown.
fn status(statuses: &BTreeMap<JobId, JobStatus>, run: &Run) -> JobStatus {
    id(run)
        .and_then(|id| statuses.get(&id).cloned())
        .unwrap_or(JobStatus::Unknown)
}
