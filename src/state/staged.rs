//! The ledger of what is on the scratch of the sites: what we sent, and what our jobs wrote.
//!
//! It saves work and counts bytes. That a file is there is only ever believed of the site itself.

use std::{
    fmt,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::{StateError, Store, event::time, file::path};

/// What a file on scratch is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StagedKind {
    /// Sent from here; it can be sent again.
    Input,
    /// Written by a job; a verified copy came home.
    Product,
    /// Written by a job and nowhere else: it stays there, or never came home.
    Kept,
    /// The directory of a run.
    Directory,
}

/// One file, or the directory of a run, on the scratch of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Staged {
    /// Its path on the site: absolute.
    pub remote: PathBuf,
    /// What it is to us.
    pub kind: StagedKind,
    /// The last run that sent, wrote or read it.
    pub run_id: i64,
    /// Its size in bytes; of a directory, that of the files we sent into it.
    pub size: u64,
    /// Its SHA-256 in hex; empty if it is not known.
    pub hash: String,
    /// Inode and times as the site told them when the content was known; empty if it was not
    /// asked. A file that still has them is not read again.
    #[serde(skip)]
    pub stamp: String,
    /// When it was sent, or found there, or came to be.
    pub sent_at: Timestamp,
    /// When the site's purge last began to count for it.
    pub touched_at: Timestamp,
    /// When a run last needed it.
    pub used_at: Timestamp,
}

impl StagedKind {
    const ALL: [Self; 4] = [Self::Input, Self::Product, Self::Kept, Self::Directory];

    /// The word, as in state.db.
    pub fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Product => "product",
            Self::Kept => "kept",
            Self::Directory => "directory",
        }
    }
}

impl fmt::Display for StagedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for StagedKind {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        let found = Self::ALL.into_iter().find(|kind| kind.word() == text);
        found.ok_or_else(|| StateError::Corrupt(format!("kind of a staged file `{text}`")))
    }
}

impl Store {
    /// All that is known to be on the scratch of a site, by path.
    ///
    /// # Errors
    /// Whatever state.db says.
    pub fn staged(&self, site: &str) -> Result<Vec<Staged>, StateError> {
        all(&self.connection, site)
    }

    /// Records what is on the scratch of a site, over what was known of the same paths, in one
    /// transaction.
    ///
    /// # Errors
    /// Whatever state.db says; then nothing is recorded.
    pub fn remember_staged(&mut self, site: &str, files: &[Staged]) -> Result<(), StateError> {
        if files.is_empty() {
            return Ok(());
        }
        let transaction = self.write()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO staged (site, remote, kind, run_id, size, hash, stamp,
                    sent_at, touched_at, used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for file in files {
                insert.execute(params![
                    site,
                    file.remote.as_os_str().as_bytes(),
                    file.kind.word(),
                    file.run_id,
                    file.size,
                    file.hash,
                    file.stamp,
                    file.sent_at.as_millisecond(),
                    file.touched_at.as_millisecond(),
                    file.used_at.as_millisecond()
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Forgets what is no longer on the scratch of a site, in one transaction.
    ///
    /// # Errors
    /// Whatever state.db says; then nothing is forgotten.
    pub fn forget_staged<'p>(
        &mut self,
        site: &str,
        remotes: impl IntoIterator<Item = &'p Path>,
    ) -> Result<(), StateError> {
        let transaction = self.write()?;
        {
            let mut delete =
                transaction.prepare_cached("DELETE FROM staged WHERE site = ? AND remote = ?")?;
            for remote in remotes {
                delete.execute(params![site, remote.as_os_str().as_bytes()])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// The ledger of a site, by path.
pub(super) fn all(connection: &Connection, site: &str) -> Result<Vec<Staged>, StateError> {
    let mut statement = connection.prepare_cached(
        "SELECT remote, kind, run_id, size, hash, stamp, sent_at, touched_at, used_at
         FROM staged WHERE site = ? ORDER BY remote",
    )?;
    let rows = statement.query_map([site], read)?;
    rows.map(|row| {
        let (staged, kind) = row?;
        Ok(Staged {
            kind: kind.parse()?,
            ..staged
        })
    })
    .collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Staged, String)> {
    let staged = Staged {
        remote: path(&row.get::<_, Vec<u8>>(0)?),
        kind: StagedKind::Kept,
        run_id: row.get(2)?,
        size: row.get(3)?,
        hash: row.get(4)?,
        stamp: row.get(5)?,
        sent_at: time(row.get(6)?),
        touched_at: time(row.get(7)?),
        used_at: time(row.get(8)?),
    };
    Ok((staged, row.get(1)?))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn staged(remote: &[u8], size: u64) -> Staged {
        Staged {
            remote: PathBuf::from(OsStr::from_bytes(remote)),
            kind: StagedKind::Input,
            run_id: 1,
            size,
            hash: "00".into(),
            stamp: "7|now".into(),
            sent_at: Timestamp::UNIX_EPOCH,
            touched_at: Timestamp::UNIX_EPOCH,
            used_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_is_on_scratch_is_remembered_site_by_site_whatever_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(&dir.path().join("state.db")).unwrap();
        let files = [staged(b"/s/\xff\n", 1), staged(b"/s/b", 2)];
        store.remember_staged("here", &files).unwrap();
        store.remember_staged("there", &files[..1]).unwrap();
        let mut found = store.staged("here").unwrap();
        found.sort_by_key(|file| file.size);
        assert_eq!(found, files);

        let again = Staged {
            kind: StagedKind::Product,
            size: 3,
            ..staged(b"/s/b", 0)
        };
        store
            .remember_staged("here", std::slice::from_ref(&again))
            .unwrap();
        store
            .forget_staged("here", [files[0].remote.as_path()])
            .unwrap();
        assert_eq!(store.staged("here").unwrap(), [again]);
        assert_eq!(store.staged("there").unwrap(), files[..1]);
    }

    #[test]
    fn every_kind_reads_back_from_its_word() {
        for kind in StagedKind::ALL {
            assert_eq!(kind.word().parse::<StagedKind>().unwrap(), kind);
        }
    }
}
