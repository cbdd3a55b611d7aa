//! Variables, locals and the arguments of macros (spec/pantasks.md §1.4, §1.9).

use std::{collections::HashMap, sync::Arc};

use super::{error::Fault, expand::Values, words::Args};

type Names = HashMap<Box<str>, String>;

/// All variables of an interpreter.
#[derive(Debug, Default)]
pub(crate) struct Variables {
    global: Names,
    /// Locals outside macros: shared, and kept.
    outside: Names,
    /// Locals of each macro, one table for each depth it was called at. They are never deleted.
    locals: HashMap<Arc<str>, Vec<Names>>,
    frames: Vec<Frame>,
    pub(crate) status: bool,
}

#[derive(Debug)]
struct Frame {
    name: Arc<str>,
    args: Args,
    /// `$0`: the number of words, the macro's name among them.
    count: String,
}

impl Variables {
    pub(crate) fn enter(&mut self, name: Arc<str>, args: Args) {
        let count = args.len().to_string();
        self.frames.push(Frame { name, args, count });
    }

    /// Leaves the macro and gives its arguments back.
    pub(crate) fn leave(&mut self) -> Args {
        self.frames
            .pop()
            .map(|frame| frame.args)
            .unwrap_or_default()
    }

    /// The words that the running macro was called with.
    pub(crate) fn call(&self) -> Option<&Args> {
        self.frames.last().map(|frame| &frame.args)
    }

    /// Gives the running macro other words.
    pub(crate) fn set_call(&mut self, args: Args) {
        if let Some(frame) = self.frames.last_mut() {
            frame.count = args.len().to_string();
            frame.args = args;
        }
    }

    /// Hides the frames of the macros that are running, for a body that belongs to none.
    pub(crate) fn step_out(&mut self) -> Outside {
        Outside(std::mem::take(&mut self.frames))
    }

    pub(crate) fn step_in(&mut self, outside: Outside) {
        self.frames = outside.0;
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let table = self.table_of(name);
        match table.get_mut(name) {
            Some(old) => {
                old.clear();
                old.push_str(value);
            },
            None => {
                table.insert(name.into(), value.to_owned());
            },
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.table_of(name).remove(name);
    }

    /// Makes `name` a local of the running macro: `NULL`, or what it was if `keep`.
    pub(crate) fn local(&mut self, name: &str, keep: bool) {
        let depth = self.frames.len();
        let table = match self.frames.last() {
            None => &mut self.outside,
            Some(frame) => {
                let tables = self.locals.entry(Arc::clone(&frame.name)).or_default();
                if tables.len() < depth {
                    tables.resize_with(depth, Names::new);
                }
                match tables.get_mut(depth - 1) {
                    Some(table) => table,
                    None => return,
                }
            },
        };
        if !(keep && table.contains_key(name)) {
            table.insert(name.into(), "NULL".to_owned());
        }
    }

    /// The global variables by name.
    pub(crate) fn listing(&self) -> Vec<(&str, &str)> {
        let mut all: Vec<_> = self
            .global
            .iter()
            .map(|(n, v)| (&**n, v.as_str()))
            .collect();
        all.sort_unstable();
        all
    }

    /// All variables by name, locals as `macro.depth.name`.
    pub(crate) fn all(&self) -> Vec<(String, &str)> {
        let global = self.global.iter().map(|(n, v)| (n.to_string(), v.as_str()));
        let outside = self.outside.iter();
        let outside = outside.map(|(n, v)| (format!(".0.{n}"), v.as_str()));
        let locals = self.locals.iter().flat_map(|(name, tables)| {
            tables.iter().enumerate().flat_map(move |(depth, table)| {
                let full = move |n: &str| format!("{name}.{}.{n}", depth + 1);
                table.iter().map(move |(n, v)| (full(n), v.as_str()))
            })
        });
        let mut all: Vec<_> = global.chain(outside).chain(locals).collect();
        all.sort_unstable();
        all
    }

    fn local_table(&self) -> Option<&Names> {
        let table = match self.frames.last() {
            None => &self.outside,
            Some(_) if self.locals.is_empty() => return None,
            Some(frame) => self.locals.get(&frame.name)?.get(self.frames.len() - 1)?,
        };
        (!table.is_empty()).then_some(table)
    }

    fn table_of(&mut self, name: &str) -> &mut Names {
        if self
            .local_table()
            .is_some_and(|table| table.contains_key(name))
        {
            let depth = self.frames.len();
            return match self.frames.last() {
                None => &mut self.outside,
                Some(frame) => {
                    let tables = self.locals.get_mut(&frame.name);
                    match tables.and_then(|tables| tables.get_mut(depth - 1)) {
                        Some(table) => table,
                        None => &mut self.global,
                    }
                },
            };
        }
        &mut self.global
    }

    fn argument(&self, name: &str) -> Result<&str, Fault> {
        let Some(frame) = self.frames.last() else {
            return Err(Fault::NotInMacro(name.to_owned()));
        };
        let missing = |index| Fault::NoArgument {
            index,
            name: frame.name.to_string(),
            given: frame.args.len().saturating_sub(1),
        };
        let index = name.parse().map_err(|_| missing(usize::MAX))?;
        if index == 0 {
            return Ok(&frame.count);
        }
        frame.args.get(index).ok_or_else(|| missing(index))
    }
}

/// The frames that were hidden.
#[derive(Debug)]
pub(crate) struct Outside(Vec<Frame>);

impl Values for Variables {
    fn value(&self, name: &str) -> Result<&str, Fault> {
        if name.bytes().all(|b| b.is_ascii_digit()) {
            return self.argument(name);
        }
        if let Some(value) = self.local_table().and_then(|table| table.get(name)) {
            return Ok(value);
        }
        match self.global.get(name) {
            Some(value) => Ok(value),
            None if name == "STATUS" => Ok(if self.status { "1" } else { "0" }),
            None => Err(Fault::NoVariable(name.to_owned())),
        }
    }
}
