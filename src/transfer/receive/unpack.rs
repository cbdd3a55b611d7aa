//! A bundle's files into a directory, hashed on the way.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read},
    os::unix::{
        ffi::OsStringExt,
        fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use super::super::{Hash, facts, pack};
use crate::connection::unescape_b;

/// What came of a bundle.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    /// Target directories; number N is the N-th of them, from 1.
    directories: Vec<PathBuf>,
    /// Targets of the files whose names could not be kept, by their name in the bundle.
    odd: HashMap<String, PathBuf>,
    /// Names and hashes of what must land.
    sums: Vec<(String, Hash)>,
    /// Hashes of what was written.
    arrived: HashMap<String, Hash>,
    /// Why files could not be written.
    pub(super) complaints: Vec<String>,
}

/// Writes the files of a tar stream under `berth`, which is made.
///
/// # Errors
/// When the stream ends early, or `berth` cannot be made.
pub(super) fn unpack(berth: &Path, mut stream: impl Read) -> io::Result<Unpacked> {
    let mut unpacked = Unpacked::default();
    let entered = DirBuilder::new().mode(0o700).create(berth);
    let taken = entered.and_then(|()| entries(berth, &mut stream, &mut unpacked));
    // The next bundle begins behind this one, whatever became of it.
    io::copy(&mut stream, &mut io::sink())?;
    taken?;
    Ok(unpacked)
}

fn entries(berth: &Path, stream: impl Read, unpacked: &mut Unpacked) -> io::Result<()> {
    let mut whole = false;
    let mut buffer = vec![0; 1 << 17];
    for entry in tar::Archive::new(stream).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match name.as_str() {
            pack::DIRECTORIES => {
                unpacked.directories = text(&mut entry)?.lines().map(path_of).collect();
            },
            pack::ODD => unpacked.odd = text(&mut entry)?.lines().filter_map(odd).collect(),
            pack::SUMS => unpacked.sums = text(&mut entry)?.lines().filter_map(sum).collect(),
            pack::END => whole = true,
            _ => {
                let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
                match write(berth, &name, mode, &mut entry, &mut buffer) {
                    Ok(hash) => drop(unpacked.arrived.insert(name, hash)),
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        return Err(error);
                    },
                    Err(error) => unpacked.complaints.push(format!("{name}: {error}")),
                }
            },
        }
    }
    whole
        .then_some(())
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

impl Unpacked {
    /// What may land, and lines about what may not: another hash than the sender's, or not there.
    pub(super) fn judged(mut self) -> (Vec<(String, PathBuf)>, Vec<String>) {
        let mut good = Vec::with_capacity(self.sums.len());
        let mut wrong = Vec::new();
        for (name, hash) in std::mem::take(&mut self.sums) {
            match self.arrived.remove(&name) {
                Some(found) if found == hash => match self.target(&name) {
                    Some(target) => good.push((name, target)),
                    None => wrong.push(format!("or lost {hash}  {name}")),
                },
                Some(found) => wrong.push(format!("or bad {found}  {name}")),
                None => wrong.push(format!("or lost {hash}  {name}")),
            }
        }
        let unasked = self.arrived.iter();
        wrong.extend(unasked.map(|(name, found)| format!("or bad {found}  {name}")));
        (good, wrong)
    }

    fn target(&self, name: &str) -> Option<PathBuf> {
        let (directory, file) = name.split_once('/')?;
        if directory == "o" {
            return self.odd.get(file).cloned();
        }
        let number: usize = directory.parse().ok()?;
        let directory = self.directories.get(number.checked_sub(1)?)?;
        Some(directory.join(file))
    }
}

/// One file under the name that it has in the bundle: a directory's number, or `o`, and a name.
fn write(
    berth: &Path,
    name: &str,
    mode: u32,
    content: &mut impl Read,
    buffer: &mut [u8],
) -> io::Result<Hash> {
    let plain = |part: &str| !part.is_empty() && part != ".." && part != ".";
    let split = name.split_once('/');
    let Some((directory, file)) = split.filter(|(d, f)| plain(d) && plain(f) && !f.contains('/'))
    else {
        let why = format!("`{}` is not a name in a bundle", name.escape_debug());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    };
    let directory = berth.join(directory);
    let path = directory.join(file);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut written = match options.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(&directory)?;
            options.open(&path)?
        },
        opened => opened?,
    };
    let copied = Hash::of_copied(content, &mut written, buffer);
    if copied.is_err() {
        // A file that fills the disk must not cost others their place.
        drop(fs::remove_file(&path));
    }
    copied.map(|(_, hash)| hash)
}

fn text(entry: &mut impl Read) -> io::Result<String> {
    let mut text = String::new();
    entry.read_to_string(&mut text)?;
    Ok(text)
}

fn path_of(line: &str) -> PathBuf {
    OsString::from_vec(unescape_b(line)).into()
}

fn odd(line: &str) -> Option<(String, PathBuf)> {
    let (name, target) = line.split_once('\t')?;
    Some((name.to_owned(), path_of(target)))
}

fn sum(line: &str) -> Option<(String, Hash)> {
    let (hash, name) = facts::sum_line(line.as_bytes())?;
    Some((std::str::from_utf8(name).ok()?.to_owned(), hash))
}
