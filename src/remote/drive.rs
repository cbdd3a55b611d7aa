//! The driver: takes runs through define, prepare, exec and poll until nothing is left to do.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    DefineRequest, order,
    span::wait_of,
    workplace::{RemoteError, Workplace, needs_login},
};
use crate::{
    state::{
        StateError,
        back_off::{Delayed, Waiting},
        run::{Run, RunFilter, RunState, Stage},
    },
    transfer::Progress,
};

/// Shortest and longest wait between two rounds, where the site is this host.
const NEAR: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// The same where it is behind a link: schedulers are asked gently (design decision 7).
const FAR: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// No round comes sooner after the one before, if nothing changed.
const SOON: Duration = Duration::from_millis(10);

/// Who watches the driver at work.
pub trait Observer: Progress {
    /// Something happened to a run, or to none in particular.
    fn note(&self, run: Option<&Run>, text: &str);
    /// So many components of a run are prepared.
    fn components(&self, run_id: i64, done: u64);
    /// Where the jobs stand after each round.
    fn round(&self, standing: &Standing);
}

/// Where the runs of a drive stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Standing {
    /// Runs that still move on by themselves.
    pub active: usize,
    /// Runs that wait for a login.
    pub auth: usize,
    /// Runs in error.
    pub error: usize,
    /// Runs that are full.
    pub full: usize,
    /// Runs that an operator holds.
    pub held: usize,
    /// Jobs of the runs that are full.
    pub jobs_done: u64,
    /// All jobs.
    pub jobs: u64,
    /// Components that are bundled again by themselves, but only later.
    pub waiting: Waiting,
}

impl Standing {
    /// Whether something still comes without anyone: a run moves on, or a component is due later.
    fn goes_on(&self) -> bool {
        self.active > 0 || self.waiting.components > 0
    }
}

/// What to drive.
#[derive(Debug, Clone, Default)]
pub struct DriveOptions {
    /// Label that recipes are asked for.
    pub label: String,
    /// These stages only; all if empty.
    pub stages: Vec<String>,
    /// Site for new runs; the first one if absent.
    pub site: Option<String>,
    /// One round only.
    pub once: bool,
    /// Whether to wait for a login instead of stopping when nothing else is left to do.
    pub wait_for_login: bool,
    /// At most so many components a bundle; 0 = as many as fit.
    pub limit: usize,
}

impl DriveOptions {
    fn wants(&self, stage: &String) -> bool {
        self.stages.is_empty() || self.stages.contains(stage)
    }
}

/// Which network steps to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Staging in and submitting.
    Exec,
    /// Polling, returning and importing.
    Poll,
    /// The same, and what has passed of batch jobs that run comes home now.
    Harvest,
    /// Whatever is next.
    Both,
}

/// How a drive ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Driven {
    /// Where its runs stand.
    pub standing: Standing,
    /// Components that failed and stay so.
    pub failed_components: u64,
    /// Stages whose components could not be told, with the reason.
    pub broken_stages: BTreeMap<String, String>,
}

impl Workplace {
    /// Drives all stages of a label until nothing is left to do, or one round.
    pub async fn drive(
        &mut self,
        options: &DriveOptions,
        observer: &dyn Observer,
    ) -> Result<Driven, RemoteError> {
        let stages = self.stages(options)?;
        let (mut wait, longest) = self.pace(options)?;
        let shortest = wait;
        let mut broken = BTreeMap::new();
        let mut told = Waiting::default();
        loop {
            let changed = self.round(options, &stages, &mut broken, observer).await?;
            let standing = self.standing(options)?;
            observer.round(&standing);
            let waiting = options.wait_for_login && standing.auth > 0;
            if options.once || !(standing.goes_on() || changed || waiting) {
                let failed_components = self.failed(options)?;
                return Ok(Driven {
                    standing,
                    failed_components,
                    broken_stages: broken,
                });
            }
            let now = self.clock.now();
            if standing.waiting != told
                && let Some(text) = wait_of(&standing.waiting, now)
            {
                observer.note(None, &text);
            }
            told = standing.waiting;
            if changed {
                wait = shortest;
            } else {
                tokio::time::sleep(until_due(wait, &standing.waiting, now)).await;
                wait = (wait * 3 / 2).min(longest);
            }
        }
    }

    fn stages(&self, options: &DriveOptions) -> Result<Vec<String>, RemoteError> {
        if options.stages.is_empty() {
            return Ok(order::stages(&self.loaded.recipes));
        }
        let name = |stage: &String| Ok(self.loaded.recipe(stage)?.recipe.stage.clone());
        options.stages.iter().map(name).collect()
    }

    fn pace(&self, options: &DriveOptions) -> Result<(Duration, Duration), RemoteError> {
        let site = self.loaded.site(self.site_name(options.site.as_deref())?)?;
        Ok(if needs_login(site) { FAR } else { NEAR })
    }

