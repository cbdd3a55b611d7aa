//! The outbox of legacy dbinfo commands: each is noted before it runs and when it is done, so
//! that none runs twice (design decision 2).

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::{StateError, Store};

/// What is known of a legacy command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It was never begun; it is noted now.
    Fresh,
    /// It was begun, and nobody knows how it ended.
    Cut,
    /// It was run with success.
    Done,
}

impl Store {
    /// Notes that the legacy command of a job is about to run.
    pub fn begin_legacy(
        &mut self,
        run_id: i64,
        seq: u64,
        line: &str,
        now: Timestamp,
    ) -> Result<Begun, StateError> {
        let transaction = self.write()?;
        let known: Option<String> = transaction
            .query_row(
                "SELECT state FROM outbox WHERE run_id = ? AND seq = ?",
                params![run_id, seq],
                |row| row.get(0),
            )
            .optional()?;
        if let Some(state) = known {
            return Ok(if state == "done" {
                Begun::Done
            } else {
                Begun::Cut
            });
        }
        transaction.execute(
            "INSERT INTO outbox (run_id, seq, state, what, at) VALUES (?, ?, 'begun', ?, ?)",
            params![run_id, seq, line, now.as_millisecond()],
        )?;
        transaction.commit()?;
        Ok(Begun::Fresh)
    }

    /// Notes how a legacy command ended; one that failed may be begun again.
    pub fn end_legacy(&mut self, run_id: i64, seq: u64, done: bool) -> Result<(), StateError> {
        let sql = if done {
            "UPDATE outbox SET state = 'done' WHERE run_id = ? AND seq = ?"
        } else {
            "DELETE FROM outbox WHERE run_id = ? AND seq = ?"
        };
        self.connection.execute(sql, params![run_id, seq])?;
        Ok(())
    }
}
