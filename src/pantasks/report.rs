//! The state of the scheduler for other programs (`status -json`).

use serde_json::json;

use super::{
    job::{Job, State},
    scheduler::Scheduler,
    task::Host,
};

/// Raised with every change that a reader of the old form would trip over.
const SCHEMA: u32 = 1;

/// Everything that `status` shows, as one JSON object on one line.
pub(super) fn json(scheduler: &Scheduler) -> String {
    let now = scheduler.now();
    let tasks: Vec<_> = scheduler
        .tasks
        .iter()
        .map(|task| {
            let statistics = &task.statistics;
            json!({
                "name": task.name(),
                "active": task.active && !task.is_draining(),
                "valid": task.ranges.allows(now),
                "outstanding": scheduler.jobs.outstanding(Some(task.id())),
                "submitted": statistics.submitted,
                "success": statistics.success.count(),
                "failure": statistics.failure.count(),
                "timeout": statistics.timeouts,
                "skipped": statistics.skipped,
                "command": task.settings.command,
                "dynamic": task.dynamic,
            })
        })
        .collect();
    let jobs: Vec<_> = scheduler.jobs.iter().map(job).collect();
    let hosts: Vec<_> = scheduler
        .cluster
        .slots()
        .map(|(slot, state)| json!({"host": slot.host, "state": state.word(), "threads": slot.threads}))
        .collect();
    let standing = scheduler.standing;
    let mut text = json!({
        "schema": SCHEMA,
        "scheduler": standing.scheduler,
        "harvest": standing.harvest,
        "controller": standing.controller,
        "tasks": tasks,
        "jobs": jobs,
        "hosts": hosts,
    })
    .to_string();
    text.push('\n');
    text
}

fn job(job: &Job) -> serde_json::Value {
    let (since, host) = match &job.state {
        State::Pending { since } => (Some(since), None),
        State::Busy { since, host } => (Some(since), Some(host)),
        State::Stopping { .. } | State::Ended(_) => (None, None),
    };
    let wish = match &job.launch.host {
        Host::Local => "local",
        Host::Any => "anyhost",
        Host::Named { name, .. } => name,
    };
    json!({
        "id": job.id.0,
        "name": job.launch.name,
        "state": job.state.word(),
        "since": since.map(ToString::to_string),
        "host": host,
        "wish": wish,
        "argv": job.launch.argv,
    })
}
