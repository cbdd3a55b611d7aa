//! Harvest of a batch job that still runs: what has passed comes home and is imported, once, so that
//! what depends on it can begin and nothing of it is lost with the site.
//!
//! A job that failed may be tried again inside its allocation, so it is left to the end of the run.

use std::{collections::BTreeSet, path::Path, time::Duration};

use jiff::Timestamp;

use super::{ACTOR, Poll, PollError, Polled, Stop, haul::Haul};
use crate::state::{
    Store,
    event::Act,
    job::JobEvent,
    run::{Run, RunEvent},
    run_dir::{
        decision::Decision,
        journal::{self, JobRecord, Journal},
    },
};

/// Whether a run whose batch job runs is to be harvested, if that is done each `every` seconds.
pub fn is_due(run: &Run, every: Option<u64>, now: Timestamp) -> bool {
    let since = run.harvested_at.unwrap_or(run.changed_at);
    let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    every.is_some_and(|every| age >= Duration::from_secs(every))
}

impl Poll<'_> {
    /// Brings the products of jobs that have passed home while the batch job of `run` runs, and
    /// imports these jobs. What stands in the way leaves the run as it is, except that it waits in
    /// `auth` for a link that is down. The caller holds the claim on the run.
    pub async fn harvest_running(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
        home: &Path,
    ) -> Result<Polled, PollError> {
        let harvested = self.take_passed(store, run, run_dir, home).await;
        let answer = match harvested {
            Ok(0) => Polled::Running,
            Ok(jobs) => Polled::Harvested { jobs },
            Err(Stop::Link(error)) if error.is_down() => {
                let why = error.to_string();
                self.advance(store, run.run_id, RunEvent::LinkDown, &why)?;
                return Ok(Polled::Auth { why });
            },
            Err(Stop::Link(error)) => Polled::NotHarvested {
                why: error.to_string(),
            },
            Err(Stop::Fail(why)) => Polled::NotHarvested { why },
            Err(Stop::Error(PollError::State(error))) if !error.is_of_one_run() => {
                return Err(error.into());
            },
            Err(Stop::Error(error)) => Polled::NotHarvested {
                why: error.to_string(),
            },
        };
        store.harvested(run.run_id, self.clock.now())?;
        Ok(answer)
    }

    /// Tells how many jobs were imported.
    async fn take_passed(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
        home: &Path,
    ) -> Result<usize, Stop> {
        let decision = Decision::read(run_dir)?;
        let journal = journal::read(&self.journals(&decision).await?);
        let passed = passed(&journal, &store.imported_jobs(run.run_id)?);
        if passed.is_empty() {
            return Ok(0);
        }
        let mut haul = Haul::new(run_dir, decision, journal)?;
        haul.keep(|job| passed.contains(&job));
        self.bring(store, run, &mut haul, home).await?;
        let mut outcomes = haul.judge();
        outcomes.retain(|outcome| outcome.event == JobEvent::Pass);
        self.run_legacy(store, run, &haul, &mut outcomes, home)
            .await?;
        outcomes.retain(|outcome| !outcome.by_hand);
        let taken: BTreeSet<u64> = outcomes.iter().map(|outcome| outcome.seq).collect();
        if taken.is_empty() {
            return Ok(0);
        }
        haul.keep(|job| taken.contains(&job));
        let products = self.on_both_sides(store, run, &haul, home)?;
        let why = format!("{} jobs are home while it runs", taken.len());
        let act = Act::new(self.clock.now(), ACTOR, &why);
        store.import_ended(&self.how(run, &haul), &outcomes, &products, act)?;
        Ok(taken.len())
    }
}

/// The jobs that have passed by their journal and are not `imported` yet.
fn passed(journal: &Journal, imported: &BTreeSet<u64>) -> BTreeSet<u64> {
    let has_passed = |job: &JobRecord| {
        let end = job.end.as_ref();
        end.is_some_and(|end| end.exit_code == 0) && !job.is_run_again
    };
    let jobs = journal.jobs.iter();
    let passed = jobs.filter(|(seq, job)| has_passed(job) && !imported.contains(seq));
    passed.map(|(seq, _)| *seq).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passed_and_is_not_run_again_is_taken_once() {
        let text = "E\t0\t1\t0\t5\t6\tn\t-\tran\nE\t1\t1\t3\t5\t6\tn\t-\tran\n\
                    E\t2\t1\t0\t5\t6\tn\t-\tran\nS\t2\t2\t7\tn\nS\t3\t1\t7\tn\n\
                    E\t4\t1\t0\t5\t6\tn\t-\tran\n";
        let journal = journal::read(text.as_bytes());
        let passed = passed(&journal, &BTreeSet::from([4]));
        assert_eq!(passed, BTreeSet::from([0]));
    }
}
