//! From a temporary directory here to final names: verified, durable, atomic.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempDir};

use super::{
    FileKey, Hash, Place, TransferError,
    drive::{Piece, Settled},
    gathering,
};
use crate::durable;

pub(super) const PREFIX: &str = ".or-part-";
/// In a berth: held by the transfer that uses it.
pub(super) const LOCK: &str = ".lock";
/// In a berth that lasts: its file.
const WHOLE: &str = "whole";

/// What came of one file on its way here.
#[derive(Debug)]
pub(super) struct Arrived {
    /// Its size in bytes and the hash of what was written, or why it was not.
    pub(super) found: io::Result<(u64, Hash)>,
    /// The hash that the site says it has, if it was asked.
    pub(super) there: Option<Hash>,
}

impl From<io::Result<(u64, Hash)>> for Arrived {
    fn from(found: io::Result<(u64, Hash)>) -> Self {
        Self { found, there: None }
    }
}

/// Size in bytes and hash of a file that may land, or what becomes of one that may not.
type Verdict = Result<(u64, Hash), Settled>;

/// A temporary directory beside destinations. Its lock tells a living transfer's directory from
/// one that a killed process left, which the next transfer there removes.
#[derive(Debug)]
pub(super) struct Berth {
    dir: Dir,
    _lock: File,
}

#[derive(Debug)]
enum Dir {
    /// It goes with the berth.
    Passing(TempDir),
    /// It stays; whoever made it removes it.
    Lasting(PathBuf),
}

impl Berth {
    /// In the directory of `target`, which is made if absent.
    pub(super) fn beside(target: &Path) -> Result<Self, TransferError> {
        let parent = target.parent().unwrap_or(Path::new("/"));
        let cannot = |error: io::Error| write_error(target, &error);
        fs::create_dir_all(parent).map_err(cannot)?;
        sweep(parent);
        let dir = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(parent)
            .map_err(cannot)?;
        let lock = File::create(dir.path().join(LOCK)).map_err(cannot)?;
        lock.lock().map_err(cannot)?;
        let dir = Dir::Passing(dir);
        Ok(Self { dir, _lock: lock })
    }

    /// The directory `path` of one file, whose `lock` is held.
    pub(super) fn lasting(path: PathBuf, lock: File) -> Self {
        Self {
            dir: Dir::Lasting(path),
            _lock: lock,
        }
    }

