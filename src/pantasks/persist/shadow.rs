//! What is known to be in state.db, and what differs from it.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::jobs::{self, Stand};
use crate::{
    opihi::Interpreter,
    pantasks::scheduler::Scheduler,
    state::script::{ChangedPage, Changes, Saved},
};

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

/// What is known to be in state.db.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    variables: HashMap<String, u64>,
    books: Vec<String>,
    pages: HashMap<(String, String), (i64, u64)>,
    next_position: i64,
    /// Where each job stands; nothing where that was not compared yet.
    jobs: HashMap<u64, Option<Stand>>,
    identity: Option<String>,
}

impl Shadow {
    pub(super) fn learn(&mut self, saved: &Saved) {
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
        self.jobs = saved.jobs.iter().map(|job| (job.job, None)).collect();
        self.identity.clone_from(&saved.identity);
    }

    /// What differs from the interpreter, and the shadow once that is saved.
    pub(super) fn changes(
        &self,
        interpreter: &Interpreter,
        scheduler: &Scheduler,
    ) -> (Changes, Self) {
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
        let identity = scheduler.cluster.identity().to_owned();
        changes.identity = (self.identity.as_ref() != Some(&identity)).then(|| identity.clone());
        new.identity = Some(identity);
        for (id, stand) in jobs::stands(scheduler) {
            let known = self.jobs.get(&id).copied().flatten();
            if stand.is_some() && stand != known {
                changes.jobs.extend(jobs::saved(scheduler, id));
            }
            new.jobs.insert(id, stand.or(known));
        }
        let gone = |id: &&u64| !new.jobs.contains_key(*id);
        changes.jobs_gone = self.jobs.keys().filter(gone).copied().collect();
        (changes, new)
    }
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
