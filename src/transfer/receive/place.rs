//! Files that have arrived get their final names.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{super::land::PREFIX, kept};
use crate::durable;

/// Renames each file of `berth` to its target, whose directory is made where it is not; where that
/// lies in another file system, by way of a file beside the target with `word` in its name. Lines
/// about those that could not be.
pub(super) fn place(berth: &Path, files: &[(String, PathBuf)], word: &str) -> Vec<String> {
    let mut directories: HashMap<&Path, Result<(), String>> = HashMap::new();
    let mut lines = Vec::new();
    for (name, target) in files {
        let directory = target.parent().unwrap_or(Path::new("/"));
        let made = directories.entry(directory).or_insert_with(|| {
            let cannot = |error: io::Error| format!("{}: {error}", directory.display());
            fs::create_dir_all(directory).map_err(cannot)
        });
        let placed = match made {
            Ok(()) => one(&berth.join(name), target, word),
            Err(why) => Err(io::Error::other(why.clone())),
        };
        lines.extend(placed.err().map(|error| kept(name, &error)));
    }
    lines
}

fn one(from: &Path, target: &Path, word: &str) -> io::Result<()> {
    match durable::rename(from, target) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {},
        renamed => return renamed,
    }
    let name = from.file_name().unwrap_or_default().display();
    let beside = target.with_file_name(format!("{PREFIX}{word}-{name}"));
    let copied = fs::copy(from, &beside)
        .and_then(|_| File::open(&beside)?.sync_all())
        .and_then(|()| durable::rename(&beside, target));
    if copied.is_err() {
        drop(fs::remove_file(&beside));
    }
    copied
}
