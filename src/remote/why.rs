//! Why a run is where it is: its story from the event log, what it waits for, what to do next.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    lease,
    span::{ago, wait_of},
    workplace::{RemoteError, Workplace},
};
use crate::state::{
    back_off::Waiting,
    event::{Event, Subject},
    job::{Job, JobState},
    run::{Run, RunState, Stage},
    run_dir::decision::Decision,
};

/// The most reasons of failed jobs that are told.
const REASONS: usize = 10;

/// The story of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The run as it stands.
    pub run: Run,
    /// What happened, oldest first.
    pub story: Vec<Event>,
    /// Why jobs failed or were lost, the most frequent reason first.
    pub failures: Vec<Failure>,
    /// Later runs into which components of it went, and how many.
    pub followed_by: Vec<(i64, u64)>,
    /// Its components that may be bundled again only later.
    pub waiting: Waiting,
    /// Where it stands and what it waits for.
    pub now: String,
    /// Commands that move it on; none if nothing is left to do.
    pub next: Vec<String>,
}

/// A reason for which jobs did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The reason.
    pub reason: String,
    /// How many jobs.
    pub jobs: u64,
    /// The key of the first.
    pub first: String,
}

/// What is known of a run besides its row.
struct Facts<'a> {
    now: Timestamp,
    /// Who works on it; `None` if nobody who lives does.
    holder: Option<&'a str>,
    followed_by: &'a [(i64, u64)],
    /// Components that failed and are in no later run.
    stuck: u64,
    /// Components that may be bundled again only later.
    waiting: Waiting,
    /// Tasks of the array that its batch job is, if it is one.
    tasks: Option<u32>,
}

impl Workplace {
    /// Tells why a run is where it is.
    pub fn why(&self, run_id: i64) -> Result<Why, RemoteError> {
        use crate::state::component::ComponentState::{Failed, Partial, PrepFailed};
        let run = self.store.run(run_id)?;
        let holder = self.store.holder(run_id)?;
        let followed_by = self.store.followed_by(run_id)?;
        let tally = self.store.tally(run_id)?;
        let now = self.clock.now();
        let components = self.store.components(run_id)?;
        let delayed = components.iter().filter(|one| one.is_delayed(now));
        // A run that is not prepared yet has decided nothing.
        let decision = Decision::read(&self.run_dir(&run)).ok();
        let facts = Facts {
            tasks: decision.and_then(|decision| decision.allocation.tasks),
            now,
            holder: holder.as_deref().filter(|holder| !lease::is_gone(holder)),
            followed_by: &followed_by,
            stuck: [Failed, Partial, PrepFailed]
                .iter()
                .filter_map(|state| tally.get(state))
                .sum(),
            waiting: delayed
                .map(|component| Waiting {
                    components: 1,
                    due_at: component.due_at,
                })
                .collect(),
        };
        Ok(Why {
            story: self.store.events(Subject::Run, run_id)?,
            failures: failures(&self.store.jobs(run_id)?),
            waiting: facts.waiting,
            now: standing(&run, &facts),
            next: next(&run, &facts),
            followed_by,
            run,
        })
    }
}

/// The reasons for which jobs did not pass, the most frequent first.
fn failures(jobs: &[Job]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for job in jobs {
        if !matches!(job.state, JobState::Failed | JobState::Lost) {
            continue;
        }
        match failures.iter_mut().find(|known| known.reason == job.reason) {
            Some(known) => known.jobs += 1,
            None => failures.push(Failure {
                reason: job.reason.clone(),
                jobs: 1,
                first: job.key.clone(),
            }),
        }
    }
    failures.sort_by_key(|failure| std::cmp::Reverse(failure.jobs));
    failures.truncate(REASONS);
    failures
}

