//! Variables, books and jobs on other hosts that survive the scheduler: `persist on`.
//!
//! state.db is written at most once a second, but also before a job is given to a host and before
//! a host may forget one: so a scheduler that comes after this one knows of every job that may be
//! running, and no end is lost whose macro left nothing in state.db.

mod jobs;
mod shadow;

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;

pub(super) use self::jobs::Restored;
use self::shadow::Shadow;
use super::scheduler::{Scheduler, Shared};
use crate::{
    config,
    opihi::{Args, Fault, Flow, Interpreter},
    state::{Store, script::Saved},
};

/// At least so long between two saves: a kill loses at most this much.
const INTERVAL: Duration = Duration::from_secs(1);

/// Between two saves that jobs wait for, so many times as long as a save takes.
const CALM: u32 = 4;

/// Another writer of state.db must not hold up the scheduler; what could not be saved is saved
/// next time.
const PATIENCE: Duration = Duration::from_millis(200);

/// What became of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saving {
    /// Nothing is kept.
    Off,
    /// state.db has it.
    Done,
    /// state.db does not have it.
    Failed,
}

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
    saved_at: Instant,
    /// The interpreter's steps at the last save: without another step nothing can have changed.
    steps: Option<u64>,
    failing: bool,
    /// How long the last save took.
    took: Duration,
    /// Held as long as this scheduler keeps the session.
    _lock: File,
}

impl Persist {
    /// Adds the command `persist`.
    pub(super) fn register(&self, interpreter: &mut Interpreter, shared: &Shared) {
        let (persist, shared) = (self.clone(), shared.clone());
        interpreter.register_own(
            "persist",
            Arc::new(move |interpreter, args| {
                persist.command(interpreter, &shared, args)?;
                Ok(Flow::On)
            }),
        );
    }

    /// Saves what has changed, if it is time. When to look again, if something is left to save.
    pub(super) fn save_if_due(
        &self,
        interpreter: &mut Interpreter,
        scheduler: &mut Scheduler,
    ) -> Option<Timestamp> {
        let now = scheduler.instant();
        let mut keeper = self.keeper();
        let Some(kept) = keeper.open.as_mut() else {
            scheduler.cluster.perform();
            return None;
        };
        let waiting = scheduler.cluster.perform_but_hold();
        if !waiting && kept.steps == Some(interpreter.steps()) {
            return None;
        }
        let pause = if waiting && !kept.failing {
            (kept.took * CALM).min(INTERVAL)
        } else {
            INTERVAL
        };
        let left = pause.saturating_sub(now.saturating_duration_since(kept.saved_at));
        if !left.is_zero() {
            return scheduler.now().checked_add(left).ok();
        }
        kept.saved_at = now;
        if kept.save(interpreter, scheduler) {
            kept.took = scheduler.instant().saturating_duration_since(now);
            scheduler.cluster.perform();
            None
        } else {
            scheduler.now().checked_add(INTERVAL).ok()
        }
    }

    /// Saves what has changed, now.
    pub(super) fn save(&self, interpreter: &mut Interpreter, scheduler: &mut Scheduler) -> Saving {
        let mut keeper = self.keeper();
        let Some(kept) = &mut keeper.open else {
            return Saving::Off;
        };
        if kept.save(interpreter, scheduler) {
            scheduler.cluster.perform();
            Saving::Done
        } else {
            Saving::Failed
        }
    }

