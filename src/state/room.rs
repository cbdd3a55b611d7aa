//! Room on scratch that runs have claimed: for what they are about to send there.
//!
//! A claim holds for as long as its run is being staged in. Before that it has none; afterwards
//! what was sent is in the ledger of [`staged`](super::staged).

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, params};

use super::{
    StateError, Store,
    file::path,
    staged::{self, Staged},
};

/// Whose claims hold.
const STAGED_IN: &str =
    "SELECT run_id FROM runs WHERE state IN ('staging', 'auth:staging') AND run_id <> ?2";

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
    /// sizes in bytes, if `fits` says of what is taken that they do. Of two who ask at once, the
    /// second one sees what the first one has claimed. What the run had claimed before is no more.
    ///
    /// # Errors
    /// Whatever state.db says; then nothing is claimed.
    pub fn claim_room(
        &mut self,
        site: &str,
        run: i64,
        wanted: &[(PathBuf, u64)],
        fits: impl FnOnce(&Taken) -> bool,
    ) -> Result<bool, StateError> {
        let transaction = self.write()?;
        transaction.execute(
            &format!("DELETE FROM scratch_claims WHERE site = ?1 AND run_id NOT IN ({STAGED_IN})"),
            params![site, run],
        )?;
        let fit = fits(&Taken {
            ledger: staged::all(&transaction, site)?,
            claimed: claimed(&transaction, site)?,
        });
        if fit {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO scratch_claims (site, run_id, remote, size) VALUES (?, ?, ?, ?)",
            )?;
            for (remote, size) in wanted {
                insert.execute(params![site, run, bytes(remote), size])?;
            }
        }
        transaction.commit()?;
        Ok(fit)
    }
}

fn claimed(connection: &Connection, site: &str) -> Result<Vec<(PathBuf, u64)>, StateError> {
    let mut statement = connection
        .prepare_cached("SELECT remote, size FROM scratch_claims WHERE site = ? ORDER BY remote")?;
    let rows = statement.query_map([site], |row| {
        Ok((path(&row.get::<_, Vec<u8>>(0)?), row.get(1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
