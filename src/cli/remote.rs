//! `outrigger remote …`: runs on batch clusters.

mod list;
mod operate;
mod scratch;
mod why;
mod work;

use clap::{Args, Subcommand};

use super::{
    Global,
    exit::{CliError, Exit},
};

/// Runs on batch clusters.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger remote define chip --label night1 --limit 500
  outrigger remote prepare
  outrigger remote exec
  outrigger remote poll
or all of it, for all stages, until nothing is left:
  outrigger remote run --label night1")]
pub(super) struct RemoteArgs {
    #[command(subcommand)]
    verb: RemoteVerb,
}

#[derive(Debug, Subcommand)]
enum RemoteVerb {
    /// Bundle the eligible components of a stage into runs.
    Define(work::DefineArgs),
    /// List runs.
    List(list::ListArgs),
    /// Show one run: its components, jobs, products and story.
    Show(list::ShowArgs),
    /// Tell why a run is where it is: its story, what it waits for, what to do next.
    Why(why::WhyArgs),
    /// Write the run directories of new runs.
    #[command(after_help = "Example:\n  outrigger remote prepare --label night1 --dry-run")]
    Prepare(work::PrepareArgs),
    /// Stage pending runs in and submit them.
    #[command(
        after_help = "Example:\n  outrigger remote exec                all that have something to do\n  outrigger remote exec 17 18          these runs"
    )]
    Exec(work::StepArgs),
    /// Ask for submitted runs; bring those that are over home and import them.
    #[command(
        after_help = "Example:\n  outrigger remote poll                all that have something to do\n  outrigger remote poll 17 18          these runs\n  outrigger remote poll 17 --harvest   bring home what has passed while its batch job runs"
    )]
    Poll(work::PollArgs),
    /// Define, prepare, exec and poll all stages until nothing is left to do.
    Run(work::RunArgs),
    /// Let failed runs, or the failed components of a run, be tried again.
    Revert(operate::RevertArgs),
    /// Give runs up: their batch jobs are cancelled, their components are free again.
    #[command(after_help = "Example:\n  outrigger remote cancel 17 --why 'wrong label'")]
    Cancel(operate::RunsArgs),
    /// Hold runs where they are.
    #[command(after_help = "Example:\n  outrigger remote hold 17 18 --why 'bad flats'")]
    Hold(operate::RunsArgs),
    /// Let held runs go on.
    #[command(after_help = "Example:\n  outrigger remote release 17 18")]
    Release(operate::RunsArgs),
    /// Remove what runs that are over have on their sites and nobody else needs.
    #[command(after_help = "Example:\n  outrigger remote clean 17 --dry-run")]
    Clean(operate::RunsArgs),
    /// Tell what is on the scratch of sites by our ledger.
    Scratch(scratch::ScratchArgs),
}

pub(super) fn run(global: &Global, arguments: RemoteArgs) -> Result<Exit, CliError> {
    match arguments.verb {
        RemoteVerb::Define(arguments) => work::define(global, arguments),
        RemoteVerb::List(arguments) => list::list(global, &arguments),
        RemoteVerb::Show(arguments) => list::show(global, &arguments),
        RemoteVerb::Why(arguments) => why::why(global, &arguments),
        RemoteVerb::Prepare(arguments) => work::prepare(global, &arguments),
        RemoteVerb::Exec(arguments) => work::exec(global, &arguments),
        RemoteVerb::Poll(arguments) => work::poll(global, &arguments),
        RemoteVerb::Run(arguments) => work::run(global, arguments),
        RemoteVerb::Revert(arguments) => operate::revert(global, &arguments),
        RemoteVerb::Cancel(arguments) => operate::cancel(global, &arguments),
        RemoteVerb::Hold(arguments) => operate::hold(global, &arguments),
        RemoteVerb::Release(arguments) => operate::release(global, &arguments),
        RemoteVerb::Clean(arguments) => operate::clean(global, &arguments),
        RemoteVerb::Scratch(arguments) => scratch::scratch(global, &arguments),
    }
}
