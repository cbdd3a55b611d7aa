//! `outrigger transfer log`: what was moved, when, and what became of it.

use clap::Args;
use indicatif::HumanBytes;
use jiff::Timestamp;

use super::super::{
    Global,
    exit::{CliError, Exit},
    table::{Table, print_json},
};
use crate::{
    config,
    state::{Store, transfer::Transfer},
};

/// Which transfers.
#[derive(Debug, Args)]
pub(in super::super) struct LogArgs {
    /// Of this site alone.
    site: Option<String>,
    /// So many of the last ones.
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: u32,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn log(global: &Global, arguments: &LogArgs) -> Result<Exit, CliError> {
    let loaded = config::load(&global.config)?;
    if let Some(site) = &arguments.site {
        loaded.site(site)?;
    }
    let store = Store::open(&loaded.state_file())?;
    let transfers = store.transfers(arguments.site.as_deref(), arguments.last)?;
    if arguments.json {
        print_json("transfers", transfers)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        "began", "site", "way", "run", "#moved", "#bytes", "#rate", "#there", "#failed", "end",
    ]);
    for transfer in &transfers {
        table.row(cells(transfer));
    }
    table.print()?;
    Ok(Exit::Done)
}

fn cells(transfer: &Transfer) -> Vec<String> {
    let tally = transfer.tally;
    let end = match (transfer.ended_at, transfer.why.as_str()) {
        (None, _) => "under way, or killed".to_owned(),
        (Some(_), "") => "whole".to_owned(),
        (Some(_), why) => why.to_owned(),
    };
    vec![
        transfer.began_at.strftime("%F %T").to_string(),
        transfer.site.clone(),
        transfer.way.word().to_owned(),
        transfer
            .run_id
            .map_or("-".to_owned(), |run| run.to_string()),
        format!("{} of {}", tally.moved, transfer.files),
        HumanBytes(tally.bytes).to_string(),
        rate(tally.bytes, transfer.began_at, transfer.ended_at),
        tally.already.to_string(),
        tally.failed.to_string(),
        end,
    ]
}

/// Bytes a second, where there is something to tell.
fn rate(bytes: u64, began: Timestamp, ended: Option<Timestamp>) -> String {
    let spent = ended.map_or(0, |ended| ended.duration_since(began).as_millis());
    match u64::try_from(spent) {
        Ok(spent) if spent > 0 && bytes > 0 => {
            format!("{}/s", HumanBytes(bytes.saturating_mul(1000) / spent))
        },
        _ => "-".to_owned(),
    }
}
