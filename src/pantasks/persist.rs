//! Variables and books that survive the scheduler: `persist on` (state.db, written at most once
//! a second).

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    config,
    opihi::{Args, Fault, Flow, Interpreter},
    state::{
        Store,
        script::{ChangedPage, Changes, Saved},
    },
};

/// At least so long between two saves: a kill loses at most this much.
const INTERVAL: SignedDuration = SignedDuration::from_secs(1);

/// Another writer of state.db must not hold up the scheduler; what could not be saved is saved
/// next time.
const PATIENCE: Duration = Duration::from_millis(200);

/// Variables that belong to a process or to the job that ended last.
const OWN: [&str; 11] = [
    "HOME",
    "PID",
    "HISTORY",
    "PROMPT",
    "RCFILE",
    "HELPDIR",
    "STATUS",
    "EXECSTATUS",
    "EXIT",
    "SCRIPT",
    "SCRIPT_NAME",
];
const OWN_STEMS: [&str; 6] = ["MODULES:", "argv:", "taskarg:", "options:", "JOB_", "M_"];

/// What a session keeps, if it keeps anything. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Persist(Arc<Mutex<Keeper>>);

#[derive(Debug, Default)]
struct Keeper {
    open: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    store: Store,
    session: String,
    shadow: Shadow,
    saved_at: Timestamp,
    /// The interpreter's steps at the last save: without another step nothing can have changed.
    steps: Option<u64>,
    failing: bool,
}

/// What is known to be in state.db.
#[derive(Debug, Default)]
struct Shadow {
    variables: HashMap<String, u64>,
    books: Vec<String>,
    pages: HashMap<(String, String), (i64, u64)>,
    next_position: i64,
}

impl Persist {
    /// Adds the command `persist`.
    pub(super) fn register(&self, interpreter: &mut Interpreter) {
        let persist = self.clone();
        interpreter.register_own(
            "persist",
            Arc::new(move |interpreter, args| {
                persist.command(interpreter, args)?;
                Ok(Flow::On)
            }),
        );
    }

    /// Saves what has changed, if it is time. When to look again, if something is left to save.
    pub(super) fn save_if_due(
        &self,
        interpreter: &mut Interpreter,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut keeper = self.keeper();
        let kept = keeper.open.as_mut()?;
        if kept.steps == Some(interpreter.steps()) {
            return None;
        }
        let due = kept.saved_at.checked_add(INTERVAL).unwrap_or(now);
        if now < due {
            return Some(due);
        }
        kept.saved_at = now;
        if kept.save(interpreter) {
            None
        } else {
            now.checked_add(INTERVAL).ok()
        }
    }

    /// Saves what has changed, now.
    pub(super) fn save(&self, interpreter: &mut Interpreter) {
        if let Some(kept) = &mut self.keeper().open {
            kept.save(interpreter);
        }
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(&self, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
        const USAGE: Fault = Fault::Usage(
            "persist on [NAME] [-reset WORD FROM TO] | persist off | persist forget | persist save",
        );
        let words: Vec<&str> = args.rest().collect();
        match words.as_slice() {
            ["on"] => self.on(interpreter, "pantasks", None),
            ["on", "-reset", word, from, to] => {
                self.on(interpreter, "pantasks", Some((*word, *from, *to)))
            },
            ["on", name] => self.on(interpreter, name, None),
            ["on", name, "-reset", word, from, to] => {
                self.on(interpreter, name, Some((*word, *from, *to)))
            },
            ["off"] => {
                self.save(interpreter);
                self.keeper().open = None;
                Ok(())
            },
            ["save"] => {
                self.save(interpreter);
                Ok(())
            },
            ["forget"] => {
                let mut keeper = self.keeper();
                let kept = keeper
                    .open
                    .as_mut()
                    .ok_or_else(|| Fault::message("persist forget: it is not on"))?;
                let session = kept.session.clone();
                kept.store
                    .forget_script(&session)
                    .map_err(|error| Fault::message(error.to_string()))?;
                keeper.open = None;
                Ok(())
            },
            _ => Err(USAGE),
        }
    }

    fn on(
        &self,
        interpreter: &mut Interpreter,
        session: &str,
        reset: Option<(&str, &str, &str)>,
    ) -> Result<(), Fault> {
        let path = state_file(interpreter)?;
        let failed = |error: crate::state::StateError| Fault::message(error.to_string());
        let store = Store::open(&path).map_err(failed)?;
        store.set_patience(PATIENCE).map_err(failed)?;
        let saved = store.saved_script(session).map_err(failed)?;
        let mut shadow = Shadow::default();
        restore(interpreter, &saved, reset);
        shadow.learn(&saved);
        let pages: usize = saved.books.iter().map(|(_, pages)| pages.len()).sum();
        let (variables, books) = (saved.variables.len(), saved.books.len());
        interpreter.out(&format!(
            "persist: {variables} variables and {books} books with {pages} pages restored from {}\n",
            path.display()
        ));
        let mut kept = Kept {
            store,
            session: session.to_owned(),
            shadow,
            saved_at: interpreter.host().now(),
            steps: None,
            failing: false,
        };
        kept.save(interpreter);
        self.keeper().open = Some(kept);
        Ok(())
    }
}

impl Kept {
    /// Whether it worked. That it does not is told once, until it does again.
    fn save(&mut self, interpreter: &mut Interpreter) -> bool {
        let (changes, shadow) = self.shadow.changes(interpreter);
        let steps = interpreter.steps();
        if !changes.is_empty()
            && let Err(error) = self.store.save_script(&self.session, &changes)
        {
            if !self.failing {
                interpreter.err(&format!("persist: {error}; it is tried again\n"));
            }
            self.failing = true;
            return false;
        }
        self.failing = false;
        self.shadow = shadow;
        self.steps = Some(steps);
        true
    }
}

impl Shadow {
    fn learn(&mut self, saved: &Saved) {
        for (name, value) in &saved.variables {
            self.variables.insert(name.clone(), hash(value));
        }
        for (book, pages) in &saved.books {
            self.books.push(book.clone());
            for (page, words) in pages {
                let words = words
                    .iter()
                    .map(|(word, value)| (word.as_str(), value.as_str()));
                let entry = (self.next_position, hash_page(words));
                self.pages.insert((book.clone(), page.clone()), entry);
                self.next_position += 1;
            }
        }
    }

