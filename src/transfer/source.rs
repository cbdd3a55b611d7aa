//! What is known of local files before they move.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tokio::task::JoinSet;

use super::{FileKey, Hash, HashLedger, Place, TransferError, drive::Piece};

/// Files hashed at once.
const READERS: usize = 4;

/// A local file in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) key: FileKey,
    pub(super) hash: Hash,
}

/// State and hash of each path, from the ledger where it knows the file; in the order of `paths`.
pub(super) async fn known(
    paths: &[PathBuf],
    ledger: &dyn HashLedger,
) -> Vec<Result<Known, TransferError>> {
    let mut found: Vec<Option<Result<Known, TransferError>>> = vec![None; paths.len()];
    let mut readers = JoinSet::new();
    let mut keep = |index: usize, one: Result<Known, TransferError>| {
        if let Ok(known) = &one {
            ledger.put(known.key, known.hash);
        }
        if let Some(slot) = found.get_mut(index) {
            *slot = Some(one);
        }
    };
    for (index, path) in paths.iter().enumerate() {
        let key = match state(path) {
            Ok(key) => key,
            Err(error) => {
                keep(index, Err(error));
                continue;
            },
        };
        if let Some(hash) = ledger.get(key) {
            keep(index, Ok(Known { key, hash }));
            continue;
        }
        while readers.len() >= READERS {
            if let Some(Ok((index, one))) = readers.join_next().await {
                keep(index, one);
            }
        }
        let path = path.clone();
        readers.spawn_blocking(move || (index, read(&path, key)));
    }
    while let Some(joined) = readers.join_next().await {
        if let Ok((index, one)) = joined {
            keep(index, one);
        }
    }
    let unread = |path: &PathBuf| TransferError::Read {
        path: path.clone(),
        place: Place::Here,
        why: "its reader was stopped".into(),
    };
    let slots = found.into_iter().zip(paths);
    slots
        .map(|(slot, path)| slot.unwrap_or_else(|| Err(unread(path))))
        .collect()
}

/// `known`, if it has the expected hash.
pub(super) fn as_expected(
    path: &Path,
    expected: Option<Hash>,
    known: Known,
) -> Result<Known, TransferError> {
    match expected {
        Some(expected) if expected != known.hash => Err(TransferError::Mismatch {
            path: path.to_owned(),
            place: Place::Here,
            expected,
            found: known.hash.to_string(),
        }),
        _ => Ok(known),
    }
}

/// The state of the regular file at `path`.
pub(super) fn state(path: &Path) -> Result<FileKey, TransferError> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if metadata.is_file() {
        Ok(FileKey::of(&metadata))
    } else {
        Err(TransferError::Read {
            path: path.to_owned(),
            place: Place::Here,
            why: "not a regular file".into(),
        })
    }
}

/// Reads the file and makes sure that it stayed in the state `key` meanwhile.
fn read(path: &Path, key: FileKey) -> Result<Known, TransferError> {
    let hash = Hash::of_file(path).map_err(|error| unreadable(path, &error))?;
    unchanged(path, key)?;
    Ok(Known { key, hash })
}

/// Whether the file is still in the state `key`.
pub(super) fn unchanged(path: &Path, key: FileKey) -> Result<(), TransferError> {
    if state(path)? == key {
        Ok(())
    } else {
        Err(TransferError::Changed {
            path: path.to_owned(),
            place: Place::Here,
        })
    }
}

/// Whether the source of `piece` is still in the state in which it was found.
pub(super) fn still(piece: &Piece) -> Result<(), TransferError> {
    piece.key.map_or(Ok(()), |key| unchanged(&piece.from, key))
}

/// Permissions that the copy of a file gets.
pub(super) fn mode(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o644, |metadata| metadata.permissions().mode() & 0o777)
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> TransferError {
    if error.kind() == io::ErrorKind::NotFound {
        TransferError::Missing {
            path: path.to_owned(),
            place: Place::Here,
        }
    } else {
        TransferError::Read {
            path: path.to_owned(),
            place: Place::Here,
            why: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Mutex};

    use super::*;

    #[derive(Default)]
    struct Memory(Mutex<HashMap<FileKey, Hash>>);

    impl HashLedger for Memory {
        fn get(&self, key: FileKey) -> Option<Hash> {
            self.0.lock().unwrap().get(&key).copied()
        }

        fn put(&self, key: FileKey, hash: Hash) {
            self.0.lock().unwrap().insert(key, hash);
        }
    }

    #[tokio::test]
    async fn a_file_in_the_ledger_is_not_read_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "content").unwrap();
        let ledger = Memory::default();
        let marked = Hash::of(b"what only the ledger says");
        ledger.put(state(&path).unwrap(), marked);
        let paths = [
            path.clone(),
            dir.path().join("absent"),
            dir.path().to_owned(),
        ];
        let found = known(&paths, &ledger).await;
        assert_eq!(found[0].as_ref().unwrap().hash, marked);
        assert!(matches!(found[1], Err(TransferError::Missing { .. })));
        assert!(matches!(found[2], Err(TransferError::Read { .. })));
        fs::write(&path, "longer content").unwrap();
        let again = known(&paths[..1], &ledger).await;
        assert_eq!(again[0].as_ref().unwrap().hash, Hash::of(b"longer content"));
        assert_eq!(
            ledger.get(state(&path).unwrap()),
            Some(Hash::of(b"longer content"))
        );
    }
}
