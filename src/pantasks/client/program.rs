//! The program: words from a human, a pipe, a script or the command line.

use std::{
    ffi::OsString,
    io::{self, BufRead as _, IsTerminal as _},
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use thiserror::Error;
use tokio::runtime::Runtime;

use super::link::{Link, LinkError};
use crate::{
    engine::clock::SystemClock,
    opihi::{Args, Fault, Flow, Interpreter, Outcome, Stop},
    pantasks::{
        program::{END_OF_INPUT, HISTORY, PROMPT},
        server::place::{Place, PlaceError},
    },
    shell::{
        front::own_streams,
        machine::{Machine, Surroundings},
        options::{self, Asked, Options, OptionsError},
        outlet::Outlet,
        request::Words,
        settings::{Settings, SettingsError},
        terminal::{Terminal, Typed},
    },
};

/// The exit code after a script (spec/pantasks.md §1.10).
const END_OF_SCRIPT: i32 = 41;

/// Runs `pantasks_client` with its arguments.
pub fn main(_: &Path, arguments: &[OsString]) -> ExitCode {
    let streams = own_streams();
    let code = run(arguments, &streams).unwrap_or_else(|error| {
        streams.err(&format!("pantasks_client: {error}\n"));
        error.code()
    });
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

const HELP: &str = "\
usage: pantasks_client [OPTIONS] [-e COMMAND | SCRIPT [WORD...]]

Gives commands to a pantasks_server. What belongs to the language (variables, macros, books, echo,
exec, ...) is done here; every other word is run by the server, which answers with what it wrote.
`server input FILE` loads a script there; `shutdown now` ends it. Without a command or a script it
talks to a human, or reads commands from standard input.

  -e COMMAND     run this one command
  -c FILE        read settings from this file, not from $PTOLEMY, ./ptolemy.rc or ~/.ptolemyrc
  -C WORD        set CONFIG
  -D NAME VALUE  override a setting
  --load FILE    run a file here first; may be given several times
  --trace        show each line with its variables replaced
  --version

Exit codes: 0 done, 1 the command failed, 2 usage or settings, 21 standard input has ended, 41 the
script has ended; 32 there is no server, 33 it has gone, 34 it refuses, 35 it is another program.

Example:
  pantasks_client -e status
  pantasks_client -e 'server input tasks/remote.pro'
";

#[derive(Debug, Error)]
enum ClientError {
    #[error("{0}; pantasks_client --help lists the options")]
    Options(#[from] OptionsError),
    #[error("-e needs a command")]
    NoCommand,
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ClientError {
    fn code(&self) -> i32 {
        match self {
            Self::Options(_) | Self::NoCommand | Self::Settings(_) | Self::Place(_) => 2,
            Self::Link(error) => error.code(),
            Self::Io(_) => 1,
        }
    }
}

fn run(arguments: &[OsString], streams: &Outlet) -> Result<i32, ClientError> {
    let (command, arguments) = one_command(arguments)?;
    let options = match options::parse(&arguments)? {
        Asked::Help => {
            streams.out(HELP);
            return Ok(0);
        },
        Asked::Version => {
            streams.out(concat!(
                "pantasks_client of Outrigger ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            ));
            return Ok(0);
        },
        Asked::Run(options) => options,
    };
    let settings = Settings::of(&options)?;
    let place = Place::of(&settings)?;
    let secret = place.secret(&settings)?;
    let runtime = Runtime::new()?;
    let link = Link::new(place, secret, runtime.handle().clone());
    link.connect()?;
    let human = command.is_none()
        && options.script.is_none()
        && io::stdin().is_terminal()
        && io::stdout().is_terminal();
    let words = Arc::new(Mutex::new(Words::default()));
    let terminal = if human {
        let words = Arc::clone(&words);
        let words = move || words.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Terminal::open(Path::new(HISTORY), words).ok()
    } else {
        None
    };
    let around = Surroundings {
        name: "pantasks_client",
        options: options.clone(),
        settings,
        history: terminal.is_some().then(|| HISTORY.into()),
        reads: terminal.is_some() || options.script.is_some(),
    };
    let machine = Machine::new(Arc::new(SystemClock), streams.clone(), around)?;
    let mut client = Client::new(Interpreter::new(Box::new(machine)), link);
    client.interpreter.trace(options.trace);
    client.converse(&options, command.as_deref(), terminal, &words)
}

/// Takes `-e COMMAND` out of the arguments.
fn one_command(arguments: &[OsString]) -> Result<(Option<String>, Vec<OsString>), ClientError> {
    let Some(at) = arguments.iter().position(|word| word == "-e") else {
        return Ok((None, arguments.to_vec()));
    };
    let command = arguments.get(at + 1).ok_or(ClientError::NoCommand)?;
    let before = arguments.get(..at).unwrap_or_default();
    let behind = arguments.get(at + 2..).unwrap_or_default();
    let rest = before.iter().chain(behind).cloned().collect();
    Ok((Some(command.to_string_lossy().into_owned()), rest))
}

struct Client {
    interpreter: Interpreter,
    /// Set once the server has gone: nothing more can be done.
    lost: Arc<Mutex<Option<i32>>>,
}

impl Client {
    fn new(mut interpreter: Interpreter, link: Link) -> Self {
        let lost = Arc::default();
        let (asking, noting) = (link.clone(), Arc::clone(&lost));
        interpreter.set_fallback(Arc::new(move |interpreter, args| {
            ask(&asking, &noting, interpreter, args)
        }));
        for word in ["task", "task.exec", "task.exit"] {
            interpreter.register_block(
                word,
                Arc::new(|_, args, cursor| {
                    cursor.take_body_or_rest();
                    let word = args.get(0).unwrap_or_default();
                    Err(Fault::message(format!(
                        "{word}: tasks live in the server; put them into a file, and: server input FILE"
                    ))
                    .into())
                }),
            );
        }
        let connecting = link.clone();
        interpreter.register_own(
            "connect",
            Arc::new(move |_, _| {
                connecting
                    .connect()
                    .map_err(|error| Fault::message(error.to_string()))?;
                Ok(Flow::On)
            }),
        );
        interpreter.register_own(
            "disconnect",
            Arc::new(move |_, _| {
                link.disconnect();
                Ok(Flow::On)
            }),
        );
        Self { interpreter, lost }
    }

    fn converse(
        &mut self,
        options: &Options,
        command: Option<&str>,
        terminal: Option<Terminal>,
        words: &Mutex<Words>,
    ) -> Result<i32, ClientError> {
        for file in &options.load {
            let outcome = self.interpreter.load(file);
            if let Err(code) = self.told(outcome) {
                return Ok(code);
            }
        }
        if let Some(command) = command {
            return Ok(self
                .text(command)
                .map_or_else(|code| code, |worked| i32::from(!worked)));
        }
        if let Some(script) = &options.script {
            let name = script.to_string_lossy().into_owned();
            let argv = std::iter::once(name.as_str());
            let argv = argv.chain(options.words.iter().map(String::as_str));
            self.interpreter.set_list("argv", argv);
            let outcome = self.interpreter.load(script);
            return Ok(match self.told(outcome) {
                Ok(true) => END_OF_SCRIPT,
                Ok(false) => 1,
                Err(code) => code,
            });
        }
        match terminal {
            Some(terminal) => Ok(self.human(terminal, words)),
            None => self.pipe(),
        }
    }

    fn human(&mut self, mut terminal: Terminal, words: &Mutex<Words>) -> i32 {
        loop {
            let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
            *words.lock().unwrap_or_else(PoisonError::into_inner) = Words {
                commands: names(self.interpreter.command_names().collect()),
                tasks: Vec::new(),
                books: names(
                    self.interpreter
                        .books()
                        .iter()
                        .map(|(name, _)| name)
                        .collect(),
                ),
                variables: names(
                    self.interpreter
                        .variables()
                        .into_iter()
                        .map(|(name, _)| name)
                        .collect(),
                ),
            };
            match terminal.read(PROMPT) {
                Typed::Text(text) => {
                    if let Err(code) = self.text(&text) {
                        return code;
                    }
                },
                Typed::Interrupted => {},
                Typed::End => return 0,
            }
        }
    }

    fn pipe(&mut self) -> Result<i32, ClientError> {
        let mut text = String::new();
        for line in io::stdin().lock().lines() {
            text.push_str(&line?);
            text.push('\n');
            if Interpreter::wants_more(&text) {
                continue;
            }
            if let Err(code) = self.text(&std::mem::take(&mut text)) {
                return Ok(code);
            }
        }
        Ok(self.text(&text).map_or_else(|code| code, |_| END_OF_INPUT))
    }

    /// Runs text. Whether it worked; the code to end with, if it is time.
    fn text(&mut self, text: &str) -> Result<bool, i32> {
        let outcome = self.interpreter.run_text(Path::new("terminal"), text);
        self.told(outcome)
    }

    fn told(&mut self, outcome: Outcome) -> Result<bool, i32> {
        let worked = match outcome {
            Ok(_) => true,
            Err(Stop::Break) => false,
            Err(Stop::Quit(code)) => return Err(code),
            Err(Stop::Failed(failure)) => {
                self.interpreter.report(&failure);
                false
            },
        };
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.map_or(Ok(worked), Err)
    }
}

/// Sends a command whose words are done to the server, and tells what it answers.
fn ask(
    link: &Link,
    lost: &Mutex<Option<i32>>,
    interpreter: &mut Interpreter,
    args: &Args,
) -> Outcome {
    let line = args
        .line()
        .map_err(|error| Fault::message(error.to_string()))?;
    let reply = link.ask(&line, || own_streams().err("server is busy...\n"));
    let reply = reply.map_err(|error| {
        *lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.code());
        Fault::message(error.to_string())
    })?;
    interpreter.err(&reply.err);
    interpreter.out(&reply.out);
    if reply.worked {
        Ok(Flow::On)
    } else {
        Err(Fault::message("the server could not do it").into())
    }
}
