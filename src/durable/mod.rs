//! Steps that outlive this process: a transaction of state.db, a command on a site, a file that
//! gets its name, a word to another process of an allocation and a line of its journal. Each is taken
//! through here, so that a test can let the process die at any of them (`count`).
//!
//! A testing aid, for `tests/crash.rs` and `benches/crash.sh`: with `OUTRIGGER_STEPS=FILE` every
//! step of every process that inherits it is a line of that file, and with `OUTRIGGER_CRASH_AT=N`
//! the process that comes to the N-th is killed right before it, as by `kill -9`, and leaves a line
//! `died: NAME` (`NAME#K`: to the K-th step of that name). Right before one step is right after the one before,
//! so each state that a death can leave is met. With `OUTRIGGER_CRASH_BY=PROGRAM` that process lives:
//! the program is run before the step, and makes something else die, a server or a link. Without
//! the variables a step costs one load.

mod count;

use std::{ffi::OsStr, fmt, fs, io, path::Path};

use tempfile::NamedTempFile;

/// Says that a step is about to be taken.
pub fn step(what: impl fmt::Display) {
    if let Some(count) = count::in_use() {
        count.step(&what.to_string());
    }
}

/// Whether steps are counted at all.
pub fn is_counted() -> bool {
    count::in_use().is_some()
}

/// Gives a file its name.
///
/// # Errors
/// As [`fs::rename`].
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step(format_args!("rename {}", shape(to)));
    fs::rename(from, to)
}

/// Gives a temporary file its name.
///
/// # Errors
/// As [`fs::rename`]; the temporary file is gone then.
pub fn persist(file: NamedTempFile, to: &Path) -> io::Result<()> {
    step(format_args!("rename {}", shape(to)));
    file.persist(to).map(drop).map_err(|error| error.error)
}

/// Writes a file so that it is whole or as it was: beside it as `NAME.part`, then renamed.
///
/// # Errors
/// When the disk says no.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    fs::write(&part, bytes)?;
    rename(part.as_ref(), path)
}

/// A file's name with each number as `N`: the same for the same step of another life.
fn shape(path: &Path) -> String {
    let name = path.file_name().map(OsStr::to_string_lossy);
    let mut shape = String::new();
    for c in name.unwrap_or_default().chars() {
        match c {
            '0'..='9' if shape.ends_with('N') => {},
            '0'..='9' => shape.push('N'),
            c => shape.push(c),
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.yaml");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_step_has_the_same_name_in_another_life() {
        assert_eq!(shape(Path::new("/a/17/chunk.002.conf")), "chunk.N.conf");
    }
}
