//! `outrigger explain`: which value holds, where it came from, what it means.

use clap::Args;

use super::{
    Global,
    exit::{CliError, Exit},
    table::{print, print_json},
};
use crate::config;

/// Tell which value of a key holds, where it came from and what it means.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger explain sites.local.nodes
  outrigger explain stages.chip.cost.threads --json
  outrigger explain ''                          all of outrigger.yaml")]
pub(super) struct ExplainArgs {
    /// A key of outrigger.yaml, or of a recipe behind `stages.NAME.`; a map means all below it.
    key: String,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(global: &Global, arguments: &ExplainArgs) -> Result<Exit, CliError> {
    let loaded = config::load(&global.config)?;
    let explanations = config::explain(&loaded, &arguments.key)?;
    if arguments.json {
        print_json("keys", &explanations)?;
        return Ok(Exit::Done);
    }
    for explanation in &explanations {
        print(&format!("{explanation}\n"))?;
        if !explanation.meaning.is_empty() {
            print(&format!("    {}\n", explanation.meaning))?;
        }
    }
    Ok(Exit::Done)
}
