//! `outrigger db …`: state.db itself.

use clap::{Args, Subcommand};

use super::{
    Global,
    exit::{CliError, Exit},
    table::{Table, print, print_json},
};
use crate::{config, state::Store};

/// Look after state.db.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outrigger db check")]
pub(super) struct DbArgs {
    #[command(subcommand)]
    verb: DbVerb,
}

#[derive(Debug, Subcommand)]
enum DbVerb {
    /// Verify that state.db holds what it promises.
    Check(CheckArgs),
}

/// Verify that state.db holds what it promises.
///
/// Checks SQLite's own structure, every state, and the invariants between runs, components, jobs,
/// results and events. Exit code 1: something does not hold; 5: the database is refused.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outrigger db check --json")]
struct CheckArgs {
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(global: &Global, arguments: &DbArgs) -> Result<Exit, CliError> {
    match &arguments.verb {
        DbVerb::Check(arguments) => check(global, arguments),
    }
}

fn check(global: &Global, arguments: &CheckArgs) -> Result<Exit, CliError> {
    let path = config::load(&global.config)?.state_file();
    let violations = Store::open(&path)?.check()?;
    if arguments.json {
        print_json("violations", &violations)?;
    } else if violations.is_empty() {
        print(&format!("{}: everything holds\n", path.display()))?;
    } else {
        let mut table = Table::new(&["does not hold", "where"]);
        for violation in &violations {
            table.row(vec![violation.rule.clone(), violation.found.clone()]);
        }
        table.print()?;
    }
    Ok(if violations.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}
