//! What is due now, and when to look again.
//!
//! The scheduler sleeps until [`next_evaluation`] or [`next_deadline`] or until something happens: a job starts or ends, a
//! human types. There is no fixed tick.

use jiff::Timestamp;

use super::{
    job::{JobId, Stop},
    jobs::Jobs,
    task::{Periods, Task, TaskId, after},
    tasks::Tasks,
};

/// The tasks to evaluate at `now`, in the order of their definition (spec/pantasks.md §3.3).
pub fn due<B>(tasks: &Tasks<B>, jobs: &Jobs, now: Timestamp) -> Vec<TaskId> {
    tasks
        .iter()
        .filter(|task| may_submit(task, jobs) && task.ready_at() <= now && task.ranges.allows(now))
        .map(Task::id)
        .collect()
}

/// The jobs that have to end at `now`, and why: local jobs that outlived their timeout, and jobs
/// that waited too long where their task limits that. The periods are those of the task now.
pub fn overdue<B>(tasks: &Tasks<B>, jobs: &Jobs, now: Timestamp) -> Vec<(JobId, Stop)> {
    let mut overdue = Vec::new();
    for task in tasks.iter() {
        let periods = &task.settings.periods;
        let late = jobs
            .busy_here(task.id())
            .take_while(|(since, _)| timeout_at(*since, periods) <= now);
        overdue.extend(late.map(|(_, id)| (id, Stop::Timeout)));
        if let Some(limit) = periods.pending {
            let late = jobs
                .pending(task.id())
                .take_while(|(since, _)| after(*since, limit) <= now);
            overdue.extend(late.map(|(_, id)| (id, Stop::Pending)));
        }
    }
    overdue
}

/// When [`due`] may have a new answer though nothing happened; `None` when only an event can change
/// it. Where there is an answer already, this is `now`.
pub fn next_evaluation<B>(tasks: &Tasks<B>, jobs: &Jobs, now: Timestamp) -> Option<Timestamp> {
    tasks
        .iter()
        .filter_map(|task| evaluation_at(task, jobs, now))
        .min()
}

/// When the next job is [`overdue`].
pub fn next_deadline<B>(tasks: &Tasks<B>, jobs: &Jobs) -> Option<Timestamp> {
    tasks
        .iter()
        .flat_map(|task| {
            let periods = &task.settings.periods;
            let oldest = jobs.busy_here(task.id()).next();
            let waiting = jobs.pending(task.id()).next();
            [
                oldest.map(|(since, _)| timeout_at(since, periods)),
                periods
                    .pending
                    .and_then(|limit| Some(after(waiting?.0, limit))),
            ]
        })
        .flatten()
        .min()
}

/// When a job that runs since then is ended: at the first look, one poll period after another,
/// at which its age reaches the timeout (spec/pantasks.md §3.5).
pub fn timeout_at(since: Timestamp, periods: &Periods) -> Timestamp {
    let Periods { poll, timeout, .. } = *periods;
    let age = if poll > 0.0 {
        // A timeout that is a whole number of polls must not miss its look by a rounding error.
        (timeout / poll - 1e-9).ceil().max(1.0) * poll
    } else {
        timeout
    };
    after(since, age.max(timeout).max(0.0))
}

fn may_submit<B>(task: &Task<B>, jobs: &Jobs) -> bool {
    task.active
        && !task.is_draining()
        && (task.nmax == 0 || task.statistics.submitted < task.nmax)
        && (task.npending == 0 || jobs.outstanding(Some(task.id())) < task.npending)
}

fn evaluation_at<B>(task: &Task<B>, jobs: &Jobs, now: Timestamp) -> Option<Timestamp> {
    if !may_submit(task, jobs) {
        return None;
    }
    let ready = task.ready_at().max(now);
    if task.ranges.allows(now) {
        return Some(ready);
    }
    task.ranges.next_change(now).map(|opens| opens.max(ready))
}

#[cfg(test)]
mod tests;