    /// Beside the first of `pieces` that can have one; those before it have failed and are
    /// `settled`. None if no piece is left.
    pub(super) fn for_some(
        pieces: &mut Vec<Piece>,
        settled: &mut Vec<(Piece, Settled)>,
    ) -> Option<Self> {
        loop {
            let first = pieces.first()?;
            match Self::beside(&first.to) {
                Ok(berth) => return Some(berth),
                Err(error) => settled.push((pieces.remove(0), Settled::Failed(error))),
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        match &self.dir {
            Dir::Passing(dir) => dir.path(),
            Dir::Lasting(path) => path,
        }
    }

    /// Where a file lies in it until it lands. The name of one that lasts says nothing of this
    /// transfer.
    pub(super) fn file(&self, piece: &Piece) -> PathBuf {
        match &self.dir {
            Dir::Passing(dir) => dir.path().join(piece.name()),
            Dir::Lasting(path) => path.join(WHOLE),
        }
    }

    /// Whether it stays when it is no longer used.
    pub(super) fn lasts(&self) -> bool {
        matches!(self.dir, Dir::Lasting(_))
    }

    /// Makes those that arrived right durable with one sync of the file system, and renames them
    /// into place. `said` is what the carrier complained about.
    pub(super) fn land(
        &self,
        pieces: Vec<Piece>,
        mut arrived: HashMap<usize, Arrived>,
        said: &str,
    ) -> Vec<(Piece, Settled)> {
        let mut verdicts: Vec<(Piece, Verdict)> = Vec::new();
        for (place, piece) in pieces.into_iter().enumerate() {
            let verdict = self.judge(&piece, arrived.remove(&place), said);
            verdicts.push((piece, verdict));
        }
        if let Err(error) = self.sync() {
            for (piece, verdict) in &mut verdicts {
                if verdict.is_ok() {
                    *verdict = Err(Settled::Again(write_error(&piece.to, &error)));
                }
            }
        }
        let mut parents: BTreeSet<PathBuf> = BTreeSet::new();
        let landed: Vec<(Piece, Settled)> = verdicts
            .into_iter()
            .map(|(piece, verdict)| {
                let settled = match verdict.and_then(|found| self.rename(&piece, found)) {
                    Ok(settled) => {
                        parents.extend(piece.to.parent().map(Path::to_path_buf));
                        settled
                    },
                    Err(settled) => settled,
                };
                (piece, settled)
            })
            .collect();
        for parent in parents {
            // A rename that is not yet durable costs one more transfer after a power cut.
            drop(File::open(parent).and_then(|dir| dir.sync_all()));
        }
        landed
    }

    /// [`Berth::land`] for files that lie in the berth and were not hashed on the way.
    pub(super) fn land_unhashed(&self, pieces: Vec<Piece>, said: &str) -> Vec<(Piece, Settled)> {
        let arrived = (0..).zip(pieces.iter().map(|piece| self.read(piece)));
        let arrived = arrived.collect();
        self.land(pieces, arrived, said)
    }

    /// Reads a file that lies in the berth.
    pub(super) fn read(&self, piece: &Piece) -> Arrived {
        let path = self.file(piece);
        let found = fs::metadata(&path).and_then(|metadata| {
            let hash = Hash::of_file(&path)?;
            Ok((metadata.len(), hash))
        });
        Arrived::from(found)
    }

    /// Why a file could not be written here.
    pub(super) fn refused(&self, piece: &Piece, error: &io::Error) -> TransferError {
        if error.kind() == io::ErrorKind::StorageFull || self.is_full(piece) {
            self.no_space(piece)
        } else {
            write_error(&piece.to, error)
        }
    }

    fn judge(&self, piece: &Piece, arrived: Option<Arrived>, said: &str) -> Verdict {
        let missing = || Err(io::ErrorKind::NotFound.into());
        let (found, there) = arrived.map_or_else(|| (missing(), None), |a| (a.found, a.there));
        let differs = |expected: Hash, found: Hash| {
            Err(Settled::Again(TransferError::Mismatch {
                path: piece.to.clone(),
                place: Place::Here,
                expected,
                found: found.to_string(),
            }))
        };
        match (found, piece.hash.or(there)) {
            (Ok((size, hash)), Some(expected)) if hash == expected => Ok((size, hash)),
            (Ok((size, _)), _) if size < piece.size && self.is_full(piece) => {
                Err(Settled::Again(self.no_space(piece)))
            },
            (Ok((_, hash)), Some(expected)) => differs(expected, hash),
            (Ok(_), None) => Err(Settled::Again(TransferError::Read {
                path: piece.from.clone(),
                place: Place::Site,
                why: "it came without a checksum".to_owned(),
            })),
            (Err(error), _)
                if said.contains("No space left")
                    || error.kind() == io::ErrorKind::StorageFull
                    || self.is_full(piece) =>
            {
                Err(Settled::Again(self.no_space(piece)))
            },
            (Err(error), _) => {
                let name = piece.name();
                let source = piece.from.to_string_lossy();
                let about = |line: &&str| line.contains(&name) || line.contains(source.as_ref());
                let line = said.lines().find(about).or(said.lines().last());
                Err(Settled::Again(TransferError::Write {
                    path: piece.to.clone(),
                    place: Place::Here,
                    why: line.map_or_else(|| error.to_string(), |line| line.trim().to_owned()),
                }))
            },
        }
    }

    fn sync(&self) -> io::Result<()> {
        let dir = File::open(self.path())?;
        Ok(rustix::fs::syncfs(&dir)?)
    }

    fn rename(&self, piece: &Piece, (size, hash): (u64, Hash)) -> Result<Settled, Settled> {
        let arrived = self.file(piece);
        let failed = |error: io::Error| Settled::Failed(write_error(&piece.to, &error));
        if let Some(parent) = piece.to.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        match durable::rename(&arrived, &piece.to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                across(&arrived, piece, hash).map_err(failed)?;
            },
            other => other.map_err(failed)?,
        }
        let key = fs::metadata(&piece.to)
            .ok()
            .map(|metadata| FileKey::of(&metadata));
        Ok(Settled::Done { size, hash, key })
    }

    fn is_full(&self, piece: &Piece) -> bool {
        self.free() < piece.size.max(1)
    }

    fn free(&self) -> u64 {
        rustix::fs::statvfs(self.path())
            .map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize))
    }

    fn no_space(&self, piece: &Piece) -> TransferError {
        TransferError::NoSpace {
            path: piece.to.clone(),
            place: Place::Here,
            free: self.free(),
            needed: piece.size,
        }
    }
}