    /// The runs of a drive.
    fn driven(&self, options: &DriveOptions) -> Result<Vec<Run>, StateError> {
        let runs = self.store.runs(&RunFilter {
            labels: vec![options.label.clone()],
            ..RunFilter::default()
        })?;
        let ours = |run: &Run| options.wants(&run.stage);
        Ok(runs.into_iter().filter(ours).collect())
    }

    fn standing(&self, options: &DriveOptions) -> Result<Standing, StateError> {
        let of_us = |of: &Delayed| of.label == options.label && options.wants(&of.stage);
        let mut standing = Standing {
            waiting: self.waiting(of_us)?,
            ..Standing::default()
        };
        for run in self.driven(options)? {
            standing.jobs += run.jobs;
            match run.state {
                RunState::Active(_) => standing.active += 1,
                RunState::Auth(_) => standing.auth += 1,
                RunState::Error(_) => standing.error += 1,
                RunState::Hold(_) => standing.held += 1,
                RunState::Full | RunState::Cleaned => {
                    standing.full += 1;
                    standing.jobs_done += run.jobs;
                },
                RunState::Cancelled => {},
            }
        }
        Ok(standing)
    }

    fn failed(&self, options: &DriveOptions) -> Result<u64, StateError> {
        use crate::state::component::ComponentState::{Failed, Partial, PrepFailed};
        let mut failed = 0;
        for run in self.driven(options)? {
            let tally = self.store.tally(run.run_id)?;
            let of = |state| tally.get(&state).copied().unwrap_or_default();
            failed += of(Failed) + of(Partial) + of(PrepFailed);
        }
        Ok(failed)
    }

    /// One round; tells whether anything changed.
    async fn round(
        &mut self,
        options: &DriveOptions,
        stages: &[String],
        broken: &mut BTreeMap<String, String>,
        observer: &dyn Observer,
    ) -> Result<bool, RemoteError> {
        let mut changed = false;
        for stage in stages {
            let request = DefineRequest {
                stage: stage.clone(),
                label: options.label.clone(),
                site: options.site.clone(),
                limit: options.limit,
                ..DefineRequest::default()
            };
            let defined = match self.define(&request) {
                Ok(defined) => defined,
                Err(error @ RemoteError::State(_)) => return Err(error),
                Err(error) => {
                    let why = error.to_string();
                    if broken.insert(stage.clone(), why.clone()).as_ref() != Some(&why) {
                        observer.note(None, &format!("stage {stage}: {why}"));
                    }
                    continue;
                },
            };
            broken.remove(stage);
            for note in &defined.notes {
                observer.note(None, note);
            }
            for run_id in defined.runs {
                changed = true;
                let run = self.store.run(run_id)?;
                observer.note(Some(&run), "defined");
            }
        }
        let runs = self.driven(options)?;
        changed |= self.prepare_all(&runs, observer)?;
        let runs = self.driven(options)?;
        changed |= self.visit_sites(runs, Work::Both, observer).await?;
        Ok(changed)
    }

    /// Prepares those of `runs` that are new; tells whether there were any.
    pub fn prepare_all(
        &mut self,
        runs: &[Run],
        observer: &dyn Observer,
    ) -> Result<bool, RemoteError> {
        let mut changed = false;
        for run in runs
            .iter()
            .filter(|run| run.state == RunState::Active(Stage::New))
        {
            changed |= self.prepare_one(run, observer)?;
        }
        Ok(changed)
    }

    fn prepare_one(&mut self, run: &Run, observer: &dyn Observer) -> Result<bool, RemoteError> {
        let is_new = |state| state == RunState::Active(Stage::New);
        let Some(run) = &self.take(run, is_new, observer)? else {
            return Ok(false);
        };
        let prepared = self.prepare(run.run_id, &|done| observer.components(run.run_id, done));
        self.release(run.run_id)?;
        match prepared {
            Ok(prepared) => observer.note(Some(run), &prepared.to_string()),
            Err(error) if error.state().is_some() => return Err(error),
            Err(error) => observer.note(Some(run), &format!("prepare failed: {error}")),
        }
        Ok(true)
    }
}

/// The next round comes after `wait`, or when a component is due if that is sooner.
fn until_due(wait: Duration, waiting: &Waiting, now: Timestamp) -> Duration {
    let due = waiting.due_at.map(|due| due.duration_since(now));
    let due = due.and_then(|due| Duration::try_from(due).ok());
    due.map_or(wait, |due| wait.min(due.max(SOON)))
}

impl Work {
    /// Whether a run in `state` has such a step before it.
    pub fn includes(self, state: RunState) -> bool {
        let (RunState::Active(stage) | RunState::Auth(stage)) = state else {
            return false;
        };
        match self {
            Self::Exec => is_exec(state),
            Self::Poll | Self::Harvest => stage != Stage::New && !is_exec(state),
            Self::Both => stage != Stage::New,
        }
    }
}

/// Whether that step belongs to exec.
pub(super) fn is_exec(state: RunState) -> bool {
    let (RunState::Active(stage) | RunState::Auth(stage)) = state else {
        return false;
    };
    matches!(stage, Stage::Pending | Stage::Staging | Stage::Submitting)
}
