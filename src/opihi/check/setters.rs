//! The variables that something in the files sets, or the scheduler.

use std::collections::BTreeSet;

use super::{
    super::{
        compiled::{Operator, assignment},
        expand::is_name_byte,
        interpreter::Interpreter,
        source::first_word,
        words,
    },
    table::{Kind, Table},
    walk::{Call, Walk},
};

/// What the scheduler and the program set, and what people set for them.
const GIVEN: [&str; 17] = [
    "STATUS",
    "EXECSTATUS",
    "EXIT",
    "SCRIPT",
    "SCRIPT_NAME",
    "HOME",
    "PID",
    "HISTORY",
    "PROMPT",
    "RCFILE",
    "HELPDIR",
    "TIMEZONE",
    "CONTROLLER",
    "COMMAND",
    "SHELL",
    "CONFIG",
    "ERRORMSG",
];

/// What their names begin with.
const GIVEN_STEMS: [&str; 6] = ["taskarg:", "options:", "argv:", "JOB_", "M_", "MODULES:"];

/// Commands whose last word may be a variable.
const LAST: [&str; 8] = [
    "strlen", "substr", "strstr", "strmatch", "getchr", "file", "getargs", "strpop",
];

/// Commands whose first word is a variable.
const FIRST: [&str; 6] = ["set", "sprintf", "for", "foreach", "strpop", "getargs"];

/// Names that are set, whole and by their beginnings.
#[derive(Debug, Default)]
pub(super) struct Setters<'a> {
    whole: BTreeSet<&'a str>,
    stems: BTreeSet<&'a str>,
    /// Lists: `X` for `X:0`, `X:1`, … and `X:n`.
    lists: BTreeSet<&'a str>,
    /// Set behind a condition alone.
    perhaps: BTreeSet<&'a str>,
    /// Only counted up or down.
    counted: BTreeSet<&'a str>,
    /// Words with a dot where a name has to be, which no reference reaches.
    pub(super) dotted: BTreeSet<&'a str>,
}

impl<'a> Setters<'a> {
    pub(super) fn of(interpreter: &'a Interpreter, walks: &'a [Walk], table: &Table<'_>) -> Self {
        let mut setters = Self::default();
        setters.whole.extend(GIVEN);
        setters.stems.extend(GIVEN_STEMS);
        for walk in walks {
            for (_, call) in walk.calls() {
                setters.call(call, table);
            }
            for spot in &walk.spots {
                let text = walk.text(spot.index);
                if matches!(first_word(text), "stdout" | "stderr") {
                    let condition = None;
                    setters.call(Call { text, condition }, table);
                }
            }
        }
        // What a load has set and no line seems to, it has set by name.
        for (name, _) in interpreter.variables() {
            if !setters.counted.contains(name) && !setters.perhaps.contains(name) {
                setters.whole.insert(name);
            }
        }
        setters
    }

    /// Whether something sets `name`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.surely(name) || self.perhaps.contains(name)
    }

    fn surely(&self, name: &str) -> bool {
        let element = name.rsplit_once(':');
        self.whole.contains(name)
            || self.stems.iter().any(|stem| name.starts_with(stem))
            || element.is_some_and(|(list, _)| self.lists.contains(list))
    }

    /// Whether something sets a name that begins with `stem`.
    pub(super) fn has_stem(&self, stem: &str) -> bool {
        let begins = |names: &BTreeSet<&str>| {
            let from = names
                .range::<str, _>((std::ops::Bound::Included(stem), std::ops::Bound::Unbounded));
            from.take(1).any(|name| name.starts_with(stem))
        };
        let begun = |known: &&str| stem.starts_with(known);
        let list = stem
            .strip_suffix(':')
            .is_some_and(|list| self.lists.contains(list));
        list || [&self.whole, &self.stems, &self.lists, &self.perhaps]
            .into_iter()
            .any(begins)
            || self.stems.iter().any(begun)
    }

    /// Whether `name` is only counted, or set back behind a condition: from 0.
    pub(super) fn counts(&self, name: &str) -> bool {
        self.counted.contains(name) && !self.surely(name)
    }

    fn call(&mut self, call: Call<'a>, table: &Table<'_>) {
        let text = call.text;
        if let Some((target, operator, _)) = assignment(text) {
            match target.split_once('$') {
                Some(("", _)) => {},
                Some((stem, _)) => drop(self.stems.insert(stem)),
                None if operator == Operator::Set => drop(self.whole.insert(target)),
                None => drop(self.counted.insert(target)),
            }
            return;
        }
        let Ok(words) = words::split(text) else {
            return;
        };
        let mut words = words.iter().map(|word| word.text);
        let Ok((name, kind)) = table.find(words.next().unwrap_or_default()) else {
            return;
        };
        let words: Vec<&str> = words.collect();
        if kind == Kind::Macro {
            // A macro may set what it is given the name of.
            for word in words {
                self.name(word);
                self.list(word);
            }
            return;
        }
        for pair in words.windows(2) {
            if let ["-var" | "-current" | "-join", variable] = pair {
                self.name(variable);
            }
        }
        match name {
            "local" => words.iter().for_each(|word| self.name(word)),
            "list" => words.first().into_iter().for_each(|word| self.list(word)),
            _ => {},
        }
        if let ("set", Some(_), [variable, ..]) = (name, call.condition, words.as_slice())
            && !variable.contains('$')
        {
            self.perhaps.insert(variable);
            return;
        }
        if FIRST.contains(&name) {
            words.first().into_iter().for_each(|word| self.name(word));
        }
        if LAST.contains(&name) {
            words.last().into_iter().for_each(|word| self.name(word));
        }
    }

    /// A word that is the name of a variable, or its beginning before a `$`.
    fn name(&mut self, word: &'a str) {
        let (fixed, dynamic) = word
            .split_once('$')
            .map_or((word, false), |(fixed, _)| (fixed, true));
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(is_name_byte);
        if is_name(fixed) {
            if dynamic {
                self.stems.insert(fixed);
            } else {
                self.whole.insert(fixed);
            }
        } else if !dynamic && word.split('.').all(is_name) {
            self.dotted.insert(word);
        }
    }

    /// A list's name, or its beginning before a `$`.
    fn list(&mut self, word: &'a str) {
        let (fixed, dynamic) = word
            .split_once('$')
            .map_or((word, false), |(fixed, _)| (fixed, true));
        if fixed.is_empty() || !fixed.bytes().all(is_name_byte) {
            return;
        }
        if dynamic {
            self.stems.insert(fixed);
        } else {
            self.lists.insert(fixed);
        }
    }
}
