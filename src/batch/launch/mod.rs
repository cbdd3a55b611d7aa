//! The built-in multi-prog launcher: runs the lines of `srun --multi-prog` configs on this
//! machine, a limited number at once.
//!
//! Like a step of [`Dialect::step_command`](super::Dialect::step_command) it goes on after
//! failures and exits with the highest exit code. Launchers of several jobs share the machine's
//! slots through locked files, so that a killed one gives its slots back.

mod config;
mod pool;
pub(super) mod slots;

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use self::{
    config::{ConfigError, Step},
    pool::Pool,
    slots::Slots,
};

/// Time that tasks have to end after they were asked to.
const GRACE: Duration = Duration::from_secs(10);

/// Arguments of `outrigger launch`.
#[derive(Debug, Clone, clap::Args)]
pub struct LaunchArgs {
    /// Most tasks at once on this machine
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub slots: u32,
    /// Directory of the slot files that launchers share; without it the slots are this one's
    /// own
    #[arg(long)]
    pub spool: Option<PathBuf>,
    /// Configs as of `srun --multi-prog`: lines `RANK PROGRAM ARGUMENTS…`
    #[arg(required = true)]
    pub confs: Vec<PathBuf>,
}

/// Runs all lines of the configs. Exits with the highest exit code of a task (128 + N for
/// signal N, 2 for a program that cannot be started), or with 1 before anything is started if a
/// config cannot be read. SIGTERM, SIGINT and SIGHUP are passed on to the tasks.
pub fn launch_main(args: &LaunchArgs) -> ExitCode {
    let outcome = read(&args.confs)
        .map_err(|error| error.to_string())
        .and_then(|steps| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("cannot start: {error}"))?;
            runtime
                .block_on(run(steps, args))
                .map_err(|error| format!("cannot watch for signals: {error}"))
        });
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("outrigger launch: {message}");
            ExitCode::from(1)
        },
    }
}

fn read(confs: &[PathBuf]) -> Result<Vec<Step>, ConfigError> {
    let mut steps = Vec::new();
    for path in confs {
        let text = std::fs::read(path).map_err(|error| ConfigError::Read {
            path: path.clone(),
            error,
        })?;
        steps.extend(config::parse(&text).map_err(|why| ConfigError::Line {
            path: path.clone(),
            why,
        })?);
    }
    Ok(steps)
}

async fn run(steps: Vec<Step>, args: &LaunchArgs) -> std::io::Result<u8> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hup = signal(SignalKind::hangup())?;
    let slots = Slots::new(args.spool.clone(), "slot", args.slots);
    let pool = Arc::new(Pool::new(steps, slots));
    let working = Arc::clone(&pool);
    let mut done = tokio::task::spawn_blocking(move || working.run());
    let mut asked = false;
    loop {
        let sent = tokio::select! {
            finished = &mut done => {
                if finished.is_err() {
                    pool.highest.fetch_max(1, Ordering::SeqCst);
                }
                return Ok(pool.highest.load(Ordering::SeqCst));
            }
            _ = term.recv() => Signal::TERM,
            _ = int.recv() => Signal::INT,
            _ = hup.recv() => Signal::HUP,
            () = tokio::time::sleep(GRACE), if asked => Signal::KILL,
        };
        pool.stop(if asked { Signal::KILL } else { sent });
        asked = true;
    }
}
