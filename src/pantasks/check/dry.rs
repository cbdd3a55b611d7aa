//! A scheduler with its language that loads files and changes nothing but itself.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard},
};

use super::{
    super::{commands, scheduler::Shared, session::MODULES},
    host::{DryHost, Ear, Told},
};
use crate::{
    engine::clock::Clock,
    opihi::{Args, Cursor, Fault, Flow, Interpreter, Outcome, Stop},
    pcontrol::{self, Cluster, Way},
    process::{ProcessSettings, Processes},
};

/// Most commands that a load may run: a loop that never ends shall not keep the check.
const STEP_LIMIT: u64 = 1_000_000;

/// Commands that start, end, write or wait, with the fewest words that they take.
const STILL: [(&str, usize); 9] = [
    ("queuesave", 1),
    ("run", 0),
    ("stop", 0),
    ("halt", 0),
    ("kill", 1),
    ("flush", 1),
    ("controller", 1),
    ("sleep", 1),
    ("usleep", 1),
];

/// The same of those that only their whole name finds.
const STILL_OWN: [(&str, usize); 2] = [("job", 0), ("persist", 0)];

/// The interpreter and what it told.
#[derive(Debug)]
pub(super) struct Dry {
    pub(super) interpreter: Interpreter,
    ear: Ear,
    shared: Shared,
}

impl Dry {
    /// An interpreter with the commands of a session, those that touch the world being still.
    ///
    /// # Errors
    /// Where the process's directory cannot be told.
    pub(super) fn new(modules: &[PathBuf], clock: Arc<dyn Clock>) -> io::Result<Self> {
        let ear = Ear::default();
        let directory = std::env::current_dir()?;
        let host = DryHost::new(directory, Arc::clone(&clock), ear.clone());
        let mut interpreter = Interpreter::new(Box::new(host));
        let (local, _) = Processes::new(ProcessSettings::default());
        let (cluster, _) = Cluster::new(pcontrol::Settings::default(), Way::default());
        let shared = Shared::new(local, cluster, clock);
        commands::register(&mut interpreter, &shared);
        for (name, text) in MODULES {
            interpreter.add_module(name, text);
        }
        still(&mut interpreter);
        remember(&mut interpreter, &ear);
        let directories: Vec<String> = modules
            .iter()
            .map(|directory| directory.display().to_string())
            .collect();
        interpreter.set_list("MODULES", directories.iter().map(String::as_str));
        interpreter.limit_steps(Some(STEP_LIMIT));
        Ok(Self {
            interpreter,
            ear,
            shared,
        })
    }

    /// Loads a file as `input` does.
    ///
    /// # Errors
    /// What stopped it.
    pub(super) fn load(&mut self, file: &Path) -> Outcome {
        self.interpreter.load(file)
    }

    /// The names of the tasks that the load has made.
    pub(super) fn tasks(&self) -> BTreeSet<String> {
        let scheduler = self.shared.lock();
        scheduler
            .tasks
            .iter()
            .map(|task| task.name().to_owned())
            .collect()
    }

    /// What was told so far.
    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.ear.lock()
    }
}

fn still(interpreter: &mut Interpreter) {
    let nothing = |name: &'static str, fewest: usize| {
        Arc::new(move |_: &mut Interpreter, args: &Args| {
            if args.len() <= fewest {
                return Err(Fault::message(format!("{name}: words are missing")).into());
            }
            Ok(Flow::On)
        })
    };
    for (name, fewest) in STILL {
        interpreter.register(name, nothing(name, fewest));
    }
    for (name, fewest) in STILL_OWN {
        interpreter.register_own(name, nothing(name, fewest));
    }
    interpreter.register("mkdir", Arc::new(mkdir));
    if let Some(usual) = interpreter.command("macro") {
        interpreter.register_block(
            "macro",
            Arc::new(move |interpreter, args, cursor| match args.get(1) {
                Some("write") => Ok(Flow::On),
                _ => usual(interpreter, args, cursor),
            }),
        );
    }
    interpreter.register("output", Arc::new(output));
}

fn mkdir(interpreter: &mut Interpreter, args: &Args) -> Outcome {
    if args.len() < 2 {
        return Err(Fault::Usage("mkdir PATH").into());
    }
    // The host then takes it that there may be more directories than there are.
    drop(interpreter.host().exec("mkdir", None));
    Ok(Flow::On)
}

fn output(interpreter: &mut Interpreter, args: &Args) -> Outcome {
    let words: Vec<&str> = args.rest().collect();
    if let Some(["-current", variable]) = words
        .windows(2)
        .find(|pair| pair.starts_with(&["-current"]))
    {
        let stream = if words.contains(&"-err") {
            "stderr"
        } else {
            "stdout"
        };
        interpreter.set(variable, stream);
    } else if !words.iter().any(|word| *word != "-err") {
        return Err(Fault::message("output: a file is missing").into());
    }
    Ok(Flow::On)
}

/// Lets the words that leave a file on purpose note their place.
fn remember(interpreter: &mut Interpreter, ear: &Ear) {
    for word in ["break", "quit", "exit"] {
        let ear = ear.clone();
        let usual = interpreter.command(word);
        interpreter.register_block(
            word,
            Arc::new(
                move |i: &mut Interpreter, args: &Args, cursor: &mut Cursor| {
                    let outcome = match &usual {
                        Some(usual) => usual(i, args, cursor),
                        None => Ok(Flow::On),
                    };
                    if let Err(Stop::Break | Stop::Quit(_)) = outcome
                        && let Some((place, line)) = cursor.place().zip(cursor.last_line())
                    {
                        ear.lock().left = Some((place, line.text.to_string()));
                    }
                    outcome
                },
            ),
        );
    }
}
