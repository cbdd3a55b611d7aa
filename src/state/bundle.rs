//! The batch jobs that bundle jobs of a controller.

use std::{fmt, path::PathBuf, str::FromStr};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    IllegalMove, StateError, Store,
    event::{Act, Subject, append, time},
    run::token,
    site_job::{Owner, SiteJobEnd, record_end, text},
};

/// Where a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BundleState {
    /// Its batch job may or may not be in the queue.
    Submitting,
    /// The scheduler has its batch job.
    Run,
    /// Its batch job is over, and every end that it left is here.
    Over,
}

/// What may happen to a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleEvent {
    /// The scheduler has its batch job.
    Submitted,
    /// Another copy of its batch job than the one we knew of runs its jobs.
    Adopted,
    /// Its batch job is over, or there never was one.
    Ended,
}

impl BundleState {
    const ALL: [Self; 3] = [Self::Submitting, Self::Run, Self::Over];

    /// The transition table of bundles. Nothing else changes a bundle's state.
    ///
    /// # Errors
    /// When the move is not in the table.
    pub fn after(self, event: BundleEvent) -> Result<Self, IllegalMove> {
        match (self, event) {
            (Self::Submitting, BundleEvent::Submitted) | (Self::Run, BundleEvent::Adopted) => {
                Ok(Self::Run)
            },
            (Self::Submitting | Self::Run, BundleEvent::Ended) => Ok(Self::Over),
            (state, event) => Err(IllegalMove {
                subject: "bundle",
                state: state.to_string(),
                event: match event {
                    BundleEvent::Submitted => "become submitted",
                    BundleEvent::Adopted => "go on with another copy",
                    BundleEvent::Ended => "end",
                },
                mend: "another agent of the same controller moved it meanwhile",
            }),
        }
    }

    /// The state's word, as in state.db.
    pub fn word(self) -> &'static str {
        match self {
            Self::Submitting => "submitting",
            Self::Run => "run",
            Self::Over => "over",
        }
    }
}

impl fmt::Display for BundleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for BundleState {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        let found = Self::ALL.into_iter().find(|state| state.word() == text);
        found.ok_or_else(|| StateError::Corrupt(format!("state of a bundle `{text}`")))
    }
}

/// A batch job that bundles jobs of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Its number.
    pub bundle_id: i64,
    /// Where it is.
    pub state: BundleState,
    /// What makes its batch job's name unique.
    pub token: String,
    /// The scheduler's name for the batch job.
    pub job_id: Option<String>,
    /// Its directory on the site.
    pub remote_dir: PathBuf,
    /// Since when the scheduler has not known the batch job, at every look.
    pub unseen_since: Option<Timestamp>,
}

impl Store {
    /// Bundles jobs that wait, in one transaction; `own_directory` is that of ours on the site,
    /// `secret` what makes the token unique.
    ///
    /// # Errors
    /// Whatever state.db says; then nothing is bundled.
    pub fn bundle_site_jobs(
        &mut self,
        owner: &Owner,
        runs: &[u64],
        own_directory: &std::path::Path,
        secret: u32,
        act: Act<'_>,
    ) -> Result<Bundle, StateError> {
        let transaction = self.write()?;
        let first = BundleState::Submitting;
        transaction.execute(
            "INSERT INTO bundles (controller, site, state, token, remote_dir, created_at)
             VALUES (?, ?, ?, '?' || hex(randomblob(8)), '', ?)",
            params![
                owner.controller,
                owner.site,
                first.word(),
                act.now.as_millisecond()
            ],
        )?;
        let bundle_id = transaction.last_insert_rowid();
        let token = token(bundle_id, 1, secret);
        let remote_dir = own_directory.join(format!("bundle.{token}"));
        transaction.execute(
            "UPDATE bundles SET token = ?, remote_dir = ? WHERE bundle_id = ?",
            params![token, remote_dir.to_string_lossy(), bundle_id],
        )?;
        for (seq, run) in (0_u32..).zip(runs) {
            transaction.execute(
                "UPDATE site_jobs SET bundle_id = ?, seq = ?
                 WHERE controller = ? AND site = ? AND run = ? AND bundle_id IS NULL",
                params![bundle_id, seq, owner.controller, owner.site, text(*run)],
            )?;
        }
        append(
            &transaction,
            Subject::Bundle,
            bundle_id,
            "",
            first.word(),
            act,
        )?;
        transaction.commit()?;
        Ok(Bundle {
            bundle_id,
            state: first,
            token,
            job_id: None,
            remote_dir,
            unseen_since: None,
        })
    }

