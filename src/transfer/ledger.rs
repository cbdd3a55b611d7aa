//! The ledger of hashes over state.db.

use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension, params};

use super::{FileKey, Hash, HashLedger};
use crate::state::{StateError, Store};

/// Hashes of local files as state.db remembers them, and those that are new.
#[derive(Debug)]
pub struct Ledger {
    known: Mutex<Connection>,
    fresh: Mutex<Vec<(FileKey, String)>>,
}

impl Ledger {
    /// A ledger over what `store` remembers.
    pub fn new(store: &Store) -> Result<Self, StateError> {
        Ok(Self {
            known: Mutex::new(store.reader()?),
            fresh: Mutex::default(),
        })
    }

    /// What was learned, to be given to [`Store::remember_hashes`].
    pub fn into_fresh(self) -> Vec<(FileKey, String)> {
        self.fresh.into_inner().unwrap_or_default()
    }
}

impl HashLedger for Ledger {
    fn get(&self, key: FileKey) -> Option<Hash> {
        let known = self.known.lock().ok()?;
        let mut statement = known
            .prepare_cached(
                "SELECT hash FROM hashes WHERE device = ? AND inode = ? AND size = ? AND mtime_ns = ?",
            )
            .ok()?;
        let wanted = params![
            key.device.cast_signed(),
            key.inode.cast_signed(),
            key.size,
            key.mtime_ns
        ];
        let text: String = statement
            .query_row(wanted, |row| row.get(0))
            .optional()
            .ok()??;
        text.parse().ok()
    }

    fn put(&self, key: FileKey, hash: Hash) {
        if let Ok(mut fresh) = self.fresh.lock() {
            fresh.push((key, hash.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_known_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(&dir.path().join("state.db")).unwrap();
        let key = FileKey {
            device: 1,
            inode: u64::MAX,
            size: 3,
            mtime_ns: 4,
        };
        let ledger = Ledger::new(&store).unwrap();
        assert_eq!(ledger.get(key), None);
        ledger.put(key, Hash::of(b"abc"));
        store.remember_hashes(&ledger.into_fresh()).unwrap();
        let ledger = Ledger::new(&store).unwrap();
        assert_eq!(ledger.get(key), Some(Hash::of(b"abc")));
        assert_eq!(ledger.get(FileKey { mtime_ns: 5, ..key }), None);
    }
}
