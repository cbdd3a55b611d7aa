//! The program `pantasks_server`.

use std::{
    ffi::OsString, fs::OpenOptions, io, io::Write as _, path::Path, process::ExitCode, sync::Arc,
};

use thiserror::Error;
use tokio::{runtime::Runtime, sync::mpsc};

use super::{
    commands,
    listen::{Door, ListenError},
    place::{self, Place, PlaceError},
    serve::{Answers, serve},
};
use crate::{
    engine::clock::SystemClock,
    pantasks::{
        drive::drive,
        program::{prepare, run_script},
        session::{Quit, Session},
    },
    process::ProcessSettings,
    shell::{
        front::{own_streams, watch_signals},
        machine::Surroundings,
        options::{self, Asked, Options},
        outlet::{Outlet, Sink},
        settings::{Settings, SettingsError},
    },
};

const STDOUT: &str = "PANTASKS_SERVER_STDOUT";
const STDERR: &str = "PANTASKS_SERVER_STDERR";

/// Runs `pantasks_server` with its arguments.
pub fn main(_: &Path, arguments: &[OsString]) -> ExitCode {
    let streams = own_streams();
    let code = match options::parse(arguments) {
        Ok(Asked::Help) => {
            streams.out(HELP);
            0
        },
        Ok(Asked::Version) => {
            streams.out(concat!(
                "pantasks_server of Outrigger ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            ));
            0
        },
        Ok(Asked::Run(options)) => run(&options).unwrap_or_else(|error| {
            streams.err(&format!("pantasks_server: {error}\n"));
            error.code()
        }),
        Err(error) => {
            streams.err(&format!(
                "pantasks_server: {error}; pantasks_server --help lists the options\n"
            ));
            2
        },
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

const HELP: &str = "\
usage: pantasks_server [OPTIONS] [SCRIPT [WORD...]]

A task scheduler without a terminal: clients (pantasks_client) give it commands. It listens at a
socket that only this user can open, or, where PANTASKS_SERVER_PORT is set, at a port, for those
who know the secret. It goes on until `shutdown`, or a signal to end.

  --load FILE    load a file first; may be given several times
  --norc         do not load ~/.pantasksrc
  -c FILE        read settings from this file, not from $PTOLEMY, ./ptolemy.rc or ~/.ptolemyrc
  -C WORD        set CONFIG
  -D NAME VALUE  override a setting
  --trace        show each line with its variables replaced
  --version

Settings: PANTASKS_SERVER_SOCKET (default $XDG_RUNTIME_DIR/outrigger/pantasks.sock, else
~/.outrigger/pantasks.sock); PANTASKS_SERVER, PANTASKS_SERVER_PORT (NN or NN:MM),
PANTASKS_SERVER_SECRET (a file that only you can read), VALID_IP; PANTASKS_SERVER_STDOUT and
PANTASKS_SERVER_STDERR (files that the log is appended to); MODULES.

Exit codes: 0 after shutdown, 1 failed, 2 usage, settings, or not the host of PANTASKS_SERVER.

Example:
  pantasks_server --load night.pro &
  pantasks_client -e status
";

#[derive(Debug, Error)]
enum ServerError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("{0}")]
    NoSecret(String),
    #[error("{name} {path}: {source}")]
    Log {
        name: &'static str,
        path: String,
        source: io::Error,
    },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl ServerError {
    fn code(&self) -> i32 {
        match self {
            Self::Settings(_)
            | Self::Place(_)
            | Self::NoSecret(_)
            | Self::Listen(ListenError::NotHere(_)) => 2,
            Self::Listen(_) | Self::Log { .. } | Self::Io(_) => 1,
        }
    }
}

fn run(options: &Options) -> Result<i32, ServerError> {
    let settings = Settings::of(options)?;
    let place = Place::of(&settings)?;
    let secret = place.secret(&settings)?;
    if matches!(place, Place::Ports { .. }) && secret.is_none() {
        return Err(ServerError::NoSecret(place::advice(&settings)));
    }
    let allowed = place::valid_addresses(&settings)?;
    let modules = settings.all("MODULES")?;
    let outlet = Outlet::new(
        log(&settings, STDOUT, Box::new(io::stdout()))?,
        log(&settings, STDERR, Box::new(io::stderr()))?,
    );

    let runtime = Runtime::new()?;
    let _inside = runtime.enter();
    let door = Arc::new(runtime.block_on(Door::open(&place, allowed))?);
    let (asking, mut asked) = mpsc::unbounded_channel();
    let around = Surroundings {
        name: "pantasks_server",
        options: options.clone(),
        settings,
        history: None,
        reads: false,
    };
    let clock = Arc::new(SystemClock);
    let local = ProcessSettings::default();
    let mut session = Session::within(around, clock, outlet.clone(), local)?;
    commands::register(session.interpreter());
    session.scheduler().lock().brief = true;
    watch_signals(&runtime, session.interrupt(), asking.clone())?;
    let loaded = prepare(&mut session, options, &modules).and_then(|_| match &options.script {
        Some(script) => run_script(&mut session, script, options),
        None => Ok(true),
    });
    if let Err(Quit(code)) = loaded {
        runtime.block_on(session.shut_down());
        return Ok(code);
    }
    outlet.out(&format!("listening at {}\n", door.name()));
    let answers = Answers::default();
    let serving = {
        let (door, answers, outlet) = (Arc::clone(&door), answers.clone(), outlet.clone());
        runtime.spawn(async move { serve(&door, secret, asking, answers, outlet).await })
    };
    let code = drive(&mut session, &runtime, &mut asked);
    runtime.block_on(answers.gone());
    serving.abort();
    // Its end lets go of the door, which then leaves the file system.
    drop(runtime.block_on(serving));
    drop(door);
    Ok(code)
}

/// Appends to the file that a setting names, else goes to the process's own stream.
fn log(
    settings: &Settings,
    name: &'static str,
    own: Box<dyn io::Write + Send>,
) -> Result<Sink, ServerError> {
    let mut to = match settings.get(name)? {
        Some(path) => {
            let file = OpenOptions::new().append(true).create(true).open(&path);
            let file = file.map_err(|source| ServerError::Log { name, path, source })?;
            Box::new(file)
        },
        None => own,
    };
    Ok(Box::new(move |text| {
        // A log that cannot be written is no reason to stop the night.
        drop(to.write_all(text.as_bytes()).and_then(|()| to.flush()));
    }))
}
