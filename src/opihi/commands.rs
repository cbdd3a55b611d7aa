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

/// The commands of the language and the macros, which prefixes find, and Outrigger's own, which
/// they do not.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    shared: BTreeMap<Arc<str>, Command>,
    own: BTreeMap<Arc<str>, Command>,
}

impl Commands {
    pub(crate) fn insert(&mut self, name: &str, command: Command) {
        self.shared.insert(Arc::from(name), command);
    }

    pub(crate) fn insert_own(&mut self, name: &str, command: Command) {
        self.own.insert(Arc::from(name), command);
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

    /// Removes a macro.
    pub(crate) fn forget(&mut self, name: &str) -> Result<(), Fault> {
        match self.shared.get(name) {
            Some(Command::Macro(_)) => {
                self.shared.remove(name);
                Ok(())
            },
            Some(_) => Err(Fault::Inherent(name.to_owned())),
            None => Err(Fault::message(format!("no macro {name}"))),
        }
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

    /// The command that `word` names: exactly, else as a prefix of one alone.
    pub(crate) fn find(&self, word: &str) -> Result<(&str, &Command), Fault> {
        let exact = self.shared.get_key_value(word);
        if let Some((name, command)) = exact.or_else(|| self.own.get_key_value(word)) {
            return Ok((name, command));
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
