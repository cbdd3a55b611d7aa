//! `outrigger transfer …`: files to and from a site, by hand.

mod log;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};
use indicatif::{HumanBytes, HumanDuration};
use serde_json::json;

use super::{
    Global,
    exit::{CliError, Exit},
    progress::Screen,
    table::{note, print, print_json},
    workplace::{block_on, own_program},
};
use crate::{
    config::{
        self,
        site::{Connection, Engine, Site},
        units::Bytes,
    },
    connection::{Host, LinkError, life::Link},
    engine::clock::{Clock, SystemClock},
    state::{
        self, StateError, Store,
        transfer::{Begun, Tally},
    },
    transfer::{
        self, HashLedger, Item, Ledger, Load, NoLedger, Outcome, Progress, Pull, TransferOptions,
        Verdict,
        list::{self, ListError},
    },
};

/// Files to and from a site: verified, resumed after a cut, never half-written.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  outrigger transfer push mustang night1/raw --into /scratch/survey/raw
  outrigger transfer pull mustang /scratch/survey/products --into products
  outrigger transfer verify mustang night1/raw --into /scratch/survey/raw")]
pub(super) enum TransferCommand {
    /// Bring files and directories to a site; what is there already is left alone.
    #[command(
        after_help = "Example:\n  outrigger transfer push mustang night1/raw --into /scratch/survey/raw"
    )]
    Push(MoveArgs),
    /// Bring files and directories of a site here; what is here already is left alone.
    #[command(
        after_help = "Example:\n  outrigger transfer pull mustang /scratch/survey/products --into products"
    )]
    Pull(MoveArgs),
    /// Tell in which bundles and ranges a push would travel, without a link.
    #[command(
        after_help = "Example:\n  outrigger transfer plan mustang night1/raw --into /scratch/survey/raw"
    )]
    Plan(MoveArgs),
    /// Read files on both sides and compare; exit code 1 if any differs.
    #[command(
        after_help = "Example:\n  outrigger transfer verify mustang night1/raw --into /scratch/survey/raw"
    )]
    Verify(MoveArgs),
    /// Tell what was moved lately, by hand and for runs, and what became of it.
    #[command(after_help = "Example:\n  outrigger transfer log mustang --last 5")]
    Log(log::LogArgs),
}

