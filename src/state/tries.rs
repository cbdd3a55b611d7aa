//! How often a job was tried in the earlier bundles of its component, and whether it may be tried
//! once more. A try counts if the job ended by itself and failed: what its node, its walltime or a
//! cancellation ended is no fault of its own.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{StateError, Store, component::Component};

/// What the earlier bundles of a component say of its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    tries: u32,
    jobs: BTreeMap<String, Tried>,
}

/// What they say of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tried {
    passed: bool,
    failures: u32,
}

impl Tried {
    /// Whether it is to be run again, if it is tried `tries` times in all.
    fn is_due(self, tries: u32) -> bool {
        !self.passed && self.failures < tries
    }
}

impl Earlier {
    /// Whether a job is to be run: it has not passed, and has a try left.
    pub fn is_due(&self, key: &str) -> bool {
        let tried = self.jobs.get(key);
        tried.is_none_or(|tried| tried.is_due(self.tries))
    }

    /// How many tries of a job have failed.
    pub fn failures(&self, key: &str) -> u32 {
        self.jobs.get(key).map_or(0, |tried| tried.failures)
    }

    /// How many jobs have no try left.
    fn used_up(&self) -> u64 {
        let used_up = |tried: &&Tried| !tried.passed && !tried.is_due(self.tries);
        self.jobs.values().filter(used_up).count() as u64
    }
}

impl Store {
    /// What the earlier bundles of a component say, if a job is tried `tries` times in all.
    pub fn earlier(&self, component: &Component, tries: u32) -> Result<Earlier, StateError> {
        let mut jobs = BTreeMap::new();
        if component.attempt > 1 {
            jobs = tried(&self.connection, &component.stage, component.stage_id, None)?;
        }
        Ok(Earlier { tries, jobs })
    }
}

/// How many jobs of a component are not in its present bundle `component_id` since they have
/// passed, and how many since they have no try left.
pub(super) fn left_out(
    connection: &Connection,
    (stage, stage_id, component_id): (&str, i64, i64),
    tries: u32,
) -> Result<(u64, u64), StateError> {
    let mut jobs = tried(connection, stage, stage_id, None)?;
    let mut present = connection.prepare_cached("SELECT key FROM jobs WHERE component_id = ?")?;
    let keys = present.query_map([component_id], |row| row.get::<_, String>(0))?;
    for key in keys {
        jobs.remove(&key?);
    }
    let passed = jobs.values().filter(|tried| tried.passed).count() as u64;
    Ok((passed, Earlier { tries, jobs }.used_up()))
}

/// Whether a job of the bundle `component_id` that has not passed has a try left.
pub(super) fn has_try_left(
    connection: &Connection,
    (stage, stage_id, component_id): (&str, i64, i64),
    tries: u32,
) -> Result<bool, StateError> {
    let jobs = tried(connection, stage, stage_id, Some(component_id))?;
    Ok(jobs.values().any(|tried| tried.is_due(tries)))
}

/// All its tries are given anew to each job of a component, which waits no longer: a human wants
/// them.
pub(super) fn renew(connection: &Connection, component_id: i64) -> Result<(), StateError> {
    connection
        .prepare_cached(
            "UPDATE jobs SET failures = 0 WHERE failures > 0 AND component_id IN
                (SELECT all_of.component_id FROM components AS one JOIN components AS all_of
                 USING (stage, stage_id) WHERE one.component_id = ?)",
        )?
        .execute([component_id])?;
    connection
        .prepare_cached(
            "UPDATE components SET setback = NULL, due_at = NULL WHERE setback IS NOT NULL
                AND (stage, stage_id) =
                    (SELECT stage, stage_id FROM components WHERE component_id = ?)",
        )?
        .execute([component_id])?;
    Ok(())
}

/// The jobs of a component in the bundles that are `retry`, and in `present` if that is given.
fn tried(
    connection: &Connection,
    stage: &str,
    stage_id: i64,
    present: Option<i64>,
) -> Result<BTreeMap<String, Tried>, StateError> {
    let mut statement = connection.prepare_cached(
        "SELECT jobs.key, max(jobs.state = 'passed'), sum(jobs.failures)
         FROM components CROSS JOIN jobs USING (component_id)
         WHERE components.stage = ? AND components.stage_id = ?
           AND (components.state = 'retry' OR components.component_id = ?)
         GROUP BY jobs.key",
    )?;
    let rows = statement.query_map(params![stage, stage_id, present], |row| {
        let tried = Tried {
            passed: row.get(1)?,
            failures: row.get(2)?,
        };
        Ok((row.get(0)?, tried))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_due_until_it_has_passed_or_its_tries_are_used_up() {
        let jobs = [("done", true, 1), ("bad", false, 3), ("lost", false, 0)];
        let earlier = Earlier {
            tries: 3,
            jobs: jobs
                .map(|(key, passed, failures)| (key.to_owned(), Tried { passed, failures }))
                .into(),
        };
        let due = ["done", "bad", "lost", "new"].map(|key| earlier.is_due(key));
        assert_eq!(due, [false, false, true, true]);
        assert_eq!((earlier.used_up(), earlier.failures("bad")), (1, 3));
    }
}
