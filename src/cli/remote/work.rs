//! The verbs that move runs on: define, prepare, exec, poll, run.

use clap::Args;

use crate::{
    cli::{
        Global,
        exit::{CliError, Exit},
        progress::Screen,
        table::{note, print, print_json},
        workplace::{self, block_on},
    },
    remote::{DefineRequest, DriveOptions, Observer, Work, Workplace, wait_of},
    state::{
        run::{Run, RunFilter, RunState, Stage},
        run_dir::decision::Decision,
    },
};

/// Bundle the eligible components of a stage into runs.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger remote define chip --label night1 --limit 500 --pretend")]
pub(super) struct DefineArgs {
    /// The stage, or an alias of it.
    stage: String,
    /// Label that the recipe's source is asked for.
    #[arg(long)]
    label: String,
    /// Label of the new runs, if another.
    #[arg(long)]
    set_label: Option<String>,
    /// Where they go; the first site of outrigger.yaml if absent.
    #[arg(long)]
    site: Option<String>,
    /// At most so many components; 0 = all.
    #[arg(long, default_value_t = 0)]
    limit: usize,
    /// Define nothing if fewer than so many are eligible.
    #[arg(long, default_value_t = 0)]
    min: usize,
    /// Only tell what would be bundled.
    #[arg(long, visible_alias = "dry-run")]
    pretend: bool,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn define(global: &Global, arguments: DefineArgs) -> Result<Exit, CliError> {
    let mut workplace = workplace::open(global)?;
    let pretend = arguments.pretend;
    let request = DefineRequest {
        stage: arguments.stage,
        label: arguments.label,
        set_label: arguments.set_label,
        site: arguments.site,
        limit: arguments.limit,
        min: arguments.min,
        pretend,
        path_base: None,
    };
    let defined = workplace.define(&request)?;
    if arguments.json {
        print_json("defined", &defined)?;
    } else {
        for text in &defined.notes {
            note(text);
        }
        let what = if pretend {
            "would be bundled"
        } else {
            "bundled"
        };
        print(&format!(
            "{} components of {} {what}",
            defined.stage_ids.len(),
            defined.stage
        ))?;
        if let Some(wait) = wait_of(&defined.waiting, workplace.clock.now()) {
            print(&format!("\n{wait}"))?;
        }
        for run in &defined.runs {
            print(&format!("\nrun {run} for site {}", defined.site))?;
        }
        print("\n")?;
    }
    Ok(if defined.stage_ids.is_empty() {
        Exit::Later
    } else {
        Exit::Done
    })
}

/// Which runs to work on.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger remote poll              all that have something to do
  outrigger remote exec 17 18        these runs
  outrigger remote prepare --label night1 --dry-run")]
pub(super) struct StepArgs {
    /// These runs; all that have something to do if absent.
    runs: Vec<i64>,
    /// Only runs with this label (may be given several times).
    #[arg(long)]
    label: Vec<String>,
    /// Only runs of this stage.
    #[arg(long)]
    stage: Option<String>,
    /// Only runs of this site.
    #[arg(long)]
    site: Option<String>,
    /// At most so many runs; 0 = all.
    #[arg(long, default_value_t = 0)]
    limit: usize,
    /// Only tell what would be done.
    #[arg(long)]
    dry_run: bool,
    /// JSON on stdout: the runs as they stand afterwards.
    #[arg(long)]
    json: bool,
}

impl StepArgs {
    fn choose(
        &self,
        workplace: &Workplace,
        ready: impl Fn(RunState) -> bool,
    ) -> Result<Vec<Run>, CliError> {
        let stage = workplace.stage_name(self.stage.as_deref())?;
        let filter = RunFilter {
            run_ids: self.runs.clone(),
            stage,
            site: self.site.clone(),
            labels: self.label.clone(),
            ..RunFilter::default()
        };
        let mut runs = workplace.store.runs(&filter)?;
        for id in &self.runs {
            let run = workplace.store.run(*id)?;
            if !ready(run.state) {
                return Err(CliError::Failed(format!(
                    "run {id} is in state `{}`, which has no such step; see `outrigger remote show {id}`",
                    run.state
                )));
            }
        }
        runs.retain(|run| ready(run.state));
        if self.limit > 0 {
            runs.truncate(self.limit);
        }
        Ok(runs)
    }

