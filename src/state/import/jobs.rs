//! The outcome and the record of each job.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    super::{
        StateError,
        event::Act,
        job::{JobEvent, JobState},
        record::{self, RecordError, RecordSchema},
    },
    Counts, Effort, Import, JobOutcome,
    components::Verdict,
};

/// What the jobs of a run have come to so far.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) counts: Counts,
    /// By component, for those of which a job has an outcome.
    pub(super) verdicts: BTreeMap<i64, Verdict>,
}

impl Taken {
    /// Adds a job that has come to `state`, after so many failures by itself.
    fn add(&mut self, component_id: i64, state: JobState, failures: u32, why: impl Fn() -> String) {
        let verdict = self.verdicts.entry(component_id).or_default();
        match state {
            JobState::Passed => {
                self.counts.passed += 1;
                verdict.passed += 1;
                return;
            },
            JobState::Failed => self.counts.failed += 1,
            JobState::Lost | JobState::Waiting => self.counts.lost += 1,
        }
        verdict.own_fault |= failures > 0;
        verdict.why.get_or_insert_with(why);
    }
}

/// What was imported of a run before.
fn taken_before(connection: &Connection, run_id: i64) -> Result<Taken, StateError> {
    let mut taken = Taken::default();
    let mut statement = connection.prepare_cached(
        "SELECT component_id, state, failures, key, reason FROM jobs
         WHERE run_id = ? AND state <> 'waiting'",
    )?;
    let mut rows = statement.query([run_id])?;
    while let Some(row) = rows.next()? {
        let state: JobState = row.get::<_, String>(1)?.parse()?;
        let (key, reason): (String, String) = (row.get(3)?, row.get(4)?);
        taken.add(row.get(0)?, state, row.get(2)?, || why(&key, &reason));
    }
    Ok(taken)
}

fn why(key: &str, reason: &str) -> String {
    format!("job {key}: {reason}")
}

/// Writes the outcome and record of each job, none of which has one yet; adds up what they and
/// those before mean for the components.
pub(super) fn take_jobs(
    connection: &Connection,
    import: &Import<'_>,
    outcomes: &[JobOutcome],
    act: Act<'_>,
) -> Result<Taken, StateError> {
    let mut taken = taken_before(connection, import.run_id)?;
    let upsert = match import.schema {
        Some(schema) => {
            record::ensure_table(connection, schema)?;
            record::upsert(schema)
        },
        None => String::new(),
    };
    let mut select = connection
        .prepare_cached("SELECT component_id, key, state FROM jobs WHERE run_id = ? AND seq = ?")?;
    let mut update = connection.prepare_cached(
        "UPDATE jobs SET state = ?, exit_code = ?, started_at = ?, ended_at = ?, node = ?,
            memory = ?, reason = ?, threads = ?, cpu_ms = ?, failures = ? WHERE run_id = ? AND seq = ?",
    )?;
    for outcome in outcomes {
        let (component_id, key, state): (i64, String, String) = select
            .query_row(params![import.run_id, outcome.seq], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        let (mut event, mut reason) = (outcome.event, outcome.reason.clone());
        let mut failures = outcome.failures;
        if event == JobEvent::Pass
            && let Some(schema) = import.schema
            && let Err(misfit) = take_record(connection, import, schema, &upsert, outcome, act)?
        {
            (event, reason) = (JobEvent::Fail, misfit.to_string());
            failures += 1;
        }
        let next = state.parse::<JobState>()?.after(event)?;
        update.execute(params![
            next.word(),
            outcome.exit_code,
            outcome.started_at.map(Timestamp::as_millisecond),
            outcome.ended_at.map(Timestamp::as_millisecond),
            outcome.node,
            outcome.memory,
            reason,
            outcome.effort.map(|effort| effort.threads),
            outcome.effort.and_then(Effort::cpu_ms),
            failures,
            import.run_id,
            outcome.seq
        ])?;
        taken.add(component_id, next, failures, || why(&key, &reason));
        let verdict = taken.verdicts.entry(component_id).or_default();
        verdict.by_hand |= outcome.by_hand;
    }
    Ok(taken)
}

/// Jobs of a run that is over and of which nothing came back are lost; tells how many.
pub(super) fn lose_the_rest(connection: &Connection, run_id: i64) -> Result<u64, StateError> {
    let lost = connection.execute(
        "UPDATE jobs SET state = 'lost', reason = 'no record of it came back'
         WHERE run_id = ? AND state = 'waiting'",
        [run_id],
    )?;
    Ok(lost as u64)
}

/// Writes a job's record, if it fits its table.
fn take_record(
    connection: &Connection,
    import: &Import<'_>,
    schema: &RecordSchema,
    upsert: &str,
    outcome: &JobOutcome,
    act: Act<'_>,
) -> Result<Result<(), RecordError>, StateError> {
    let none = serde_json::Map::new();
    let object = outcome.record.as_ref().unwrap_or(&none);
    let record = match schema.fit(object) {
        Ok(record) => record,
        Err(misfit) => return Ok(Err(misfit)),
    };
    record::write(connection, upsert, &record)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO results (run_id, seq, name, record, at) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            import.run_id,
            outcome.seq,
            schema.table,
            serde_json::Value::Object(object.clone()).to_string(),
            act.now.as_millisecond()
        ])?;
    Ok(Ok(()))
}
