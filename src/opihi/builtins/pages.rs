//! `ipptool2book`: pages from what a tool printed (spec/pantasks.md §6).

use super::{
    super::{
        book::Book,
        error::Fault,
        interpreter::Interpreter,
        rows::{self, Row},
        words::Args,
    },
    Entry,
    options::Options,
};

const USAGE: &str = "ipptool2book QUEUE BOOK [-uniq] [-key WORD[:WORD...]] [-setword WORD \
                     VALUE]... [-raw-columns]";

const HELP: &str = "turns what a tool printed into pages of a book";

pub(super) const COMMANDS: &[Entry] = &[
    ("ipptool2book", USAGE, HELP, ipptool2book),
    ("queue2book", USAGE, HELP, ipptool2book),
];

fn ipptool2book(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let mut preset = Vec::new();
    while let Some(pair) = options.pair("-setword") {
        preset.push(pair);
    }
    let unique = options.flag("-uniq");
    let raw = options.flag("-raw-columns");
    let keys = options.value("-key");
    let &[queue, name] = options.words() else {
        // Scripts go on after it, as after all that this command finds wrong.
        interpreter.err(&format!("USAGE: {USAGE}\n"));
        return Ok(());
    };
    let Some(lines) = interpreter.queues.get_mut(queue) else {
        interpreter.err(&format!("queue {queue} not found\n"));
        return Ok(());
    };
    let lines = std::mem::take(lines);
    let lines = lines.iter().map(String::as_str);
    let book = interpreter.books.create(name);
    let book = Target {
        book,
        unique,
        keys,
        preset,
    };
    if raw {
        let (rows, error) = rows::columns(lines);
        book.fill(rows, 1)?;
        return match error {
            Some(error) => Err(Fault::message(error)),
            None => Ok(()),
        };
    }
    let (rows, errors) = rows::rows(lines);
    let done = book.fill(rows, 0);
    for error in errors {
        interpreter.err(&format!("{error}\n"));
    }
    done
}

/// A book that pages are put into.
struct Target<'a> {
    book: &'a mut Book,
    unique: bool,
    keys: Option<&'a str>,
    preset: Vec<(&'a str, &'a str)>,
}

impl Target<'_> {
    /// Puts the rows in as pages; those without keys are numbered, beginning with `first` in an
    /// empty book.
    fn fill(self, rows: Vec<Row<'_>>, first: usize) -> Result<(), Fault> {
        for row in rows {
            let name = match self.keys {
                Some(keys) => page_name(&row, keys)?,
                None => free_name(self.book, first),
            };
            if self.unique && self.book.page(&name).is_some() {
                continue;
            }
            self.book.create(&name);
            for (word, value) in row.iter().chain(&self.preset) {
                self.book.set_word(&name, word, value);
            }
        }
        Ok(())
    }
}

/// A name for the next page that no page has.
fn free_name(book: &Book, first: usize) -> String {
    let mut number = book.len() + first;
    loop {
        let name = format!("page.{number:03}");
        if book.page(&name).is_none() {
            return name;
        }
        number += 1;
    }
}

fn page_name(row: &Row<'_>, keys: &str) -> Result<String, Fault> {
    let mut name = String::new();
    for (index, key) in keys.split(':').enumerate() {
        let value = row.iter().rfind(|(word, _)| *word == key);
        let Some((_, value)) = value else {
            return Err(Fault::message(format!("ERROR: missing key {key} for ID")));
        };
        if index > 0 {
            name.push(':');
        }
        name.push_str(value);
    }
    Ok(name)
}
