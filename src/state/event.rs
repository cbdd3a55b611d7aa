//! The event log: every transition, when, of what, from, to, by whom and why.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::{StateError, Store};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A run.
    Run,
    /// A component.
    Component,
    /// A bundle of jobs of a controller.
    Bundle,
}

impl Subject {
    fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Component => "component",
            Self::Bundle => "bundle",
        }
    }
}

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What changed: `run` or `component`.
    pub subject: String,
    /// Its number.
    pub subject_id: i64,
    /// State before; empty for the first.
    pub before: String,
    /// State after.
    pub after: String,
    /// Who did it: `define`, `prepare`, `exec`, `poll`, `operator`.
    pub actor: String,
    /// Why.
    pub why: String,
}

/// Who changes something, when and why; goes into the event log with each transition.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// The time of the change.
    pub now: Timestamp,
    /// Who does it.
    pub actor: &'a str,
    /// Why.
    pub why: &'a str,
}

impl<'a> Act<'a> {
    /// An act of `actor` at `now`, because of `why`.
    pub fn new(now: Timestamp, actor: &'a str, why: &'a str) -> Self {
        Self { now, actor, why }
    }

    /// The same act for another reason.
    #[must_use]
    pub fn because(self, why: &'a str) -> Self {
        Self { why, ..self }
    }
}

/// Appends one event.
pub(super) fn append(
    connection: &Connection,
    subject: Subject,
    id: i64,
    before: &str,
    after: &str,
    act: Act<'_>,
) -> Result<(), StateError> {
    connection
        .prepare_cached(
            "INSERT INTO events (at, subject, subject_id, before, after, actor, why)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            act.now.as_millisecond(),
            subject.word(),
            id,
            before,
            after,
            act.actor,
            act.why
        ])?;
    Ok(())
}

impl Store {
    /// The story of one subject, oldest first.
    pub fn events(&self, subject: Subject, id: i64) -> Result<Vec<Event>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT at, subject, subject_id, before, after, actor, why FROM events
             WHERE subject = ? AND subject_id = ? ORDER BY event_id",
        )?;
        let rows = statement.query_map(params![subject.word(), id], |row| {
            Ok(Event {
                at: time(row.get(0)?),
                subject: row.get(1)?,
                subject_id: row.get(2)?,
                before: row.get(3)?,
                after: row.get(4)?,
                actor: row.get(5)?,
                why: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A stored time; one out of range reads as 1970.
pub(super) fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}
