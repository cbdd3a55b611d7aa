//! The answers of `status` and `showtask` as text (spec/pantasks.md §7).

#[cfg(test)]
mod tests;

use std::fmt::{self, Write};

use jiff::Timestamp;

use super::{
    jobs::Jobs,
    statistics::Times,
    task::{Host, Target, Task},
    tasks::Tasks,
};

/// What is running, for the head of `status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Tasks make jobs.
    pub scheduler: bool,
    /// The ends of jobs are dealt with.
    pub harvest: bool,
    /// The controller takes jobs.
    pub controller: bool,
}

/// The head of `status`: what is running.
#[derive(Debug)]
pub struct Head(pub Standing);

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |running| if running { "running" } else { "stopped" };
        let scheduler = match self.0 {
            Standing {
                scheduler: false,
                harvest: true,
                ..
            } => "stopped, harvesting jobs",
            Standing { scheduler, .. } => word(scheduler),
        };
        writeln!(f, "\n Scheduler is {scheduler}")?;
        writeln!(f, " Controller is {}", word(self.0.controller))
    }
}

/// The table of tasks.
#[derive(Debug)]
pub struct TaskTable<'a, B> {
    /// The tasks.
    pub tasks: &'a Tasks<B>,
    /// Their jobs.
    pub jobs: &'a Jobs,
    /// The time that the V column is about.
    pub now: Timestamp,
    /// Whether periods, ranges and hosts are shown too (`-v`).
    pub details: bool,
}

const COLUMNS: [&str; 5] = ["Nrun", "Njobs", "Ngood", "Nfail", "Ntime"];

impl<B> fmt::Display for TaskTable<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n Task Status\n")?;
        if self.tasks.iter().next().is_none() {
            return writeln!(f, " no defined tasks");
        }
        let rows: Vec<_> = self
            .tasks
            .iter()
            .map(|task| (task, self.counts(task)))
            .collect();
        let name = rows.iter().map(|(task, _)| task.name().chars().count());
        let name = name.max().unwrap_or(0).max("Name".len());
        let mut widths = [5; 5];
        for (_, counts) in &rows {
            for (width, count) in widths.iter_mut().zip(counts) {
                *width = count.len().max(*width);
            }
        }
        line(
            f,
            "AV",
            ("Name", name),
            &COLUMNS.map(str::to_owned),
            &widths,
            "Command",
        )?;
        for (task, counts) in &rows {
            let sign = |yes| if yes { '+' } else { '-' };
            let active = sign(task.active && !task.is_draining());
            let valid = sign(task.ranges.allows(self.now));
            let flags = format!("{active}{valid}");
            let command = task.settings.command.first();
            let command = command
                .filter(|_| !task.dynamic)
                .map_or("(dynamic)", String::as_str);
            line(f, &flags, (task.name(), name), counts, &widths, command)?;
            if self.details {
                details(f, task)?;
            }
        }
        Ok(())
    }
}

impl<B> TaskTable<'_, B> {
    fn counts(&self, task: &Task<B>) -> [String; 5] {
        let statistics = &task.statistics;
        [
            self.jobs.outstanding(Some(task.id())),
            statistics.submitted,
            statistics.success.count(),
            statistics.failure.count(),
            statistics.timeouts,
        ]
        .map(|count| count.to_string())
    }
}

/// The table of jobs.
#[derive(Debug)]
pub struct JobTable<'a>(pub &'a Jobs);

impl fmt::Display for JobTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return writeln!(f, " no defined jobs");
        }
        writeln!(f, " Jobs in Pantasks Queue")?;
        for (index, job) in self.0.iter().enumerate() {
            let (id, name, state) = (job.id.0, &job.launch.name, job.state.word());
            let program = job.launch.argv.first().map_or("", String::as_str);
            writeln!(
                f,
                " {index:4}  {id:8}: {name:<25} {state:>10} {program:>20}"
            )?;
        }
        Ok(())
    }
}

/// How long the jobs of tasks took (`status -taskstats`), of the tasks that are given.
#[derive(Debug)]
pub struct TaskStatistics<'a, B>(pub Vec<&'a Task<B>>);

impl<B> fmt::Display for TaskStatistics<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n Task Statistics\n")?;
        for task in &self.0 {
            writeln!(f, " {}", task.name())?;
            let head = ["Njobs", "Tmin", "Tave", "Tmax"].map(str::to_owned);
            times_line(f, "", &head)?;
            let statistics = &task.statistics;
            times(f, "alljobs", &statistics.all())?;
            times(f, "success", &statistics.success)?;
            times(f, "failure", &statistics.failure)?;
        }
        Ok(())
    }
}

