//! `outrigger remote why`.

use clap::Args;

use super::list;
use crate::cli::{
    Global,
    exit::{CliError, Exit},
    table::{print, print_json},
    workplace,
};

/// Tell why a run is where it is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  outrigger remote why 17\n  outrigger remote why 17 --json")]
pub(super) struct WhyArgs {
    /// The run.
    run: i64,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

pub(super) fn why(global: &Global, arguments: &WhyArgs) -> Result<Exit, CliError> {
    let why = workplace::open(global)?.why(arguments.run)?;
    if arguments.json {
        print_json("why", &why)?;
        return Ok(Exit::Done);
    }
    let run = &why.run;
    print(&format!(
        "run {} of stage {}, label {}, site {}: {}\n",
        run.run_id, run.stage, run.label, run.site, run.state
    ))?;
    list::story(why.story).print()?;
    for failure in why.failures {
        print(&format!(
            "{} jobs, the first is {}: {}\n",
            failure.jobs, failure.first, failure.reason
        ))?;
    }
    print(&format!("now   {}\n", why.now))?;
    for command in why.next {
        print(&format!("next  {command}\n"))?;
    }
    Ok(Exit::Done)
}
