//! Components of many runs, and how far the components of a run are.

use std::{collections::BTreeMap, fmt::Write as _};

use rusqlite::{params_from_iter, types::Value};

use super::{
    StateError, Store,
    component::{self, COLUMNS, Component, ComponentState},
};

/// Which components to list; every field that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct ComponentFilter {
    /// Of this run.
    pub run_id: Option<i64>,
    /// This one, each time it was bundled.
    pub stage_id: Option<i64>,
    /// With so many jobs.
    pub jobs: Option<i64>,
    /// In one of these states; any if empty.
    pub states: Vec<ComponentState>,
    /// Of runs with one of these labels; any if empty.
    pub labels: Vec<String>,
    /// At most so many; 0 = all.
    pub limit: u32,
}

/// How far the components of a run are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Components that are prepared or have failed.
    pub settled: u64,
    /// All its components.
    pub components: u64,
}

impl Store {
    /// The components that a filter admits, in the order of bundling.
    pub fn list_components(&self, filter: &ComponentFilter) -> Result<Vec<Component>, StateError> {
        let mut sql = format!("SELECT {COLUMNS} FROM components WHERE true");
        let mut values: Vec<Value> = Vec::new();
        for (column, value) in [
            ("run_id", filter.run_id),
            ("stage_id", filter.stage_id),
            ("jobs", filter.jobs),
        ] {
            if let Some(value) = value {
                let _infallible = write!(sql, " AND {column} = ?");
                values.push(value.into());
            }
        }
        if !filter.states.is_empty() {
            let _infallible = write!(sql, " AND state IN ({})", marks(filter.states.len()));
            let words = filter.states.iter().map(|state| state.word().to_owned());
            values.extend(words.map(Value::Text));
        }
        if !filter.labels.is_empty() {
            let marks = marks(filter.labels.len());
            let _infallible = write!(
                sql,
                " AND run_id IN (SELECT run_id FROM runs WHERE label IN ({marks}))"
            );
            values.extend(filter.labels.iter().cloned().map(Value::Text));
        }
        sql.push_str(" ORDER BY component_id");
        if filter.limit > 0 {
            sql.push_str(" LIMIT ?");
            values.push(i64::from(filter.limit).into());
        }
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(values), component::read)?;
        rows.map(|row| component::finish(row?)).collect()
    }

    /// How many components of a run are in which state.
    pub fn tally(&self, run_id: i64) -> Result<BTreeMap<ComponentState, u64>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT state, count(*) FROM components WHERE run_id = ? GROUP BY state",
        )?;
        let mut rows = statement.query([run_id])?;
        let mut tally = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let word: String = row.get(0)?;
            tally.insert(word.parse()?, row.get(1)?);
        }
        Ok(tally)
    }

    /// Later runs into which components of a run went, and how many.
    pub fn followed_by(&self, run_id: i64) -> Result<Vec<(i64, u64)>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT (SELECT min(later.run_id) FROM components later
                     WHERE later.stage = c.stage AND later.stage_id = c.stage_id
                       AND later.component_id > c.component_id) AS next, count(*)
             FROM components c WHERE c.run_id = ? AND next IS NOT NULL GROUP BY next",
        )?;
        let rows = statement.query_map([run_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many products of a run are still its own.
    pub fn count_products(&self, run_id: i64) -> Result<u64, StateError> {
        Ok(self
            .connection
            .prepare_cached("SELECT count(*) FROM files WHERE run_id = ?")?
            .query_row([run_id], |row| row.get(0))?)
    }

    /// How many components of a run are prepared or have failed (spec/remote.md §2, -doneprep).
    pub fn settled(&self, run_id: i64) -> Result<Settled, StateError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT count(*) FILTER (
                    WHERE state IN ('prepared', 'prep_failed', 'failed', 'partial')), count(*)
                 FROM components WHERE run_id = ?",
            )?
            .query_row([run_id], |row| {
                Ok(Settled {
                    settled: row.get(0)?,
                    components: row.get(1)?,
                })
            })?)
    }
}

fn marks(n: usize) -> String {
    vec!["?"; n].join(", ")
}
