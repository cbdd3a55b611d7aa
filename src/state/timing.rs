//! What finished jobs took, for those who reckon with it.

use rusqlite::{Row, params};
use serde::Serialize;

use super::{StateError, Store};

/// Which finished jobs are asked for.
#[derive(Debug, Clone, Copy)]
pub struct TimingFilter<'a> {
    /// Their stage.
    pub stage: &'a str,
    /// Their site; any if absent.
    pub site: Option<&'a str>,
    /// Field of the component's row, or `key` for the job's own key, that tells kinds of jobs
    /// apart.
    pub by: Option<&'a str>,
    /// So many at most, those of the newest runs.
    pub newest: u32,
}

/// What one job took that passed and did its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Value of the field that was asked for; empty if there is none.
    pub kind: String,
    /// Seconds from its beginning to its end.
    pub wall: f64,
    /// CPU seconds of all its processes, if its launcher knew them.
    pub cpu: Option<f64>,
    /// Peak memory in bytes, if its launcher knew it.
    pub memory: Option<u64>,
    /// Cores that it was given.
    pub threads: u32,
}

/// A stage of whose jobs there are timings at a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TimedStage {
    /// The stage.
    pub stage: String,
    /// The site.
    pub site: String,
}

impl Store {
    /// What finished jobs took, newest runs first.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn timings(&self, filter: &TimingFilter<'_>) -> Result<Vec<Timing>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT CASE ?3
                    WHEN '' THEN ''
                    WHEN 'key' THEN j.key
                    ELSE (SELECT CAST(value AS TEXT) FROM json_each(c.row) WHERE key = ?3)
                END AS kind, j.ended_at - j.started_at AS wall_ms, j.cpu_ms, j.memory, j.threads
             FROM runs r JOIN jobs j USING (run_id) JOIN components c USING (component_id)
             WHERE r.stage = ?1 AND (?2 IS NULL OR r.site = ?2) AND j.state = 'passed'
                AND j.threads > 0 AND j.ended_at >= j.started_at
             ORDER BY r.run_id DESC, j.seq LIMIT ?4",
        )?;
        let by = filter.by.unwrap_or_default();
        let rows =
            statement.query_map(params![filter.stage, filter.site, by, filter.newest], read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The stages and sites whose runs have timings, in order.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn timed_stages(&self) -> Result<Vec<TimedStage>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT DISTINCT stage, site FROM runs r WHERE EXISTS (
                SELECT 1 FROM jobs j WHERE j.run_id = r.run_id AND j.state = 'passed'
                    AND j.threads > 0)
             ORDER BY stage, site",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(TimedStage {
                stage: row.get(0)?,
                site: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Timing> {
    Ok(Timing {
        kind: row.get::<_, Option<String>>("kind")?.unwrap_or_default(),
        wall: row.get::<_, f64>("wall_ms")? / 1000.0,
        cpu: row.get::<_, Option<f64>>("cpu_ms")?.map(|ms| ms / 1000.0),
        memory: row.get("memory")?,
        threads: row.get("threads")?,
    })
}