/// Everything about one task (`showtask`).
#[derive(Debug)]
pub struct ShowTask<'a, B>(pub &'a Task<B>);

impl<B> fmt::Display for ShowTask<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.0;
        let settings = &task.settings;
        writeln!(f, " task {}", task.name())?;
        let state = match (task.is_draining(), task.active) {
            (true, _) => "deleted, waits for its last jobs",
            (_, true) => "active",
            (_, false) => "not active",
        };
        writeln!(f, "    {state}")?;
        let command = if settings.command.is_empty() {
            "(dynamic)".to_owned()
        } else {
            settings.command.join(" ")
        };
        writeln!(f, "    command: {command}")?;
        if !settings.options.is_empty() {
            writeln!(f, "    options: {}", settings.options.join(" "))?;
        }
        writeln!(f, "    stdout: {}", target(&settings.stdout))?;
        writeln!(f, "    stderr: {}", target(&settings.stderr))?;
        for file in &settings.block {
            writeln!(f, "    waits for {}", file.display())?;
        }
        let limit = |n: u64| {
            if n == 0 {
                "unlimited".to_owned()
            } else {
                n.to_string()
            }
        };
        let (at_once, ever) = (limit(task.npending), limit(task.nmax));
        writeln!(
            f,
            "    jobs at once: {at_once}, jobs ever: {ever}, nice: {}",
            task.nice
        )?;
        details(f, task)?;
        let macros: Vec<&str> = task.exits.iter().map(|(name, _)| name).collect();
        let exec = if task.exec.is_some() { "yes" } else { "no" };
        let exits = if macros.is_empty() {
            "none".to_owned()
        } else {
            macros.join(" ")
        };
        writeln!(f, "    task.exec: {exec}, task.exit: {exits}")
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    flags: &str,
    (name, width): (&str, usize),
    counts: &[String; 5],
    widths: &[usize; 5],
    command: &str,
) -> fmt::Result {
    write!(f, "  {flags} {name:<width$} ")?;
    for (index, (count, width)) in counts.iter().zip(widths).enumerate() {
        let gap = if index < 3 { " " } else { "" };
        write!(f, "{gap}{count:>width$} ")?;
    }
    writeln!(f, "{command}")
}

fn details<B>(f: &mut fmt::Formatter<'_>, task: &Task<B>) -> fmt::Result {
    let periods = &task.settings.periods;
    write!(
        f,
        "    spawn period: {:.6}, polling period: {:.6}, timeout period: {:.6}",
        periods.exec, periods.poll, periods.timeout
    )?;
    match periods.pending {
        Some(pending) => writeln!(f, ", pending period: {pending:.6}")?,
        None => writeln!(f)?,
    }
    for range in task.ranges.iter() {
        let mut text = range.text().to_owned();
        if let Some(nmax) = range.nmax() {
            write!(text, " ({} of {nmax})", range.submitted())?;
        }
        let word = if range.excludes() {
            "avoid  "
        } else {
            "active "
        };
        writeln!(f, "     {word}: {text}")?;
    }
    if task.statistics.skipped > 0 {
        writeln!(f, "     Nskip exec: {}", task.statistics.skipped)?;
    }
    match &task.settings.host {
        Host::Local => writeln!(f, "    task runs locally"),
        Host::Any => writeln!(f, "    task host selected by controller"),
        Host::Named { name, required } => {
            let wish = if *required { "required" } else { "desired" };
            writeln!(f, "    host {name} ({wish})")
        },
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Nowhere => "NULL".to_owned(),
        Target::File(path) => path.display().to_string(),
        Target::Variable(name) => format!("${name}"),
    }
}

fn times(f: &mut fmt::Formatter<'_>, title: &str, times: &Times) -> fmt::Result {
    let shown = times.summary().map_or_else(
        || ["NONE"; 3].map(str::to_owned),
        |all| all.map(|seconds| format!("{seconds:.3}")),
    );
    let [min, mean, max] = shown;
    times_line(f, title, &[times.count().to_string(), min, mean, max])
}

fn times_line(f: &mut fmt::Formatter<'_>, title: &str, cells: &[String; 4]) -> fmt::Result {
    write!(f, "   {title:<8}")?;
    for cell in cells {
        write!(f, " {cell:>10}")?;
    }
    writeln!(f)
}
