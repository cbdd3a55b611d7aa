//! What a state.db says, by SQL.

#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::path::Path;

/// Texts that a query gives of the state.db in a directory.
pub(crate) fn ask(home: &Path, sql: &str) -> Vec<String> {
    let db = rusqlite::Connection::open(home.join("state.db")).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}
