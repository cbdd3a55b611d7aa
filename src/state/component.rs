//! Components: their states, the one function that changes them, and their table (design §5).

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Serialize, Serializer};

use super::{
    StateError, Store,
    event::{Act, Subject, append, time},
    run::{self, RunEvent},
    store::IllegalMove,
    tries,
};

/// The state of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ComponentState {
    /// Bundled into a run.
    New,
    /// Its jobs are written.
    Prepared,
    /// Its jobs could not be written.
    PrepFailed,
    /// Every job passed.
    Passed,
    /// No job passed.
    Failed,
    /// Some jobs passed; their records are imported.
    Partial,
    /// Free to be bundled again; what passed stays passed.
    Retry,
}

/// What may happen to a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentEvent {
    /// Its jobs are written.
    Prepared,
    /// Its jobs could not be written.
    PrepareFailed,
    /// Its jobs have ended: so many passed of so many.
    Judged {
        /// Jobs that passed.
        passed: u64,
        /// All its jobs.
        jobs: u64,
    },
    /// It shall be bundled again.
    Revert,
    /// Its run was given up before it had a result.
    Abandon,
}

impl ComponentState {
    const ALL: [Self; 7] = [
        Self::New,
        Self::Prepared,
        Self::PrepFailed,
        Self::Passed,
        Self::Failed,
        Self::Partial,
        Self::Retry,
    ];

    /// The transition table of components (design §5). Nothing else changes their state.
    ///
    /// # Errors
    /// When the move is not in the table.
    pub fn after(self, event: ComponentEvent) -> Result<Self, IllegalMove> {
        match (self, event) {
            // Until its run is written, a component may be prepared again.
            (Self::New | Self::Prepared, ComponentEvent::Prepared) => Ok(Self::Prepared),
            (Self::New | Self::Prepared, ComponentEvent::PrepareFailed) => Ok(Self::PrepFailed),
            (Self::Prepared, ComponentEvent::Judged { passed, jobs }) => Ok(match passed {
                _ if passed >= jobs => Self::Passed,
                0 => Self::Failed,
                _ => Self::Partial,
            }),
            (
                Self::PrepFailed | Self::Failed | Self::Partial,
                ComponentEvent::Revert | ComponentEvent::Abandon,
            )
            | (Self::New | Self::Prepared, ComponentEvent::Abandon) => Ok(Self::Retry),
            (state, event) => Err(IllegalMove {
                subject: "component",
                state: state.to_string(),
                event: match event {
                    ComponentEvent::Prepared | ComponentEvent::PrepareFailed => "be prepared",
                    ComponentEvent::Judged { .. } => "be judged",
                    ComponentEvent::Revert => "be reverted",
                    ComponentEvent::Abandon => "be given up",
                },
                mend: "only a component that failed, or partly failed, can be reverted",
            }),
        }
    }

    /// The state's word, as in state.db.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Prepared => "prepared",
            Self::PrepFailed => "prep_failed",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Retry => "retry",
        }
    }
}

impl fmt::Display for ComponentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ComponentState {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        Self::ALL
            .into_iter()
            .find(|state| state.word() == text)
            .ok_or_else(|| StateError::Corrupt(format!("component state `{text}`")))
    }
}

impl Serialize for ComponentState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// One unit of science work of a stage, as bundled into one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its number, one for each time it is bundled.
    pub component_id: i64,
    /// The run it is in.
    pub run_id: i64,
    /// Its stage.
    pub stage: String,
    /// What it is, within the stage.
    pub stage_id: i64,
    /// Its state.
    pub state: ComponentState,
    /// Number of its jobs.
    pub jobs: u64,
    /// How often it was bundled, from 1.
    pub attempt: u32,
    /// Its directory here.
    pub path_base: String,
    /// Why it is in this state.
    pub reason: String,
    /// Under which id the next stage is queued when it passes.
    pub next_id: Option<i64>,
    /// Its row, as the recipe's source gave it: a JSON object.
    pub row: String,
    /// Before this time it is not bundled again by itself.
    pub due_at: Option<Timestamp>,
}

impl Component {
    /// Whether it waits at `now` until it may be bundled again.
    pub fn is_delayed(&self, now: Timestamp) -> bool {
        self.state == ComponentState::Retry && self.due_at.is_some_and(|due| due > now)
    }
}

