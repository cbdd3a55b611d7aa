//! One scheduler query for all runs of a site.

use std::{collections::BTreeMap, path::Path};

use super::{ACTOR, Poll, PollError, Polled};
use crate::{
    batch::{
        AskError, JobId, JobStatus, QueryError,
        once::{self, Fence, Once},
    },
    config::site::SchedulerKind,
    connection::{LinkError, PROBE_LIMIT},
    state::{
        Store,
        edit::RunEdit,
        event::Act,
        run::{Run, RunEvent, RunState, Stage},
    },
};

/// Seconds for which a cluster's scheduler may not know a batch job before other evidence of its end
/// is looked for: "not in the queue" alone is no end.
const PATIENCE: i64 = 600;
/// The same for the embedded scheduler, which forgets nothing.
const LOCAL_PATIENCE: i64 = 10;
/// Seconds past its walltime after which a batch job that began is certainly over.
const OVERTIME: i64 = 600;

/// For each pair of lines, a remote run directory and its token: prints whether the batch script
/// of that token has left its end there, how many seconds ago it began, and the job id in its
/// claim.
const LOOK: &str = r#"i=0
while IFS= read -r dir && IFS= read -r token; do
  code= at= left= claimant= age=-
  [ ! -e "$dir/ended" ] || read -r code at left <"$dir/ended"
  if [ -d "$dir/$token.claim" ]; then
    age=$(($(date +%s) - $(stat -c %Y "$dir/$token.claim")))
    [ ! -e "$dir/$token.claim/job_id" ] || read -r claimant <"$dir/$token.claim/job_id"
  fi
  if [ "$left" = "$token" ]; then left=yes; else left=no; fi
  printf 'or run %s %s %s %s\n' "$i" "$left" "$age" "$claimant"
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
    /// The walltime of its batch job, in seconds.
    pub walltime: u64,
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
            let status = id(&watched.run)
                .and_then(|id| statuses.get(&id).cloned())
                .unwrap_or(JobStatus::Unknown);
            if matches!(status, JobStatus::Unknown | JobStatus::Ended(_)) {
                over.push(watched);
            }
            let none = Found::default();
            found.insert(watched.run.run_id, Found { status, ..none });
        }
        for (watched, trace) in over.iter().zip(self.traces(&over).await?) {
            let Some(found) = found.get_mut(&watched.run.run_id) else {
                continue;
            };
            let is_unknown = found.status == JobStatus::Unknown;
            found.over = match trace.begun {
                _ if trace.has_ended => Some("its batch job left its end"),
                Some(age) if is_past(age, watched.walltime) => Some("its walltime has passed"),
                None if is_unknown && self.is_due(&watched.run) && self.closed(watched).await? => {
                    Some("its batch job never began, and now it never will")
                },
                _ => None,
            };
            if !trace.has_ended
                && let Some(claimant) = trace.claimant
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

    /// Whether the scheduler has not known a run's batch job for so long that it is time for other
    /// evidence.
    fn is_due(&self, run: &Run) -> bool {
        let since = run
            .unseen_since
            .map(|since| self.clock.now().duration_since(since));
        since.is_some_and(|unseen| unseen.as_secs() >= self.patience())
    }

    fn patience(&self) -> i64 {
        match self.site.scheduler {
            SchedulerKind::Local => LOCAL_PATIENCE,
            SchedulerKind::Slurm | SchedulerKind::Moab | SchedulerKind::Slurmrestd => PATIENCE,
        }
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
        let why = match status {
            JobStatus::Queued { reason } | JobStatus::Held { reason } => {
                return Ok(Polled::Queued {
                    why: reason.clone(),
                });
            },
            JobStatus::Running { .. } => return Ok(Polled::Running),
            JobStatus::Ended(ending) => format!("its batch job is over: {ending}"),
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
        let mut traces = vec![Trace::default(); runs.len()];
        for line in text.lines().filter_map(|line| line.strip_prefix("or run ")) {
            let mut words = line.split_whitespace();
            let place = words.next().and_then(|place| place.parse::<usize>().ok());
            if let Some(trace) = place.and_then(|place| traces.get_mut(place)) {
                trace.has_ended = words.next() == Some("yes");
                trace.begun = words.next().and_then(|age| age.parse().ok());
                trace.claimant = words.next().and_then(|id| id.parse().ok());
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
    /// What proves that it is over, whatever the scheduler knows.
    over: Option<&'static str>,
    /// The copy that runs the jobs, if it is another than the one we know of.
    claimant: Option<JobId>,
}

impl Default for Found {
    fn default() -> Self {
        Self {
            status: JobStatus::Unknown,
            over: None,
            claimant: None,
        }
    }
}

/// What a batch script has left in its run's directory.
#[derive(Debug, Clone, Default)]
struct Trace {
    /// Whether it has left its end.
    has_ended: bool,
    /// Seconds since it claimed its token.
    begun: Option<i64>,
    /// The batch job that did.
    claimant: Option<JobId>,
}

/// Whether a batch job that began so many seconds ago is over whatever befell it.
fn is_past(age: i64, walltime: u64) -> bool {
    i64::try_from(walltime).is_ok_and(|walltime| age > walltime.saturating_add(OVERTIME))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_passed_walltime_proves_the_end_of_a_job_that_began() {
        assert!(!is_past(3600, 3600) && !is_past(3600 + OVERTIME, 3600));
        assert!(is_past(3601 + OVERTIME, 3600));
        assert!(!is_past(i64::MAX, u64::MAX));
    }
}
