//! The commands of `outrigger`: one file a verb; parse, call, print; nothing else.

mod exit;
mod progress;
mod remote;
mod status;
mod table;
mod workplace;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

pub use exit::Exit;

use crate::{
    batch::{LaunchArgs, LocalCommand, launch_main, local_main},
    sky::{self, SkyCommand},
};

/// Runs an observatory's pipeline at home and on somebody else's supercomputer.
///
/// Data goes to stdout, logs and progress to stderr. Exit codes: 0 done, 1 failed, 2 usage or
/// configuration, 3 a site needs a login, 4 nothing to do yet (poll again), 5 state.db refuses.
#[derive(Debug, Parser)]
#[command(name = "outrigger", version, max_term_width = 100, after_help = EXAMPLE)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLE: &str = "Example:
  outrigger init                      a commented outrigger.yaml, a stage, state.db
  outrigger check                     everything wrong in configuration and recipes, at once
  outrigger remote run --label night1 define, prepare, exec, poll until all is done
  outrigger status                    where everything stands";

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// outrigger.yaml, or the directory in or above which it lies.
    #[arg(
        long,
        global = true,
        env = "OUTRIGGER_CONFIG",
        value_name = "PATH",
        default_value = "."
    )]
    config: PathBuf,
    /// No progress on stderr.
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs on batch clusters: define, prepare, exec, poll, and what an operator does to them.
    Remote(remote::RemoteArgs),
    /// Where everything stands: runs, components and products by stage.
    Status(status::StatusArgs),
    /// Small image programs: making, measuring and combining test frames.
    #[command(subcommand)]
    Sky(SkyCommand),
    /// The embedded batch scheduler (called by generated scripts).
    #[command(subcommand, hide = true)]
    Local(LocalCommand),
    /// The embedded multi-prog launcher (called by generated scripts).
    #[command(hide = true)]
    Launch(LaunchArgs),
}

/// Runs the program that the name in argv\[0] decides.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    outrigger(arguments)
}

fn outrigger(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            return if error.print().is_ok() {
                code.into()
            } else {
                Exit::Failed.into()
            };
        },
    };
    let exit = match cli.verb {
        Verb::Sky(command) => return sky::main(command),
        Verb::Local(command) => return local_main(&command),
        Verb::Launch(arguments) => return launch_main(&arguments),
        Verb::Remote(arguments) => remote::run(&cli.global, arguments),
        Verb::Status(arguments) => status::run(&cli.global, &arguments),
    };
    match exit {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("error: {error}");
            error.exit().into()
        },
    }
}
