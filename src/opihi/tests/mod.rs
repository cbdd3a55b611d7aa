//! The language by example: scripts and what they print.

mod hooks;
mod language;
mod laws;

use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;

use super::{Flow, Host, Interpreter, Ran, Stop};

/// A host that keeps what is printed and runs nothing but `echo`, `false` and `lines`.
#[derive(Debug, Clone, Default)]
pub(super) struct Paper(Arc<Mutex<String>>);

impl Host for Paper {
    fn out(&mut self, text: &str) {
        self.0.lock().unwrap().push_str(text);
    }

    fn err(&mut self, text: &str) {
        for line in text.lines() {
            writeln!(self.0.lock().unwrap(), "! {line}").unwrap();
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_000_000_000).unwrap()
    }

    fn exec(&mut self, command: &str, _: Option<Duration>) -> io::Result<Ran> {
        self.capture(command)
    }

    fn capture(&mut self, command: &str) -> io::Result<Ran> {
        let (stdout, code) = match command.split_once(' ') {
            Some(("echo", text)) => (format!("{text}\n"), 0),
            _ if command == "lines" => ("one\n two\n\nthree\n".to_owned(), 0),
            _ => (String::new(), 3),
        };
        let stdout = stdout.into_bytes();
        Ok(Ran { code, stdout })
    }

    fn pause(&mut self, _: Duration) {}

    fn directory(&self) -> PathBuf {
        PathBuf::from("/")
    }

    fn change_directory(&mut self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn environment(&self, _: &str) -> Option<String> {
        None
    }
}

pub(super) fn interpreter() -> (Interpreter, Paper) {
    let paper = Paper::default();
    let mut interpreter = Interpreter::new(Box::new(paper.clone()));
    interpreter.limit_steps(Some(20_000));
    (interpreter, paper)
}

/// What a script prints, and at its end why it stopped.
fn transcript(script: &str) -> String {
    let (mut interpreter, paper) = interpreter();
    let outcome = interpreter.run_text(Path::new("t"), script);
    let mut text = paper.0.lock().unwrap().clone();
    match outcome {
        Ok(Flow::On) => {},
        Ok(flow) => writeln!(text, "{flow:?}").unwrap(),
        Err(Stop::Break) => text.push_str("break\n"),
        Err(Stop::Quit(code)) => writeln!(text, "quit {code}").unwrap(),
        Err(Stop::Failed(failure)) => {
            let line = failure.place.map_or(0, |place| place.line);
            writeln!(text, "{line}: {}", failure.fault).unwrap();
        },
    }
    text
}
