//! `outrigger schema`: the JSON schema of outrigger.yaml or of a stage recipe.

use clap::{Args, ValueEnum};

use super::{
    exit::{CliError, Exit},
    table::print,
};
use crate::config::{SchemaKind, json_schema};

/// Print the JSON schema of outrigger.yaml or of a stage recipe, for editors.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outrigger schema recipe >recipe.schema.json")]
pub(super) struct SchemaArgs {
    /// Of what.
    #[arg(value_enum, default_value_t = Kind::Config)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// outrigger.yaml.
    Config,
    /// A stage recipe.
    Recipe,
}

pub(super) fn run(arguments: &SchemaArgs) -> Result<Exit, CliError> {
    let schema = json_schema(match arguments.kind {
        Kind::Config => SchemaKind::Config,
        Kind::Recipe => SchemaKind::Recipe,
    });
    print(&format!("{schema:#}\n"))?;
    Ok(Exit::Done)
}
