//! The ledger of content hashes that are already known.

use crate::state::{file::FileKey, hash::Hash};

/// Known hashes of local files (design §5): filled while files are moved, so that nothing is
/// read twice.
pub trait HashLedger: Send + Sync {
    /// The hash of the file in this state, if known.
    fn get(&self, key: FileKey) -> Option<Hash>;
    /// Remembers the hash of the file in this state.
    fn put(&self, key: FileKey, hash: Hash);
}

/// Knows nothing and remembers nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLedger;

impl HashLedger for NoLedger {
    fn get(&self, _: FileKey) -> Option<Hash> {
        None
    }

    fn put(&self, _: FileKey, _: Hash) {}
}