    /// Prints where the runs stand now, and gives the exit code that fits.
    fn report(&self, workplace: &Workplace, before: &[Run]) -> Result<Exit, CliError> {
        let runs: Vec<Run> = before
            .iter()
            .map(|run| workplace.store.run(run.run_id))
            .collect::<Result<_, _>>()?;
        if self.json {
            print_json("runs", &runs)?;
        } else {
            for run in &runs {
                print(&format!(
                    "run {} ({}): {}: {}\n",
                    run.run_id, run.stage, run.state, run.reason
                ))?;
            }
        }
        Ok(exit_of(&runs))
    }
}

/// The worst that any of the runs needs.
fn exit_of(runs: &[Run]) -> Exit {
    let any = |test: fn(&Run) -> bool| runs.iter().any(test);
    if any(|run| matches!(run.state, RunState::Error(_))) {
        Exit::Failed
    } else if any(|run| matches!(run.state, RunState::Auth(_))) {
        Exit::Login
    } else if any(|run| is_on_the_way(run.state)) || runs.is_empty() {
        Exit::Later
    } else {
        Exit::Done
    }
}

/// Whether there is more to do for a run once it is prepared.
fn is_on_the_way(state: RunState) -> bool {
    matches!(state, RunState::Active(stage) if !matches!(stage, Stage::New | Stage::Pending))
}

/// Write the run directories of new runs.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger remote prepare --label night1 --dry-run
  outrigger remote prepare 17 --component 91    one component, beside others that do the same
  outrigger remote prepare 17 --merge           when all have done so")]
pub(super) struct PrepareArgs {
    #[command(flatten)]
    step: StepArgs,
    /// Write only the directory of this component (its `stage_id`) of one run.
    #[arg(long, value_name = "STAGE_ID", conflicts_with_all = ["merge", "dry_run"])]
    component: Option<i64>,
    /// Put together what --component wrote.
    #[arg(long, conflicts_with = "dry_run")]
    merge: bool,
}

pub(super) fn prepare(global: &Global, arguments: &PrepareArgs) -> Result<Exit, CliError> {
    let mut workplace = workplace::open(global)?;
    let step = &arguments.step;
    let runs = step.choose(&workplace, |state| state == RunState::Active(Stage::New))?;
    if let Some(stage_id) = arguments.component {
        let [run] = runs.as_slice() else {
            return Err(CliError::Usage(
                "--component needs exactly one new run".into(),
            ));
        };
        let directory = workplace.prepare_component(run.run_id, stage_id)?;
        print(&format!("{}\n", directory.display()))?;
        return Ok(Exit::Done);
    }
    let screen = Screen::new(global.quiet);
    if step.dry_run {
        let mut rehearsals = Vec::new();
        for run in &runs {
            let progress = |done| screen.components(run.run_id, done);
            rehearsals.push(workplace.rehearse(run.run_id, &progress)?);
        }
        if step.json {
            print_json("would_write", &rehearsals)?;
        } else {
            for rehearsal in &rehearsals {
                print(&rehearsal.to_string())?;
            }
        }
        return Ok(if runs.is_empty() {
            Exit::Later
        } else {
            Exit::Done
        });
    }
    if arguments.merge {
        for run in &runs {
            workplace.merge(run.run_id, &|done| screen.components(run.run_id, done))?;
        }
    } else {
        workplace.prepare_all(&runs, &screen)?;
    }
    drop(screen);
    let exit = step.report(&workplace, &runs)?;
    Ok(if runs.is_empty() { Exit::Later } else { exit })
}

pub(super) fn exec(global: &Global, arguments: &StepArgs) -> Result<Exit, CliError> {
    network(global, arguments, Work::Exec)
}

/// Ask for submitted runs; bring those that are over home and import them.
#[derive(Debug, Args)]
pub(super) struct PollArgs {
    #[command(flatten)]
    step: StepArgs,
    /// Of batch jobs that still run, bring home and import what has passed.
    #[arg(long)]
    harvest: bool,
}

pub(super) fn poll(global: &Global, arguments: &PollArgs) -> Result<Exit, CliError> {
    let work = if arguments.harvest {
        Work::Harvest
    } else {
        Work::Poll
    };
    network(global, &arguments.step, work)
}

fn network(global: &Global, arguments: &StepArgs, work: Work) -> Result<Exit, CliError> {
    let mut workplace = workplace::open(global)?;
    let runs = arguments.choose(&workplace, |state| work.includes(state))?;
    if arguments.dry_run {
        for run in &runs {
            print(&would(&workplace, run, work)?)?;
        }
        return Ok(if runs.is_empty() {
            Exit::Later
        } else {
            Exit::Done
        });
    }
    let screen = Screen::new(global.quiet);
    block_on(workplace.visit_sites(runs.clone(), work, &screen))??;
    drop(screen);
    arguments.report(&workplace, &runs)
}

/// What would be done with a run, in one line.
fn would(workplace: &Workplace, run: &Run, work: Work) -> Result<String, CliError> {
    let head = format!("run {} ({}, {})", run.run_id, run.stage, run.state);
    if work != Work::Exec {
        return Ok(format!("{head} would be asked for at {}\n", run.site));
    }
    let decision = Decision::read(&workplace.run_dir(run))?;
    Ok(format!(
        "{head} would go to {}: up to {} inputs ({}), {} jobs in {} configs, {} as {}\n",
        run.site,
        decision.files_in,
        indicatif::HumanBytes(decision.bytes_in),
        decision.jobs,
        decision.chunks,
        decision.allocation.size(),
        run.token
    ))
}

/// Define, prepare, exec and poll all stages until nothing is left to do.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger remote run --label night1
  outrigger remote run --label night1 --stage chip --once   one round, for a scheduler of yours")]
pub(super) struct RunArgs {
    /// Label of the work.
    #[arg(long)]
    label: String,
    /// Only this stage (may be given several times).
    #[arg(long)]
    stage: Vec<String>,
    /// Site for new runs; the first site of outrigger.yaml if absent.
    #[arg(long)]
    site: Option<String>,
    /// At most so many components a bundle; 0 = as many as fit.
    #[arg(long, default_value_t = 0)]
    limit: usize,
    /// One round only.
    #[arg(long)]
    once: bool,
    /// Wait for a login instead of stopping with exit code 3.
    #[arg(long)]
    wait_for_login: bool,
    /// JSON on stdout: how it ended.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(global: &Global, arguments: RunArgs) -> Result<Exit, CliError> {
    let mut workplace = workplace::open(global)?;
    let options = DriveOptions {
        label: arguments.label,
        stages: arguments.stage,
        site: arguments.site,
        once: arguments.once,
        wait_for_login: arguments.wait_for_login,
        limit: arguments.limit,
    };
    let screen = Screen::new(global.quiet);
    let driven = block_on(workplace.drive(&options, &screen))??;
    drop(screen);
    let standing = driven.standing;
    if arguments.json {
        print_json("driven", &driven)?;
    } else {
        print(&format!(
            "{} runs full, {} on the way, {} waiting for a login, {} held, {} in error; {} components failed\n",
            standing.full,
            standing.active,
            standing.auth,
            standing.held,
            standing.error,
            driven.failed_components
        ))?;
        if let Some(wait) = wait_of(&standing.waiting, workplace.clock.now()) {
            print(&format!("{wait}\n"))?;
        }
    }
    Ok(if standing.error > 0 {
        Exit::Failed
    } else if standing.auth > 0 {
        // What failed is told by the exit code once nothing waits any more.
        Exit::Login
    } else if driven.failed_components > 0 || !driven.broken_stages.is_empty() {
        Exit::Failed
    } else if standing.active > 0 || standing.held > 0 || standing.waiting.components > 0 {
        Exit::Later
    } else {
        Exit::Done
    })
}
