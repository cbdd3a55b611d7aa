//! A program on a host here that has data.

use std::{
    fs::File,
    io::{self, Read, Seek},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{config::site::SourceHost, connection::far_line};

/// A program that ends with this.
#[derive(Debug)]
pub(super) struct Errand {
    child: Child,
    /// Its standard error: a pipe that nobody reads would stop it.
    words: File,
}

impl Errand {
    /// Starts `words` on a host; gives what it says.
    ///
    /// # Errors
    /// When the program that reaches hosts cannot be started.
    pub(super) fn begin(
        host: &SourceHost,
        words: &[&[u8]],
        input: Stdio,
    ) -> io::Result<(Self, ChildStdout)> {
        let (program, options) = host
            .command
            .split_first()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let said = tempfile::tempfile()?;
        let mut child = Command::new(program)
            .args(options)
            .arg(&host.host)
            .arg(far_line(words))
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(said.try_clone()?)
            .spawn()?;
        let output = child.stdout.take();
        let errand = Self { child, words: said };
        Ok((errand, output.ok_or(io::ErrorKind::BrokenPipe)?))
    }

    /// What it is told, where that was asked to be a pipe; once.
    pub(super) fn input(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The last line of its standard error, if it said anything there.
    pub(super) fn last_words(&mut self) -> Option<String> {
        self.end();
        let mut said = Vec::new();
        self.words.rewind().ok()?;
        (&self.words).take(1 << 20).read_to_end(&mut said).ok()?;
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty())?;
        Some(last.trim().to_owned())
    }

    /// Why it failed: its own words, or else the error that was met.
    pub(super) fn why(&mut self, error: &io::Error) -> String {
        self.last_words().unwrap_or_else(|| error.to_string())
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.end();
    }
}
