//! Taking the outcome of a run into state.db: jobs, products, typed records, components, the
//! queue of the next stage and the run's counts, in one transaction that can be repeated.
//!
//! A job that has an outcome keeps it, so what was imported while its batch job ran is left out at
//! the end.

mod components;
mod jobs;

use std::{collections::BTreeSet, time::Duration};

use components::{Extent, judge_components};
use jiff::Timestamp;
use jobs::{Taken, lose_the_rest, take_jobs};
use rusqlite::{Connection, params};
use serde::Serialize;

use super::{
    StateError, Store,
    back_off::BackOff,
    event::Act,
    file::{self, Product},
    job::JobEvent,
    record::RecordSchema,
    run::{self, RunEvent},
};

/// What is known of one job when its batch job is over.
#[derive(Debug, Clone, PartialEq)]
pub struct JobOutcome {
    /// Its number within the run.
    pub seq: u64,
    /// How it ended.
    pub event: JobEvent,
    /// Exit code, 128 + N for signal N.
    pub exit_code: Option<i32>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Node it ran on.
    pub node: Option<String>,
    /// Peak memory in bytes.
    pub memory: Option<u64>,
    /// What its work took; `None` if it did none, or left no end.
    pub effort: Option<Effort>,
    /// Why it failed; empty if it passed.
    pub reason: String,
    /// Whether a human must look before it may run again.
    pub by_hand: bool,
    /// How many of its tries in this run ended by themselves and failed.
    pub failures: u32,
    /// The record it returned: a JSON object.
    pub record: Option<serde_json::Map<String, serde_json::Value>>,
}

/// What the work of a job took, besides the time from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Cores that it was given.
    pub threads: u32,
    /// CPU time of all its processes, if its launcher knows it.
    pub cpu: Option<Duration>,
}

impl Effort {
    fn cpu_ms(self) -> Option<i64> {
        i64::try_from(self.cpu?.as_millis()).ok()
    }
}

/// What an import needs besides the outcomes.
#[derive(Debug, Clone)]
pub struct Import<'a> {
    /// The run.
    pub run_id: i64,
    /// Where its records go, if it returns any.
    pub schema: Option<&'a RecordSchema>,
    /// The stage queued for components that pass.
    pub next: Option<&'a str>,
    /// How often a component may be bundled in all, and each of its jobs tried by its own fault,
    /// before it stays failed.
    pub attempts: u32,
    /// How long a component that is to be bundled again by itself waits.
    pub back_off: BackOff,
}

/// What the jobs of a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Jobs that passed.
    pub passed: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Jobs of which nothing is known.
    pub lost: u64,
    /// Components that went back to be bundled again.
    pub retried: u64,
}

impl Store {
    /// Imports the outcome of a run and moves it from `importing` to `full`, all in one
    /// transaction. A record that does not fit its schema fails its job, not the import. Jobs
    /// without an outcome count as lost; those that have one already keep it. Importing a run that is
    /// full already changes nothing and gives its counts.
    pub fn import(
        &mut self,
        import: &Import<'_>,
        outcomes: &[JobOutcome],
        products: &[Product],
        act: Act<'_>,
    ) -> Result<Counts, StateError> {
        let run_id = import.run_id;
        let transaction = self.write()?;
        let run = run::get(&transaction, run_id)?;
        if run.state == run::RunState::Full {
            let (passed, failed, lost) = (run.passed, run.failed, run.lost);
            return Ok(Counts {
                passed,
                failed,
                lost,
                retried: run.retried,
            });
        }
        let mut taken = take(&transaction, import, outcomes, products, act)?;
        taken.counts.lost += lose_the_rest(&transaction, run_id)?;
        let of = (run.label.as_str(), Extent::All);
        taken.counts.retried = judge_components(&transaction, import, of, act, &taken.verdicts)?;
        write_counts(&transaction, run_id, taken.counts)?;
        run::advance(&transaction, run_id, RunEvent::Imported, act)?;
        transaction.commit()?;
        Ok(taken.counts)
    }

    /// Imports jobs of a run whose batch job still runs, in one transaction: their outcomes, their
    /// products, and each component all of whose jobs have passed. The rest waits for the end of
    /// the run.
    ///
    /// # Errors
    /// The run is not in `run`, since someone moved it meanwhile; then nothing has changed.
    pub fn import_ended(
        &mut self,
        import: &Import<'_>,
        outcomes: &[JobOutcome],
        products: &[Product],
        act: Act<'_>,
    ) -> Result<(), StateError> {
        let run_id = import.run_id;
        let transaction = self.write()?;
        run::advance(&transaction, run_id, RunEvent::Harvested, act)?;
        let label = run::get(&transaction, run_id)?.label;
        let taken = take(&transaction, import, outcomes, products, act)?;
        let of = (label.as_str(), Extent::Passed);
        judge_components(&transaction, import, of, act, &taken.verdicts)?;
        write_counts(&transaction, run_id, taken.counts)?;
        Ok(transaction.commit()?)
    }

    /// Notes that a run was harvested while its batch job runs, whether there was anything or not.
    pub fn harvested(&mut self, run_id: i64, now: Timestamp) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE runs SET harvested_at = ? WHERE run_id = ?",
            params![now.as_millisecond(), run_id],
        )?;
        Ok(())
    }

    /// Numbers of the jobs of a run that have an outcome.
    pub fn imported_jobs(&self, run_id: i64) -> Result<BTreeSet<u64>, StateError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq FROM jobs WHERE run_id = ? AND state <> 'waiting'")?;
        let jobs = statement.query_map([run_id], |row| row.get(0))?;
        Ok(jobs.collect::<Result<_, _>>()?)
    }
}

/// Writes outcomes, records and products.
fn take(
    connection: &Connection,
    import: &Import<'_>,
    outcomes: &[JobOutcome],
    products: &[Product],
    act: Act<'_>,
) -> Result<Taken, StateError> {
    let taken = take_jobs(connection, import, outcomes, act)?;
    for product in products {
        file::record(connection, import.run_id, product, act.now)?;
    }
    Ok(taken)
}

fn write_counts(connection: &Connection, run_id: i64, counts: Counts) -> Result<(), StateError> {
    connection.execute(
        "UPDATE runs SET passed = ?, failed = ?, lost = ?, retried = ?, fault = 0 WHERE run_id = ?",
        params![
            counts.passed,
            counts.failed,
            counts.lost,
            counts.retried,
            run_id
        ],
    )?;
    Ok(())
}
