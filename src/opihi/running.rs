//! Running lines: what they are, one after the other, and what comes of them (spec/pantasks.md
//! §1.2).

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use super::{
    assignment, brackets,
    commands::{Command, Macro},
    compiled::{Form, Piece, WordParts},
    control,
    error::{Fault, Flow, Outcome, Stop},
    expand::expand,
    expr::{self, Expr, Operand},
    interpreter::{Interpreter, Verbose},
    source::{Body, Cursor, Program, first_word},
    template::{self, Setting},
    words::{self, Args},
};

/// Most lists of lines (macros, loops, files) within each other.
const DEPTH_LIMIT: usize = 128;

impl Interpreter {
    /// Runs text that was typed, or came from a client. `name` stands where a file would.
    ///
    /// # Errors
    /// What stopped it.
    pub fn run_text(&mut self, name: &Path, text: &str) -> Outcome {
        let program = Program::typed(name, text);
        self.run_range(&program, 0..program.lines.len())
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
        let name = || path.display().to_string();
        let full = self.path(&name())?;
        let bytes = std::fs::read(full).map_err(|_| Fault::NoFile(name()))?;
        let program = Program::read(path, &bytes)?;
        if program.lines.is_empty() {
            self.err(&format!("WARNING: input file ({}) was empty\n", name()));
        }
        self.loaded.keep(&program);
        self.run_range(&program, 0..program.lines.len())?;
        Ok(Flow::On)
    }

    /// Runs a module that the program itself carries.
    pub(crate) fn load_built_in(&mut self, name: &str) -> Outcome {
        let Some((name, text)) = self.loaded.module(name) else {
            return Err(Fault::NoModule(name.to_owned()).into());
        };
        let program = Program::read(Path::new(name), text.as_bytes())?;
        self.loaded.keep(&program);
        self.run_range(&program, 0..program.lines.len())?;
        Ok(Flow::On)
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

    /// Runs the lines of a macro, loop or file.
    pub(crate) fn run_range(&mut self, program: &Arc<Program>, range: Range<usize>) -> Outcome {
        self.depth += 1;
        let outcome = if self.depth > DEPTH_LIMIT {
            Err(Fault::TooDeep(DEPTH_LIMIT).into())
        } else {
            self.lines(program, range)
        };
        self.depth -= 1;
        outcome
    }

    fn lines(&mut self, program: &Arc<Program>, range: Range<usize>) -> Outcome {
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
                    Err(Stop::Quit(code)) => return Err(Stop::Quit(code)),
                    Err(Stop::Break) => {
                        self.tell_of(&piece.text);
                        return Err(Stop::Break);
                    },
                    Err(Stop::Failed(mut failure)) => {
                        if failure.place.is_none() {
                            failure.place = program.place(index);
                            (*line.text).clone_into(&mut failure.text);
                            self.tell_message();
                        }
                        self.tell_of(&piece.text);
                        if self.auto_break || failure.fault.is_final() {
                            return Err(Stop::Failed(failure));
                        }
                        self.report(&failure);
                    },
                }
            }
        }
        Ok(Flow::On)
    }

    fn tell_of(&mut self, line: &str) {
        if self.verbose != Verbose::Off {
            self.err(&format!("error on line: {line}\n"));
        }
    }

    /// What a script wants to be said where a command of its fails.
    fn tell_message(&mut self) {
        if let Some(message) = self.get("ERRORMSG") {
            let message = format!("{message}\n");
            self.err(&message);
        }
    }

    fn piece(&mut self, piece: &Piece, cursor: &mut Cursor) -> Outcome {
        self.count()?;
        if self.verbose == Verbose::On {
            return self.run_piece_text(&piece.text, cursor);
        }
        match &piece.form {
            Form::Assign(assign) => assignment::run(self, assign, &piece.text),
            Form::Words(parts) => {
                let mut args = self.spare.pop().unwrap_or_default();
                let outcome = if self.fill(parts, &mut args) {
                    self.run_args(&mut args, cursor)
                } else {
                    self.run_piece_text(&piece.text, cursor)
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
        let Ok(Operand::Number(number)) = condition.eval(&self.variables) else {
            return self.run_piece_text(text, cursor);
        };
        let truth = number.truth();
        let Some(inline) = inline else {
            return control::choose(self, truth, cursor);
        };
        let mut args = self.spare.pop().unwrap_or_default();
        // Words that stood in quotes may come apart when the rest of the line is read again.
        let outcome = if !self.fill(inline, &mut args) {
            self.run_piece_text(text, cursor)
        } else if !truth {
            Ok(Flow::On)
        } else if inline.iter().any(|word| word.quoted) {
            self.run_piece_text(text, cursor)
        } else {
            self.run_args(&mut args, cursor)
        };
        args.clear();
        self.spare.push(args);
        outcome
    }

    fn fill(&self, words: &[WordParts], args: &mut Args) -> bool {
        args.clear();
        words.iter().all(|word| {
            let setting = if word.quoted {
                Setting::Quoted
            } else {
                Setting::Bare
            };
            let filled = template::fill(&word.parts, &self.variables, setting, args.open());
            args.close();
            filled
        })
    }

    /// Runs one command given as text, which may be an assignment.
    pub(crate) fn run_piece_text(&mut self, text: &str, cursor: &mut Cursor) -> Outcome {
        let shell;
        let text = match text.strip_prefix('!') {
            Some(command) => {
                shell = format!("! {command}");
                &shell
            },
            None => text,
        };
        if control::is_while(self, first_word(text)) {
            return control::repeat_while(self, text, cursor);
        }
        if let Some(assign) = assignment::compile(text) {
            if self.verbose == Verbose::On {
                let shown = expand(&self.variables, text, 1)?;
                self.err(&format!("opihi: {shown}\n"));
            }
            return assignment::run(self, &assign, text);
        }
        let text = expand(&self.variables, text, 0)?;
        if self.verbose == Verbose::On {
            self.err(&format!("opihi: {text}\n"));
        }
        let text = brackets::unescape(brackets::fill(text)?);
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
        match expr::value(text) {
            Ok(Operand::Number(number)) => Ok(number.truth()),
            Ok(Operand::Text(_)) | Err(_) => Err(Fault::Logic(text.to_owned())),
        }
    }
}
