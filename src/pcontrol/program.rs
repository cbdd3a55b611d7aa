//! The program `pcontrol`: the controller by itself, with a terminal or a pipe.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use rustix::process::Signal;
use thiserror::Error;
use tokio::{runtime::Runtime, sync::mpsc};

use super::{desk::RawSink, session::Session, setup};
use crate::{
    engine::clock::SystemClock,
    shell::{
        front::{converse_and, own_streams, read_pipe, terminal, watch_signals},
        machine::Surroundings,
        options::{self, Asked, Options},
        settings::{Settings, SettingsError},
    },
};

const PROMPT: &str = "pcontrol: ";
const HISTORY: &str = ".pcontrol";
const RC_FILE: &str = ".pcontrolrc";
const WELCOME: &str = "\nWelcome to pcontrol - parallel job controller\n\n";

const HELP: &str = "\
usage: pcontrol [OPTIONS]

Runs jobs on hosts that ssh reaches: reads commands from a human or from standard input.

  host add|on|off|retry|check|delete NAME [-threads N] [-count N] [-keep|-fence] [-all]
  job [-host HOST | +host HOST] [-xhost HOST]... [-nice N] [-priority N] PROGRAM [WORD...]
  status, jobstack STATE, hoststack STATE, machines, check job ID, check host ID|NAME
  stdout ID, stderr ID, kill ID, delete ID, parameters, run [LEVEL], stop, verbose, exit
  drain: read nothing more until all jobs are over; Ctrl-C ends that, and so does quit or exit at
         a terminal, where other lines wait
  and everything else that task scripts know

  --load FILE    load a file before the first command; may be given several times
  --norc         do not load ~/.pcontrolrc
  -c FILE        read settings from this file, not from $PTOLEMY, ./ptolemy.rc or ~/.ptolemyrc
  -D NAME VALUE  override a setting: COMMAND (ssh), SHELL (pclient), CONTROLLER_FENCE (seconds),
                 CONTROLLER_KEEP (0 or 1)
  --version

A host is a name that ssh knows; its pclient is found in the path there. This machine's own name
needs no ssh. Exit codes: what `exit N` says, 0 when the input ends, 1 when it cannot be read, 2
usage or settings.

Example:
  printf '%s\\n' 'host add localhost' 'job date' drain 'stdout 1' | pcontrol
";

/// Runs `pcontrol` with its arguments.
pub fn main(_: &Path, arguments: &[OsString]) -> ExitCode {
    let code = match options::parse(arguments) {
        Ok(Asked::Help) => {
            own_streams().out(HELP);
            0
        },
        Ok(Asked::Version) => {
            own_streams().out(concat!(
                "pcontrol of Outrigger ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            ));
            0
        },
        Ok(Asked::Run(options)) => run(&options).unwrap_or_else(|error| {
            own_streams().err(&format!("pcontrol: {error}\n"));
            error.code()
        }),
        Err(error) => {
            own_streams().err(&format!(
                "pcontrol: {error}; pcontrol --help lists the options\n"
            ));
            2
        },
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Why the program does not start.
#[derive(Debug, Error)]
enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StartError {
    fn code(&self) -> i32 {
        match self {
            Self::Settings(_) => 2,
            Self::Io(_) => 1,
        }
    }
}

fn run(options: &Options) -> Result<i32, StartError> {
    let settings = Settings::of(options)?;
    let reach = setup::read(&settings)?;
    let home = settings
        .variable("HOME")
        .map(|home| Path::new(home).join(RC_FILE));
    let runtime = Runtime::new()?;
    let _inside = runtime.enter();
    let (asking, mut asked) = mpsc::unbounded_channel();
    let human = terminal(Path::new(HISTORY), &asking, &runtime);
    let (human, outlet) = match human {
        Some((terminal, outlet)) => (Some(terminal), outlet),
        None => (None, own_streams()),
    };
    let raw: RawSink = if human.is_some() {
        let outlet = outlet.clone();
        Box::new(move |bytes| outlet.out(&String::from_utf8_lossy(bytes)))
    } else {
        Box::new(|bytes| drop(io::stdout().write_all(bytes)))
    };
    let around = Surroundings {
        name: "pcontrol",
        options: options.clone(),
        settings,
        history: human.is_some().then(|| HISTORY.into()),
        reads: human.is_some(),
    };
    let prompt = human.is_none().then_some(PROMPT);
    let clock = Arc::new(SystemClock);
    let mut session = Session::new(around, reach, clock, outlet.clone(), raw, prompt)?;
    watch_signals(&runtime, session.interpreter().interrupt(), asking.clone())?;
    let rc = home.filter(|path| options.rc && path.is_file());
    for file in rc.iter().chain(&options.load).chain(&options.script) {
        if let Some(code) = session.load(file) {
            return Ok(code);
        }
    }
    match human {
        Some(terminal) => {
            outlet.out(WELCOME);
            converse_and(terminal, PROMPT, asking, interrupt);
        },
        None => read_pipe(asking, 0),
    }
    Ok(session.drive(&runtime, &mut asked))
}

/// While a line is typed, Ctrl-C comes as a key: it is to do what it does otherwise.
fn interrupt() {
    let own = rustix::process::getpid();
    // A process may always signal itself.
    rustix::process::kill_process(own, Signal::INT).unwrap_or_default();
}
