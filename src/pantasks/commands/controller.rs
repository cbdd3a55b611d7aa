//! `controller …`: the pool of hosts (spec/pantasks.md §5.2, §5.4).

use super::{
    super::scheduler::{Scheduler, Shared},
    Simple,
};
use crate::{
    opihi::{Args, Fault, Interpreter},
    pcontrol::{commands, finished::FinishedJobs},
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[("controller", controller)];

const USAGE: Fault = Fault::Usage(
    "controller host add|on|off|retry|check|delete NAME [-threads N] [-count N] [-keep|-fence] \
     [-all] | exit true | status | jobstack STATE | hoststack STATE | machines | parameters \
     [NAME [= VALUE]] | check job ID | check host NAME | run | stop | output | version | \
     verbose | pulse",
);

fn controller(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let words: Vec<&str> = args.rest().collect();
    let mut scheduler = shared.lock();
    let text = match words.as_slice() {
        ["exit", ..] => {
            let removed = scheduler.clear_hosts();
            format!("controller stopped, {removed} hosts removed\n")
        },
        ["run"] => {
            scheduler.standing.controller = true;
            String::new()
        },
        ["stop"] => {
            scheduler.standing.controller = false;
            String::new()
        },
        ["output"] => std::mem::take(&mut scheduler.messages),
        ["version"] => format!("pcontrol of Outrigger {}\n", env!("CARGO_PKG_VERSION")),
        ["verbose" | "pulse", ..] => String::new(),
        words => host_command(&mut scheduler, words).ok_or(USAGE)??,
    };
    drop(scheduler);
    interpreter.out(&text);
    Ok(())
}

fn host_command(scheduler: &mut Scheduler, words: &[&str]) -> Option<Result<String, Fault>> {
    let now = scheduler.instant();
    // What is over has been harvested: the scheduler leaves no job with its controller.
    let done = commands::command(&mut scheduler.cluster, &FinishedJobs::new(), words, now)?;
    Some(done.map_err(|error| Fault::message(error.to_string())))
}

/// The jobs on the controller's hosts (`status -c`).
pub(super) fn remote_jobs(scheduler: &mut Scheduler) -> String {
    let busy = host_command(scheduler, &["jobstack", "BUSY"]);
    let busy = busy.and_then(Result::ok).unwrap_or_default();
    format!(" jobs currently running remotely:\n{busy}")
}
