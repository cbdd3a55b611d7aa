//! One scheduler query for all runs of a site.

use std::collections::BTreeMap;

use super::{ACTOR, Poll, PollError, Polled};
use crate::{
    batch::{AskError, JobId, JobStatus},
    config::site::SchedulerKind,
    connection::{LinkError, PROBE_LIMIT},
    state::{
        Store,
        edit::RunEdit,
        event::Act,
        run::{Run, RunEvent, RunState, Stage},
    },
};

/// Seconds for which a cluster's scheduler may not know a batch job before its run is harvested as
/// it is. What its jobs left still decides; "not in the queue" alone says nothing about them.
const PATIENCE: i64 = 600;
/// The same for the embedded scheduler, which forgets nothing.
const LOCAL_PATIENCE: i64 = 10;

/// For each pair of lines, a remote run directory and its token: prints whether the batch script
/// of that token has left its end there, and the job id in its claim.
const LOOK: &str = r#"i=0
while IFS= read -r dir && IFS= read -r token; do
  code= at= left= claimant=
  [ ! -e "$dir/ended" ] || read -r code at left <"$dir/ended"
  [ ! -e "$dir/$token.claim/job_id" ] || read -r claimant <"$dir/$token.claim/job_id"
  if [ "$left" = "$token" ]; then left=yes; else left=no; fi
  printf 'or run %s %s %s\n' "$i" "$left" "$claimant"
  i=$((i + 1))
done
printf 'or end %s\n' "$i""#;

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
    /// `returning`; the answers are by run. Link loss moves all of them to `auth`. A run that
    /// someone took elsewhere meanwhile is left out.
    pub async fn ask(
        &self,
        store: &mut Store,
        runs: &[Watched],
    ) -> Result<BTreeMap<i64, Polled>, PollError> {
        let found = match self.look(runs).await {
            Ok(found) => found,
            Err(Asked::Link(error)) if self.host.waits_after(&error) => {
                return self.all_auth(store, runs, &error.to_string());
            },
            Err(Asked::Link(error)) => return Err(PollError::Query(error.to_string())),
            Err(Asked::Query(why)) => return Err(PollError::Query(why)),
        };
        let mut polled = BTreeMap::new();
        for Watched { run, .. } in runs {
            let mut state = store.run(run.run_id)?.state;
            if let RunState::Auth(_) = state {
                state = self.advance(store, run.run_id, RunEvent::LinkUp, "the link is back")?;
            }
            let answer = match state {
                RunState::Active(Stage::Run) => {
                    let found = found.get(&run.run_id).cloned().unwrap_or_default();
                    self.take(store, run, &found)?
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
            let status = id(&watched.run)
                .and_then(|id| statuses.get(&id).cloned())
                .unwrap_or(JobStatus::Unknown);
            if matches!(status, JobStatus::Unknown | JobStatus::Ended(_)) {
                over.push(watched);
            }
            let none = Found::default();
            found.insert(watched.run.run_id, Found { status, ..none });
        }
        for (watched, (has_ended, claimant)) in over.iter().zip(self.traces(&over).await?) {
            let Some(found) = found.get_mut(&watched.run.run_id) else {
                continue;
            };
            found.has_ended = has_ended;
            if !has_ended
                && let Some(claimant) = claimant
                && id(&watched.run).as_ref() != Some(&claimant)
                && let Some(status) = self.alive(&watched.run, &claimant).await?
            {
                found.status = status;
                found.claimant = Some(claimant);
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
        let patience = match self.site.scheduler {
            SchedulerKind::Local => LOCAL_PATIENCE,
            SchedulerKind::Slurm | SchedulerKind::Moab | SchedulerKind::Slurmrestd => PATIENCE,
        };
        let why = match status {
            JobStatus::Queued { reason } | JobStatus::Held { reason } => {
                return Ok(Polled::Queued {
                    why: reason.clone(),
                });
            },
            JobStatus::Running { .. } => return Ok(Polled::Running),
            JobStatus::Ended(ending) => format!("its batch job is over: {ending}"),
            JobStatus::Unknown if found.has_ended => {
                "its batch job left its end; the scheduler has forgotten it".to_owned()
            },
            JobStatus::Unknown if unseen < patience => return Ok(Polled::Unseen),
            JobStatus::Unknown => {
                format!("the scheduler has not known its batch job for {unseen} s")
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

    /// Whether each run's batch script has left its end, and which batch job claimed its token.
    async fn traces(&self, runs: &[&Watched]) -> Result<Vec<(bool, Option<JobId>)>, Asked> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = String::new();
        for watched in runs {
            list.extend([&watched.remote_dir, "\n", &watched.run.token, "\n"]);
        }
        let answer = self
            .host
            .script_fed(LOOK, &[], Some(list.as_bytes()))
            .await?;
        let text = answer.out();
        if !text.ends_with(&format!("or end {}\n", runs.len())) {
            let said = answer.err();
            return Err(Asked::Query(format!(
                "the site did not say whether {} batch jobs have ended: {}",
                runs.len(),
                said.trim()
            )));
        }
        let mut traces = vec![(false, None); runs.len()];
        for line in text.lines().filter_map(|line| line.strip_prefix("or run ")) {
            let mut words = line.split_whitespace();
            let place = words.next().and_then(|place| place.parse::<usize>().ok());
            if let Some(trace) = place.and_then(|place| traces.get_mut(place)) {
                trace.0 = words.next() == Some("yes");
                trace.1 = words.next().and_then(|id| id.parse().ok());
            }
        }
        Ok(traces)
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
    /// Whether its script has left its end.
    has_ended: bool,
    /// The copy that runs the jobs, if it is another than the one we know of.
    claimant: Option<JobId>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            status: JobStatus::Unknown,
            has_ended: false,
            claimant: None,
        }
    }
}

/// Why nothing was learned.
enum Asked {
    Link(LinkError),
    Query(String),
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