/// Lands on another file system than the berth's: by a copy beside the target, then a rename.
fn across(arrived: &Path, piece: &Piece, hash: Hash) -> io::Result<()> {
    let parent = piece.to.parent().unwrap_or(Path::new("/"));
    let temporary = NamedTempFile::with_prefix_in(PREFIX, parent)?;
    fs::copy(arrived, temporary.path())?;
    if Hash::of_file(temporary.path())? != hash {
        return Err(io::Error::other("the copy differs from what arrived"));
    }
    temporary.as_file().sync_all()?;
    durable::persist(temporary, &piece.to)
}

/// Removes berths whose process is gone, and those that last once nobody has come for them for long.
pub(super) fn sweep(parent: &Path) {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for entry in entries {
        let (name, path) = (entry.file_name(), entry.path());
        let passing = name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if !passing && !gathering::is_given_up(&path) {
            continue;
        }
        let lock = File::open(path.join(LOCK));
        if !lock.as_ref().is_ok_and(|file| file.try_lock().is_ok()) {
            continue;
        }
        if passing {
            // What cannot be removed now is in nobody's way.
            drop(fs::remove_dir_all(path));
        } else {
            gathering::remove(&path);
        }
    }
}

/// `error` of writing `path`.
pub(super) fn write_error(path: &Path, error: &io::Error) -> TransferError {
    TransferError::Write {
        path: path.to_owned(),
        place: Place::Here,
        why: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_berth_that_a_killed_process_left_is_removed_and_a_living_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let left = dir.path().join(format!("{PREFIX}left"));
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let living = Berth::beside(&dir.path().join("a")).unwrap();
        assert!(!left.exists());
        let second = Berth::beside(&dir.path().join("b")).unwrap();
        assert!(living.path().exists() && second.path().exists());
    }

    #[test]
    fn only_what_has_the_right_hash_gets_its_name_and_an_old_file_stays_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let piece = |index: usize, content: &[u8]| Piece {
            index,
            from: PathBuf::new(),
            to: dir.path().join(index.to_string()),
            size: 4,
            hash: Some(Hash::of(content)),
            key: None,
        };
        let pieces = vec![piece(0, b"good"), piece(1, b"good"), piece(2, b"good")];
        let berth = Berth::beside(&dir.path().join("0")).unwrap();
        fs::write(dir.path().join("1"), "old").unwrap();
        fs::write(berth.path().join("00000000"), "good").unwrap();
        fs::write(berth.path().join("00000001"), "evil").unwrap();
        let landed = berth.land_unhashed(pieces, "scp: 00000002: Permission denied\n");
        let settled: Vec<&Settled> = landed.iter().map(|(_, settled)| settled).collect();
        let [
            Settled::Done {
                size: 4,
                key: Some(_),
                ..
            },
            Settled::Again(wrong),
            Settled::Again(absent),
        ] = settled.as_slice()
        else {
            panic!("{settled:?}");
        };
        assert!(matches!(wrong, TransferError::Mismatch { .. }));
        assert!(absent.to_string().contains("Permission denied"));
        assert_eq!(fs::read(dir.path().join("1")).unwrap(), b"old");
    }
}
