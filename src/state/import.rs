//! Taking the outcome of a run into state.db: jobs, products, typed records, components, the
//! queue of the next stage and the run's counts, in one transaction that can be repeated.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::{
    StateError, Store,
    back_off::{self, BackOff, Setback},
    component,
    component::{ComponentEvent, ComponentState},
    event::Act,
    file,
    file::Product,
    job::{JobEvent, JobState},
    queue,
    record::{self, RecordError, RecordSchema},
    run,
    run::RunEvent,
    tries,
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
        let mut verdicts = BTreeMap::new();
        let mut counts = take_jobs(&transaction, import, outcomes, act, &mut verdicts)?;
        for product in products {
            file::record(&transaction, run_id, product, act.now)?;
        }
        counts.retried = judge_components(&transaction, import, &run.label, act, &verdicts)?;
        transaction.execute(
            "UPDATE runs SET passed = ?, failed = ?, lost = ?, retried = ?, fault = 0 WHERE run_id = ?",
            params![counts.passed, counts.failed, counts.lost, counts.retried, run_id],
        )?;
        run::advance(&transaction, run_id, RunEvent::Imported, act)?;
        transaction.commit()?;
        Ok(counts)
    }
}

/// What the jobs of one component add up to.
#[derive(Debug, Default)]
struct Verdict {
    /// Jobs that passed.
    passed: u64,
    /// Why the first job that did not pass did not.
    why: Option<String>,
    /// Whether a human must look before it may run again.
    by_hand: bool,
    /// Whether a job that did not pass has failed by itself.
    own_fault: bool,
}

impl Verdict {
    fn setback(&self) -> Setback {
        if self.own_fault {
            Setback::Own
        } else {
            Setback::Outside
        }
    }
}

/// Writes each job's outcome and record; adds up what that means for its component.
fn take_jobs(
    connection: &Connection,
    import: &Import<'_>,
    outcomes: &[JobOutcome],
    act: Act<'_>,
    verdicts: &mut BTreeMap<i64, Verdict>,
) -> Result<Counts, StateError> {
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
    let mut counts = Counts::default();
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
        let verdict = verdicts.entry(component_id).or_default();
        verdict.by_hand |= outcome.by_hand;
        match next {
            JobState::Passed => {
                counts.passed += 1;
                verdict.passed += 1;
                continue;
            },
            JobState::Failed => counts.failed += 1,
            JobState::Lost | JobState::Waiting => counts.lost += 1,
        }
        verdict.own_fault |= failures > 0;
        verdict
            .why
            .get_or_insert_with(|| format!("job {key}: {reason}"));
    }
    counts.lost += connection.execute(
        "UPDATE jobs SET state = 'lost', reason = 'no record of it came back'
         WHERE run_id = ? AND state = 'waiting'",
        [import.run_id],
    )? as u64;
    Ok(counts)
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

/// Moves each component on by what its jobs add up to; tells how many go back to be bundled again.
fn judge_components(
    connection: &Connection,
    import: &Import<'_>,
    label: &str,
    act: Act<'_>,
    verdicts: &BTreeMap<i64, Verdict>,
) -> Result<u64, StateError> {
    let mut statement = connection.prepare_cached(
        "SELECT component_id, stage, stage_id, jobs, attempt, next_id FROM components
         WHERE run_id = ? AND state = 'prepared'",
    )?;
    let rows = statement.query_map([import.run_id], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
            row.get(5)?,
        ))
    })?;
    let prepared: Vec<(i64, String, i64, u64, u32, Option<i64>)> =
        rows.collect::<Result<_, _>>()?;
    let nothing = Verdict::default();
    let mut retried = 0;
    for (id, stage, stage_id, mut jobs, attempt, next_id) in prepared {
        let of = (stage.as_str(), stage_id, id);
        let (passed_before, used_up) = match attempt {
            0 | 1 => (0, 0),
            _ => tries::left_out(connection, of, import.attempts)?,
        };
        jobs += passed_before + used_up;
        let verdict = verdicts.get(&id).unwrap_or(&nothing);
        let passed = verdict.passed + passed_before;
        let why = match &verdict.why {
            Some(why) => why.as_str(),
            None if !verdicts.contains_key(&id) => "no record of its jobs came back",
            None if passed < jobs => "what is left of it has been tried as often as it may",
            None => "all jobs passed",
        };
        let act = act.because(why);
        let judged = ComponentEvent::Judged { passed, jobs };
        match (
            component::advance(connection, id, judged, act)?,
            import.next,
        ) {
            (ComponentState::Passed, Some(next)) => {
                queue::push(
                    connection,
                    next,
                    next_id.unwrap_or(stage_id),
                    label,
                    act.now,
                )?;
            },
            (ComponentState::Failed | ComponentState::Partial, _)
                if attempt < import.attempts
                    && !verdict.by_hand
                    && tries::has_try_left(connection, of, import.attempts)? =>
            {
                component::advance(connection, id, ComponentEvent::Revert, act)?;
                back_off::set_back(connection, id, verdict.setback(), import.back_off, act.now)?;
                retried += 1;
            },
            _ => {},
        }
    }
    Ok(retried)
}
