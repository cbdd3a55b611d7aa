//! The queue: which stage is due for what, because an earlier stage has passed it.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{StateError, Store};

/// Queues `stage` for `stage_id`; queueing twice changes nothing.
pub(super) fn push(
    connection: &Connection,
    stage: &str,
    stage_id: i64,
    label: &str,
    now: Timestamp,
) -> Result<(), StateError> {
    connection
        .prepare_cached("INSERT INTO queue VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")?
        .execute(params![stage, stage_id, label, now.as_millisecond()])?;
    Ok(())
}

impl Store {
    /// How many of a stage are queued and not yet bundled.
    pub fn queued(&self, stage: &str) -> Result<u64, StateError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM queue WHERE stage = ?1 AND NOT EXISTS (
                    SELECT 1 FROM components c
                    WHERE c.stage = ?1 AND c.stage_id = queue.stage_id AND c.state <> 'retry')",
            )?
            .query_row([stage], |row| row.get(0))?)
    }
}
