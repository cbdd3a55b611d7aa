//! The commands and macros that a script finds.

use std::{collections::BTreeMap, ops::Bound};

use super::{
    super::{error::Fault, interpreter::Interpreter, source::is_end},
    walk::Walk,
};

/// What a word stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Builtin,
    Macro,
}

/// Commands of the interpreter, and macros of all files: those that are not defined yet may be
/// when it matters.
#[derive(Debug, Default)]
pub(super) struct Table<'a> {
    shared: BTreeMap<&'a str, Kind>,
    own: BTreeMap<&'a str, Kind>,
    /// Whether some macro's name is made while the script runs.
    open: bool,
}

impl<'a> Table<'a> {
    pub(super) fn of(interpreter: &'a Interpreter, walks: &'a [Walk]) -> Self {
        let builtins = |names: Vec<&'a str>| {
            let known = names.into_iter().map(|name| (name, Kind::Builtin));
            known.collect::<BTreeMap<_, _>>()
        };
        let mut table = Self {
            shared: builtins(interpreter.command_names().collect()),
            own: builtins(interpreter.own_names().collect()),
            open: false,
        };
        for name in interpreter.macro_names() {
            table.shared.insert(name, Kind::Macro);
        }
        for (walk, index) in definitions(walks) {
            let name = walk.name(index);
            if name.contains('$') {
                table.open = true;
            } else {
                table.shared.entry(name).or_insert(Kind::Macro);
            }
        }
        table
    }

    /// The command that `word` is, or is short for.
    pub(super) fn find(&self, word: &str) -> Result<(&'a str, Kind), Fault> {
        let exact = self.shared.get_key_value(word);
        if let Some((name, kind)) = exact.or_else(|| self.own.get_key_value(word)) {
            return Ok((name, *kind));
        }
        let mut matches = self
            .shared
            .range::<str, _>((Bound::Included(word), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(word));
        match (matches.next(), matches.next()) {
            (None, _) => Err(Fault::NoCommand(word.to_owned())),
            (Some((name, kind)), None) => Ok((name, *kind)),
            (Some(first), Some(second)) => Err(Fault::Ambiguous {
                word: word.to_owned(),
                matches: [first, second]
                    .into_iter()
                    .chain(matches)
                    .map(|(name, _)| (*name).to_owned())
                    .collect(),
            }),
        }
    }

    /// What is wrong with `word` as the first of a command.
    pub(super) fn wrong(&self, word: &str) -> Option<Fault> {
        if word.is_empty() || is_end(word) || word.contains(['$', '{', '\\', '!', '(', '"']) {
            return None;
        }
        match self.find(word).err()? {
            Fault::NoCommand(_) if self.open => None,
            fault => Some(fault),
        }
    }
}

/// The lines that define macros.
pub(super) fn definitions(walks: &[Walk]) -> impl Iterator<Item = (&Walk, usize)> {
    walks.iter().flat_map(|walk| {
        let lines = walk.spots.iter().map(|spot| spot.index);
        let defines = |index: &usize| {
            walk.program.opens(*index)
                && super::super::source::first_word(walk.text(*index)) == "macro"
        };
        lines.filter(defines).map(move |index| (walk, index))
    })
}
