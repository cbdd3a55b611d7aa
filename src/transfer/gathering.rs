//! Where the parts of a large file come together here: beside its target, under a name made of the
//! target and the content the file must have, so that a later transfer goes on from the parts that are
//! there.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Hash, TransferError,
    drive::{Piece, Settled},
    land::{self, Arrived, Berth, LOCK, PREFIX},
    plan::{BLOCK, Part},
};
use crate::{
    durable,
    engine::clock::{Clock, SystemClock},
};

/// How the name of a berth begins that outlives its transfer.
const LASTING: &str = ".or-keep-";
/// How the name of a part's mark begins; its number follows.
const MARK: &str = "done.";
/// So long the parts of a file wait for a transfer that goes on; as long as at a site.
const PATIENCE: Duration = Duration::from_hours(3 * 24);
/// Berths that are removed by others while they are taken up, one after another.
const TRIES: usize = 8;

/// The berth of a file that comes in parts. If nothing has arrived in it, or all has landed, it goes
/// with the value.
#[derive(Debug)]
pub(super) struct Gathering {
    berth: Berth,
}

impl Gathering {
    /// For `piece`, which is cut as `part` is, in the directory of its target, which is made if
    /// absent. Where another transfer brings the same file at this time, it is one that is used
    /// this once.
    ///
    /// # Errors
    /// Why there can be none.
    pub(super) fn of(piece: &Piece, part: &Part) -> Result<Self, TransferError> {
        let cannot = |error: io::Error| land::write_error(&piece.to, &error);
        let parent = piece.to.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(cannot)?;
        let path = directory(piece, part);
        let Some(lock) = hold(&path).map_err(cannot)? else {
            let berth = Berth::beside(&piece.to)?;
            return Ok(Self { berth });
        };
        land::sweep(parent);
        let gathering = Self {
            berth: Berth::lasting(path, lock),
        };
        if !gathering.file(piece).exists() {
            gathering.clear(piece);
        }
        Ok(gathering)
    }

    /// Whether an earlier transfer has brought any part of the file, if it was cut as `part` is.
    pub(super) fn is_begun(piece: &Piece, part: &Part) -> bool {
        !marks(&directory(piece, part)).is_empty()
    }

    /// Where the file lies until it lands.
    pub(super) fn file(&self, piece: &Piece) -> PathBuf {
        self.berth.file(piece)
    }

    /// Whether a part is there.
    pub(super) fn has_arrived(&self, piece: &Piece, part: &Part) -> bool {
        let length = fs::metadata(self.file(piece)).map_or(0, |metadata| metadata.len());
        part.from * BLOCK + part.bytes <= length && self.mark_of(part).exists()
    }

    /// Makes a part durable that is in the file at `path`, and remembers that it is there.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn mark(&self, path: &Path, part: &Part) -> io::Result<()> {
        if self.berth.lasts() {
            File::options().write(true).open(path)?.sync_data()?;
            // A mark that is lost in a power cut costs one part.
            File::create(self.mark_of(part))?;
        }
        Ok(())
    }

    /// Reads the file, whose parts have all arrived.
    pub(super) fn read(&self, piece: &Piece) -> Arrived {
        self.berth.read(piece)
    }

    /// Renames the file into place, if what was read of it is right; else nothing of it is kept.
    pub(super) fn land(&self, piece: Piece, read: Arrived) -> Vec<(Piece, Settled)> {
        let landed = self.berth.land(vec![piece], HashMap::from([(0, read)]), "");
        for (piece, _) in &landed {
            self.clear(piece);
        }
        landed
    }

    /// Removes what has arrived of the file.
    pub(super) fn clear(&self, piece: &Piece) {
        for mark in marks(self.berth.path()) {
            drop(fs::remove_file(mark));
        }
        drop(fs::remove_file(self.file(piece)));
    }

    /// Why the file could not be written here.
    pub(super) fn refused(&self, piece: &Piece, error: &io::Error) -> TransferError {
        self.berth.refused(piece, error)
    }

    fn mark_of(&self, part: &Part) -> PathBuf {
        self.berth.path().join(format!("{MARK}{}", part.number))
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        let path = self.berth.path();
        if self.berth.lasts() && marks(path).is_empty() {
            remove(path);
        }
    }
}

/// Whether `path` is a berth of parts that nobody has come for.
pub(super) fn is_given_up(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    if !name.as_bytes().starts_with(LASTING.as_bytes()) {
        return false;
    }
    let Ok(changed) = path.metadata().and_then(|metadata| metadata.modified()) else {
        return false;
    };
    let now = std::time::SystemTime::from(SystemClock.now());
    now.duration_since(changed).is_ok_and(|age| age > PATIENCE)
}

/// The berth of a file. Where its hash is not known, what an earlier state of the source left is
/// found out when all of it is read.
fn directory(piece: &Piece, part: &Part) -> PathBuf {
    let mut content = piece.to.as_os_str().as_bytes().to_vec();
    let state = (piece.hash.map(|hash| hash.to_string()), piece.size, part.of);
    content.extend_from_slice(format!("\0{state:?}").as_bytes());
    let hash = Hash::of(&content).to_string();
    let short = hash.get(..16).unwrap_or(&hash);
    piece.to.with_file_name(format!("{LASTING}{short}"))
}

