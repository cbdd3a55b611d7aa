//! The program `pantasks`: a scheduler with a terminal, or with a script.

use std::{
    ffi::OsString,
    io::{self, BufRead, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use tokio::{
    runtime::{Handle, Runtime},
    signal::unix::{SignalKind, signal},
    sync::{
        mpsc::{self, UnboundedSender},
        oneshot,
    },
};

use super::{
    drive::{Request, Words, drive},
    local::LocalSettings,
    machine::Surroundings,
    options::{self, Asked, Options},
    outlet::Outlet,
    session::{Quit, Session},
    settings::{Settings, SettingsError},
    terminal::{Terminal, Typed},
};
use crate::{engine::clock::SystemClock, opihi::Interpreter};

/// The exit code after the end of piped input (spec/pantasks.md §1.10).
pub(super) const END_OF_INPUT: i32 = 21;

/// How long completion waits for a scheduler that is busy.
const PATIENCE: Duration = Duration::from_millis(300);

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
    let mut session = Session::within(around, clock, outlet, LocalSettings::default())?;
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
        None if options.script.is_none() => read_pipe(asking),
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

/// Streams that end in the process's own.
pub fn own_streams() -> Outlet {
    Outlet::new(
        Box::new(|text| {
            let mut out = io::stdout().lock();
            drop(out.write_all(text.as_bytes()));
            drop(out.flush());
        }),
        Box::new(|text| drop(io::stderr().lock().write_all(text.as_bytes()))),
    )
}

/// The terminal of this process and streams that go well with it, if there is one.
fn terminal(
    history: &Path,
    requests: &UnboundedSender<Request>,
    runtime: &Runtime,
) -> Option<(Terminal, Outlet)> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return None;
    }
    let (requests, handle) = (requests.clone(), runtime.handle().clone());
    let mut terminal = Terminal::open(history, move || words(&requests, &handle)).ok()?;
    let (out, err) = terminal.sinks().ok()?;
    Some((terminal, Outlet::new(out, err)))
}

/// Reads from a human until there is no more, on a thread of its own.
fn converse(mut terminal: Terminal, prompt: &'static str, requests: UnboundedSender<Request>) {
    std::thread::spawn(move || {
        loop {
            match terminal.read(prompt) {
                Typed::Text(text) => {
                    if !ask(&requests, text) {
                        return;
                    }
                },
                Typed::Interrupted => {},
                Typed::End => {
                    // The scheduler may have gone before.
                    requests.send(Request::Quit(0)).unwrap_or_default();
                    return;
                },
            }
        }
    });
}

/// Reads lines from a pipe until its end, on a thread of its own.
fn read_pipe(requests: UnboundedSender<Request>) {
    std::thread::spawn(move || {
        let mut text = String::new();
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else {
                "# a line that is not UTF-8".clone_into(&mut text);
                continue;
            };
            text.push_str(&line);
            text.push('\n');
            if Interpreter::wants_more(&text) {
                continue;
            }
            if !ask(&requests, std::mem::take(&mut text)) {
                return;
            }
        }
        if !text.is_empty() {
            ask(&requests, text);
        }
        requests
            .send(Request::Quit(END_OF_INPUT))
            .unwrap_or_default();
    });
}

/// Ctrl-C stops the script that is running; a request to end ends the program after its jobs.
pub(super) fn watch_signals(
    runtime: &Runtime,
    interrupt: Arc<AtomicBool>,
    requests: UnboundedSender<Request>,
) -> io::Result<()> {
    let _inside = runtime.enter();
    let mut ctrl_c = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    runtime.spawn(async move {
        loop {
            let code = tokio::select! {
                _ = ctrl_c.recv() => None,
                _ = terminate.recv() => Some(128 + 15),
                _ = hang_up.recv() => Some(128 + 1),
            };
            interrupt.store(true, Ordering::Relaxed);
            if let Some(code) = code {
                requests.send(Request::Quit(code)).unwrap_or_default();
            }
        }
    });
    Ok(())
}

/// Asks for text to be run, and waits until it was. False where nobody is left to run it.
fn ask(requests: &UnboundedSender<Request>, text: String) -> bool {
    let (done, answer) = oneshot::channel();
    let request = Request::Typed {
        name: "terminal".into(),
        text,
        done,
    };
    requests.send(request).is_ok() && answer.blocking_recv().is_ok()
}

fn words(requests: &UnboundedSender<Request>, handle: &Handle) -> Words {
    let (done, answer) = oneshot::channel();
    if requests.send(Request::Words(done)).is_err() {
        return Words::default();
    }
    let answer = handle.block_on(async { tokio::time::timeout(PATIENCE, answer).await });
    answer.ok().and_then(Result::ok).unwrap_or_default()
}
