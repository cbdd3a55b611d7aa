//! Each commit of state.db is a step that a test can die at, whoever commits.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;

use super::StateError;
use crate::durable;

/// Counts the commits on a connection, each named after the tables that it changes.
pub(super) fn count(connection: &Connection) -> Result<(), StateError> {
    if !durable::is_counted() {
        return Ok(());
    }
    let changed: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (on_commit, on_rollback) = (Arc::clone(&changed), Arc::clone(&changed));
    let take = |tables: &Mutex<BTreeSet<String>>| {
        std::mem::take(&mut *tables.lock().unwrap_or_else(PoisonError::into_inner))
    };
    connection.update_hook(Some(move |_, _: &str, table: &str, _| {
        let mut tables = changed.lock().unwrap_or_else(PoisonError::into_inner);
        if !tables.contains(table) {
            tables.insert(table.to_owned());
        }
    }))?;
    connection.rollback_hook(Some(move || drop(take(&on_rollback))))?;
    connection.commit_hook(Some(move || {
        let tables: Vec<String> = take(&on_commit).into_iter().collect();
        durable::step(format_args!("commit {}", tables.join("+")));
        false
    }))?;
    Ok(())
}