/// What to move, and how.
#[derive(Debug, Args)]
pub(super) struct MoveArgs {
    /// The site.
    site: String,
    /// Files and directories; each keeps its name.
    #[arg(required = true, value_name = "FROM")]
    sources: Vec<PathBuf>,
    /// The directory that they go into; absolute on the site.
    #[arg(long, value_name = "DIRECTORY")]
    into: PathBuf,
    /// Parallel streams on each line, instead of the site's.
    #[arg(long)]
    streams: Option<u32>,
    /// What carries the files, instead of the site's: tar, scp or rsync.
    #[arg(long, value_parser = engine)]
    engine: Option<Engine>,
    /// Most bytes a second, such as 20 MB.
    #[arg(long, value_name = "SIZE")]
    limit: Option<Bytes>,
    /// Print what would be moved, and move nothing.
    #[arg(long)]
    dry_run: bool,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

fn engine(word: &str) -> Result<Engine, String> {
    match word {
        "tar" => Ok(Engine::Tar),
        "scp" => Ok(Engine::Scp),
        "rsync" => Ok(Engine::Rsync),
        _ => Err("there are `tar`, `scp` and `rsync`".to_owned()),
    }
}

pub(super) fn run(global: &Global, command: &TransferCommand) -> Result<Exit, CliError> {
    let (arguments, way) = match command {
        TransferCommand::Push(arguments) => (arguments, Way::Push),
        TransferCommand::Pull(arguments) => (arguments, Way::Pull),
        TransferCommand::Plan(arguments) => (arguments, Way::Plan),
        TransferCommand::Verify(arguments) => (arguments, Way::Verify),
        TransferCommand::Log(arguments) => return log::log(global, arguments),
    };
    let loaded = config::load(&global.config)?;
    let site = loaded.site(&arguments.site)?.clone();
    if way != Way::Pull && !arguments.into.is_absolute() {
        return Err(CliError::Usage(format!(
            "--into {}: a directory on the site must be absolute",
            arguments.into.display()
        )));
    }
    let mut store = match Store::open(&loaded.state_file()) {
        Ok(store) => Some(store),
        Err(StateError::Missing(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let ledger = store.as_ref().map(Ledger::new).transpose()?;
    let hashes: &dyn HashLedger = match &ledger {
        Some(ledger) => ledger,
        None => &NoLedger,
    };
    let own = site.sent_program(&loaded.root, &own_program()?);
    let options = options(arguments, &site, &own, hashes);
    let exit = match way {
        Way::Plan => plan(arguments, &site, &options),
        Way::Push if arguments.dry_run => plan(arguments, &site, &options),
        Way::Push | Way::Pull => {
            let journal = store.as_mut();
            block_on(transfer(global, arguments, &site, way, &options, journal))?
        },
        Way::Verify => block_on(verify(arguments, &site, hashes))?,
    };
    if let (Some(store), Some(ledger)) = (&mut store, ledger)
        && let Err(error) = store.remember_hashes(&ledger.into_fresh())
    {
        note(&format!(
            "the hashes of these files will be made anew next time: {error}"
        ));
    }
    exit
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Push,
    Pull,
    Plan,
    Verify,
}

fn options<'a>(
    arguments: &MoveArgs,
    site: &Site,
    own: &Path,
    hashes: &'a dyn HashLedger,
) -> TransferOptions<'a> {
    let link = Link::of(&arguments.site, site);
    let left = link.and_then(|link| link.left(SystemClock.now()));
    let mut options = TransferOptions::of(&arguments.site, site, own, left, hashes);
    options.streams = arguments.streams.unwrap_or(options.streams);
    options.engine = arguments.engine.unwrap_or(options.engine);
    options.limit = arguments.limit.map(|limit| limit.0).or(options.limit);
    options
}

async fn transfer(
    global: &Global,
    arguments: &MoveArgs,
    site: &Site,
    way: Way,
    options: &TransferOptions<'_>,
    journal: Option<&mut Store>,
) -> Result<Exit, CliError> {
    let host = open(arguments, site).await?;
    let pull = match way {
        Way::Push => None,
        _ => Some(Pull::new(&host, options)),
    };
    let items = match &pull {
        None => list::outward(&arguments.sources, &arguments.into)?,
        Some(pull) => {
            if !arguments.dry_run {
                pull.prepare();
            }
            list::homeward(&host, &arguments.sources, &arguments.into).await?
        },
    };
    if arguments.dry_run {
        return show(&items, 1, options, arguments.json);
    }
    let screen = Screen::new(global.quiet);
    let bytes = items.iter().filter_map(|item| item.size).sum();
    screen.expect(items.len() as u64, bytes);
    let begin = Instant::now();
    let begun = Begun {
        site: &arguments.site,
        way: match pull {
            None => state::transfer::Way::Push,
            Some(_) => state::transfer::Way::Pull,
        },
        run_id: None,
        files: items.len(),
        at: SystemClock.now(),
    };
    let journal = journal.and_then(|store| {
        let begun = store
            .begin_transfer(begun)
            .map_err(|error| unwritten(&error));
        Some((begun.ok()?, store))
    });
    let outcomes = match pull {
        None => transfer::push(&host, &items, options, &screen).await,
        Some(pull) => pull.bring(&items, &screen).await,
    };
    if let Some((id, store)) = journal {
        let ended = store.end_transfer(id, transfer::told(&outcomes), SystemClock.now());
        ended.unwrap_or_else(|error| unwritten(&error));
    }
    drop(screen);
    report(
        &items,
        &outcomes.map_err(link)?,
        begin.elapsed(),
        arguments.json,
    )
}

/// What was moved is not lost for a journal that cannot be written.
fn unwritten(error: &StateError) {
    note(&format!("this transfer is not in the journal: {error}"));
}

/// Failures that are told one by one: thousands of files often fail for one reason.
const SHOWN: usize = 20;

fn report(
    items: &[Item],
    outcomes: &[Outcome],
    spent: Duration,
    as_json: bool,
) -> Result<Exit, CliError> {
    let Tally {
        moved,
        bytes,
        already,
        ..
    } = transfer::tally(outcomes);
    let mut failed = Vec::new();
    for (item, outcome) in items.iter().zip(outcomes) {
        if let Outcome::Failed(error) = outcome {
            if failed.len() < SHOWN {
                note(&format!("failed: {error}"));
            }
            failed.push(json!({
                "local": item.local.to_string_lossy(),
                "remote": item.remote.to_string_lossy(),
                "why": error.to_string(),
            }));
        }
    }
    if let Some(more) = failed.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        note(&format!("failed: {more} files more; --json lists them all"));
    }
    let seconds = spent.as_secs_f64().max(0.001);
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits")]
    let rate = bytes as f64 / seconds;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is shown in whole bytes"
    )]
    let shown = HumanBytes(rate as u64);
    note(&format!(
        "{moved} files moved, {} in {}, {shown}/s; {already} were there; {} failed",
        HumanBytes(bytes),
        HumanDuration(spent),
        failed.len()
    ));
    let good = failed.is_empty();
    if as_json {
        print_json(
            "transfer",
            json!({
                "moved": moved,
                "bytes": bytes,
                "already": already,
                "failed": failed,
                "seconds": seconds,
                "bytes_per_second": rate,
            }),
        )?;
    }
    Ok(if good { Exit::Done } else { Exit::Failed })
}