/// Where a run stands and what it waits for, in a sentence or two.
fn standing(run: &Run, facts: &Facts<'_>) -> String {
    let site = &run.site;
    let text = match run.state {
        RunState::Active(stage) => at(stage, run, facts),
        RunState::Auth(stage) => format!(
            "waits for a login at {site}, and goes on from `{}` by itself when the link is back: {}",
            stage.word(),
            run.reason
        ),
        RunState::Hold(stage) => format!(
            "an operator holds it, and it goes on from `{}` when it is released: {}",
            stage.word(),
            run.reason
        ),
        RunState::Error(step) => format!(
            "{} failed, and nothing goes on by itself: {}",
            step.word(),
            run.reason
        ),
        RunState::Full => full(run, facts),
        RunState::Cancelled => format!("it was given up: {}", run.reason),
        RunState::Cleaned => format!("it is over, and its files at {site} are removed"),
    };
    match facts.holder {
        Some(holder) => format!("{text}. {holder} is at work on it"),
        None => text,
    }
}

fn at(stage: Stage, run: &Run, facts: &Facts<'_>) -> String {
    let site = &run.site;
    let doubt = match run.fault {
        0 => String::new(),
        _ => format!(": {}", run.reason),
    };
    match stage {
        Stage::New => "its components are to be prepared".to_owned(),
        Stage::Pending => format!("it is prepared and waits for its turn to go to {site}{doubt}"),
        Stage::Staging => {
            format!("its inputs go to {site}; what is there is not sent again{doubt}")
        },
        Stage::Submitting => format!(
            "its batch job {} is being submitted at {site}; before anything is submitted again, the site is asked for that name{doubt}",
            run.token
        ),
        Stage::Run => {
            let job = run.job_id.as_deref().unwrap_or("-");
            let asked = run.polled_at.map_or_else(
                || "not asked for yet".to_owned(),
                |at| format!("asked for {} ago", ago(facts.now, at)),
            );
            match run.unseen_since {
                Some(since) => format!(
                    "the scheduler of {site} has not known batch job {job} for {}: that is no end by itself, its own traces or its walltime decide; {asked}",
                    ago(facts.now, since)
                ),
                None => {
                    let how = facts.tasks.map_or_else(String::new, |tasks| {
                        format!(", an array of {tasks} tasks ({})", run.reason)
                    });
                    format!("batch job {job} is queued or runs at {site}{how}; {asked}")
                },
            }
        },
        Stage::Returning => format!("its products come home from {site}"),
        Stage::Importing => "its records are being imported".to_owned(),
    }
}

fn full(run: &Run, facts: &Facts<'_>) -> String {
    let mut text = format!("it is over: {} of {} jobs passed", run.passed, run.jobs);
    for (count, word) in [(run.failed, "failed"), (run.lost, "were lost")] {
        if count > 0 {
            text = format!("{text}, {count} {word}");
        }
    }
    for (later, components) in facts.followed_by {
        text = format!("{text}; {components} of its components went on in run {later}");
    }
    let followed: u64 = facts.followed_by.iter().map(|(_, count)| count).sum();
    let free = run
        .retried
        .saturating_sub(followed + facts.waiting.components);
    if free > 0 {
        text = format!("{text}; {free} of its components will be bundled again by the next define");
    }
    if let Some(wait) = wait_of(&facts.waiting, facts.now) {
        text = format!("{text}; {wait}");
    }
    if facts.stuck > 0 {
        let stuck = facts.stuck;
        text = format!("{text}; {stuck} of its components failed as often as they may");
    }
    text
}

/// What moves a run on.
fn next(run: &Run, facts: &Facts<'_>) -> Vec<String> {
    let id = run.run_id;
    let step = |verb: &str| vec![format!("outrigger remote {verb} {id}")];
    match run.state {
        RunState::Active(_) if facts.holder.is_some() => Vec::new(),
        RunState::Active(Stage::New) => step("prepare"),
        RunState::Active(Stage::Pending | Stage::Staging | Stage::Submitting) => step("exec"),
        RunState::Active(Stage::Run | Stage::Returning | Stage::Importing) => step("poll"),
        RunState::Auth(_) => vec![format!("outrigger connection start {}", run.site)],
        RunState::Hold(_) => step("release"),
        RunState::Error(failed) => [step("revert"), step(failed.word())].concat(),
        RunState::Full if facts.stuck > 0 => {
            vec![format!("outrigger remote revert --components {id}")]
        },
        RunState::Full if run.retried > 0 && facts.followed_by.is_empty() => {
            vec![format!("outrigger remote run --label {}", run.label)]
        },
        RunState::Full | RunState::Cancelled | RunState::Cleaned => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
