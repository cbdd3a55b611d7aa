//! The commands of `outrigger`: one file a verb; parse, call, print; nothing else.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::batch::{LaunchArgs, LocalCommand, launch_main, local_main};

#[derive(Debug, Parser)]
#[command(name = "outrigger", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The embedded batch scheduler
    #[command(hide = true, subcommand)]
    Local(LocalCommand),
    /// The built-in multi-prog launcher
    #[command(hide = true)]
    Launch(LaunchArgs),
}

/// Runs the program that argv[0] names.
pub fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Local(command) => local_main(&command),
        Verb::Launch(args) => launch_main(&args),
    }
}
