//! `outrigger alloc`: nodes and walltime for so many jobs.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    Global,
    exit::{CliError, Exit},
    queue::{Choice, choices},
    table::{print, print_json_keys},
    workplace,
};
use crate::{
    allocator::{self, Allocation, Limits, Work},
    config::{
        self, Loaded,
        site::{Formula, Prefer, Site},
    },
};

/// Threads of a job whose stage only the original's table of costs knows (spec/remote.md §4).
const TABLE_THREADS: u32 = 2;

/// Compute nodes and walltime for so many jobs.
///
/// What a job costs comes from --threads and --seconds, else from the stage's recipe, else from
/// the table of the original pipeline. With --profile no configuration is needed.
///
/// Formula `calibrated` knows from finished jobs what jobs take, and plays the launcher on such
/// times: see `outrigger calibrate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger alloc --stage chip --jobs 37200 --profile lanl --formula ipp
  outrigger alloc --stage chip --jobs 37200 --formula calibrated --prefer short
  outrigger alloc --stage chip --jobs 37200 --formula calibrated --queue
  outrigger alloc --stage fit --jobs 5000 --threads 4 --seconds 90 --site mustang --json")]
pub(super) struct AllocArgs {
    /// The stage.
    #[arg(long)]
    stage: String,
    /// How many jobs.
    #[arg(long)]
    jobs: u64,
    /// A built-in site.
    #[arg(long, conflicts_with = "site")]
    profile: Option<String>,
    /// A site of outrigger.yaml; the first one if absent.
    #[arg(long)]
    site: Option<String>,
    /// How to compute; the site's own formula if absent.
    #[arg(long, value_enum)]
    formula: Option<Named>,
    /// What the queue likes, for formula `calibrated`; the site's own preference if absent.
    #[arg(long, value_enum)]
    prefer: Option<Liking>,
    /// Ask the site's scheduler when such requests would begin, whatever the queue likes, and take
    /// the one that is over first; nothing is queued.
    #[arg(long, conflicts_with = "prefer")]
    queue: bool,
    /// Cores that a job uses.
    #[arg(long)]
    threads: Option<u32>,
    /// Seconds that a job takes.
    #[arg(long)]
    seconds: Option<f64>,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Named {
    /// The worked example of the notes.
    Seed,
    /// The original's final scripts; may exceed the site's limits.
    Ipp,
    /// Never over the site's limits; splits what does not fit.
    Bounded,
    /// From what finished jobs took; `bounded` while there are too few.
    Calibrated,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Liking {
    /// The fewest runs, and of these the fewest whole hours.
    Hours,
    /// The shortest walltime, in as many runs as that takes.
    Short,
    /// The fewest runs, and of these the most nodes.
    Wide,
}

impl From<Liking> for Prefer {
    fn from(liking: Liking) -> Self {
        match liking {
            Liking::Hours => Self::Hours,
            Liking::Short => Self::Short,
            Liking::Wide => Self::Wide,
        }
    }
}

impl From<Named> for Formula {
    fn from(named: Named) -> Self {
        match named {
            Named::Seed => Self::Seed,
            Named::Ipp => Self::Ipp,
            Named::Bounded => Self::Bounded,
            Named::Calibrated => Self::Calibrated,
        }
    }
}

/// What a job is taken to cost, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Cost {
    threads: u32,
    seconds_per_job: f64,
    cost_from: String,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    stage: &'a str,
    jobs: u64,
    site: &'a str,
    #[serde(flatten)]
    cost: Cost,
    #[serde(flatten)]
    allocation: Allocation,
    /// What the scheduler was asked about, the one that is over first at the beginning.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Choice>,
}

pub(super) fn run(global: &Global, arguments: &AllocArgs) -> Result<Exit, CliError> {
    let loaded = configuration(global, arguments)?;
    let (name, site) = site(loaded.as_ref(), arguments)?;
    let formula = arguments.formula.map_or(site.formula, Formula::from);
    if arguments.queue && formula != Formula::Calibrated {
        return Err(CliError::Usage(
            "--queue compares requests of formula calibrated: add --formula calibrated".to_owned(),
        ));
    }
    let mut choices = Vec::new();
    let (cost, allocation) = match formula {
        Formula::Calibrated => {
            let (cost, allocation, asked) = calibrated(global, arguments, &name)?;
            choices = asked;
            (cost, allocation)
        },
        Formula::Seed | Formula::Ipp | Formula::Bounded => {
            let cost = cost(loaded.as_ref(), arguments)?;
            let work = Work {
                stage: arguments.stage.clone(),
                jobs: arguments.jobs,
                threads: cost.threads,
                seconds_per_job: cost.seconds_per_job,
                longest: None,
            };
            let allocation = allocator::allocate(formula, &work, &Limits::of(&site))
                .map_err(|error| CliError::Usage(error.to_string()))?;
            (cost, allocation)
        },
    };
    let answer = Answer {
        stage: &arguments.stage,
        jobs: arguments.jobs,
        site: &name,
        cost,
        allocation,
        choices,
    };
    if arguments.json {
        print_json_keys(&answer)?;
    } else {
        print(&text(&answer))?;
    }
    Ok(Exit::Done)
}

/// The allocation that finished jobs of the stage give.
fn calibrated(
    global: &Global,
    arguments: &AllocArgs,
    site: &str,
) -> Result<(Cost, Allocation, Vec<Choice>), CliError> {
    if arguments.profile.is_some() || arguments.threads.is_some() || arguments.seconds.is_some() {
        return Err(CliError::Usage(
            "formula calibrated goes by the finished jobs of a site of outrigger.yaml: leave out \
             --profile, --threads and --seconds"
                .to_owned(),
        ));
    }
    let workplace = workplace::open(global)?;
    let reckoning = workplace.reckoning(&arguments.stage, site)?;
    let mut reckoning = match reckoning.formula {
        Formula::Calibrated => reckoning,
        Formula::Seed | Formula::Ipp | Formula::Bounded => workplace.calibrated(reckoning, site)?,
    };
    if let Some(liking) = arguments.prefer {
        reckoning.prefer = liking.into();
    }
    let choices = if arguments.queue {
        choices(&workplace, &reckoning, arguments.jobs, site)?
    } else {
        Vec::new()
    };
    let allocation = match choices.first() {
        Some(first) => first.allocation.clone(),
        None => reckoning.allocate(arguments.jobs, false)?,
    };
    let cost = match allocator::load(&reckoning.kinds, arguments.jobs) {
        Some(load) => Cost {
            threads: reckoning.cost.threads,
            seconds_per_job: (load.mean() * 10.0).round() / 10.0,
            cost_from: format!(
                "mean of {} finished jobs",
                reckoning.kinds.iter().map(|k| k.wall.count).sum::<usize>()
            ),
        },
        None => Cost {
            threads: reckoning.cost.threads,
            seconds_per_job: seconds(reckoning.cost.seconds.0),
            cost_from: "the stage's recipe".to_owned(),
        },
    };
    Ok((cost, allocation, choices))
}

/// The configuration, if there is one and something of it may be needed.
fn configuration(global: &Global, arguments: &AllocArgs) -> Result<Option<Loaded>, CliError> {
    let all_given =
        arguments.profile.is_some() && arguments.threads.is_some() && arguments.seconds.is_some();
    let place = std::path::absolute(&global.config)
        .map_err(|error| CliError::Usage(format!("{}: {error}", global.config.display())))?;
    let none = place.is_dir() && config::find(&place).is_none();
    if all_given || none {
        Ok(None)
    } else {
        Ok(Some(config::load(&place)?))
    }
}

fn site(loaded: Option<&Loaded>, arguments: &AllocArgs) -> Result<(String, Site), CliError> {
    if let Some(name) = &arguments.profile {
        let site = config::profile(name).ok_or_else(|| {
            let known: Vec<_> = config::profiles().collect();
            CliError::Usage(format!(
                "there is no profile `{name}`; there are {}",
                known.join(" and ")
            ))
        })?;
        return Ok((name.clone(), site));
    }
    let Some(loaded) = loaded else {
        return Err(CliError::Usage(
            "no outrigger.yaml here or above: give --profile lanl or --profile uhcray, or make \
             one with `outrigger init`"
                .to_owned(),
        ));
    };
    let name = match &arguments.site {
        Some(name) => name,
        None => loaded
            .config
            .sites
            .keys()
            .next()
            .ok_or(crate::remote::RemoteError::NoSite)?,
    };
    Ok((name.clone(), loaded.site(name)?.clone()))
}

fn cost(loaded: Option<&Loaded>, arguments: &AllocArgs) -> Result<Cost, CliError> {
    let stage = &arguments.stage;
    let recipe = loaded.and_then(|loaded| loaded.recipe(stage).ok());
    let known = match recipe {
        Some(recipe) => {
            let cost = &recipe.recipe.cost;
            Some((cost.threads, seconds(cost.seconds.0), "the stage's recipe"))
        },
        None => allocator::ipp_cost(stage)
            .map(|cost| (TABLE_THREADS, seconds(cost.0), "the original's table")),
    };
    match (arguments.threads, arguments.seconds, known) {
        (Some(threads), Some(seconds_per_job), _) => Ok(Cost {
            threads,
            seconds_per_job,
            cost_from: "the command line".to_owned(),
        }),
        (None, None, Some((threads, seconds_per_job, from))) => Ok(Cost {
            threads,
            seconds_per_job,
            cost_from: from.to_owned(),
        }),
        (given, given_seconds, Some((threads, seconds_per_job, from))) => Ok(Cost {
            threads: given.unwrap_or(threads),
            seconds_per_job: given_seconds.unwrap_or(seconds_per_job),
            cost_from: format!("the command line and {from}"),
        }),
        (_, _, None) => Err(CliError::Usage(format!(
            "nobody knows what a job of stage `{stage}` costs: give both --threads and --seconds"
        ))),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a job are far below 2^52"
)]
fn seconds(seconds: u64) -> f64 {
    seconds as f64
}

fn text(answer: &Answer<'_>) -> String {
    let Answer {
        stage,
        jobs,
        site,
        cost,
        allocation,
        choices,
    } = answer;
    let formula = match allocation.formula {
        Formula::Seed => "seed",
        Formula::Ipp => "ipp",
        Formula::Bounded => "bounded",
        Formula::Calibrated => "calibrated",
    };
    let mut text = format!(
        "{jobs} jobs of {stage} at {site}: {} threads, {} s each ({}); formula {formula}\n",
        cost.threads, cost.seconds_per_job, cost.cost_from
    );
    let mut line = |name: &str, value: String| {
        let _infallible = writeln!(text, "  {name:<12}{value}");
    };
    if let Some(tasks) = allocation.tasks {
        line("array", format!("{tasks} tasks, each of:"));
    }
    line("nodes", allocation.nodes.to_string());
    line("walltime", allocation.walltime.to_string());
    line("runs", allocation.runs.to_string());
    if allocation.runs > 1 {
        line("jobs a run", allocation.jobs_per_run.to_string());
    }
    line("core-hours", format!("{:.0}", allocation.core_hours));
    line("fill", format!("{:.3}", allocation.fill));
    for choice in choices {
        let _infallible = writeln!(text, "  {choice}");
    }
    for note in &allocation.notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    text
}
