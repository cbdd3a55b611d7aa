//! From text to records, line by line.

use std::io::BufRead;

use super::{
    error::{Fault, MetadataError},
    line::{self, Line},
    record::{Document, Entry, Node, Record},
    value::Value,
};

/// Most METADATA blocks inside each other.
const MAX_DEPTH: usize = 64;

/// Reads a whole text.
///
/// # Errors
/// The first line that is not metadata text, or a block that is never closed. Unlike psLib, which
/// skips bad lines and closes open blocks at the end, nothing is dropped silently.
pub fn read(text: &str) -> Result<Document, MetadataError> {
    let mut builder = Builder::default();
    for line in text.lines() {
        if let Some((name, record)) = builder.feed(line)? {
            builder.keep(name, record);
        }
    }
    builder.finish()
}

/// The METADATA blocks at the top level of a text, in the order they stand: the rows of a
/// database tool's output.
///
/// # Errors
/// As [`read`].
pub fn rows(text: &str) -> Result<Vec<Record>, MetadataError> {
    Rows::new(text.as_bytes()).collect()
}

/// The METADATA blocks at the top level of a source, one at a time: memory does not grow with
/// their number. Ends after the first error.
#[derive(Debug)]
pub struct Rows<R> {
    source: R,
    builder: Option<Builder>,
    buffer: Vec<u8>,
}

impl<R: BufRead> Rows<R> {
    /// Reads from `source` as rows are asked for.
    pub fn new(source: R) -> Self {
        Self {
            source,
            builder: Some(Builder::default()),
            buffer: Vec::new(),
        }
    }

    fn advance(&mut self) -> Result<Option<Record>, MetadataError> {
        while let Some(builder) = &mut self.builder {
            self.buffer.clear();
            let next = builder.line + 1;
            let count = self
                .source
                .read_until(b'\n', &mut self.buffer)
                .map_err(|error| MetadataError::at(next, "", error.into()))?;
            if count == 0 {
                if let Some(builder) = self.builder.take() {
                    builder.finish()?;
                }
                break;
            }
            let Ok(line) = str::from_utf8(&self.buffer) else {
                return Err(MetadataError::at(next, "", Fault::NotText));
            };
            if let Some((_, record)) = builder.feed(line)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Record, MetadataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.advance().transpose();
        if matches!(row, Some(Err(_))) {
            self.builder = None;
        }
        row
    }
}

/// The blocks that are open while lines come in.
#[derive(Debug, Default)]
struct Builder {
    root: Record,
    open: Vec<Open>,
    line: usize,
}

#[derive(Debug)]
struct Open {
    name: String,
    line: usize,
    record: Record,
}

impl Builder {
    /// Takes one line and gives a block of the top level when that line closes one. The root
    /// keeps an empty block under its name, so that the name is known to be taken.
    fn feed(&mut self, text: &str) -> Result<Option<(String, Record)>, MetadataError> {
        self.line += 1;
        self.apply(text)
            .map_err(|fault| MetadataError::at(self.line, text, fault))
    }

    /// Puts a block that [`feed`](Self::feed) gave into the root, in its place.
    fn keep(&mut self, name: String, record: Record) {
        let node = Node::Record(record);
        match self.root.entries.get_mut(&name) {
            Some(Entry::Many(nodes)) => nodes.push(node),
            _ => self.root.insert(name, Entry::One(node)),
        }
    }

    fn apply(&mut self, text: &str) -> Result<Option<(String, Record)>, Fault> {
        match line::parse(text)? {
            Line::Blank => {},
            Line::Value(name, value) => self.value(name, value)?,
            Line::Multi(name) => {
                let level = self.level();
                if level.entries.contains_key(name) {
                    return Err(Fault::Duplicate(name.to_owned()));
                }
                level.insert(name, Entry::Many(Vec::new()));
            },
            Line::Open(name) => self.open(name)?,
            Line::End => {
                let closed = self.open.pop().ok_or(Fault::StrayEnd)?;
                return Ok(self.close(closed));
            },
        }
        Ok(None)
    }

    fn level(&mut self) -> &mut Record {
        self.open
            .last_mut()
            .map_or(&mut self.root, |open| &mut open.record)
    }

    fn value(&mut self, name: &str, value: Value) -> Result<(), Fault> {
        let node = Node::Value(value);
        let level = self.level();
        match level.entries.get_mut(name) {
            Some(Entry::Many(nodes)) => nodes.push(node),
            Some(Entry::One(_)) => return Err(Fault::Duplicate(name.to_owned())),
            None => level.insert(name, Entry::One(node)),
        }
        Ok(())
    }

    fn open(&mut self, name: &str) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::TooDeep(MAX_DEPTH));
        }
        if let Some(Entry::One(_)) = self.level().entries.get(name) {
            return Err(Fault::Duplicate(name.to_owned()));
        }
        self.open.push(Open {
            name: name.to_owned(),
            line: self.line,
            record: Record::new(),
        });
        Ok(())
    }

    fn close(&mut self, closed: Open) -> Option<(String, Record)> {
        let Open { name, record, .. } = closed;
        let at_top = self.open.is_empty();
        let level = self.level();
        match level.entries.get_mut(&name) {
            Some(Entry::Many(_)) if at_top => {},
            Some(Entry::Many(nodes)) => {
                nodes.push(Node::Record(record));
                return None;
            },
            _ if at_top => level.insert(name.clone(), Entry::One(Node::Record(Record::new()))),
            _ => {
                level.insert(name, Entry::One(Node::Record(record)));
                return None;
            },
        }
        Some((name, record))
    }

    fn finish(self) -> Result<Document, MetadataError> {
        match self.open.into_iter().next_back() {
            None => Ok(self.root),
            Some(open) => Err(MetadataError::at(open.line, "", Fault::Unclosed(open.name))),
        }
    }
}
