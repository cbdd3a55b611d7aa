//! What stands where: `status`, `showtask` (spec/pantasks.md §7).

use regex::Regex;

use super::{
    super::{
        report,
        scheduler::{Scheduler, Shared},
        status::{Head, JobTable, ShowTask, TaskStatistics, TaskTable},
    },
    Simple,
};
use crate::opihi::{Args, Fault, Interpreter};

pub(super) const COMMANDS: &[(&str, Simple)] = &[("status", status), ("showtask", showtask)];

const USAGE: Fault = Fault::Usage(
    "status [-tasks | -v | -jobs | -c | -taskstats [REGEX] | -taskstatsreset [REGEX] | -json]",
);

fn status(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let words: Vec<&str> = args.rest().collect();
    let mut scheduler = shared.lock();
    let table = |scheduler: &Scheduler, details| {
        TaskTable {
            tasks: &scheduler.tasks,
            jobs: &scheduler.jobs,
            now: scheduler.now(),
            details,
        }
        .to_string()
    };
    let text = match words.as_slice() {
        [] if scheduler.brief => {
            format!("{}{}", Head(scheduler.standing), table(&scheduler, false))
        },
        [] => format!(
            "{}{}{}",
            Head(scheduler.standing),
            table(&scheduler, false),
            JobTable(&scheduler.jobs)
        ),
        ["-tasks"] => table(&scheduler, false),
        ["-v" | "-info" | "-taskinfo" | "-details" | "-verbose"] => table(&scheduler, true),
        ["-jobs"] => JobTable(&scheduler.jobs).to_string(),
        ["-c"] => super::controller::remote_jobs(&mut scheduler),
        ["-json"] => report::json(&scheduler),
        ["-taskstats", pattern @ ..] => {
            let wanted = wanted(pattern)?;
            let tasks = scheduler.tasks.iter();
            TaskStatistics(tasks.filter(|task| wanted(task.name())).collect()).to_string()
        },
        ["-taskstatsreset", pattern @ ..] => {
            let wanted = wanted(pattern)?;
            for task in scheduler.tasks.iter_mut() {
                if wanted(task.name()) {
                    task.statistics.reset();
                }
            }
            String::new()
        },
        _ => return Err(USAGE),
    };
    drop(scheduler);
    interpreter.out(&text);
    Ok(())
}

/// Which tasks a pattern means: all without one.
fn wanted(pattern: &[&str]) -> Result<impl Fn(&str) -> bool, Fault> {
    let regex = match pattern {
        [] => None,
        [pattern] => {
            let regex = Regex::new(pattern);
            Some(regex.map_err(|error| Fault::message(error.to_string()))?)
        },
        _ => return Err(USAGE),
    };
    Ok(move |name: &str| regex.as_ref().is_none_or(|regex| regex.is_match(name)))
}

fn showtask(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let name = args.get(1).filter(|_| args.len() == 2);
    let name = name.ok_or(Fault::Usage("showtask NAME"))?;
    let scheduler = shared.lock();
    let task = scheduler.tasks.find(name);
    let task = task.ok_or_else(|| Fault::message(format!("task {name} not found")))?;
    let mut text = ShowTask(task).to_string();
    let bodies = task.exec.iter().map(|body| ("task.exec".to_owned(), body));
    let exits = task.exits.iter();
    let exits = exits.map(|(name, body)| (format!("task.exit {name}"), body));
    for (title, body) in bodies.chain(exits) {
        text.extend(["\n  ", title.as_str(), "\n"]);
        for line in body.lines() {
            text.extend(["    ", &*line.text, "\n"]);
        }
        text.push_str("  end\n");
    }
    drop(scheduler);
    interpreter.out(&text);
    Ok(())
}
