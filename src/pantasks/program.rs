//! The program `pantasks`: a scheduler with a terminal, or with a script.

use std::{ffi::OsString, io, path::Path, process::ExitCode, sync::Arc};

use thiserror::Error;
use tokio::{runtime::Runtime, sync::mpsc};

use super::{
    drive::drive,
    session::{Quit, Session},
};
use crate::{
    engine::clock::SystemClock,
    process::ProcessSettings,
    shell::{
        front::{converse, own_streams, read_pipe, terminal, watch_signals},
        machine::Surroundings,
        options::{self, Asked, Options},
        settings::{Settings, SettingsError},
    },
};

/// The exit code after the end of piped input (spec/pantasks.md §1.10).
pub(super) const END_OF_INPUT: i32 = 21;

/// The exit code after a script that did not set the scheduler running (spec/pantasks.md §1.10).
const END_OF_SCRIPT: i32 = 41;

/// The exit code after `--only` files were loaded (spec/pantasks.md §1.10).
const ONLY_LOADED: i32 = 40;

const WELCOME: &str = "\nWelcome to pantasks - parallel task scheduler\n\n\n";

pub(super) const HISTORY: &str = ".pantasks";
/// The setting, and the list of scripts, that names the directories of `module`.
const MODULES: &str = "MODULES";

const RC_FILE: &str = ".pantasksrc";
pub(super) const PROMPT: &str = "pantasks: ";

/// Runs `pantasks` with its arguments.
pub fn main(_: &Path, arguments: &[OsString]) -> ExitCode {
    let code = match options::parse(arguments) {
        Ok(Asked::Help) => {
            own_streams().out(HELP);
            0
        },
        Ok(Asked::Version) => {
            own_streams().out(concat!(
                "pantasks of Outrigger ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            ));
            0
        },
        Ok(Asked::Run(options)) => run(&options).unwrap_or_else(|error| {
            own_streams().err(&format!("pantasks: {error}\n"));
            error.code()
        }),
        Err(error) => {
            own_streams().err(&format!(
                "pantasks: {error}; pantasks --help lists the options\n"
            ));
            2
        },
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

const HELP: &str = "\
usage: pantasks [OPTIONS] [SCRIPT [WORD...]]

Runs task scripts: looks at the state of things every few seconds and makes jobs.
Without a script it talks to a human, or reads commands from standard input. A script that says
`run` goes on until something says `exit`; its words are $argv:0, $argv:1, ...

  --load FILE    load a file before the first command; may be given several times
  --only         end after the --load files (exit code 40)
  --norc         do not load ~/.pantasksrc
  -c FILE        read settings from this file, not from $PTOLEMY, ./ptolemy.rc or ~/.ptolemyrc
  -C WORD        set CONFIG
  -D NAME VALUE  override a setting
  --trace        show each line with its variables replaced
  --version

Exit codes: what `exit N` says; 21 standard input has ended, 40 after --only, 41 after a script
that did not say `run`, 2 usage.

Example:
  pantasks --load tasks/pantasks.pro --load tasks/remote.pro
  pantasks night.pro 2026-11-25
";

/// Why a program of the scheduler does not start.
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
    let modules = settings.all(MODULES)?;
    let runtime = Runtime::new()?;
    let _inside = runtime.enter();
    let (asking, mut asked) = mpsc::unbounded_channel();
    let human = match options.script {
        Some(_) => None,
        None => terminal(Path::new(HISTORY), &asking, &runtime),
    };
    let (human, outlet) = match human {
        Some((terminal, outlet)) => (Some(terminal), outlet),
        None => (None, own_streams()),
    };
    let around = Surroundings {
        name: "pantasks",
        options: options.clone(),
        settings,
        history: human.is_some().then(|| HISTORY.into()),
        reads: human.is_some() || options.script.is_some(),
    };
    let clock = Arc::new(SystemClock);
    let mut session = Session::within(around, clock, outlet, ProcessSettings::default())?;
    watch_signals(&runtime, session.interrupt(), asking.clone())?;
    let done = match begin(&mut session, options, &modules) {
        Ok(None) => None,
        Ok(Some(code)) | Err(Quit(code)) => Some(code),
    };
    if let Some(code) = done {
        runtime.block_on(session.shut_down());
        return Ok(code);
    }
    match human {
        Some(terminal) => {
            session.outlet().out(WELCOME);
            converse(terminal, PROMPT, asking);
        },
        None if options.script.is_none() => read_pipe(asking, END_OF_INPUT),
        // The sender stays with the signals.
        None => drop(asking),
    }
    Ok(drive(&mut session, &runtime, &mut asked))
}

/// Sets what scripts count on, and loads the rc file and the `--load` files. Whether all loaded.
pub(super) fn prepare(
    session: &mut Session,
    options: &Options,
    modules: &[String],
) -> Result<bool, Quit> {
    let interpreter = session.interpreter();
    interpreter.trace(options.trace);
    let home = interpreter.get("HOME").unwrap_or_default().to_owned();
    let rc = Path::new(&home).join(RC_FILE);
    for (name, value) in [
        ("HISTORY", HISTORY),
        ("PROMPT", PROMPT),
        ("RCFILE", &rc.to_string_lossy()),
    ] {
        interpreter.set(name, value);
    }
    interpreter.set_list(MODULES, modules.iter().map(String::as_str));
    if options.rc && rc.is_file() {
        session.load(&rc)?;
    }
    let mut loaded = true;
    for file in &options.load {
        loaded &= session.load(file)?;
    }
    Ok(loaded)
}

/// Runs the script of the command line with its words. Whether it came to its end.
pub(super) fn run_script(
    session: &mut Session,
    script: &Path,
    options: &Options,
) -> Result<bool, Quit> {
    let name = script.to_string_lossy().into_owned();
    let interpreter = session.interpreter();
    let words = std::iter::once(name.as_str()).chain(options.words.iter().map(String::as_str));
    interpreter.set_list("argv", words);
    interpreter.set("SCRIPT", "1");
    interpreter.set("SCRIPT_NAME", &name);
    session.load(script)
}

/// Does what the command line asks for first. The code to end with, if that is all.
fn begin(
    session: &mut Session,
    options: &Options,
    modules: &[String],
) -> Result<Option<i32>, Quit> {
    let loaded = prepare(session, options, modules)?;
    if options.only {
        return Ok(Some(if loaded { ONLY_LOADED } else { 1 }));
    }
    let Some(script) = &options.script else {
        return Ok(None);
    };
    if !run_script(session, script, options)? {
        return Ok(Some(1));
    }
    // On the original a script ends here, even one that said `run`, which helps nobody.
    let running = session.scheduler().lock().standing.scheduler;
    Ok((!running).then_some(END_OF_SCRIPT))
}
