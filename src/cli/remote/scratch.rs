//! `outrigger remote scratch`.

use clap::Args;
use indicatif::HumanBytes;
use jiff::Timestamp;

use crate::{
    cli::{
        Global,
        exit::{CliError, Exit},
        table::{Table, print, print_json},
        workplace,
    },
    config::units::Seconds,
    remote::ScratchReport,
};

/// Tell what is on the scratch of sites by our ledger: how much, how old, what could go.
///
/// The sites are not asked.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger remote scratch mustang
  outrigger remote scratch mustang --files --json")]
pub(super) struct ScratchArgs {
    /// The site; all of outrigger.yaml if absent.
    site: Option<String>,
    /// Each file too.
    #[arg(long)]
    files: bool,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn scratch(global: &Global, arguments: &ScratchArgs) -> Result<Exit, CliError> {
    let workplace = workplace::open(global)?;
    let names: Vec<&str> = match &arguments.site {
        Some(name) => vec![name],
        None => workplace
            .loaded
            .config
            .sites
            .keys()
            .map(String::as_str)
            .collect(),
    };
    let reports: Vec<ScratchReport> = names
        .into_iter()
        .map(|name| workplace.scratch(name, arguments.files))
        .collect::<Result<_, _>>()?;
    if arguments.json {
        print_json("scratch", &reports)?;
        return Ok(Exit::Done);
    }
    for report in &reports {
        show(report)?;
    }
    Ok(Exit::Done)
}

fn show(report: &ScratchReport) -> Result<(), CliError> {
    print(&head(report))?;
    let mut table = Table::new(&["kind", "#files", "#bytes", "oldest use", "purged from"]);
    for heap in &report.heaps {
        table.row(vec![
            heap.kind.to_string(),
            heap.files.to_string(),
            heap.bytes.to_string(),
            when(Some(heap.oldest_use)),
            when(heap.purged_from),
        ]);
    }
    if !report.heaps.is_empty() {
        table.print()?;
    }
    if !report.candidates.is_empty() {
        print("\nruns that could be cleaned, in this order\n")?;
        let mut table = Table::new(&["#run", "state", "over since", "#files", "#bytes"]);
        for candidate in &report.candidates {
            table.row(vec![
                candidate.run_id.to_string(),
                candidate.state.to_string(),
                when(Some(candidate.ended_at)),
                candidate.files.len().to_string(),
                candidate.bytes.to_string(),
            ]);
        }
        table.print()?;
    }
    if let Some(why) = &report.unclear {
        print(&format!("\n{why}\n"))?;
    }
    if let Some(files) = &report.files {
        print("\nfiles\n")?;
        let mut table = Table::new(&["kind", "#bytes", "#run", "used", "touched", "path"]);
        for file in files {
            table.row(vec![
                file.kind.to_string(),
                file.size.to_string(),
                file.run_id.to_string(),
                when(Some(file.used_at)),
                when(Some(file.touched_at)),
                file.remote.display().to_string(),
            ]);
        }
        table.print()?;
    }
    Ok(())
}

fn head(report: &ScratchReport) -> String {
    let budget = report.budget.map_or_else(
        || "no scratch_budget".to_owned(),
        |budget| format!("of a scratch_budget of {}", HumanBytes(budget)),
    );
    let purge = report.purge_age.map_or_else(
        || "no purge_age".to_owned(),
        |age| format!("purge_age {}", Seconds(age)),
    );
    format!(
        "{}: {} on {} {budget}, {purge}\n",
        report.site,
        HumanBytes(report.bytes),
        report.scratch.display()
    )
}

/// A time; 1970 stands for one that is not known.
fn when(time: Option<Timestamp>) -> String {
    match time {
        Some(time) if time == Timestamp::UNIX_EPOCH => "not known".to_owned(),
        Some(time) => time.strftime("%F %T").to_string(),
        None => "-".to_owned(),
    }
}