pub(super) const COLUMNS: &str =
    "component_id, run_id, stage, stage_id, state, jobs, attempt, path_base,
    reason, next_id, row, due_at";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(Component, String)> {
    let component = Component {
        component_id: row.get("component_id")?,
        run_id: row.get("run_id")?,
        stage: row.get("stage")?,
        stage_id: row.get("stage_id")?,
        state: ComponentState::New,
        jobs: row.get("jobs")?,
        attempt: row.get("attempt")?,
        path_base: row.get("path_base")?,
        reason: row.get("reason")?,
        next_id: row.get("next_id")?,
        row: row.get("row")?,
        due_at: row.get::<_, Option<i64>>("due_at")?.map(time),
    };
    Ok((component, row.get("state")?))
}

pub(super) fn finish((component, state): (Component, String)) -> Result<Component, StateError> {
    Ok(Component {
        state: state.parse()?,
        ..component
    })
}

/// A component that a recipe's source offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it is, within the stage.
    pub stage_id: i64,
    /// Its row: a JSON object.
    pub row: String,
}

/// A run to be defined.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    /// Its stage.
    pub stage: &'a str,
    /// Its site.
    pub site: &'a str,
    /// Its label.
    pub label: &'a str,
    /// Directory in which its run directory will be.
    pub base: &'a str,
    /// A random number that makes its token unguessable.
    pub secret: u32,
}

