//! Taking the outcome of a run into state.db: jobs, products, typed records, components, the
//! queue of the next stage and the run's counts, in one transaction that can be repeated.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::params;
use serde::Serialize;

use super::{
    StateError, Store, component,
    component::{ComponentEvent, ComponentState},
    event::Act,
    file,
    file::Product,
    job::{JobEvent, JobState},
    queue,
    record::{self, RecordSchema},
    run,
    run::RunEvent,
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
    /// Why it failed; empty if it passed.
    pub reason: String,
    /// Whether a human must look before it may run again.
    pub by_hand: bool,
    /// The record it returned: a JSON object.
    pub record: Option<serde_json::Map<String, serde_json::Value>>,
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
    /// How often a component may be bundled in all before it stays failed.
    pub attempts: u32,
}

/// The counts of a run that is over.
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
    /// without an outcome count as lost. Importing a run that is full already changes nothing and
    /// gives its counts.
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
        let upsert = match import.schema {
            Some(schema) => {
                record::ensure_table(&transaction, schema)?;
                record::upsert(schema)
            },
            None => String::new(),
        };
        let mut counts = Counts::default();
        let mut passed_of: BTreeMap<i64, u64> = BTreeMap::new();
        let mut why_of: BTreeMap<i64, String> = BTreeMap::new();
        let mut by_hand: BTreeSet<i64> = BTreeSet::new();
        {
            let mut select = transaction.prepare_cached(
                "SELECT component_id, key, state FROM jobs WHERE run_id = ? AND seq = ?",
            )?;
            let mut update = transaction.prepare_cached(
                "UPDATE jobs SET state = ?, exit_code = ?, started_at = ?, ended_at = ?, node = ?,
                    memory = ?, reason = ? WHERE run_id = ? AND seq = ?",
            )?;
            let mut result = transaction.prepare_cached(
                "INSERT OR REPLACE INTO results (run_id, seq, name, record, at) VALUES (?, ?, ?, ?, ?)",
            )?;
            for outcome in outcomes {
                let (component_id, key, state): (i64, String, String) = select
                    .query_row(params![run_id, outcome.seq], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                    })?;
                let state: JobState = state.parse()?;
                let mut event = outcome.event;
                let mut reason = outcome.reason.clone();
                if event == JobEvent::Pass
                    && let Some(schema) = import.schema
                {
                    let none = serde_json::Map::new();
                    let object = outcome.record.as_ref().unwrap_or(&none);
                    match schema.fit(object) {
                        Ok(record) => {
                            record::write(&transaction, &upsert, &record)?;
                            let text = serde_json::Value::Object(object.clone()).to_string();
                            result.execute(params![
                                run_id,
                                outcome.seq,
                                schema.table,
                                text,
                                act.now.as_millisecond()
                            ])?;
                        },
                        Err(error) => {
                            event = JobEvent::Fail;
                            reason = error.to_string();
                        },
                    }
                }
                let next = state.after(event)?;
                update.execute(params![
                    next.word(),
                    outcome.exit_code,
                    outcome.started_at.map(Timestamp::as_millisecond),
                    outcome.ended_at.map(Timestamp::as_millisecond),
                    outcome.node,
                    outcome.memory,
                    reason,
                    run_id,
                    outcome.seq
                ])?;
                match next {
                    JobState::Passed => {
                        counts.passed += 1;
                        *passed_of.entry(component_id).or_default() += 1;
                    },
                    JobState::Failed => counts.failed += 1,
                    JobState::Lost | JobState::Waiting => counts.lost += 1,
                }
                if outcome.by_hand {
                    by_hand.insert(component_id);
                }
                if next != JobState::Passed {
                    why_of
                        .entry(component_id)
                        .or_insert_with(|| format!("job {key}: {reason}"));
                }
            }
            counts.lost += transaction.execute(
                "UPDATE jobs SET state = 'lost', reason = 'no record of it came back'
                 WHERE run_id = ? AND state = 'waiting'",
                [run_id],
            )? as u64;
        }
        for product in products {
            file::record(&transaction, run_id, product, act.now)?;
        }
        let prepared: Vec<(i64, i64, u64, u32, Option<i64>)> = {
            let mut statement = transaction.prepare_cached(
                "SELECT component_id, stage_id, jobs, attempt, next_id FROM components
                 WHERE run_id = ? AND state = 'prepared'",
            )?;
            let rows = statement.query_map([run_id], |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                ))
            })?;
            rows.collect::<Result<_, _>>()?
        };
        for (id, stage_id, jobs, attempt, next_id) in prepared {
            let passed = passed_of.get(&id).copied().unwrap_or_default();
            let why = match why_of.get(&id) {
                Some(why) => why.as_str(),
                None if passed < jobs => "no record of its jobs came back",
                None => "all jobs passed",
            };
            let act = act.because(why);
            let state = component::advance(
                &transaction,
                id,
                ComponentEvent::Judged { passed, jobs },
                act,
            )?;
            match (state, import.next) {
                (ComponentState::Passed, Some(next)) => {
                    queue::push(
                        &transaction,
                        next,
                        next_id.unwrap_or(stage_id),
                        &run.label,
                        act.now,
                    )?;
                },
                (ComponentState::Failed | ComponentState::Partial, _)
                    if attempt < import.attempts && !by_hand.contains(&id) =>
                {
                    component::advance(&transaction, id, ComponentEvent::Revert, act)?;
                    counts.retried += 1;
                },
                _ => {},
            }
        }
        transaction.execute(
            "UPDATE runs SET passed = ?, failed = ?, lost = ?, retried = ?, fault = 0 WHERE run_id = ?",
            params![counts.passed, counts.failed, counts.lost, counts.retried, run_id],
        )?;
        run::advance(&transaction, run_id, RunEvent::Imported, act)?;
        transaction.commit()?;
        Ok(counts)
    }
}
