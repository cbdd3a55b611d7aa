//! The interpreter: lines in, effects out (spec/pantasks.md §1.2).

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use super::{
    book::Books,
    builtins::{self, Scanned},
    commands::{About, BlockBuiltin, Builtin, Command, Commands},
    control,
    error::{Failure, Fault},
    expand::Values,
    host::Host,
    loaded::Loaded,
    macros,
    queue::Queues,
    source::Program,
    streams::Streams,
    variables::Variables,
    words::Args,
};

/// What is shown of the lines that run (`opihi verbose`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbose {
    Off,
    /// Each line, and each that fails.
    On,
    /// Each line that fails.
    Error,
}

/// An interpreter with its variables, macros, books and queues.
pub struct Interpreter {
    pub(crate) variables: Variables,
    pub(crate) commands: Commands,
    pub(crate) books: Books,
    pub(crate) queues: Queues,
    pub(crate) host: Box<dyn Host>,
    pub(crate) auto_break: bool,
    pub(crate) verbose: Verbose,
    pub(crate) streams: Streams,
    pub(crate) scanned: Option<Scanned>,
    pub(crate) fallback: Option<Builtin>,
    pub(crate) loaded: Loaded,
    pub(crate) interrupted: Arc<AtomicBool>,
    pub(crate) depth: usize,
    pub(crate) steps: u64,
    pub(crate) step_limit: Option<u64>,
    pub(crate) spare: Vec<Args>,
}

impl fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreter")
            .field("variables", &self.variables)
            .field("books", &self.books)
            .field("queues", &self.queues)
            .finish_non_exhaustive()
    }
}

impl Interpreter {
    /// An interpreter with the commands of the language and nothing else.
    pub fn new(host: Box<dyn Host>) -> Self {
        let mut interpreter = Self {
            variables: Variables::default(),
            commands: Commands::default(),
            books: Books::default(),
            queues: Queues::default(),
            host,
            auto_break: true,
            verbose: Verbose::Off,
            streams: Streams::default(),
            scanned: None,
            fallback: None,
            loaded: Loaded::default(),
            interrupted: Arc::new(AtomicBool::new(false)),
            depth: 0,
            steps: 0,
            step_limit: None,
            spare: Vec::new(),
        };
        control::register(&mut interpreter);
        macros::register(&mut interpreter);
        builtins::register(&mut interpreter);
        let home = interpreter.host.environment("HOME").unwrap_or_default();
        interpreter.set("HOME", &home);
        interpreter.set("PID", &std::process::id().to_string());
        interpreter.set("M_PI", "3.14159265359");
        interpreter.set("M_E", "2.71828182846");
        interpreter.set("MODULES:n", "0");
        interpreter
    }

    /// Adds a command, in the place of one of the same name.
    pub fn register(&mut self, name: &str, builtin: Builtin) {
        self.commands.insert(name, Command::Builtin(builtin));
    }

    /// Adds a command that may take the lines behind it.
    pub fn register_block(&mut self, name: &str, builtin: BlockBuiltin) {
        self.commands.insert(name, Command::Block(builtin));
    }

    /// Adds a command that the original language lacks. Only its whole name finds it, and a
    /// script's macro of that name goes before it, so that no script changes its meaning.
    pub fn register_own(&mut self, name: &str, builtin: Builtin) {
        self.commands.insert_own(name, Command::Builtin(builtin));
    }

    /// Like [`Interpreter::register_own`], for a command that may take the lines behind it.
    pub fn register_own_block(&mut self, name: &str, builtin: BlockBuiltin) {
        self.commands.insert_own(name, Command::Block(builtin));
    }

    /// Tells `help` and `which` of a command: how it is written, and what it does in one line.
    pub fn describe(&mut self, name: &'static str, usage: &'static str, help: &'static str) {
        self.commands.describe(name, About { usage, help });
    }

    /// Sets what runs a line whose first word names neither a command nor a macro, instead of
    /// [`Fault::NoCommand`]; a word that is short for several still fails. Its words are expanded;
    /// [`Args::line`] writes them as a line for an interpreter elsewhere.
    pub fn set_fallback(&mut self, fallback: Builtin) {
        self.fallback = Some(fallback);
    }

