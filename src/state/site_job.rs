//! Jobs of a controller that go to a batch site.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{StateError, Store, event::time};

/// Whose jobs: those of one controller at one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The controller's identity.
    pub controller: String,
    /// The site.
    pub site: String,
}

/// A job of a controller that goes to a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteJob {
    /// The controller's number of this attempt.
    pub run: u64,
    /// What is to be run: JSON of the controller's order.
    pub start: String,
    /// When it came.
    pub since: Timestamp,
    /// The bundle that has it, and its place there.
    pub bundle: Option<(i64, u32)>,
    /// In how many bundles it was that ended before it began.
    pub tries: u32,
    /// Whether the controller wants it ended.
    pub killed: bool,
    /// How it ended: JSON of an outcome and seconds.
    pub ended: Option<String>,
}

/// The end of a job, with what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteJobEnd {
    /// Which.
    pub run: u64,
    /// JSON of an outcome and seconds.
    pub ended: String,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

impl Store {
    /// Records a job that came; one that is there already stays as it is.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn add_site_job(
        &mut self,
        owner: &Owner,
        run: u64,
        start: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.connection
            .prepare_cached(
                "INSERT INTO site_jobs (controller, site, run, start, since)
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                owner.controller,
                owner.site,
                text(run),
                start,
                now.as_millisecond()
            ])?;
        Ok(())
    }

    /// All jobs of an owner, the one that came first before the others.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn site_jobs(&self, owner: &Owner) -> Result<Vec<SiteJob>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT run, start, since, bundle_id, seq, tries, killed, ended FROM site_jobs
             WHERE controller = ? AND site = ? ORDER BY since, run",
        )?;
        let rows = statement.query_map(params![owner.controller, owner.site], |row| {
            let bundle: Option<i64> = row.get(3)?;
            let seq: Option<u32> = row.get(4)?;
            let job = SiteJob {
                run: 0,
                start: row.get(1)?,
                since: time(row.get(2)?),
                bundle: bundle.zip(seq),
                tries: row.get(5)?,
                killed: row.get(6)?,
                ended: row.get(7)?,
            };
            Ok((row.get::<_, String>(0)?, job))
        })?;
        rows.map(|row| {
            let (run, job) = row?;
            let run = u64::from_str_radix(&run, 16)
                .map_err(|_malformed| StateError::Corrupt(format!("run of a site job `{run}`")))?;
            Ok(SiteJob { run, ..job })
        })
        .collect()
    }

    /// The end of a job, with what it wrote; nothing where it has not ended.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn site_job_end(&self, owner: &Owner, run: u64) -> Result<Option<SiteJobEnd>, StateError> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT ended, coalesce(stdout, x''), coalesce(stderr, x'') FROM site_jobs
                 WHERE controller = ? AND site = ? AND run = ? AND ended IS NOT NULL",
            )?
            .query_row(params![owner.controller, owner.site, text(run)], |row| {
                Ok(SiteJobEnd {
                    run,
                    ended: row.get(0)?,
                    stdout: row.get(1)?,
                    stderr: row.get(2)?,
                })
            })
            .optional()?;
        Ok(found)
    }

    /// Notes that the controller wants a job ended.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn kill_site_job(&mut self, owner: &Owner, run: u64) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE site_jobs SET killed = 1 WHERE controller = ? AND site = ? AND run = ?",
            params![owner.controller, owner.site, text(run)],
        )?;
        Ok(())
    }

    /// Forgets a job whose end the controller has stored.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn forget_site_job(&mut self, owner: &Owner, run: u64) -> Result<(), StateError> {
        self.connection.execute(
            "DELETE FROM site_jobs WHERE controller = ? AND site = ? AND run = ?",
            params![owner.controller, owner.site, text(run)],
        )?;
        Ok(())
    }

    /// Forgets all jobs of an owner and its bundles.
    ///
    /// # Errors
    /// Whatever state.db says; then all are still there.
    pub fn forget_site_jobs(&mut self, owner: &Owner) -> Result<(), StateError> {
        let transaction = self.write()?;
        for table in ["site_jobs", "bundles"] {
            transaction.execute(
                &format!("DELETE FROM {table} WHERE controller = ? AND site = ?"),
                params![owner.controller, owner.site],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }
}

/// Notes how a job ended, unless that is known.
pub(super) fn record_end(
    connection: &Connection,
    owner: &Owner,
    end: &SiteJobEnd,
) -> Result<(), StateError> {
    connection
        .prepare_cached(
            "UPDATE site_jobs SET ended = ?, stdout = ?, stderr = ?
             WHERE controller = ? AND site = ? AND run = ? AND ended IS NULL",
        )?
        .execute(params![
            end.ended,
            end.stdout,
            end.stderr,
            owner.controller,
            owner.site,
            text(end.run)
        ])?;
    Ok(())
}

/// SQLite has no unsigned numbers.
pub(super) fn text(run: u64) -> String {
    format!("{run:016x}")
}
