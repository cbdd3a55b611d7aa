//! Files: the products that came home, and the ledger of hashes of local files.

use std::{
    ffi::OsStr,
    fs::Metadata,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{StateError, Store};

/// A product that came home, verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Product {
    /// Number of the job that made it, within its run.
    pub seq: u64,
    /// Where it is here.
    pub path: PathBuf,
    /// Where it was on the site.
    pub remote: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, in hex.
    pub hash: String,
}

/// What identifies the content of a local file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Time of last change, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

impl FileKey {
    /// The key of a file with this metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime_ns: metadata
                .mtime()
                .saturating_mul(1_000_000_000)
                .saturating_add(metadata.mtime_nsec()),
        }
    }
}

/// Records a product; a later one of the same path takes its place.
pub(super) fn record(
    connection: &Connection,
    run_id: i64,
    product: &Product,
    now: Timestamp,
) -> Result<(), StateError> {
    connection
        .prepare_cached(
            "INSERT INTO files (path, run_id, seq, remote, size, hash, at) VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (path) DO UPDATE SET run_id = excluded.run_id, seq = excluded.seq,
                remote = excluded.remote, size = excluded.size, hash = excluded.hash, at = excluded.at",
        )?
        .execute(params![
            product.path.as_os_str().as_bytes(),
            run_id,
            product.seq,
            product.remote.as_os_str().as_bytes(),
            product.size,
            product.hash,
            now.as_millisecond()
        ])?;
    Ok(())
}

impl Store {
    /// The products of a run that are still its own, in the order of jobs.
    pub fn products(&self, run_id: i64) -> Result<Vec<Product>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, path, remote, size, hash FROM files WHERE run_id = ? ORDER BY seq, path",
        )?;
        let rows = statement.query_map([run_id], product)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The product of a run on `site` that was at `remote` there, if it came home.
    pub fn product_on(&self, site: &str, remote: &Path) -> Result<Option<Product>, StateError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT f.seq, f.path, f.remote, f.size, f.hash FROM files f JOIN runs USING (run_id)
                 WHERE f.remote = ? AND runs.site = ? ORDER BY f.at DESC LIMIT 1",
            )?
            .query_row(params![remote.as_os_str().as_bytes(), site], product)
            .optional()?)
    }

    /// Remembers hashes of local files, in one transaction.
    pub fn remember_hashes(&mut self, hashes: &[(FileKey, String)]) -> Result<(), StateError> {
        let transaction = self.write()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?)")?;
            for (file, hash) in hashes {
                insert.execute(params![
                    file.device.cast_signed(),
                    file.inode.cast_signed(),
                    file.size,
                    file.mtime_ns,
                    hash
                ])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

fn product(row: &Row<'_>) -> rusqlite::Result<Product> {
    Ok(Product {
        seq: row.get(0)?,
        path: path(&row.get::<_, Vec<u8>>(1)?),
        remote: path(&row.get::<_, Vec<u8>>(2)?),
        size: row.get(3)?,
        hash: row.get(4)?,
    })
}

pub(super) fn path(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_owned()
}
