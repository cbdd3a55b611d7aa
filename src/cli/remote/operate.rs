//! What an operator does: revert, cancel, hold, release, clean.

use clap::Args;

use crate::{
    cli::{
        Global,
        exit::{CliError, Exit},
        table::{note, print},
        workplace::{self, block_on},
    },
    remote::{Cleaned, Workplace},
    state::run::{RunEvent, RunFilter, RunState},
};

/// Which runs.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outrigger remote hold 17 18 --why 'bad flats'")]
pub(super) struct RunsArgs {
    /// The runs.
    #[arg(required = true)]
    runs: Vec<i64>,
    /// Why; goes into the run's story.
    #[arg(long, default_value = "an operator said so")]
    why: String,
    /// Only tell what would be done.
    #[arg(long)]
    dry_run: bool,
}

impl RunsArgs {
    /// Does `act` to each run; goes on after a failure and fails at the end.
    fn each(
        &self,
        global: &Global,
        event: RunEvent,
        mut act: impl FnMut(&mut Workplace, i64, &str) -> Result<String, CliError>,
    ) -> Result<Exit, CliError> {
        let mut workplace = workplace::open(global)?;
        let mut exit = Exit::Done;
        for &id in &self.runs {
            let done = if self.dry_run {
                let state = workplace.store.run(id)?.state;
                match state.after(event) {
                    Ok(next) => Ok(format!("would go from {state} to {next}")),
                    Err(error) => Err(CliError::Failed(error.to_string())),
                }
            } else {
                act(&mut workplace, id, &self.why)
            };
            match done {
                Ok(text) => print(&format!("run {id}: {text}\n"))?,
                Err(error) => {
                    note(&format!("error: run {id}: {error}"));
                    exit = error.exit();
                },
            }
        }
        Ok(exit)
    }
}

pub(super) fn hold(global: &Global, arguments: &RunsArgs) -> Result<Exit, CliError> {
    arguments.each(global, RunEvent::Hold, |workplace, id, why| {
        Ok(workplace.hold(id, why)?.to_string())
    })
}

pub(super) fn release(global: &Global, arguments: &RunsArgs) -> Result<Exit, CliError> {
    arguments.each(global, RunEvent::Release, |workplace, id, _| {
        Ok(workplace.let_go(id)?.to_string())
    })
}

pub(super) fn cancel(global: &Global, arguments: &RunsArgs) -> Result<Exit, CliError> {
    arguments.each(global, RunEvent::Cancel, |workplace, id, why| {
        block_on(workplace.cancel(id, why))??;
        Ok("cancelled".to_owned())
    })
}

pub(super) fn clean(global: &Global, arguments: &RunsArgs) -> Result<Exit, CliError> {
    arguments.each(global, RunEvent::Clean, |workplace, id, _| {
        Ok(match block_on(workplace.clean(id))?? {
            Cleaned::Removed {
                directory,
                files,
                bytes,
            } => {
                let directory = directory.map(|path| format!("{} and ", path.display()));
                let directory = directory.unwrap_or_default();
                format!("removed {directory}{files} files ({bytes} bytes by our ledger)")
            },
            Cleaned::Nothing => "it had nothing on its site".to_owned(),
        })
    })
}

/// Let failed runs, or the failed components of a run, be tried again.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger remote revert 17                 a run in error goes on at its failed step
  outrigger remote revert 17 --components    its failed components are free to be bundled again
  outrigger remote revert --all-components --label night1")]
pub(super) struct RevertArgs {
    /// The runs.
    #[arg(required_unless_present = "all_components")]
    runs: Vec<i64>,
    /// Free the failed components of the runs.
    #[arg(long)]
    components: bool,
    /// Free the failed components of all runs (of the labels given).
    #[arg(long)]
    all_components: bool,
    /// With --all-components: only runs with this label (may be given several times).
    #[arg(long)]
    label: Vec<String>,
}

pub(super) fn revert(global: &Global, arguments: &RevertArgs) -> Result<Exit, CliError> {
    let mut workplace = workplace::open(global)?;
    let runs: Vec<i64> = if arguments.all_components {
        let filter = RunFilter {
            labels: arguments.label.clone(),
            ..RunFilter::default()
        };
        workplace
            .store
            .runs(&filter)?
            .iter()
            .map(|run| run.run_id)
            .collect()
    } else {
        arguments.runs.clone()
    };
    let mut exit = Exit::Done;
    for id in runs {
        let done = revert_one(&mut workplace, id, arguments);
        match done {
            Ok(text) if text.is_empty() => {},
            Ok(text) => print(&format!("run {id}: {text}\n"))?,
            Err(error) => {
                note(&format!("error: run {id}: {error}"));
                exit = error.exit();
            },
        }
    }
    Ok(exit)
}

fn revert_one(
    workplace: &mut Workplace,
    id: i64,
    arguments: &RevertArgs,
) -> Result<String, CliError> {
    if arguments.components || arguments.all_components {
        let freed = workplace.revert_components(id)?;
        let quiet = freed == 0 && arguments.all_components;
        return Ok(if quiet {
            String::new()
        } else {
            format!("{freed} components are free again")
        });
    }
    let state = match workplace.store.run(id)?.state {
        RunState::Auth(_) => workplace.revert_auth(id)?,
        _ => workplace.revert_run(id)?,
    };
    Ok(state.to_string())
}