    /// The bundles of an owner, by number.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn bundles(&self, owner: &Owner) -> Result<Vec<Bundle>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT bundle_id, state, token, job_id, remote_dir, unseen_since FROM bundles
             WHERE controller = ? AND site = ? ORDER BY bundle_id",
        )?;
        let rows = statement.query_map(params![owner.controller, owner.site], read)?;
        rows.map(|row| {
            let (bundle, state) = row?;
            Ok(Bundle {
                state: state.parse()?,
                ..bundle
            })
        })
        .collect()
    }

    /// The scheduler has the batch job of a bundle.
    ///
    /// # Errors
    /// If the bundle is not being submitted, or whatever state.db says.
    pub fn bundle_submitted(
        &mut self,
        bundle_id: i64,
        job_id: &str,
        act: Act<'_>,
    ) -> Result<(), StateError> {
        self.bundle_has(bundle_id, BundleEvent::Submitted, job_id, act)
    }

    /// Another copy of a bundle's batch job than the one we knew of runs its jobs.
    ///
    /// # Errors
    /// If its batch job does not run, or whatever state.db says.
    pub fn bundle_adopted(
        &mut self,
        bundle_id: i64,
        job_id: &str,
        act: Act<'_>,
    ) -> Result<(), StateError> {
        self.bundle_has(bundle_id, BundleEvent::Adopted, job_id, act)
    }

    fn bundle_has(
        &mut self,
        bundle_id: i64,
        event: BundleEvent,
        job_id: &str,
        act: Act<'_>,
    ) -> Result<(), StateError> {
        let transaction = self.write()?;
        advance(&transaction, bundle_id, event, act)?;
        transaction.execute(
            "UPDATE bundles SET job_id = ? WHERE bundle_id = ?",
            params![job_id, bundle_id],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// Notes that the scheduler was asked, and whether it knew the batch job; gives the seconds
    /// for which it has not.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn bundle_polled(
        &mut self,
        bundle_id: i64,
        seen: bool,
        now: Timestamp,
    ) -> Result<i64, StateError> {
        let now = now.as_millisecond();
        let since: Option<i64> = self.connection.query_row(
            "UPDATE bundles SET unseen_since =
                CASE WHEN ?1 THEN NULL ELSE coalesce(unseen_since, ?2) END
             WHERE bundle_id = ?3 RETURNING unseen_since",
            params![seen, now, bundle_id],
            |row| row.get(0),
        )?;
        Ok(since.map_or(0, |since| (now - since).max(0) / 1000))
    }

    /// Records the ends of jobs, in one transaction. An end that is known stays.
    ///
    /// # Errors
    /// Whatever state.db says; then none is recorded.
    pub fn site_jobs_ended(
        &mut self,
        owner: &Owner,
        ends: &[SiteJobEnd],
    ) -> Result<(), StateError> {
        if ends.is_empty() {
            return Ok(());
        }
        let transaction = self.write()?;
        for end in ends {
            record_end(&transaction, owner, end)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// A bundle is over: jobs that left no end get those of `ends`, and `free` wait again, in one
    /// transaction.
    ///
    /// # Errors
    /// If it was over before, or whatever state.db says; then nothing has changed.
    pub fn bundle_over(
        &mut self,
        owner: &Owner,
        bundle_id: i64,
        ends: &[SiteJobEnd],
        free: &[u64],
        act: Act<'_>,
    ) -> Result<(), StateError> {
        let transaction = self.write()?;
        advance(&transaction, bundle_id, BundleEvent::Ended, act)?;
        for end in ends {
            record_end(&transaction, owner, end)?;
        }
        for run in free {
            transaction.execute(
                "UPDATE site_jobs SET bundle_id = NULL, seq = NULL, tries = tries + 1
                 WHERE controller = ? AND site = ? AND run = ?",
                params![owner.controller, owner.site, text(*run)],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Forgets a bundle whose directory on the site is gone.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn forget_bundle(&mut self, bundle_id: i64) -> Result<(), StateError> {
        self.connection.execute(
            "DELETE FROM bundles WHERE bundle_id = ? AND state = ?",
            params![bundle_id, BundleState::Over.word()],
        )?;
        Ok(())
    }
}

fn advance(
    connection: &Connection,
    bundle_id: i64,
    event: BundleEvent,
    act: Act<'_>,
) -> Result<(), StateError> {
    let word: Option<String> = connection
        .prepare_cached("SELECT state FROM bundles WHERE bundle_id = ?")?
        .query_row([bundle_id], |row| row.get(0))
        .optional()?;
    let state: BundleState = word
        .ok_or(StateError::NoRow {
            what: "bundle",
            id: bundle_id,
        })?
        .parse()?;
    let next = state.after(event)?;
    connection
        .prepare_cached("UPDATE bundles SET state = ? WHERE bundle_id = ?")?
        .execute(params![next.word(), bundle_id])?;
    append(
        connection,
        Subject::Bundle,
        bundle_id,
        state.word(),
        next.word(),
        act,
    )
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Bundle, String)> {
    let bundle = Bundle {
        bundle_id: row.get(0)?,
        state: BundleState::Submitting,
        token: row.get(2)?,
        job_id: row.get(3)?,
        remote_dir: row.get::<_, String>(4)?.into(),
        unseen_since: row.get::<_, Option<i64>>(5)?.map(time),
    };
    Ok((bundle, row.get(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            controller: "c".to_owned(),
            site: "local".to_owned(),
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(&dir.path().join("state.db")).unwrap();
        (dir, store)
    }

    fn act() -> Act<'static> {
        Act::new(Timestamp::UNIX_EPOCH, "test", "")
    }

    fn end(run: u64) -> SiteJobEnd {
        SiteJobEnd {
            run,
            ended: "{}".to_owned(),
            stdout: b"out\0".to_vec(),
            stderr: Vec::new(),
        }
    }

    #[test]
    fn a_bundle_is_over_once() {
        assert!(BundleState::Over.after(BundleEvent::Ended).is_err());
        assert!(BundleState::Run.after(BundleEvent::Submitted).is_err());
        assert!(BundleState::Over.after(BundleEvent::Adopted).is_err());
        for state in BundleState::ALL {
            assert_eq!(state.to_string().parse::<BundleState>().unwrap(), state);
        }
    }

    #[test]
    fn a_job_lives_from_its_order_until_its_end_is_taken() {
        let (_dir, mut store) = store();
        let owner = owner();
        for run in [u64::MAX, 7] {
            store
                .add_site_job(&owner, run, "{}", Timestamp::UNIX_EPOCH)
                .unwrap();
            store
                .add_site_job(&owner, run, "again", Timestamp::UNIX_EPOCH)
                .unwrap();
        }
        let own = std::path::Path::new("/scratch/outrigger");
        let bundle = store.bundle_site_jobs(&owner, &[7], own, 1, act()).unwrap();
        assert_eq!(bundle.token, "or-1-1-00000001");
        store
            .bundle_submitted(bundle.bundle_id, "17", act())
            .unwrap();
        store.site_jobs_ended(&owner, &[end(7)]).unwrap();
        let jobs = store.site_jobs(&owner).unwrap();
        let standing = jobs
            .iter()
            .map(|job| (job.run, job.bundle, job.ended.is_some()));
        let standing: Vec<_> = standing.collect();
        assert_eq!(standing, [(7, Some((1, 0)), true), (u64::MAX, None, false)]);
        assert_eq!(store.site_job_end(&owner, 7).unwrap(), Some(end(7)));
        assert_eq!(store.site_job_end(&owner, u64::MAX).unwrap(), None);
        store.forget_site_job(&owner, 7).unwrap();
        assert_eq!(store.site_jobs(&owner).unwrap().len(), 1);
    }

    #[test]
    fn what_a_bundle_never_began_waits_again() {
        let (_dir, mut store) = store();
        let owner = owner();
        for run in [1, 2] {
            store
                .add_site_job(&owner, run, "{}", Timestamp::UNIX_EPOCH)
                .unwrap();
        }
        let own = std::path::Path::new("/s");
        let bundle = store
            .bundle_site_jobs(&owner, &[1, 2], own, 1, act())
            .unwrap();
        store
            .bundle_over(&owner, bundle.bundle_id, &[end(1)], &[2], act())
            .unwrap();
        let jobs = store.site_jobs(&owner).unwrap();
        assert_eq!((jobs[1].bundle, jobs[1].tries), (None, 1));
        assert!(
            store
                .bundle_over(&owner, bundle.bundle_id, &[], &[], act())
                .is_err()
        );
        store.forget_bundle(bundle.bundle_id).unwrap();
        assert_eq!(store.bundles(&owner).unwrap(), []);
    }
}
