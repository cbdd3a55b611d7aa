//! Lines from the keyboard and from files (`scan`, `scannext`, `wait`).

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

use super::{
    super::{
        error::Fault,
        expand::LINE_LIMIT,
        interpreter::Interpreter,
        number::{Number, leading_real},
        words::Args,
    },
    Entry,
    options::Options,
};

pub(super) const COMMANDS: &[Entry] = &[
    (
        "scan",
        "scan FILE|stdin VARIABLE [N]",
        "sets a variable to the first or Nth line of a file, EOF where there is none",
        scan,
    ),
    (
        "scannext",
        "scannext FILE VARIABLE | scannext -close",
        "sets a variable to the next line of a file, which stays open",
        scan_next,
    ),
    (
        "wait",
        "wait [WORD...]",
        "prints words and waits for a line to be typed",
        wait,
    ),
];

/// What a variable becomes where there is no line.
const END: &str = "EOF";

/// The file that `scannext` reads, and its name.
#[derive(Debug)]
pub(crate) struct Scanned {
    name: String,
    lines: BufReader<File>,
}

impl Scanned {
    fn open(interpreter: &Interpreter, name: &str) -> Result<Self, Fault> {
        let missing = |_| Fault::message(format!("file {name} not found"));
        let file = File::open(interpreter.path(name)?).map_err(missing)?;
        Ok(Self {
            name: name.to_owned(),
            lines: BufReader::new(file),
        })
    }

    fn next(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let mut lines = self.lines.by_ref().take(LINE_LIMIT as u64);
        let read = lines.read_until(b'\n', &mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        (read > 0).then(|| text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

fn scan(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), Some(variable), 3 | 4) = (args.get(1), args.get(2), args.len()) else {
        return Err(Fault::MISUSED);
    };
    let number = Number::Real(args.get(3).map_or(1.0, leading_real)).whole();
    if number < 1 {
        return Err(Fault::message("scan: line numbers must start at 1"));
    }
    let mut file = match name {
        "stdin" => None,
        name => Some(Scanned::open(interpreter, name)?),
    };
    let mut line = None;
    for _ in 0..number {
        line = match &mut file {
            Some(file) => file.next(),
            None => interpreter.host.read_line(),
        };
        if line.is_none() {
            break;
        }
    }
    interpreter.set(variable, line.as_deref().unwrap_or(END));
    Ok(())
}

fn scan_next(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    if options.flag("-close") {
        if interpreter.scanned.take().is_none() {
            interpreter.err("file is not currently open\n");
        }
        return Ok(());
    }
    let &[name, variable] = options.words() else {
        return Err(Fault::MISUSED);
    };
    let open = interpreter.scanned.take().filter(|open| open.name == name);
    let mut open = match open {
        Some(open) => open,
        None => Scanned::open(interpreter, name)?,
    };
    let line = open.next();
    interpreter.scanned = Some(open);
    interpreter.set(variable, line.as_deref().unwrap_or(END));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn wait(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut text: String = args.rest().flat_map(|word| [word, " "]).collect();
    text.push('\n');
    interpreter.err(&text);
    interpreter.host.read_line();
    Ok(())
}
