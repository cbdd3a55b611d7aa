//! `outrigger status`: where everything stands, by stage.

use clap::Args;

use super::{
    Global,
    exit::{CliError, Exit},
    table::{Table, print_json},
    workplace,
};

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
        "#jobs",
        "#products",
    ]);
    for stage in stages {
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
                stage.jobs,
                stage.products,
            ]
            .map(|count| count.to_string()),
        );
        table.row(cells);
    }
    table.print()?;
    Ok(Exit::Done)
}