/// The lock of the berth at `path`, which is made if absent; none if another transfer has it, or
/// another user.
fn hold(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {},
            made => made?,
        }
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK));
        let lock = match lock {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
            opened => opened?,
        };
        match lock.try_lock() {
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Ok(()) => {},
        }
        // Whoever removes a berth moves it away first: the lock may be that of another one.
        let inode = |metadata: fs::Metadata| metadata.ino();
        if fs::metadata(path.join(LOCK)).ok().map(inode) == lock.metadata().ok().map(inode) {
            return Ok(Some(lock));
        }
    }
    Ok(None)
}

/// Removes a berth whose lock is held.
pub(super) fn remove(path: &Path) {
    let away = path.with_file_name(format!("{PREFIX}{:016x}", fastrand::u64(..)));
    let gone = durable::rename(path, &away).and_then(|()| fs::remove_dir_all(&away));
    // What cannot be removed now is in nobody's way.
    drop(gone);
}

/// The marks in a berth.
fn marks(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let is_mark = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        name.as_bytes().starts_with(MARK.as_bytes())
    };
    entries.filter(is_mark).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::transfer::plan;

    fn piece(dir: &Path, content: &[u8]) -> (Piece, Part) {
        let size = 20 << 20;
        let piece = Piece {
            index: 3,
            from: PathBuf::new(),
            to: dir.join("target"),
            size,
            hash: Some(Hash::of(content)),
            key: None,
        };
        (piece, plan::parts(size, 4 << 20).next().unwrap())
    }

    fn arrive(gathering: &Gathering, piece: &Piece, part: &Part) {
        let path = gathering.file(piece);
        fs::write(&path, vec![1; usize::try_from(part.bytes).unwrap()]).unwrap();
        gathering.mark(&path, part).unwrap();
    }

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn what_has_arrived_is_there_for_the_next_transfer_of_the_same_content_until_it_lands() {
        let dir = tempfile::tempdir().unwrap();
        let (one, part) = piece(dir.path(), b"content");
        let gathering = Gathering::of(&one, &part).unwrap();
        arrive(&gathering, &one, &part);
        drop(gathering);
        let next = Part {
            number: 1,
            from: 4,
            ..part
        };
        let again = Piece { index: 0, ..one };
        assert!(Gathering::is_begun(&again, &part));
        let gathering = Gathering::of(&again, &part).unwrap();
        assert!(gathering.has_arrived(&again, &part));
        assert!(!gathering.has_arrived(&again, &next));
        let (other, _) = piece(dir.path(), b"another content");
        assert!(!Gathering::is_begun(&other, &part));
        gathering.clear(&again);
        drop(gathering);
        assert_eq!(entries(dir.path()), 0);
    }

    #[test]
    fn a_mark_without_its_bytes_counts_for_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (one, part) = piece(dir.path(), b"content");
        let gathering = Gathering::of(&one, &part).unwrap();
        arrive(&gathering, &one, &part);
        let path = gathering.file(&one);
        drop(gathering);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(part.bytes - 1)
            .unwrap();
        let gathering = Gathering::of(&one, &part).unwrap();
        assert!(!gathering.has_arrived(&one, &part));
        drop(gathering);
        fs::remove_file(&path).unwrap();
        drop(Gathering::of(&one, &part).unwrap());
        assert_eq!(entries(dir.path()), 0);
    }

    #[test]
    fn one_that_is_in_use_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let (one, part) = piece(dir.path(), b"content");
        let first = Gathering::of(&one, &part).unwrap();
        arrive(&first, &one, &part);
        let second = Gathering::of(&one, &part).unwrap();
        assert_ne!(first.file(&one), second.file(&one));
        assert!(!second.has_arrived(&one, &part));
        arrive(&second, &one, &part);
        drop(second);
        assert_eq!(entries(dir.path()), 1);
        assert!(first.has_arrived(&one, &part));
    }

    #[test]
    fn one_that_nobody_comes_for_is_removed_by_a_later_transfer_there() {
        let dir = tempfile::tempdir().unwrap();
        let (one, part) = piece(dir.path(), b"content");
        let gathering = Gathering::of(&one, &part).unwrap();
        arrive(&gathering, &one, &part);
        let path = gathering.berth.path().to_owned();
        let now = SystemTime::from(SystemClock.now());
        let age = |age: Duration| File::open(&path).unwrap().set_modified(now - age).unwrap();
        age(PATIENCE * 2);
        land::sweep(dir.path());
        assert!(path.exists(), "it is in use");
        drop(gathering);
        age(PATIENCE / 2);
        land::sweep(dir.path());
        assert!(path.exists(), "it is not old");
        age(PATIENCE * 2);
        land::sweep(dir.path());
        assert_eq!(entries(dir.path()), 0);
    }
}
