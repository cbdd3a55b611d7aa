//! `outrigger remote list` and `show`.

use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        Global,
        exit::{CliError, Exit},
        table::{Table, print, print_json},
        workplace,
    },
    remote::due_again,
    state::{
        event::{Event, Subject},
        job::JobState,
        run::{Run, RunFilter, RunState},
        run_dir::decision::Decision,
    },
};

/// List runs.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger remote list --label night1 --state run --state auth
  outrigger remote list --json")]
pub(super) struct ListArgs {
    /// Only runs with this label (may be given several times).
    #[arg(long)]
    label: Vec<String>,
    /// Only runs of this stage.
    #[arg(long)]
    stage: Option<String>,
    /// Only runs of this site.
    #[arg(long)]
    site: Option<String>,
    /// Only runs in this state: `auth`, `error` and `hold` mean all of them, `error:exec` one.
    #[arg(long)]
    state: Vec<String>,
    /// At most so many; 0 = all.
    #[arg(long, default_value_t = 0)]
    limit: usize,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn list(global: &Global, arguments: &ListArgs) -> Result<Exit, CliError> {
    let workplace = workplace::open(global)?;
    let stage = workplace.stage_name(arguments.stage.as_deref())?;
    let filter = RunFilter {
        states: states(&arguments.state)?,
        stage,
        site: arguments.site.clone(),
        labels: arguments.label.clone(),
        limit: arguments.limit,
        ..RunFilter::default()
    };
    let runs = workplace.store.runs(&filter)?;
    if arguments.json {
        print_json("runs", &runs)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        "#run", "stage", "site", "label", "state", "job", "#jobs", "#passed", "#failed", "#lost",
        "why",
    ]);
    for run in runs {
        table.row(vec![
            run.run_id.to_string(),
            run.stage,
            run.site,
            run.label,
            run.state.to_string(),
            run.job_id.unwrap_or_else(|| "-".into()),
            run.jobs.to_string(),
            run.passed.to_string(),
            run.failed.to_string(),
            run.lost.to_string(),
            run.reason,
        ]);
    }
    table.print()?;
    Ok(Exit::Done)
}

/// The states that the given words mean.
fn states(words: &[String]) -> Result<Vec<RunState>, CliError> {
    let mut states = Vec::new();
    for word in words {
        let before = states.len();
        states.extend(RunState::all().filter(|state| {
            let name = state.to_string();
            name == *word || name.split(':').next() == Some(word)
        }));
        if states.len() == before {
            let known: Vec<String> = RunState::all().map(|state| state.to_string()).collect();
            return Err(CliError::Usage(format!(
                "`{word}` is not a state of a run; known: {}",
                known.join(", ")
            )));
        }
    }
    Ok(states)
}

/// Show one run.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outrigger remote show 17 --jobs")]
pub(super) struct ShowArgs {
    /// The run.
    run: i64,
    /// Every job, not only those that failed.
    #[arg(long)]
    jobs: bool,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn show(global: &Global, arguments: &ShowArgs) -> Result<Exit, CliError> {
    let workplace = workplace::open(global)?;
    let store = &workplace.store;
    let run = store.run(arguments.run)?;
    let components = store.components(run.run_id)?;
    let mut jobs = store.jobs(run.run_id)?;
    let products = store.products(run.run_id)?;
    let events = store.events(Subject::Run, run.run_id)?;
    if !arguments.jobs {
        jobs.retain(|job| matches!(job.state, JobState::Failed | JobState::Lost));
    }
    if arguments.json {
        let document = json!({
            "run": run, "components": components, "jobs": jobs, "products": products,
            "events": events,
        });
        print_json("shown", document)?;
        return Ok(Exit::Done);
    }
    print(&head(&run, &workplace.run_dir(&run)))?;
    print("\ncomponents\n")?;
    let mut table = Table::new(&["#stage_id", "state", "#jobs", "#attempt", "why"]);
    let now = workplace.clock.now();
    for component in components {
        let due = due_again(component.due_at, now).map(|due| format!("; {due}"));
        table.row(vec![
            component.stage_id.to_string(),
            component.state.to_string(),
            component.jobs.to_string(),
            component.attempt.to_string(),
            component.reason + &due.unwrap_or_default(),
        ]);
    }
    table.print()?;
    if !jobs.is_empty() {
        print(if arguments.jobs {
            "\njobs\n"
        } else {
            "\njobs that failed\n"
        })?;
        let mut table = Table::new(&["#job", "key", "state", "#exit", "node", "why"]);
        for job in jobs {
            table.row(vec![
                job.seq.to_string(),
                job.key,
                job.state.to_string(),
                job.exit_code
                    .map_or_else(|| "-".into(), |code| code.to_string()),
                job.node.unwrap_or_else(|| "-".into()),
                job.reason,
            ]);
        }
        table.print()?;
    }
    if !products.is_empty() {
        let bytes: u64 = products.iter().map(|product| product.size).sum();
        let size = indicatif::HumanBytes(bytes);
        print(&format!("\n{} products at home, {size}\n", products.len()))?;
    }
    print("\nstory\n")?;
    story(events).print()?;
    Ok(Exit::Done)
}

/// The story of a run.
pub(super) fn story(events: Vec<Event>) -> Table {
    let mut table = Table::new(&["when", "from", "to", "by", "why"]);
    for event in events {
        table.row(vec![
            event.at.strftime("%F %T").to_string(),
            event.before,
            event.after,
            event.actor,
            event.why,
        ]);
    }
    table
}

fn head(run: &Run, run_dir: &Path) -> String {
    let asked = Decision::read(run_dir).ok();
    let asked = asked.map_or_else(String::new, |decision| {
        format!(", {}", decision.allocation.size())
    });
    format!(
        "run {} of stage {}, label {}, site {}\nstate      {}\nwhy        {}\nbatch job  {} (token {}){asked}\ndirectory  {}\njobs       {}: {} passed, {} failed, {} lost\n",
        run.run_id,
        run.stage,
        run.label,
        run.site,
        run.state,
        run.reason,
        run.job_id.as_deref().unwrap_or("-"),
        run.token,
        run_dir.display(),
        run.jobs,
        run.passed,
        run.failed,
        run.lost
    )
}
