//! The table of commands and the look-up by unique prefix (spec/pantasks.md §1.6).

use std::{collections::BTreeMap, fmt, ops::Bound, sync::Arc};

use super::{
    error::{Fault, Outcome},
    interpreter::Interpreter,
    source::{Body, Cursor},
    words::Args,
};

/// A command that needs its words alone.
pub type Builtin = Arc<dyn Fn(&mut Interpreter, &Args) -> Outcome + Send + Sync>;

/// A command that may take the lines behind it, as `task` does.
pub type BlockBuiltin = Arc<dyn Fn(&mut Interpreter, &Args, &mut Cursor) -> Outcome + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Command {
    Builtin(Builtin),
    Block(BlockBuiltin),
    Macro(Arc<Macro>),
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Builtin(_) => "Builtin",
            Self::Block(_) => "Block",
            Self::Macro(_) => "Macro",
        })
    }
}

/// A macro of a script.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) name: Arc<str>,
    pub(crate) help: String,
    pub(crate) body: Body,
}

/// What `help` tells of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) usage: &'static str,
    pub(crate) help: &'static str,
}

/// The commands of the language and the macros, which prefixes find, and Outrigger's own, which
/// they do not.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    shared: BTreeMap<Arc<str>, Command>,
    own: BTreeMap<Arc<str>, Command>,
    abouts: BTreeMap<&'static str, About>,
}

impl Commands {
    pub(crate) fn insert(&mut self, name: &str, command: Command) {
        self.shared.insert(Arc::from(name), command);
    }

    pub(crate) fn insert_own(&mut self, name: &str, command: Command) {
        self.own.insert(Arc::from(name), command);
    }

    pub(crate) fn describe(&mut self, name: &'static str, about: About) {
        self.abouts.insert(name, about);
    }

    /// The usage of a command, where there is one to tell.
    pub(crate) fn usage(&self, name: &str) -> Option<&'static str> {
        self.abouts.get(name).map(|about| about.usage)
    }

    /// One line of help on what `name` names.
    pub(crate) fn help(&self, name: &str) -> &str {
        match (self.shared.get(name), self.abouts.get(name)) {
            (Some(Command::Macro(definition)), _) => &definition.help,
            (_, about) => about.map_or("", |about| about.help),
        }
    }

    /// The macro of exactly this name.
    pub(crate) fn macro_named(&self, name: &str) -> Option<&Arc<Macro>> {
        match self.shared.get(name)? {
            Command::Macro(definition) => Some(definition),
            Command::Builtin(_) | Command::Block(_) => None,
        }
    }

    /// Takes a macro in.
    ///
    /// # Errors
    /// Where its name is a builtin's.
    pub(crate) fn define(&mut self, definition: Macro) -> Result<(), Fault> {
        let name = Arc::clone(&definition.name);
        if let Some(Command::Builtin(_) | Command::Block(_)) = self.shared.get(&name) {
            return Err(Fault::Inherent(name.to_string()));
        }
        self.shared
            .insert(name, Command::Macro(Arc::new(definition)));
        Ok(())
    }

    /// Removes a macro; false where there is none of that name.
    pub(crate) fn forget(&mut self, name: &str) -> bool {
        self.macro_named(name).is_some() && self.shared.remove(name).is_some()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.shared.keys().map(|name| &**name)
    }

    pub(crate) fn own_names(&self) -> impl Iterator<Item = &str> {
        self.own.keys().map(|name| &**name)
    }

    pub(crate) fn macros(&self) -> impl Iterator<Item = &Arc<Macro>> {
        self.shared.values().filter_map(|command| match command {
            Command::Macro(definition) => Some(definition),
            _ => None,
        })
    }

    /// The command that has this very name.
    pub(crate) fn exact(&self, name: &str) -> Option<(&str, &Command)> {
        let shared = self.shared.get_key_value(name);
        let (name, command) = shared.or_else(|| self.own.get_key_value(name))?;
        Some((name, command))
    }

    /// The command that `word` names: exactly, else as a prefix of one alone.
    pub(crate) fn find(&self, word: &str) -> Result<(&str, &Command), Fault> {
        if let Some(found) = self.exact(word) {
            return Ok(found);
        }
        let from = (Bound::Excluded(word), Bound::Unbounded);
        let mut matches = self
            .shared
            .range::<str, _>(from)
            .take_while(|(name, _)| name.starts_with(word));
        match (matches.next(), matches.next()) {
            (None, _) => Err(Fault::NoCommand(word.to_owned())),
            (Some((name, command)), None) => Ok((name, command)),
            (Some(first), Some(second)) => Err(Fault::Ambiguous {
                word: word.to_owned(),
                matches: [first, second]
                    .into_iter()
                    .chain(matches)
                    .map(|(name, _)| name.to_string())
                    .collect(),
            }),
        }
    }
}
