//! The table of runs.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{RunEvent, RunState, Stage, Step};
use crate::state::{
    StateError, Store,
    event::{Act, Subject, append, time},
};

/// One bundle of components of one stage that goes to a site as one batch job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its number.
    pub run_id: i64,
    /// Its stage.
    pub stage: String,
    /// Its site.
    pub site: String,
    /// Its label.
    pub label: String,
    /// Its state.
    pub state: RunState,
    /// Its run directory here, relative to outrigger.yaml or absolute.
    pub path_base: String,
    /// How often it was submitted, from 1.
    pub attempt: u32,
    /// What makes its batch job's name unique: `or-<run>-<attempt>-<8 hex>`.
    pub token: String,
    /// The scheduler's name for the batch job.
    pub job_id: Option<String>,
    /// Exit code of the last failure; 0 = none.
    pub fault: i64,
    /// Why it is in this state.
    pub reason: String,
    /// Number of its jobs.
    pub jobs: u64,
    /// Jobs that passed.
    pub passed: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Components that went back to be bundled again.
    pub retried: u64,
    /// Jobs of which nothing is known.
    pub lost: u64,
    /// Since when the scheduler has not known the batch job, at every poll.
    pub unseen_since: Option<Timestamp>,
    /// When it was defined.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub changed_at: Timestamp,
    /// When its batch job was last asked for.
    pub polled_at: Option<Timestamp>,
    /// When it was last harvested while its batch job ran.
    pub harvested_at: Option<Timestamp>,
}

const COLUMNS: &str = "run_id, stage, site, label, state, path_base, attempt, token, job_id, fault,
    reason, jobs, passed, failed, retried, lost, unseen_since, created_at, changed_at, polled_at,
    harvested_at";

fn read(row: &Row<'_>) -> rusqlite::Result<(Run, String)> {
    let state: String = row.get("state")?;
    let run = Run {
        run_id: row.get("run_id")?,
        stage: row.get("stage")?,
        site: row.get("site")?,
        label: row.get("label")?,
        state: RunState::Active(Stage::New),
        path_base: row.get("path_base")?,
        attempt: row.get("attempt")?,
        token: row.get("token")?,
        job_id: row.get("job_id")?,
        fault: row.get("fault")?,
        reason: row.get("reason")?,
        jobs: row.get("jobs")?,
        passed: row.get("passed")?,
        failed: row.get("failed")?,
        retried: row.get("retried")?,
        lost: row.get("lost")?,
        unseen_since: row.get::<_, Option<i64>>("unseen_since")?.map(time),
        created_at: time(row.get("created_at")?),
        changed_at: time(row.get("changed_at")?),
        polled_at: row.get::<_, Option<i64>>("polled_at")?.map(time),
        harvested_at: row.get::<_, Option<i64>>("harvested_at")?.map(time),
    };
    Ok((run, state))
}

fn finish((run, state): (Run, String)) -> Result<Run, StateError> {
    Ok(Run {
        state: state.parse()?,
        ..run
    })
}

/// Which runs to list; every field that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// These runs only.
    pub run_ids: Vec<i64>,
    /// In one of these states.
    pub states: Vec<RunState>,
    /// Of this stage.
    pub stage: Option<String>,
    /// Of this site.
    pub site: Option<String>,
    /// With one of these labels.
    pub labels: Vec<String>,
    /// At most so many; 0 = all.
    pub limit: usize,
}

impl RunFilter {
    fn admits(&self, run: &Run) -> bool {
        (self.run_ids.is_empty() || self.run_ids.contains(&run.run_id))
            && (self.states.is_empty() || self.states.contains(&run.state))
            && self.stage.as_ref().is_none_or(|stage| *stage == run.stage)
            && self.site.as_ref().is_none_or(|site| *site == run.site)
            && (self.labels.is_empty() || self.labels.contains(&run.label))
    }
}

impl Store {
    /// One run.
    pub fn run(&self, run_id: i64) -> Result<Run, StateError> {
        get(&self.connection, run_id)
    }