    fn keeper(&self) -> MutexGuard<'_, Keeper> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn command(
        &self,
        interpreter: &mut Interpreter,
        shared: &Shared,
        args: &Args,
    ) -> Result<(), Fault> {
        const USAGE: Fault = Fault::Usage(
            "persist on [NAME] [-reset WORD FROM TO] | persist off | persist forget | persist save",
        );
        let words: Vec<&str> = args.rest().collect();
        match words.as_slice() {
            ["on"] => self.on(interpreter, shared, "pantasks", None),
            ["on", "-reset", word, from, to] => {
                self.on(interpreter, shared, "pantasks", Some((*word, *from, *to)))
            },
            ["on", name] => self.on(interpreter, shared, name, None),
            ["on", name, "-reset", word, from, to] => {
                self.on(interpreter, shared, name, Some((*word, *from, *to)))
            },
            ["off"] => {
                let mut keeper = self.keeper();
                if let Some(kept) = &mut keeper.open {
                    let mut scheduler = shared.lock();
                    kept.save(interpreter, &scheduler);
                    // Nobody will note their ends any more, and they must not be run again.
                    let forgotten = kept.store.forget_jobs(&kept.session);
                    forgotten.map_err(|error| Fault::message(error.to_string()))?;
                    scheduler.cluster.perform();
                }
                keeper.open = None;
                Ok(())
            },
            ["save"] => match self.save(interpreter, &mut shared.lock()) {
                Saving::Off => Err(Fault::message("persist save: it is not on")),
                Saving::Done => Ok(()),
                Saving::Failed => Err(Fault::message("persist save: nothing was saved")),
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
        shared: &Shared,
        session: &str,
        reset: Option<(&str, &str, &str)>,
    ) -> Result<(), Fault> {
        if self.keeper().open.is_some() {
            return Err(Fault::message("persist is on already"));
        }
        let path = state_file(interpreter)?;
        let lock = lock(&path, session)?;
        let failed = |error: crate::state::StateError| Fault::message(error.to_string());
        let store = Store::open(&path).map_err(failed)?;
        store.set_patience(PATIENCE).map_err(failed)?;
        let saved = store.saved_script(session).map_err(failed)?;
        let mut shadow = Shadow::default();
        let mut scheduler = shared.lock();
        let jobs = jobs::restore(&mut scheduler, &saved)?;
        restore(interpreter, &saved, reset, &jobs);
        shadow.learn(&saved);
        let pages: usize = saved.books.iter().map(|(_, pages)| pages.len()).sum();
        let (variables, books) = (saved.variables.len(), saved.books.len());
        interpreter.out(&format!(
            "persist: {variables} variables and {books} books with {pages} pages restored from {}\n",
            path.display()
        ));
        if !jobs.is_empty() {
            let count = jobs.len();
            interpreter.out(&format!("persist: {count} jobs on other hosts go on\n"));
        }
        let mut kept = Kept {
            store,
            session: session.to_owned(),
            shadow,
            saved_at: scheduler.instant(),
            steps: None,
            failing: false,
            took: Duration::ZERO,
            _lock: lock,
        };
        scheduler.restored = jobs;
        kept.save(interpreter, &scheduler);
        self.keeper().open = Some(kept);
        Ok(())
    }
}

impl Kept {
    /// Whether it worked. That it does not is told once, until it does again.
    fn save(&mut self, interpreter: &mut Interpreter, scheduler: &Scheduler) -> bool {
        let (changes, shadow) = self.shadow.changes(interpreter, scheduler);
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

/// Puts what was kept in the place of what is there. A word `reset.0` of `reset.1` becomes
/// `reset.2`: pages whose job died with the last scheduler. One that a job which goes on names, as
/// an option or a word of its command, is left as it is.
fn restore(
    interpreter: &mut Interpreter,
    saved: &Saved,
    reset: Option<(&str, &str, &str)>,
    jobs: &[Restored],
) {
    let goes_on = |page: &String| {
        let names = |job: &Restored| {
            let launch = &job.kept.launch;
            launch.options.contains(page) || launch.argv.contains(page)
        };
        jobs.iter().any(names)
    };
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
                    Some((name, from, to)) if word == name && value == from && !goes_on(page) => to,
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

/// Sees to it that no other scheduler keeps this session.
fn lock(state_file: &Path, session: &str) -> Result<File, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if session.is_empty() || !session.chars().all(plain) {
        let text =
            format!("persist: {session} is no name; letters, digits, `.`, `_`, `-` make one");
        return Err(Fault::message(text));
    }
    let path = state_file.with_file_name(format!(".pantasks-{session}.lock"));
    let failed = |error| Fault::message(format!("{}: {error}", path.display()));
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::message(format!(
            "persist: another scheduler keeps {session} (`persist on NAME` takes another name)"
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
