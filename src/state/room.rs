//! Room on scratch that runs have claimed: for what they are about to send there.
//!
//! A claim holds for as long as its run is being staged in, and does not only wait. Before that it has
//! none; afterwards what was sent is in the ledger of [`staged`]. Where a stage-in did not
//! come to its end, the ledger gets what was claimed: it may be there, and nothing else is known of it.

use std::{os::unix::ffi::OsStrExt, path::PathBuf};

use rusqlite::{Connection, params};

use super::{
    StateError, Store,
    file::path,
    staged::{self, Staged, StagedKind},
};

/// The claims that hold no longer when run `?2` claims anew.
const LAPSED: &str = "site = ?1 AND (run_id = ?2 OR run_id NOT IN
    (SELECT run_id FROM runs WHERE state IN ('staging', 'auth:staging')))";
/// All claims of run `?2`.
const OWN: &str = "site = ?1 AND run_id = ?2";

/// Room on scratch that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The path on the site.
    pub remote: PathBuf,
    /// Bytes that will be there.
    pub size: u64,
    /// What will be there: an input, or the directory of a run.
    pub kind: StagedKind,
}

/// What is on the scratch of a site or will be, without what one run wants there.
#[derive(Debug)]
pub struct Taken {
    /// The ledger.
    pub ledger: Vec<Staged>,
    /// Paths with their sizes in bytes that other runs have claimed room for; one that several of them
    /// send is there several times.
    pub claimed: Vec<(PathBuf, u64)>,
}

impl Store {
    /// Claims room on the scratch of `site` for the paths that `run` is about to send, with their
    /// sizes, if `fits` says of what is taken that they do. Of two who ask at once, the
    /// second one sees what the first one has claimed. What the run had claimed before, and what runs
    /// had that are no longer staged in, is in the ledger then.
    ///
    /// # Errors
    /// Whatever state.db says; then nothing is claimed.
    pub fn claim_room(
        &mut self,
        site: &str,
        run: i64,
        wanted: &[Claim],
        fits: impl FnOnce(&Taken) -> bool,
    ) -> Result<bool, StateError> {
        let transaction = self.write()?;
        settle(&transaction, LAPSED, site, run)?;
        let fit = fits(&Taken {
            ledger: staged::all(&transaction, site)?,
            claimed: claimed(&transaction, site)?,
        });
        if fit {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO scratch_claims (site, run_id, remote, size, kind)
                 VALUES (?, ?, ?, ?, ?)",
            )?;
            for claim in wanted {
                let remote = claim.remote.as_os_str().as_bytes();
                insert.execute(params![site, run, remote, claim.size, claim.kind.word()])?;
            }
        }
        transaction.commit()?;
        Ok(fit)
    }

    /// Gives back the room that `run` has claimed on the scratch of `site`: it sends nothing for now.
    /// What it has sent is in the ledger.
    ///
    /// # Errors
    /// Whatever state.db says; then all is still claimed.
    pub fn yield_room(&mut self, site: &str, run: i64) -> Result<(), StateError> {
        let transaction = self.write()?;
        settle(&transaction, OWN, site, run)?;
        Ok(transaction.commit()?)
    }
}

/// Turns claims into rows of the ledger of which no content is trusted, unless it knows the paths.
fn settle(connection: &Connection, which: &str, site: &str, run: i64) -> Result<(), StateError> {
    connection
        .prepare_cached(&format!(
            "INSERT OR IGNORE INTO staged
                (site, remote, kind, run_id, size, hash, stamp, sent_at, touched_at, used_at)
             SELECT site, remote, kind, run_id, size, '', '', changed_at, 0, changed_at
             FROM (SELECT * FROM scratch_claims WHERE {which})
             JOIN (SELECT run_id, changed_at FROM runs) USING (run_id)"
        ))?
        .execute(params![site, run])?;
    connection
        .prepare_cached(&format!("DELETE FROM scratch_claims WHERE {which}"))?
        .execute(params![site, run])?;
    Ok(())
}

fn claimed(connection: &Connection, site: &str) -> Result<Vec<(PathBuf, u64)>, StateError> {
    let mut statement = connection
        .prepare_cached("SELECT remote, size FROM scratch_claims WHERE site = ? ORDER BY remote")?;
    let rows = statement.query_map([site], |row| {
        Ok((path(&row.get::<_, Vec<u8>>(0)?), row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
