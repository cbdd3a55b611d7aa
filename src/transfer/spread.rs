//! Data that lies on several hosts here: it is read on the host that has the disk, and not through
//! a network file system. A host that does not answer costs only speed: it is asked no more, and its
//! files are read through their path here.

mod reading;

use std::{
    collections::HashSet,
    io::{self, BufReader, Read},
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Mutex,
};

pub(super) use self::reading::Reader;
use self::reading::Session;
use super::{Hash, drive::Piece, fetch, lock::held, plan::Part, squeeze::Expanded};
use crate::{config::site::SourceHost, connection::far_line};

/// The hosts here that have data, and the sessions on them that wait for work.
#[derive(Debug, Default)]
pub struct Spread {
    hosts: Vec<SourceHost>,
    idle: Mutex<Vec<(usize, Session)>>,
    /// Hosts that have failed.
    lost: Mutex<HashSet<usize>>,
}

impl Spread {
    /// No session is open yet.
    pub fn over(hosts: &[SourceHost]) -> Self {
        Self {
            hosts: hosts.to_vec(),
            idle: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    /// Which of the hosts has a file, if it is one of them.
    pub(super) fn host_of(&self, path: &Path) -> Option<usize> {
        let hosts = self.hosts.iter().enumerate();
        let having = hosts.filter(|(_, host)| path.starts_with(&host.under));
        let nearest = having.max_by_key(|(_, host)| host.under.components().count());
        nearest.map(|(place, _)| place)
    }

    /// Begins to read the files of `pieces`, on all hosts that have some of them at once.
    pub(super) fn reader(&self, pieces: &[Piece]) -> Reader<'_> {
        Reader::begin(self, pieces)
    }

    /// The bytes of a part of a large file, where a host that has it gives them.
    pub(super) fn range(&self, path: &Path, part: &Part) -> Option<impl Read + use<>> {
        let range = fetch::range(path, part);
        let output = self.started(path, &range)?;
        let content = Expanded::announced(BufReader::with_capacity(1 << 18, output));
        if content.is_err() {
            self.lose(self.host_of(path)?);
        }
        content.ok()
    }

    /// The hash of a large file, where a host that has it tells it.
    pub(super) fn hash(&self, path: &Path) -> Option<Hash> {
        let words = [
            b"sha256sum".to_vec(),
            b"--".to_vec(),
            path.as_os_str().as_bytes().to_vec(),
        ];
        let mut said = Vec::new();
        self.started(path, &words)?.read_to_end(&mut said).ok()?;
        // A name with a backslash or a newline is told with one before the hash.
        let said = said.strip_prefix(b"\\").unwrap_or(&said);
        std::str::from_utf8(said.get(..64)?).ok()?.parse().ok()
    }

    /// Starts `words` on the host that has `path`, without input.
    fn started(&self, path: &Path, words: &[Vec<u8>]) -> Option<Output> {
        let host = self.hosts.get(self.asked_for(path)?)?;
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let mut child = command(host, &words)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let stdout = child.stdout.take();
        let program = Kept(child);
        Some(Output {
            stdout: stdout?,
            _program: program,
        })
    }

    /// The host that is asked for a file.
    fn asked_for(&self, path: &Path) -> Option<usize> {
        let host = self.host_of(path)?;
        (!held(&self.lost).contains(&host)).then_some(host)
    }

    /// A host that has failed is asked no more.
    fn lose(&self, host: usize) {
        held(&self.lost).insert(host);
    }
}

/// `words` on a host.
fn command(host: &SourceHost, words: &[&[u8]]) -> Option<Command> {
    let (program, options) = host.command.split_first()?;
    let mut command = Command::new(program);
    command.args(options).arg(&host.host).arg(far_line(words));
    Some(command)
}

/// A program that ends with this.
#[derive(Debug)]
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// What a program says; it ends with this.
#[derive(Debug)]
struct Output {
    stdout: ChildStdout,
    _program: Kept,
}

impl Read for Output {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stdout.read(into)
    }
}
