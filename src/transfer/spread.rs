//! Data that lies on several hosts here: it is read on the host that has the disk, and not through
//! a network file system. A host that does not answer costs only speed: it is asked no more, and its
//! files are read through their path here.

mod errand;
mod reading;

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufReader, Read},
    os::unix::ffi::OsStrExt,
    path::{self, Path, PathBuf},
    process::{ChildStdout, Stdio},
    sync::{Mutex, MutexGuard},
};

pub(super) use self::reading::Reader;
use self::{errand::Errand, reading::Session};
use super::{Hash, drive::Piece, fetch, lock::held, plan::Part, squeeze::Expanded};
use crate::config::site::SourceHost;

/// The hosts here that have data, and the sessions on them that wait for work.
#[derive(Debug, Default)]
pub struct Spread {
    hosts: Vec<SourceHost>,
    /// One for each host. Many logins at once are refused by some, so each waits for the one before.
    doors: Vec<Mutex<()>>,
    idle: Mutex<Vec<(usize, Session)>>,
    /// Hosts that have failed, and why.
    lost: Mutex<BTreeMap<usize, String>>,
}

impl Spread {
    /// No session is open yet.
    pub fn over(hosts: &[SourceHost]) -> Self {
        Self {
            hosts: hosts.to_vec(),
            doors: hosts.iter().map(|_| Mutex::default()).collect(),
            idle: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    /// Which of the hosts has a file, if it is one of them.
    pub(super) fn host_of(&self, path: &Path) -> Option<usize> {
        Some(self.place_of(path)?.0)
    }

    /// Begins to read the files of `pieces`, on all hosts that have some of them at once.
    pub(super) fn reader(&self, pieces: &[Piece]) -> Reader<'_> {
        Reader::begin(self, pieces)
    }

    /// The bytes of a part of a large file, where a host that has it gives them.
    pub(super) fn range(&self, path: &Path, part: &Part) -> Option<Range> {
        let (place, path) = self.asked_for(path)?;
        let host = self.hosts.get(place)?;
        let begun = {
            let _alone = self.door(place);
            let words = fetch::range(&path, part);
            Range::begin(place, host, &words)
        };
        begun.map_err(|why| self.lose(place, why)).ok()
    }

    /// Gives up the host of a range that had not all of its bytes, though the file has.
    pub(super) fn fell_short(&self, mut range: Range) {
        let why = "it sent too little of a file".to_owned();
        self.lose(range.place, range.errand.last_words().unwrap_or(why));
    }

    /// The hash of a large file, where a host that has it tells it.
    pub(super) fn hash(&self, path: &Path) -> Option<Hash> {
        let (place, path) = self.asked_for(path)?;
        let words = [b"sha256sum", b"--".as_slice(), path.as_os_str().as_bytes()];
        let (_errand, mut output) =
            Errand::begin(self.hosts.get(place)?, &words, Stdio::null()).ok()?;
        let mut said = Vec::new();
        output.read_to_end(&mut said).ok()?;
        // A name with a backslash or a newline is told with one before the hash.
        let said = said.strip_prefix(b"\\").unwrap_or(&said);
        std::str::from_utf8(said.get(..64)?).ok()?.parse().ok()
    }

    /// A line for each host that is asked no more.
    pub(super) fn lost(&self) -> Vec<String> {
        let lost = held(&self.lost);
        let lines = lost.iter().filter_map(|(place, why)| {
            let host = &self.hosts.get(*place)?.host;
            Some(format!(
                "{host} is asked for no more files, they are read through their paths here: {why}"
            ))
        });
        lines.collect()
    }

    /// The host that is asked for a file, and the file's path there.
    fn asked_for(&self, path: &Path) -> Option<(usize, PathBuf)> {
        let found = self.place_of(path)?;
        (!held(&self.lost).contains_key(&found.0)).then_some(found)
    }

    fn place_of(&self, path: &Path) -> Option<(usize, PathBuf)> {
        if self.hosts.is_empty() {
            return None;
        }
        let path = path::absolute(path).ok()?;
        let hosts = self.hosts.iter().enumerate();
        let having = hosts.filter(|(_, host)| path.starts_with(&host.under));
        let nearest = having.max_by_key(|(_, host)| host.under.components().count());
        let place = nearest.map(|(place, _)| place)?;
        Some((place, path))
    }

    /// Held while one logs in to a host.
    fn door(&self, place: usize) -> Option<MutexGuard<'_, ()>> {
        self.doors.get(place).map(held)
    }

    /// A host that has failed is asked no more; the first reason is told.
    fn lose(&self, place: usize, why: String) {
        held(&self.lost).entry(place).or_insert(why);
    }
}

/// Bytes of a file as a host gives them.
pub(super) struct Range {
    place: usize,
    errand: Errand,
    content: Expanded<BufReader<ChildStdout>>,
}

impl Range {
    fn begin(place: usize, host: &SourceHost, words: &[Vec<u8>]) -> Result<Self, String> {
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let begun = Errand::begin(host, &words, Stdio::null());
        let (mut errand, output) = begun.map_err(|error| error.to_string())?;
        match Expanded::announced(BufReader::with_capacity(1 << 18, output)) {
            Ok(content) => Ok(Self {
                place,
                errand,
                content,
            }),
            Err(error) => Err(errand.why(&error)),
        }
    }
}

impl Read for Range {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.content.read(into)
    }
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Range")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_host_of_the_nearest_directory_also_by_a_path_from_here() {
        let host = |host: &str, under: &Path| SourceHost {
            host: host.to_owned(),
            under: under.to_owned(),
            program: "outrigger".into(),
            command: Vec::new(),
        };
        let here = path::absolute("src").unwrap();
        let spread = Spread::over(&[host("a", &here), host("b", &here.join("night"))]);
        let of = |path: &str| spread.host_of(Path::new(path));
        assert_eq!(of("src/file"), Some(0));
        assert_eq!(of("./src/night/file"), Some(1));
        assert_eq!(of("srcs/file"), None);
    }
}
