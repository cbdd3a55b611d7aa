//! The interpreter: lines in, effects out (spec/pantasks.md §1.2).

use std::{
    fmt,
    fs::File,
    io::Write as _,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    assignment,
    book::Books,
    brackets, builtins,
    commands::{BlockBuiltin, Builtin, Command, Commands, Macro},
    compiled::{Form, Piece, WordParts},
    control,
    error::{Failure, Fault, Flow, Outcome, Place, Stop},
    expand::{Values, expand},
    expr::{Expr, Operand, Refusal},
    host::Host,
    queue::Queues,
    source::{Body, Cursor, Program, first_word},
    template::{self, Setting},
    variables::Variables,
    words::{self, Args},
};

/// Most lists of lines (macros, loops, files) within each other.
const DEPTH_LIMIT: usize = 128;

/// An interpreter with its variables, macros, books and queues.
pub struct Interpreter {
    pub(crate) variables: Variables,
    pub(crate) commands: Commands,
    pub(crate) books: Books,
    pub(crate) queues: Queues,
    pub(crate) host: Box<dyn Host>,
    pub(crate) auto_break: bool,
    pub(crate) trace: bool,
    pub(crate) redirect: [Option<(String, File)>; 2],
    fallback: Option<Builtin>,
    modules: Vec<(&'static str, &'static str)>,
    interrupted: Arc<AtomicBool>,
    depth: usize,
    steps: u64,
    step_limit: Option<u64>,
    spare: Vec<Args>,
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
            trace: false,
            redirect: [None, None],
            fallback: None,
            modules: Vec::new(),
            interrupted: Arc::new(AtomicBool::new(false)),
            depth: 0,
            steps: 0,
            step_limit: None,
            spare: Vec::new(),
        };
        control::register(&mut interpreter);
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

    /// How many commands were run so far: while it stays, so do variables and books.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether each expanded line is shown.
    pub fn trace(&mut self, on: bool) {
        self.trace = on;
    }

    /// Writes to the log stream, or to the file that `output` named.
    pub fn out(&mut self, text: &str) {
        match &mut self.redirect[0] {
            Some((_, file)) => drop(file.write_all(text.as_bytes())),
            None => self.host.out(text),
        }
    }

    /// Writes to the error stream, or to the file that `output -err` named.
    pub fn err(&mut self, text: &str) {
        match &mut self.redirect[1] {
            Some((_, file)) => drop(file.write_all(text.as_bytes())),
            None => self.host.err(text),
        }
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

    /// Runs text that was typed, or came from a client. `name` stands where a file would.
    ///
    /// # Errors
    /// What stopped it.
    pub fn run_text(&mut self, name: &Path, text: &str) -> Outcome {
        let program = Program::typed(name, text);
        self.run_list(&program, 0..program.lines.len(), true)
    }

    /// Runs one command whose words are done: nothing in them is expanded again.
    ///
    /// # Errors
    /// What stopped it.
    pub fn run_words(&mut self, name: &Path, mut words: Args) -> Outcome {
        let mut cursor = Cursor {
            program: Program::typed(name, ""),
            next: 0,
            end: 0,
        };
        self.count()?;
        let outcome = self.run_args(&mut words, &mut cursor);
        self.variables.status = outcome.is_ok();
        outcome
    }

    /// Runs a file (`input`). A relative path starts from the host's directory.
    ///
    /// # Errors
    /// What stopped it; [`Fault::NoFile`] where it cannot be read.
    pub fn load(&mut self, path: &Path) -> Outcome {
        let full: PathBuf = self.host.directory().join(path);
        let name = || path.display().to_string();
        let bytes = std::fs::read(full).map_err(|_| Fault::NoFile(name()))?;
        let program = Program::read(path, &bytes)?;
        if bytes.is_empty() {
            self.err(&format!("WARNING: input file ({}) was empty\n", name()));
        }
        let outcome = self.run_list(&program, 0..program.lines.len(), true);
        outcome.map(|_| Flow::On)
    }

    /// Lets `module NAME` find this text where no directory of `MODULES` has such a file.
    pub fn add_module(&mut self, name: &'static str, text: &'static str) {
        self.modules.push((name, text));
    }

    /// Runs a module that the program itself carries.
    pub(crate) fn load_built_in(&mut self, name: &str) -> Outcome {
        let found = self.modules.iter().find(|(known, _)| *known == name);
        let Some((name, text)) = found.copied() else {
            return Err(Fault::NoModule(name.to_owned()).into());
        };
        let program = Program::read(Path::new(name), text.as_bytes())?;
        self.run_list(&program, 0..program.lines.len(), true)
            .map(|_| Flow::On)
    }

    /// Runs a body that belongs to no macro (`task.exec`, `task.exit`).
    ///
    /// # Errors
    /// What stopped it: [`Stop::Break`] where it said `break`.
    pub fn run_body(&mut self, body: &Body) -> Outcome {
        let outside = self.variables.step_out();
        let outcome = self.run_range(&body.program, body.range.clone());
        self.variables.step_in(outside);
        outcome.map(|_| Flow::On)
    }

    /// The words of a line, expanded as those of a command: for lines that another room
    /// understands, as those of a `task` block.
    ///
    /// # Errors
    /// Where a variable is missing or quotes do not match.
    pub fn words(&mut self, line: &str) -> Result<Args, Fault> {
        let text = self.expanded(line)?;
        words::args(&text)
    }

    /// Runs one whole line as the command `name`, however its first word is spelled: a line of a
    /// `task` block, which is not split at `;`.
    ///
    /// # Errors
    /// What stopped it.
    pub fn run_static(&mut self, name: &str, line: &str, cursor: &mut Cursor) -> Outcome {
        self.count()?;
        let mut args = self.words(line)?;
        let command = self.commands.find(name)?.1.clone();
        self.run_command(&command, &mut args, cursor)
    }

    /// A line with all variables, brackets and backslashes done.
    pub(crate) fn expanded(&mut self, line: &str) -> Result<String, Fault> {
        let text = expand(&self.variables, line, 0)?;
        let text = brackets::fill(text)?;
        Ok(brackets::unescape(text))
    }

    fn run_list(&mut self, program: &Arc<Program>, range: Range<usize>, top: bool) -> Outcome {
        self.depth += 1;
        let outcome = if self.depth > DEPTH_LIMIT {
            Err(Fault::TooDeep(DEPTH_LIMIT).into())
        } else {
            self.lines(program, range, top)
        };
        self.depth -= 1;
        outcome
    }

    /// Runs the lines of a macro or loop.
    pub(crate) fn run_range(&mut self, program: &Arc<Program>, range: Range<usize>) -> Outcome {
        self.run_list(program, range, false)
    }

    fn lines(&mut self, program: &Arc<Program>, range: Range<usize>, top: bool) -> Outcome {
        let mut cursor = Cursor {
            program: Arc::clone(program),
            next: range.start,
            end: range.end,
        };
        while let Some(index) = cursor.advance() {
            let Some(line) = program.lines.get(index) else {
                break;
            };
            for piece in line.pieces() {
                let outcome = self.piece(piece, &mut cursor);
                self.variables.status = outcome.is_ok();
                match outcome {
                    Ok(Flow::On) => {},
                    Ok(flow) => return Ok(flow),
                    Err(Stop::Failed(mut failure)) => {
                        locate(&mut failure, program.place(index), &line.text);
                        if !top || self.auto_break {
                            return Err(Stop::Failed(failure));
                        }
                        self.report(&failure);
                        break;
                    },
                    Err(stop) => return Err(stop),
                }
            }
        }
        Ok(Flow::On)
    }

    /// Tells the error stream of a failure.
    pub fn report(&mut self, failure: &Failure) {
        self.err(&format!("{failure}\n"));
    }

    fn piece(&mut self, piece: &Piece, cursor: &mut Cursor) -> Outcome {
        self.count()?;
        if self.trace {
            return self.run_piece_text(&piece.text, cursor);
        }
        match &piece.form {
            Form::Assign(assign) => assignment::run(self, assign, &piece.text),
            Form::Words(parts) => {
                let mut args = self.spare.pop().unwrap_or_default();
                let outcome = match self.fill(parts, &mut args) {
                    Ok(true) => self.run_args(&mut args, cursor),
                    Ok(false) => self.run_piece_text(&piece.text, cursor),
                    Err(fault) => Err(fault.into()),
                };
                args.clear();
                self.spare.push(args);
                outcome
            },
            Form::If { condition, inline } => {
                self.conditional(condition, inline.as_deref(), &piece.text, cursor)
            },
            Form::Text => self.run_piece_text(&piece.text, cursor),
        }
    }

    fn conditional(
        &mut self,
        condition: &Expr,
        inline: Option<&[WordParts]>,
        text: &str,
        cursor: &mut Cursor,
    ) -> Outcome {
        let truth = match condition.eval(&self.variables) {
            Ok(Operand::Number(number)) => number.truth(),
            Ok(Operand::Text(_)) | Err(Refusal::Textual | Refusal::Reason(_)) => {
                return self.run_piece_text(text, cursor);
            },
            Err(Refusal::Fault(fault)) => return Err(fault.into()),
        };
        let Some(inline) = inline else {
            return control::choose(self, truth, cursor);
        };
        let mut args = self.spare.pop().unwrap_or_default();
        let outcome = match self.fill(inline, &mut args) {
            Err(fault) => Err(fault.into()),
            Ok(_) if !truth => Ok(Flow::On),
            Ok(true) if !inline.iter().any(|word| word.quoted) => self.run_args(&mut args, cursor),
            Ok(_) => self.run_piece_text(text, cursor),
        };
        args.clear();
        self.spare.push(args);
        outcome
    }

    fn fill(&self, words: &[WordParts], args: &mut Args) -> Result<bool, Fault> {
        args.clear();
        for word in words {
            let setting = if word.quoted {
                Setting::Quoted
            } else {
                Setting::Bare
            };
            if !template::fill(&word.parts, &self.variables, setting, args.open())? {
                return Ok(false);
            }
            args.close();
        }
        Ok(true)
    }

    /// Runs one command given as text, which may be an assignment.
    pub(crate) fn run_piece_text(&mut self, text: &str, cursor: &mut Cursor) -> Outcome {
        if let Some(rest) = text.strip_prefix('!') {
            let command = self.expanded(rest.trim())?;
            return builtins::exec(self, &command, None);
        }
        if control::is_while(self, first_word(text)) {
            return control::repeat_while(self, text, cursor);
        }
        if let Some(assign) = assignment::compile(text) {
            return assignment::run(self, &assign, text);
        }
        let text = self.expanded(text)?;
        if self.trace {
            self.out(&format!("opihi: {text}\n"));
        }
        let mut args = words::args(&text)?;
        self.run_args(&mut args, cursor)
    }

    /// Runs text that is executed a second time: the rest of an inline `if`.
    pub(crate) fn run_again(&mut self, text: &str, cursor: &mut Cursor) -> Outcome {
        self.depth += 1;
        let outcome = if self.depth > DEPTH_LIMIT {
            Err(Fault::TooDeep(DEPTH_LIMIT).into())
        } else {
            self.pieces_again(text, cursor)
        };
        self.depth -= 1;
        outcome
    }

    fn pieces_again(&mut self, text: &str, cursor: &mut Cursor) -> Outcome {
        for piece in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            self.count()?;
            match self.run_piece_text(piece, cursor)? {
                Flow::On => {},
                flow => return Ok(flow),
            }
        }
        Ok(Flow::On)
    }

    /// Runs a command whose words are done.
    pub(crate) fn run_args(&mut self, args: &mut Args, cursor: &mut Cursor) -> Outcome {
        let Some(word) = args.get(0) else {
            return Ok(Flow::On);
        };
        let command = match (self.commands.find(word), &self.fallback) {
            (Ok((_, command)), _) => command.clone(),
            (Err(Fault::NoCommand(_)), Some(fallback)) => Command::Builtin(Arc::clone(fallback)),
            (Err(fault), _) => return Err(fault.into()),
        };
        self.run_command(&command, args, cursor)
    }

    fn run_command(&mut self, command: &Command, args: &mut Args, cursor: &mut Cursor) -> Outcome {
        match command {
            Command::Builtin(run) => run(self, args),
            Command::Block(run) => run(self, args, cursor),
            Command::Macro(definition) => self.call(definition, args),
        }
    }

    fn call(&mut self, definition: &Macro, args: &mut Args) -> Outcome {
        let name = Arc::clone(&definition.name);
        self.variables.enter(name, std::mem::take(args));
        let body = &definition.body;
        let outcome = self.run_range(&body.program, body.range.clone());
        *args = self.variables.leave();
        match outcome {
            Ok(_) => Ok(Flow::On),
            Err(Stop::Failed(mut failure)) => {
                if failure.trace.len() < 8 {
                    failure.trace.push(format!("macro {}", definition.name));
                }
                Err(Stop::Failed(failure))
            },
            Err(stop) => Err(stop),
        }
    }

    /// Counts a command; an error once it is one too many, or somebody asked to stop.
    pub(crate) fn count(&mut self) -> Result<(), Fault> {
        self.steps = self.steps.wrapping_add(1);
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Fault::Interrupted);
        }
        match self.step_limit {
            Some(limit) if self.steps > limit => Err(Fault::TooMany(limit)),
            _ => Ok(()),
        }
    }

    /// Whether expanded text is true.
    pub(crate) fn truth(text: &str) -> Result<bool, Fault> {
        match super::expr::value(text) {
            Ok(Operand::Number(number)) => Ok(number.truth()),
            Ok(Operand::Text(_)) | Err(_) => Err(Fault::Logic(text.to_owned())),
        }
    }
}

fn locate(failure: &mut Failure, place: Option<Place>, text: &str) {
    if failure.place.is_none() {
        failure.place = place;
        text.clone_into(&mut failure.text);
    }
}