    /// What differs from the interpreter, and the shadow once that is saved.
    fn changes(&self, interpreter: &Interpreter) -> (Changes, Self) {
        let mut changes = Changes::default();
        let mut new = Self {
            next_position: self.next_position,
            ..Self::default()
        };
        for (name, value) in interpreter.variables() {
            if OWN.contains(&name) || OWN_STEMS.iter().any(|stem| name.starts_with(stem)) {
                continue;
            }
            let known = hash(value);
            if self.variables.get(name) != Some(&known) {
                changes.set.push((name.to_owned(), value.to_owned()));
            }
            new.variables.insert(name.to_owned(), known);
        }
        let gone = |name: &&String| !new.variables.contains_key(*name);
        changes.unset = self.variables.keys().filter(gone).cloned().collect();
        for (book, pages) in interpreter.books().iter() {
            new.books.push(book.to_owned());
            let mut last = i64::MIN;
            for (page, words) in pages.iter() {
                let key = (book.to_owned(), page.to_owned());
                let known = hash_page(words.iter());
                let old = self.pages.get(&key).copied();
                // A page that moved forward gets a new place, and so do all behind it.
                let position = match old {
                    Some((position, _)) if position > last => position,
                    _ => {
                        new.next_position += 1;
                        new.next_position
                    },
                };
                last = position;
                if old != Some((position, known)) {
                    changes.pages.push(ChangedPage {
                        book: book.to_owned(),
                        page: page.to_owned(),
                        position,
                        words: words
                            .iter()
                            .map(|(word, value)| (word.to_owned(), value.to_owned()))
                            .collect(),
                    });
                }
                new.pages.insert(key, (position, known));
            }
        }
        let gone = |key: &&(String, String)| !new.pages.contains_key(*key);
        changes.pages_gone = self.pages.keys().filter(gone).cloned().collect();
        changes.books = (self.books != new.books).then(|| new.books.clone());
        (changes, new)
    }
}

/// Puts what was kept in the place of what is there. A word `reset.0` of `reset.1` becomes
/// `reset.2`: pages whose job died with the last scheduler.
fn restore(interpreter: &mut Interpreter, saved: &Saved, reset: Option<(&str, &str, &str)>) {
    for (name, value) in &saved.variables {
        interpreter.set(name, value);
    }
    for (book, pages) in &saved.books {
        let book = interpreter.books_mut().create(book);
        book.clear();
        for (page, words) in pages {
            book.create(page);
            for (word, value) in words {
                let value = match reset {
                    Some((name, from, to)) if word == name && value == from => to,
                    _ => value,
                };
                // The page has just been made.
                book.set_word(page, word, value);
            }
        }
    }
}

/// The state.db of the outrigger.yaml in or above the script's directory.
fn state_file(interpreter: &mut Interpreter) -> Result<PathBuf, Fault> {
    let host = interpreter.host();
    let place = host.environment("OUTRIGGER_CONFIG");
    let place = place.map_or_else(|| host.directory(), PathBuf::from);
    let loaded = config::load(Path::new(&place)).map_err(|problems| {
        let first = problems.first().map(ToString::to_string);
        let first = first.unwrap_or_default();
        Fault::message(format!(
            "persist needs the state.db of an outrigger.yaml (`outrigger init` makes both): {first}"
        ))
    })?;
    Ok(loaded.state_file())
}

fn hash(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn hash_page<'a>(words: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (word, value) in words {
        word.hash(&mut hasher);
        value.hash(&mut hasher);
    }
    hasher.finish()
}
