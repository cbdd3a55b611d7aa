//! `outrigger status`: where everything stands, by stage.

use clap::Args;

use super::{
    Global,
    exit::{CliError, Exit},
    table::{Table, print, print_json},
    workplace,
};
use crate::remote::wait_of;

/// Where everything stands: runs, components and products by stage.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outrigger status --label night1\n  outrigger status --json")]
pub(super) struct StatusArgs {
    /// Only runs with this label (may be given several times).
    #[arg(long)]
    label: Vec<String>,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(global: &Global, arguments: &StatusArgs) -> Result<Exit, CliError> {
    let workplace = workplace::open(global)?;
    let stages = workplace.by_stage(&arguments.label)?;
    if arguments.json {
        print_json("stages", &stages)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        "stage",
        "#queued",
        "#runs",
        "#on the way",
        "#auth",
        "#error",
        "#full",
        "#components",
        "#passed",
        "#failed",
        "#waiting",
        "#jobs",
        "#products",
    ]);
    let now = workplace.clock.now();
    let mut waits = Vec::new();
    for stage in stages {
        if let Some(wait) = wait_of(&stage.waiting, now) {
            waits.push(format!("{}: {wait}\n", stage.stage));
        }
        let mut cells = vec![stage.stage];
        cells.extend(
            [
                stage.queued,
                stage.runs,
                stage.active,
                stage.auth,
                stage.error,
                stage.full,
                stage.components,
                stage.passed,
                stage.failed,
                stage.waiting.components,
                stage.jobs,
                stage.products,
            ]
            .map(|count| count.to_string()),
        );
        table.row(cells);
    }
    table.print()?;
    for line in waits {
        print(&line)?;
    }
    Ok(Exit::Done)
}
