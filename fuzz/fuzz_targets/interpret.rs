//! Any text runs to an end: in a world that gives no file, runs nothing and never waits.

#![no_main]

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use outrigger::opihi::{Host, Interpreter, Ran};

struct Nowhere;

impl Host for Nowhere {
    fn out(&mut self, _: &str) {}

    fn err(&mut self, _: &str) {}

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn exec(&mut self, _: &str, _: Option<Duration>) -> io::Result<Ran> {
        Ok(Ran::default())
    }

    /// A command prints itself, its `|` being the ends of lines, and fails if it says so.
    fn capture(&mut self, command: &str) -> io::Result<Ran> {
        Ok(Ran {
            code: i32::from(command.contains("fail")),
            stdout: command.replace('|', "\n").into_bytes(),
        })
    }

    fn pause(&mut self, _: Duration) {}

    fn directory(&self) -> PathBuf {
        PathBuf::from("/nowhere")
    }

    fn change_directory(&mut self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn path(&self, _: &str) -> io::Result<PathBuf> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }

    fn read_line(&mut self) -> Option<String> {
        Some("typed words".to_owned())
    }

    fn config(&self, key: &str) -> Option<String> {
        Some(key.to_owned())
    }

    fn history(&self) -> Vec<String> {
        vec!["one".to_owned(), "two".to_owned()]
    }
}

fuzz_target!(|text: &str| {
    let mut interpreter = Interpreter::new(Box::new(Nowhere));
    interpreter.limit_steps(Some(500));
    drop(interpreter.run_text(Path::new("script"), text));
});