impl Store {
    /// Whether a component may be bundled at `now`: it never was, or every time it was it is now
    /// `retry`, and it waits no longer.
    pub fn is_free(&self, stage: &str, stage_id: i64, now: Timestamp) -> Result<bool, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT 1 FROM components WHERE stage = ? AND stage_id = ?
             AND (state <> 'retry' OR due_at > ?)",
        )?;
        Ok(!statement.exists(params![stage, stage_id, now.as_millisecond()])?)
    }

    /// Defines a run over `candidates` in one transaction, claiming each. A candidate that was
    /// claimed by someone else meanwhile, or has to wait since, is left out; if none is left,
    /// nothing is defined.
    pub fn define(
        &mut self,
        new: NewRun<'_>,
        candidates: &[Candidate],
        act: Act<'_>,
    ) -> Result<Option<i64>, StateError> {
        let transaction = self.write()?;
        let run_id = run::insert(
            &transaction,
            new.stage,
            new.site,
            new.label,
            new.base,
            new.secret,
            act,
        )?;
        let mut claimed = 0_usize;
        {
            let mut earlier = transaction.prepare_cached(
                "SELECT coalesce(max(attempt), 0) + 1, coalesce(max(due_at), 0) > ?
                 FROM components WHERE stage = ? AND stage_id = ?",
            )?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO components (run_id, stage, stage_id, state, attempt, row)
                 VALUES (?, ?, ?, 'new', ?, ?) ON CONFLICT DO NOTHING",
            )?;
            for candidate in candidates {
                let (attempt, waits): (u32, bool) = earlier.query_row(
                    params![act.now.as_millisecond(), new.stage, candidate.stage_id],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )?;
                if waits {
                    continue;
                }
                let inserted = insert.execute(params![
                    run_id,
                    new.stage,
                    candidate.stage_id,
                    attempt,
                    candidate.row
                ])?;
                if inserted == 1 {
                    let id = transaction.last_insert_rowid();
                    append(&transaction, Subject::Component, id, "", "new", act)?;
                    claimed += 1;
                }
            }
        }
        if claimed == 0 {
            transaction.rollback()?;
            return Ok(None);
        }
        transaction.commit()?;
        Ok(Some(run_id))
    }

    /// The components of a run, in the order of bundling.
    pub fn components(&self, run_id: i64) -> Result<Vec<Component>, StateError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM components WHERE run_id = ? ORDER BY component_id"
        ))?;
        let rows = statement.query_map([run_id], read)?;
        rows.map(|row| finish(row?)).collect()
    }

    /// Calls `visit` with each component of a run whose jobs are not part of the run yet, without
    /// holding them all: it is new, or was prepared by itself.
    pub fn each_unwritten<E: From<StateError>>(
        &self,
        run_id: i64,
        mut visit: impl FnMut(Component) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut statement = self
            .connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM components
                 WHERE run_id = ? AND state IN ('new', 'prepared') ORDER BY component_id"
            ))
            .map_err(StateError::from)?;
        let mut rows = statement.query(params![run_id]).map_err(StateError::from)?;
        while let Some(row) = rows.next().map_err(StateError::from)? {
            visit(finish(read(row).map_err(StateError::from)?)?)?;
        }
        Ok(())
    }

    /// The latest time a component was bundled.
    pub fn component(&self, stage: &str, stage_id: i64) -> Result<Option<Component>, StateError> {
        self.connection
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM components WHERE stage = ? AND stage_id = ?
                 ORDER BY component_id DESC LIMIT 1"
            ))?
            .query_row(params![stage, stage_id], read)
            .optional()?
            .map(finish)
            .transpose()
    }

    /// Moves components through the transition function, all in one transaction. The jobs of one
    /// that is reverted have all their tries again, and it is due at once.
    pub fn advance_components(
        &mut self,
        moves: &[(i64, ComponentEvent, String)],
        act: Act<'_>,
    ) -> Result<(), StateError> {
        let transaction = self.write()?;
        for (id, event, why) in moves {
            advance(&transaction, *id, *event, act.because(why))?;
            if *event == ComponentEvent::Revert {
                tries::renew(&transaction, *id)?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Records a component that was prepared by itself: its number of jobs, or why it has none.
    ///
    /// # Errors
    /// [`StateError`]; then nothing has changed.
    pub fn prepared_alone(
        &mut self,
        component: &Component,
        path_base: &str,
        outcome: &Result<u64, String>,
        act: Act<'_>,
    ) -> Result<(), StateError> {
        let transaction = self.write()?;
        let id = component.component_id;
        match outcome {
            Ok(jobs) => {
                transaction.execute(
                    "UPDATE components SET jobs = ?, path_base = ? WHERE component_id = ?",
                    params![jobs, path_base, id],
                )?;
                advance(&transaction, id, ComponentEvent::Prepared, act)?;
            },
            Err(why) => {
                let act = act.because(why);
                advance(&transaction, id, ComponentEvent::PrepareFailed, act)?;
            },
        }
        Ok(transaction.commit()?)
    }

    /// Gives a run up and frees its components that have not passed, all in one transaction: no
    /// component of a cancelled run waits for it.
    pub fn give_up(&mut self, run_id: i64, act: Act<'_>) -> Result<(), StateError> {
        let transaction = self.write()?;
        give_up(&transaction, run_id, act)?;
        transaction.commit()?;
        Ok(())
    }

    /// The same for a run whose batch job never began: its components have not been tried.
    pub fn give_back(&mut self, run_id: i64, act: Act<'_>) -> Result<(), StateError> {
        let transaction = self.write()?;
        give_up(&transaction, run_id, act)?;
        transaction.execute(
            "UPDATE components SET attempt = attempt - 1 WHERE run_id = ? AND state = 'retry'",
            [run_id],
        )?;
        transaction.commit()?;
        Ok(())
    }
}

fn give_up(transaction: &Connection, run_id: i64, act: Act<'_>) -> Result<(), StateError> {
    run::advance(transaction, run_id, RunEvent::Cancel, act)?;
    let left: Vec<i64> = {
        let mut statement = transaction.prepare_cached(
            "SELECT component_id FROM components
             WHERE run_id = ? AND state NOT IN ('passed', 'retry') ORDER BY component_id",
        )?;
        let ids = statement.query_map([run_id], |row| row.get(0))?;
        ids.collect::<Result<_, _>>()?
    };
    for id in left {
        let act = act.because("its run was cancelled");
        advance(transaction, id, ComponentEvent::Abandon, act)?;
    }
    Ok(())
}

pub(super) fn advance(
    connection: &Connection,
    component_id: i64,
    event: ComponentEvent,
    act: Act<'_>,
) -> Result<ComponentState, StateError> {
    let state: ComponentState = connection
        .prepare_cached("SELECT state FROM components WHERE component_id = ?")?
        .query_row([component_id], |row| row.get::<_, String>(0))
        .optional()?
        .ok_or(StateError::NoRow {
            what: "component",
            id: component_id,
        })?
        .parse()?;
    let next = state.after(event)?;
    connection
        .prepare_cached("UPDATE components SET state = ?, reason = ? WHERE component_id = ?")?
        .execute(params![next.word(), act.why, component_id])?;
    append(
        connection,
        Subject::Component,
        component_id,
        state.word(),
        next.word(),
        act,
    )?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(3, 3, ComponentState::Passed)]
    #[case(1, 3, ComponentState::Partial)]
    #[case(0, 3, ComponentState::Failed)]
    fn the_jobs_decide(#[case] passed: u64, #[case] jobs: u64, #[case] state: ComponentState) {
        let judged = ComponentState::Prepared.after(ComponentEvent::Judged { passed, jobs });
        assert_eq!(judged.unwrap(), state);
    }

    #[test]
    fn only_what_failed_is_retried() {
        for state in ComponentState::ALL {
            let failed = matches!(
                state,
                ComponentState::PrepFailed | ComponentState::Failed | ComponentState::Partial
            );
            assert_eq!(
                state.after(ComponentEvent::Revert).is_ok(),
                failed,
                "{state}"
            );
        }
    }

    #[test]
    fn every_state_reads_back_from_its_word() {
        for state in ComponentState::ALL {
            assert_eq!(state.word().parse::<ComponentState>().unwrap(), state);
        }
    }
}