fn plan(
    arguments: &MoveArgs,
    site: &Site,
    options: &TransferOptions<'_>,
) -> Result<Exit, CliError> {
    let items = list::outward(&arguments.sources, &arguments.into)?;
    let lines = match &site.connection {
        Connection::Ssh(ssh) => ssh.masters(),
        Connection::None => 1,
    };
    show(&items, lines, options, arguments.json)
}

fn show(
    items: &[Item],
    lines: u32,
    options: &TransferOptions<'_>,
    as_json: bool,
) -> Result<Exit, CliError> {
    let sizes: Vec<u64> = items.iter().map(|item| item.size.unwrap_or(0)).collect();
    let bytes: u64 = sizes.iter().sum();
    let lines = usize::try_from(lines.max(1)).unwrap_or(1);
    let loads = transfer::plan(&sizes, lines, options);
    let is_part = |load: &&Load| matches!(load, Load::Part(..));
    let parts = loads.iter().filter(is_part).count();
    if as_json {
        let files: Vec<_> = items
            .iter()
            .map(|item| {
                json!({
                    "local": item.local.to_string_lossy(),
                    "remote": item.remote.to_string_lossy(),
                    "size": item.size,
                })
            })
            .collect();
        print_json(
            "plan",
            json!({"files": files, "bytes": bytes, "loads": loads}),
        )?;
        return Ok(Exit::Done);
    }
    print(&format!(
        "{} files, {}: {} bundles and {parts} parts of large files, over {lines} lines with {} streams each\n",
        items.len(),
        HumanBytes(bytes),
        loads.len() - parts,
        options.streams,
    ))?;
    Ok(Exit::Done)
}

async fn verify(
    arguments: &MoveArgs,
    site: &Site,
    hashes: &dyn HashLedger,
) -> Result<Exit, CliError> {
    let items = list::outward(&arguments.sources, &arguments.into)?;
    let host = open(arguments, site).await?;
    let verdicts = transfer::verify(&host, &items, hashes)
        .await
        .map_err(link)?;
    let good = |verdict: &&Verdict| matches!(verdict, Verdict::Same { .. });
    let same = verdicts.iter().filter(good).count();
    if arguments.json {
        let all: Vec<_> = items
            .iter()
            .zip(&verdicts)
            .map(|(item, verdict)| {
                json!({
                    "local": item.local.to_string_lossy(),
                    "remote": item.remote.to_string_lossy(),
                    "verdict": verdict,
                })
            })
            .collect();
        print_json("files", all)?;
    }
    for (item, verdict) in items.iter().zip(&verdicts) {
        let what = match verdict {
            Verdict::Same { .. } => continue,
            Verdict::Differs { .. } => "differs".to_owned(),
            Verdict::NotThere => "is not on the site".to_owned(),
            Verdict::NotHere => "is not here".to_owned(),
            Verdict::Unreadable { why } => why.clone(),
        };
        note(&format!("{}: {what}", item.local.display()));
    }
    note(&format!("{same} of {} files are the same", items.len()));
    Ok(if same == items.len() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

async fn open(arguments: &MoveArgs, site: &Site) -> Result<Host, CliError> {
    Host::open(&arguments.site, site).await.map_err(link)
}

fn link(error: LinkError) -> CliError {
    CliError::Link(error.into())
}

impl From<ListError> for CliError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Link(error) => link(error),
            other => Self::Usage(other.to_string()),
        }
    }
}
