//! What a job wrote.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
    process::Stdio,
    sync::Arc,
};

use tempfile::TempPath;
use tokio::sync::OwnedSemaphorePermit;

/// Output up to this many bytes is held in memory once its job has ended, more in its file.
pub const IN_MEMORY: u64 = 1 << 20;

/// One output of a job that is over.
#[derive(Debug)]
pub struct Captured(Kind);

#[derive(Debug)]
enum Kind {
    Memory(Vec<u8>),
    /// An unlinked file; it counts against the room for jobs while it is open.
    File {
        file: File,
        length: u64,
        _room: Arc<OwnedSemaphorePermit>,
    },
    /// A file of its own, which goes with it.
    Named {
        path: TempPath,
        length: u64,
    },
}

impl Captured {
    /// Output that is held in memory.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self(Kind::Memory(text.into()))
    }

    /// Output that lies in a file, which is removed with it.
    pub(super) fn named(path: TempPath, length: u64) -> Self {
        Self(Kind::Named { path, length })
    }

    /// Reads from byte `at` on; 0 at the end.
    ///
    /// # Errors
    /// What the file said.
    pub fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let left = usize::try_from(self.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        let buffer = buffer.get_mut(..count).unwrap_or_default();
        match &self.0 {
            Kind::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                bytes.get(from..).unwrap_or_default().read(buffer)
            },
            Kind::File { file, .. } => file.read_at(buffer, at),
            Kind::Named { path, .. } => File::open(path)?.read_at(buffer, at),
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kind::Memory(bytes) => bytes.len() as u64,
            Kind::File { length, .. } | Kind::Named { length, .. } => *length,
        }
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes from the first to the last; each call begins anew.
    pub fn reader(&self) -> impl Read + '_ {
        Reader {
            captured: self,
            at: 0,
        }
    }

    /// Appends the bytes to a file, which is made where it does not exist.
    ///
    /// # Errors
    /// What opening, reading or writing said.
    pub fn append_to(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(path)?;
        match &self.0 {
            Kind::Memory(bytes) => file.write_all(bytes),
            Kind::File { .. } | Kind::Named { .. } => {
                io::copy(&mut self.reader(), &mut file).map(drop)
            },
        }
    }
}

struct Reader<'a> {
    captured: &'a Captured,
    at: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.captured.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// The file that one output of a running job goes to.
#[derive(Debug)]
pub(super) struct Output(File);

impl Output {
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        tempfile::tempfile_in(dir).map(Self)
    }

    pub(super) fn for_child(&self) -> io::Result<Stdio> {
        self.0.try_clone().map(Stdio::from)
    }

    /// What is there now. What surviving children of the job write later is not part of it.
    pub(super) fn capture(self, room: &Arc<OwnedSemaphorePermit>) -> io::Result<Captured> {
        let length = self.0.metadata()?.len();
        if length > IN_MEMORY {
            return Ok(Captured(Kind::File {
                file: self.0,
                length,
                _room: Arc::clone(room),
            }));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.0.read_exact_at(&mut bytes, 0)?;
        Ok(Captured::text(bytes))
    }
}
