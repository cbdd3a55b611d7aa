//! `outrigger calibrate`: what finished jobs took.

use clap::Args;
use serde::Serialize;

use super::{
    Global,
    exit::{CliError, Exit},
    table::{Table, note, print_json},
    workplace,
};
use crate::{
    allocator::{self, Calibrated, Node, Summary, Throughput},
    remote::{NEWEST, Workplace},
    state::timing::TimedStage,
};

/// What finished jobs took, by stage and site.
///
/// Counts jobs that passed and did their work, those of the newest runs first, at most 100,000 of
/// a stage and site. `--formula calibrated` draws from these times.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger calibrate
  outrigger calibrate --stage chip --by filter --json")]
pub(super) struct CalibrateArgs {
    /// This stage only.
    #[arg(long)]
    stage: Option<String>,
    /// This site only.
    #[arg(long)]
    site: Option<String>,
    /// Tell kinds of jobs apart by this field of their component's row, or by `key`, the job's
    /// own key.
    #[arg(long, value_name = "FIELD")]
    by: Option<String>,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

/// What is known of a kind of jobs of a stage at a site.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    of: TimedStage,
    #[serde(flatten)]
    known: Calibrated,
    /// What a node does by threads a job, the best first.
    advice: Vec<Throughput>,
}

pub(super) fn run(global: &Global, arguments: &CalibrateArgs) -> Result<Exit, CliError> {
    let workplace = workplace::open(global)?;
    let stage = workplace.stage_name(arguments.stage.as_deref())?;
    if let Some(site) = &arguments.site {
        workplace.loaded.site(site)?;
    }
    let mut rows = Vec::new();
    for of in workplace.store.timed_stages()? {
        let wanted = |name: &Option<String>, is: &str| name.as_deref().is_none_or(|n| n == is);
        if wanted(&stage, &of.stage) && wanted(&arguments.site, &of.site) {
            let by = arguments.by.as_deref();
            for known in workplace.calibration(&of.stage, Some(&of.site), by)? {
                rows.push(Row {
                    advice: advice(&workplace, &of, &known),
                    of: of.clone(),
                    known,
                });
            }
        }
    }
    if arguments.json {
        print_json("calibrations", &rows)?;
    } else if rows.is_empty() {
        note("no finished job to go by: what passes is counted when its run is imported");
    } else {
        table(&rows, arguments.by.is_some()).print()?;
        for row in &rows {
            say(row);
        }
    }
    Ok(Exit::Done)
}

fn advice(workplace: &Workplace, of: &TimedStage, known: &Calibrated) -> Vec<Throughput> {
    let Ok(site) = workplace.loaded.site(&of.site) else {
        return Vec::new();
    };
    let recipe = workplace.loaded.recipe(&of.stage).ok();
    let given = recipe.and_then(|loaded| loaded.recipe.cost.memory);
    let node = Node {
        cores: site.nodes.cores,
        memory: site.nodes.memory.map(|memory| memory.0),
        job_memory: given.map(|memory| memory.0),
    };
    allocator::advise(&of.stage, &known.threads, node)
}

fn table(rows: &[Row], kinds: bool) -> Table {
    let mut header = vec!["stage", "site"];
    if kinds {
        header.push("kind");
    }
    header.extend([
        "#jobs",
        "#mean s",
        "#median s",
        "#p95 s",
        "#max s",
        "#memory p95",
        "#max MiB",
        "#cores",
    ]);
    let mut table = Table::new(&header);
    let dash = || "-".to_owned();
    let mib = |bytes: f64| format!("{:.0}", bytes / f64::from(1 << 20));
    for Row { of, known, .. } in rows {
        let Summary {
            count,
            mean,
            median,
            p95,
            max,
        } = known.wall;
        let mut cells = vec![of.stage.clone(), of.site.clone()];
        if kinds {
            cells.push(known.kind.clone());
        }
        cells.push(count.to_string());
        cells.extend([mean, median, p95, max].map(|seconds| format!("{seconds:.1}")));
        cells.push(known.memory.map_or_else(dash, |memory| mib(memory.p95)));
        cells.push(known.memory.map_or_else(dash, |memory| mib(memory.max)));
        cells.push(known.cores.map_or_else(dash, |cores| format!("{cores:.2}")));
        table.row(cells);
    }
    table
}

/// What the table cannot say: that there is too little, and which number of threads does most.
fn say(row: &Row) {
    let Row { of, known, advice } = row;
    let mut name = format!("{} at {}", of.stage, of.site);
    if !known.kind.is_empty() {
        name = format!("{name}, {}", known.kind);
    }
    if known.wall.count >= NEWEST as usize {
        note(&format!(
            "note: {name}: only the newest {NEWEST} jobs are counted"
        ));
    }
    if let Some(scarcity) = known.scarcity() {
        note(&format!("note: {name}: {scarcity}"));
    }
    if let [best, ..] = advice.as_slice() {
        let all: Vec<String> = advice
            .iter()
            .map(|of| {
                format!(
                    "{} threads {:.0}{}",
                    of.threads,
                    of.jobs_per_hour,
                    if of.measured {
                        ""
                    } else {
                        " (by the notes' test)"
                    }
                )
            })
            .collect();
        note(&format!(
            "note: {name}: {} threads a job do most; jobs an hour of a node: {}",
            best.threads,
            all.join(", ")
        ));
    }
}
