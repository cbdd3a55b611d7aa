//! What a node writes: its journal, and its jobs' output in one log.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{excerpt::Excerpt, log};
use crate::{durable, state::run_dir::journal::JobLines};

/// The journal and the log of a node. Only one process of a node has them.
#[derive(Debug)]
pub(super) struct Books {
    journal: Mutex<Appended>,
    log: Mutex<Appended>,
}

impl Books {
    /// Opens both files of this name, made where they are not there. What a kill cut short at their ends is
    /// taken off: it counts as not written.
    pub(super) fn open(directory: &Path, name: &str) -> io::Result<Self> {
        let journal = Appended::open(&directory.join(journal_name(name)), last_line)?;
        let log = open_log(&directory.join(log::name(name)))?;
        Ok(Self {
            journal: Mutex::new(journal),
            log: Mutex::new(log),
        })
    }

    /// Writes lines into the journal: all or none.
    pub(super) fn write(&self, lines: &JobLines) -> io::Result<()> {
        let begins = lines.bytes().starts_with(b"S");
        durable::step(if begins { "job begins" } else { "job is over" });
        lock(&self.journal).append(lines.bytes())
    }

    /// Writes what a job said into the log: all or nothing.
    pub(super) fn log(
        &self,
        seq: u64,
        attempt: u32,
        exit_code: i32,
        output: &Excerpt,
    ) -> io::Result<()> {
        if output.total() == 0 {
            return Ok(());
        }
        let frame = log::frame(seq, attempt, exit_code, output);
        lock(&self.log).append(&frame)
    }

    /// Brings to the disk what has been written.
    pub(super) fn sync(&self) -> io::Result<()> {
        durable::step("journal to the disk");
        let files = [
            lock(&self.log).file.try_clone()?,
            lock(&self.journal).file.try_clone()?,
        ];
        files.iter().try_for_each(File::sync_data)
    }
}

/// Name of a node's journal.
pub(super) fn journal_name(node: &str) -> String {
    format!("journal.{node}.tsv")
}

/// Whether a file is a node's journal, by its name.
pub(super) fn is_journal(name: &str) -> bool {
    let rest = name.strip_prefix("journal.");
    rest.is_some_and(|rest| rest.strip_suffix(".tsv").is_some())
}

/// A file that only grows.
#[derive(Debug)]
struct Appended {
    file: File,
    length: u64,
}

impl Appended {
    /// `whole` tells how many bytes of the file are whole.
    fn open(path: &Path, whole: impl Fn(&File) -> io::Result<u64>) -> io::Result<Self> {
        let open = || {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(path)?;
            let length = whole(&file)?;
            if length < file.metadata()?.len() {
                file.set_len(length)?;
            }
            Ok(Self { file, length })
        };
        open().map_err(|error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })
    }

    /// Bytes that do not go in whole, since the disk is full, are taken back.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            },
            Err(error) => {
                self.file.set_len(self.length)?;
                Err(error)
            },
        }
    }
}

/// A log that a crash of the node has spoilt is set aside: no job hangs on it.
fn open_log(path: &Path) -> io::Result<Appended> {
    let open = || Appended::open(path, |file| log::whole(BufReader::new(file)));
    match open() {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let aside = path.with_extension("spoilt");
            std::fs::rename(path, &aside)?;
            eprintln!(
                "outrigger worker: {error}; it is {} now, and a new one begins",
                aside.display()
            );
            open()
        },
        opened => opened,
    }
}

/// Bytes up to the end of the last whole line.
fn last_line(file: &File) -> io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut whole, mut read) = (0, 0);
    loop {
        let piece = reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(whole);
        }
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            whole = read + at as u64 + 1;
        }
        let length = piece.len();
        read += length as u64;
        reader.consume(length);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn start(seq: u64) -> JobLines {
        let mut lines = JobLines::new(seq, 1);
        lines.start(5, "n");
        lines
    }

    #[test]
    fn what_a_kill_cut_short_is_taken_off_and_the_rest_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let books = Books::open(directory.path(), "n").unwrap();
        let mut output = Excerpt::default();
        output.add(b"hello\n");
        books.write(&start(1)).unwrap();
        books.log(1, 1, 0, &output).unwrap();
        drop(books);
        let journal = directory.path().join(journal_name("n"));
        let log = directory.path().join(log::name("n"));
        let (lines, frames) = (fs::read(&journal).unwrap(), fs::read(&log).unwrap());
        fs::write(&journal, [&lines[..], b"E\t1\t1\t0"].concat()).unwrap();
        fs::write(&log, [&frames[..], &frames[..frames.len() - 3]].concat()).unwrap();

        let books = Books::open(directory.path(), "n").unwrap();
        books.write(&start(2)).unwrap();
        books.log(2, 1, 0, &output).unwrap();
        books.sync().unwrap();
        assert_eq!(
            fs::read_to_string(&journal).unwrap(),
            "S\t1\t1\t5\tn\nS\t2\t1\t5\tn\n"
        );
        let mut seen = Vec::new();
        log::read(BufReader::new(File::open(&log).unwrap()), |frame| {
            seen.push(frame.seq);
        })
        .unwrap();
        assert_eq!(seen, [1, 2]);
    }

    #[test]
    fn a_log_that_a_crash_has_spoilt_is_set_aside_and_the_journal_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let mut output = Excerpt::default();
        output.add(b"hello\n");
        let frame = log::frame(1, 1, 0, &output);
        let spoilt = [&frame[..], &[0; 5000]].concat();
        let log = directory.path().join(log::name("n"));
        fs::write(&log, &spoilt).unwrap();

        let books = Books::open(directory.path(), "n").unwrap();
        books.log(2, 1, 0, &output).unwrap();
        assert_eq!(fs::read(&log).unwrap(), log::frame(2, 1, 0, &output));
        let aside = directory.path().join("output.n.spoilt");
        assert_eq!(fs::read(aside).unwrap(), spoilt);
    }
}
