//! `outrigger remote why`.

use clap::Args;

use crate::cli::{
    Global,
    exit::{CliError, Exit},
    table::{Table, print, print_json},
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
    let mut table = Table::new(&["when", "from", "to", "by", "why"]);
    for event in why.story {
        table.row(vec![
            event.at.strftime("%F %T").to_string(),
            event.before,
            event.after,
            event.actor,
            event.why,
        ]);
    }
    table.print()?;
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