    /// The runs that a filter admits, oldest first.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StateError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM runs ORDER BY run_id"))?;
        let mut rows = statement.query([])?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next()? {
            let run = finish(read(row)?)?;
            if filter.admits(&run) {
                runs.push(run);
                if filter.limit > 0 && runs.len() == filter.limit {
                    break;
                }
            }
        }
        Ok(runs)
    }

    /// Moves a run through the transition function and returns its new state.
    pub fn advance(
        &mut self,
        run_id: i64,
        event: RunEvent,
        act: Act<'_>,
    ) -> Result<RunState, StateError> {
        let transaction = self.write()?;
        let state = advance(&transaction, run_id, event, act)?;
        transaction.commit()?;
        Ok(state)
    }

    /// Records the scheduler's name for the batch job, together with the move to `run`.
    pub fn submitted(&mut self, run_id: i64, job_id: &str, act: Act<'_>) -> Result<(), StateError> {
        let transaction = self.write()?;
        advance(&transaction, run_id, RunEvent::Submitted, act)?;
        transaction.execute(
            "UPDATE runs SET job_id = ?, fault = 0, unseen_since = NULL WHERE run_id = ?",
            params![job_id, run_id],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// A step of a run failed: it is in error, with fault 1, in one transaction. One that waited for
    /// the link counts as being at its step again.
    pub fn fail(&mut self, run_id: i64, step: Step, act: Act<'_>) -> Result<(), StateError> {
        let transaction = self.write()?;
        if let RunState::Auth(_) = get(&transaction, run_id)?.state {
            let act = act.because("the link is back");
            advance(&transaction, run_id, RunEvent::LinkUp, act)?;
        }
        advance(&transaction, run_id, RunEvent::Fail(step), act)?;
        transaction.execute("UPDATE runs SET fault = 1 WHERE run_id = ?", [run_id])?;
        transaction.commit()?;
        Ok(())
    }

    /// Reverts a run in error. One that goes back to `pending` gets its next attempt in the same
    /// transaction: a token with `secret`, and no batch job.
    pub fn revert(
        &mut self,
        run_id: i64,
        secret: u32,
        act: Act<'_>,
    ) -> Result<RunState, StateError> {
        let transaction = self.write()?;
        let state = advance(&transaction, run_id, RunEvent::Revert, act)?;
        transaction.execute("UPDATE runs SET fault = 0 WHERE run_id = ?", [run_id])?;
        if state == RunState::Active(Stage::Pending) {
            let attempt = get(&transaction, run_id)?.attempt + 1;
            transaction.execute(
                "UPDATE runs SET attempt = ?, token = ?, job_id = NULL WHERE run_id = ?",
                params![attempt, token(run_id, attempt, secret), run_id],
            )?;
        }
        transaction.commit()?;
        Ok(state)
    }

    /// Notes the exit code of a failure that leaves the run where it is.
    pub fn set_fault(&mut self, run_id: i64, fault: i64, reason: &str) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE runs SET fault = ?, reason = ? WHERE run_id = ?",
            params![fault, reason, run_id],
        )?;
        Ok(())
    }

    /// Gives a run another label.
    pub fn set_label(
        &mut self,
        run_id: i64,
        label: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let changed = self.connection.execute(
            "UPDATE runs SET label = ?, changed_at = ? WHERE run_id = ?",
            params![label, now.as_millisecond(), run_id],
        )?;
        if changed == 0 {
            Err(StateError::NoRow {
                what: "run",
                id: run_id,
            })
        } else {
            Ok(())
        }
    }

    /// Notes what is newly known of a run that stays where it is.
    pub fn note(&mut self, run_id: i64, reason: &str) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE runs SET reason = ?1 WHERE run_id = ?2 AND reason <> ?1",
            params![reason, run_id],
        )?;
        Ok(())
    }

    /// Notes that the scheduler was asked, and whether it knew the batch job; gives the seconds
    /// for which it has not.
    pub fn polled(&mut self, run_id: i64, seen: bool, now: Timestamp) -> Result<i64, StateError> {
        let now = now.as_millisecond();
        let since: Option<i64> = self.connection.query_row(
            "UPDATE runs SET polled_at = ?1,
                unseen_since = CASE WHEN ?2 THEN NULL ELSE coalesce(unseen_since, ?1) END
             WHERE run_id = ?3 RETURNING unseen_since",
            params![now, seen, run_id],
            |row| row.get(0),
        )?;
        Ok(since.map_or(0, |since| (now - since).max(0) / 1000))
    }

    /// Claims a run for `owner` for `seconds`; a claim of the same owner is renewed. Only the
    /// holder may work on a run, so two programs on one state.db never do the same step.
    pub fn claim(
        &mut self,
        run_id: i64,
        owner: &str,
        seconds: i64,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let now = now.as_millisecond();
        let claimed = self.connection.execute(
            "UPDATE runs SET owner = ?1, lease_end = ?2
             WHERE run_id = ?3 AND (owner IS NULL OR owner = ?1 OR lease_end <= ?4)",
            params![owner, now + seconds * 1000, run_id, now],
        )?;
        if claimed == 1 {
            return Ok(());
        }
        let held: Option<(String, i64)> = self
            .connection
            .query_row(
                "SELECT coalesce(owner, ''), coalesce(lease_end, 0) FROM runs WHERE run_id = ?",
                [run_id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        Err(match held {
            Some((owner, end)) => StateError::Held {
                run: run_id,
                owner,
                seconds: (end - now).max(0) / 1000 + 1,
            },
            None => StateError::NoRow {
                what: "run",
                id: run_id,
            },
        })
    }

    /// Who holds a claim on a run, be it over or not.
    pub fn holder(&self, run_id: i64) -> Result<Option<String>, StateError> {
        let owner = self
            .connection
            .prepare_cached("SELECT owner FROM runs WHERE run_id = ?")?
            .query_row([run_id], |row| row.get(0))
            .optional()?;
        Ok(owner.flatten())
    }

    /// Lengthens the claim that `owner` has, if it still has it.
    pub fn renew(
        &mut self,
        run_id: i64,
        owner: &str,
        seconds: i64,
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE runs SET lease_end = max(lease_end, ?) WHERE run_id = ? AND owner = ?",
            params![now.as_millisecond() + seconds * 1000, run_id, owner],
        )?;
        Ok(())
    }

    /// Gives a claim back.
    pub fn release_claim(&mut self, run_id: i64, owner: &str) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE runs SET owner = NULL, lease_end = NULL WHERE run_id = ? AND owner = ?",
            params![run_id, owner],
        )?;
        Ok(())
    }
}