    /// The value of a variable: a local of the running macro before a global one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.value(name).ok()
    }

    /// Sets a variable: the local of that name if there is one, else the global one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.set(name, value);
    }

    /// Removes a variable.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Sets the list `name`: `name:0`, `name:1`, … and `name:n`.
    pub fn set_list<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a str>) {
        let mut count = 0_usize;
        for value in values {
            self.set(&format!("{name}:{count}"), value);
            count += 1;
        }
        self.set(&format!("{name}:n"), &count.to_string());
    }

    /// The values of the list `name`.
    pub fn list(&self, name: &str) -> Vec<String> {
        let count = self.get(&format!("{name}:n")).unwrap_or("0");
        let count: usize = count.parse().unwrap_or(0);
        (0..count)
            .map_while(|index| self.get(&format!("{name}:{index}")))
            .map(str::to_owned)
            .collect()
    }

    /// The global variables, by name.
    pub fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.listing()
    }

    /// The names of the commands and macros that a prefix finds too.
    pub fn command_names(&self) -> impl Iterator<Item = &str> {
        self.commands.names()
    }

    /// The names of the commands that only their whole name finds.
    pub fn own_names(&self) -> impl Iterator<Item = &str> {
        self.commands.own_names()
    }

    /// The name of the command that `word` stands for.
    ///
    /// # Errors
    /// Where it is none, or the beginning of several.
    pub fn command_name(&self, word: &str) -> Result<&str, Fault> {
        self.commands.find(word).map(|(name, _)| name)
    }

    /// A command, to put something around it; nothing where the name is none, or a macro's.
    pub fn command(&self, name: &str) -> Option<BlockBuiltin> {
        match self.commands.find(name).ok()?.1 {
            Command::Builtin(run) => {
                let run = Arc::clone(run);
                Some(Arc::new(move |interpreter, args, _| run(interpreter, args)))
            },
            Command::Block(run) => Some(Arc::clone(run)),
            Command::Macro(_) => None,
        }
    }

    /// The names of the macros.
    pub fn macro_names(&self) -> impl Iterator<Item = &str> {
        self.commands.macros().map(|definition| &*definition.name)
    }

    /// How many commands were run so far: while it stays, so do variables and books.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The files and modules that were loaded, each once, in the order of their first loading.
    pub fn programs(&self) -> &[Arc<Program>] {
        self.loaded.programs()
    }

    /// Lets `module NAME` find this text where no directory of `MODULES` has such a file.
    pub fn add_module(&mut self, name: &'static str, text: &'static str) {
        self.loaded.add_module(name, text);
    }

    /// The books.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// The books, to change.
    pub fn books_mut(&mut self) -> &mut Books {
        &mut self.books
    }

    /// The queues.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The queues, to change.
    pub fn queues_mut(&mut self) -> &mut Queues {
        &mut self.queues
    }

    /// The program around.
    pub fn host(&mut self) -> &mut dyn Host {
        &mut *self.host
    }

    /// The value of an entry of the configuration; a variable of that name goes before it.
    pub fn config(&self, key: &str) -> Option<String> {
        let variable = self.get(key).map(str::to_owned);
        variable.or_else(|| self.host.config(key))
    }

    /// The path that a script means by a file's name.
    pub(crate) fn path(&self, name: &str) -> Result<PathBuf, Fault> {
        let path = self.host.path(name);
        path.map_err(|error| Fault::message(format!("cannot use {name}: {error}")))
    }

    /// A flag that stops the running script with [`Fault::Interrupted`] once set; whoever starts
    /// the next script clears it.
    pub fn interrupt(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.interrupted)
    }

    /// Stops any script after so many more commands; none for no limit.
    pub fn limit_steps(&mut self, limit: Option<u64>) {
        self.steps = 0;
        self.step_limit = limit;
    }

    /// Whether each expanded line is shown.
    pub fn trace(&mut self, on: bool) {
        self.verbose = if on { Verbose::On } else { Verbose::Off };
    }

    /// Whether typed text lacks the `end` of a block it opens, so that more lines are to be read.
    pub fn wants_more(text: &str) -> bool {
        let program = Program::typed(Path::new("terminal"), text);
        let mut index = 0;
        while index < program.lines.len() {
            if program.opens(index) {
                match program.block(index) {
                    Ok(block) => index = block.end,
                    Err(_) => return true,
                }
            }
            index += 1;
        }
        false
    }

    /// Tells the error stream of a failure.
    pub fn report(&mut self, failure: &Failure) {
        self.host.failed(failure);
        self.err(&format!("{failure}\n"));
    }
}
