//! The batch jobs after which that of a run begins, since they make what it reads.

use std::collections::BTreeSet;

use rusqlite::params;

use super::{StateError, Store};

/// A batch job that makes what a run reads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Awaited {
    /// The run that it is of.
    pub by_run: i64,
    /// The scheduler's name for it.
    pub job_id: String,
}

/// The runs that they are of, each once, as a list for humans.
pub fn runs<'a>(jobs: impl IntoIterator<Item = &'a Awaited>) -> String {
    let runs: BTreeSet<i64> = jobs.into_iter().map(|job| job.by_run).collect();
    let runs: Vec<String> = runs.iter().map(i64::to_string).collect();
    runs.join(", ")
}

impl Store {
    /// Remembers after which batch jobs that of a run begins; what was known of that before is
    /// forgotten. Where nothing changes, which is nearly always, nothing is written.
    pub fn await_jobs(&mut self, run_id: i64, jobs: &[Awaited]) -> Result<(), StateError> {
        if self.awaited(run_id)? == jobs {
            return Ok(());
        }
        let transaction = self.write()?;
        transaction.execute("DELETE FROM awaited WHERE run_id = ?", [run_id])?;
        for job in jobs {
            transaction
                .prepare_cached("INSERT INTO awaited (run_id, by_run, job_id) VALUES (?, ?, ?)")?
                .execute(params![run_id, job.by_run, job.job_id])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The batch jobs after which that of a run begins.
    pub fn awaited(&self, run_id: i64) -> Result<Vec<Awaited>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT by_run, job_id FROM awaited WHERE run_id = ? ORDER BY by_run",
        )?;
        let rows = statement.query_map([run_id], |row| {
            Ok(Awaited {
                by_run: row.get(0)?,
                job_id: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