pub(in crate::state) fn get(connection: &Connection, run_id: i64) -> Result<Run, StateError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE run_id = ?"))?
        .query_row([run_id], read)
        .optional()?
        .map(finish)
        .transpose()?
        .ok_or(StateError::NoRow {
            what: "run",
            id: run_id,
        })
}

/// Inserts a new run; its `path_base` gets `/remote_<stage>.<run_id>` added (spec/remote.md §0).
pub(in crate::state) fn insert(
    connection: &Connection,
    stage: &str,
    site: &str,
    label: &str,
    base: &str,
    secret: u32,
    act: Act<'_>,
) -> Result<i64, StateError> {
    let now = act.now.as_millisecond();
    let first = RunState::Active(Stage::New).to_string();
    connection
        .prepare_cached(
            "INSERT INTO runs (stage, site, label, state, path_base, token, reason, created_at, changed_at)
             VALUES (?, ?, ?, ?, '', '?' || hex(randomblob(8)), ?, ?, ?)",
        )?
        .execute(params![stage, site, label, first, act.why, now, now])?;
    let run_id = connection.last_insert_rowid();
    connection.execute(
        "UPDATE runs SET path_base = ?, token = ? WHERE run_id = ?",
        params![
            format!("{base}/remote_{stage}.{run_id}"),
            token(run_id, 1, secret),
            run_id
        ],
    )?;
    append(connection, Subject::Run, run_id, "", &first, act)?;
    Ok(run_id)
}

/// The batch job's name: `or-<run>-<attempt>-<8 hex>` (design decision 3).
pub fn token(run_id: i64, attempt: u32, secret: u32) -> String {
    format!("or-{run_id}-{attempt}-{secret:08x}")
}

pub(in crate::state) fn advance(
    connection: &Connection,
    run_id: i64,
    event: RunEvent,
    act: Act<'_>,
) -> Result<RunState, StateError> {
    let run = get(connection, run_id)?;
    let next = run.state.after(event)?;
    // Who dies with a run that is over holds nothing any more.
    connection
        .prepare_cached(
            "UPDATE runs SET state = ?1, reason = ?2, changed_at = ?3,
                owner = CASE WHEN ?4 THEN NULL ELSE owner END,
                lease_end = CASE WHEN ?4 THEN NULL ELSE lease_end END WHERE run_id = ?5",
        )?
        .execute(params![
            next.to_string(),
            act.why,
            act.now.as_millisecond(),
            next.is_over(),
            run_id
        ])?;
    append(
        connection,
        Subject::Run,
        run_id,
        &run.state.to_string(),
        &next.to_string(),
        act,
    )?;
    Ok(next)
}
