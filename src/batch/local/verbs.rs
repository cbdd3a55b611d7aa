//! The sub-verbs of the hidden verb `local`: what the scheduler's commands run.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use rustix::process::Signal;

use super::{
    REFUSED, Report, print, processes,
    spool::{JobDirectory, Order, Spool, Tasks},
    supervise,
};
use crate::{
    batch::{Ending, JobId, JobStatus},
    engine::clock::{Clock, SystemClock},
};

/// Sub-verbs of `outrigger local`, the embedded batch scheduler.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum LocalCommand {
    /// Queues a batch script and prints its job id
    Submit {
        /// The spool directory
        #[arg(long)]
        spool: PathBuf,
        /// The job's name
        #[arg(long)]
        name: String,
        /// Seconds after which the job is ended
        #[arg(long)]
        walltime: u64,
        /// File that the job's output is appended to
        #[arg(long)]
        output: PathBuf,
        /// Most jobs at once
        #[arg(long, default_value_t = 1)]
        jobs: u32,
        /// A job that must have ended well before it begins; once for each
        #[arg(long)]
        after: Vec<String>,
        /// The tasks of the array that it is
        #[arg(long)]
        tasks: Option<u32>,
        /// Most of its tasks at once
        #[arg(long, requires = "tasks")]
        running: Option<u32>,
        /// The batch script
        script: PathBuf,
    },
    /// Takes care of one job until it has ended
    Supervise {
        /// The job's directory in the spool
        directory: PathBuf,
    },
    /// Prints the jobs of a name
    Find {
        /// The spool directory
        #[arg(long)]
        spool: PathBuf,
        /// The job's name
        name: String,
    },
    /// Prints the states of jobs
    Status {
        /// The spool directory
        #[arg(long)]
        spool: PathBuf,
        /// Job ids
        ids: Vec<String>,
    },
    /// Ends a job, or takes it out of the queue
    Cancel {
        /// The spool directory
        #[arg(long)]
        spool: PathBuf,
        /// Job id
        id: String,
    },
    /// Prints the scheduler's version
    Version,
}

/// Why a sub-verb failed.
#[derive(Debug, thiserror::Error)]
enum LocalError {
    /// Nothing was queued.
    #[error("refused: {0}")]
    Refused(String),
    /// The spool could not be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Runs a sub-verb. Exits with 0, with 2 for a submission that is refused (nothing queued), or
/// with 1 for any other trouble.
pub fn local_main(command: &LocalCommand) -> ExitCode {
    match answer(command, &SystemClock)
        .and_then(|text| Ok(io::stdout().write_all(text.as_bytes())?))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("outrigger local: {error}");
            ExitCode::from(match error {
                LocalError::Refused(_) => REFUSED,
                LocalError::Io(_) => 1,
            })
        },
    }
}

/// What a sub-verb prints.
fn answer(command: &LocalCommand, clock: &dyn Clock) -> Result<String, LocalError> {
    let reports = match command {
        LocalCommand::Submit {
            spool,
            name,
            walltime,
            output,
            jobs,
            after,
            tasks,
            running,
            script,
        } => {
            let (mut order, text) = order(name, *walltime, output, *jobs, script)?;
            order.after.clone_from(after);
            order.array = tasks.map(|count| Tasks {
                count,
                running: *running,
            });
            let job = Spool::make(spool)?.add(&order, &text, clock.now())?;
            for each in parts(&job)? {
                supervise::start(&each)?;
            }
            vec![Report {
                id: job.id(),
                name: order.name,
                status: waiting(),
            }]
        },
        LocalCommand::Supervise { directory } => {
            supervise::run(directory, clock)?;
            return Ok(String::new());
        },
        LocalCommand::Find { spool, name } => {
            let mut reports = Vec::new();
            for job in opened(spool, Spool::jobs)? {
                if job.order()?.name == *name {
                    reports.push(report(&job, clock)?);
                }
            }
            reports
        },
        LocalCommand::Status { spool, ids } => {
            let mut reports = Vec::new();
            for job in opened(spool, |spool| Ok(known(spool, ids)))? {
                reports.push(report(&job, clock)?);
                for task in job.tasks()? {
                    reports.push(report(&task, clock)?);
                }
            }
            reports
        },
        LocalCommand::Cancel { spool, id } => {
            let ids = std::slice::from_ref(id);
            let jobs = opened(spool, |spool| Ok(known(spool, ids)))?;
            jobs.iter()
                .map(|job| cancel(job, clock))
                .collect::<Result<_, _>>()?
        },
        LocalCommand::Version => {
            return Ok(format!("outrigger {}\n", env!("CARGO_PKG_VERSION")));
        },
    };
    Ok(print(&reports).map_err(io::Error::from)?)
}

/// The jobs that `choose` picks from the spool; none if there is no spool yet.
fn opened(
    directory: &Path,
    choose: impl Fn(&Spool) -> io::Result<Vec<JobDirectory>>,
) -> io::Result<Vec<JobDirectory>> {
    match Spool::open(directory)? {
        Some(spool) => choose(&spool),
        None => Ok(Vec::new()),
    }
}

fn known(spool: &Spool, ids: &[String]) -> Vec<JobDirectory> {
    ids.iter()
        .filter_map(|id| spool.job(&id.parse::<JobId>().ok()?))
        .collect()
}

/// The order for a submission and the text of its script, or why it is refused.
fn order(
    name: &str,
    walltime: u64,
    output: &Path,
    jobs: u32,
    script: &Path,
) -> Result<(Order, Vec<u8>), LocalError> {
    let refused = |why: String| LocalError::Refused(why);
    let text = std::fs::read(script)
        .map_err(|error| refused(format!("cannot read {}: {error}", script.display())))?;
    let interpreter = interpreter(&text).ok_or_else(|| {
        refused(format!(
            "{} is not a batch script: its first line must be `#!` and an interpreter",
            script.display()
        ))
    })?;
    let output = std::path::absolute(output)?;
    if output.to_str().is_none() {
        return Err(refused(format!("{} is not UTF-8", output.display())));
    }
    let order = Order {
        name: name.to_owned(),
        walltime,
        output,
        directory: std::env::current_dir()?,
        interpreter,
        jobs,
        after: Vec::new(),
        array: None,
    };
    Ok((order, text))
}

/// The interpreter in a script's first line, and its one argument.
fn interpreter(script: &[u8]) -> Option<Vec<String>> {
    let line = script.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim();
    let (program, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let words = [program, argument.trim()];
    (!program.is_empty()).then(|| {
        words
            .into_iter()
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    })
}

fn report(job: &JobDirectory, clock: &dyn Clock) -> io::Result<Report> {
    Ok(Report {
        id: job.id(),
        name: job.order()?.name,
        status: look(job, clock)?,
    })
}

/// What has a supervisor and an end of its own: the tasks of an array, or the job.
fn parts(job: &JobDirectory) -> io::Result<Vec<JobDirectory>> {
    let tasks = job.tasks()?;
    Ok(if tasks.is_empty() {
        vec![job.clone()]
    } else {
        tasks
    })
}

/// The state of a job, or of an array by those of its tasks.
pub(super) fn look(job: &JobDirectory, clock: &dyn Clock) -> io::Result<JobStatus> {
    let mut status = JobStatus::Unknown;
    for part in parts(job)? {
        status = status.join(look_at(&part, clock)?);
    }
    Ok(status)
}

/// A job's state. A job that nobody has in care is given to a new supervisor if it never
/// started, and else is over: what is left of it is killed.
fn look_at(job: &JobDirectory, clock: &dyn Clock) -> io::Result<JobStatus> {
    if let Some(ended) = job.ended()? {
        return Ok(JobStatus::Ended(ended.ending));
    }
    let started = |job: &JobDirectory| -> io::Result<JobStatus> {
        Ok(match job.started()? {
            Some(started) => JobStatus::Running {
                node_count: Some(1),
                started: Some(started.at),
            },
            None => waiting(),
        })
    };
    let Some(care) = job.care()? else {
        return started(job);
    };
    if let Some(ended) = job.ended()? {
        return Ok(JobStatus::Ended(ended.ending));
    }
    let ending = if job.started()?.is_some() {
        Ending::NodeFailure
    } else if job.is_cancelled() {
        Ending::Cancelled
    } else {
        drop(care);
        supervise::start(job)?;
        return started(job);
    };
    processes::kill_job(job.path())?;
    job.note_ended(clock.now(), ending.clone())?;
    drop(care);
    Ok(JobStatus::Ended(ending))
}

/// Asks for the end of a job, or of all tasks of an array, and gives its state as it was before.
fn cancel(job: &JobDirectory, clock: &dyn Clock) -> io::Result<Report> {
    let mut status = JobStatus::Unknown;
    for part in parts(job)? {
        status = status.join(cancel_part(&part, clock)?);
    }
    Ok(Report {
        id: job.id(),
        name: job.order()?.name,
        status,
    })
}

fn cancel_part(job: &JobDirectory, clock: &dyn Clock) -> io::Result<JobStatus> {
    if job.ended()?.is_none() {
        job.note_cancel()?;
    }
    let status = look_at(job, clock)?;
    if !matches!(status, JobStatus::Ended(_))
        && let Some(supervisor) = job.supervisor()?
    {
        supervisor.signal(Signal::TERM)?;
    }
    Ok(status)
}

fn waiting() -> JobStatus {
    JobStatus::Queued {
        reason: "waits for its turn".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("#!/bin/sh\ntrue\n", &["/bin/sh"])]
    #[case("#! /bin/bash -l \n", &["/bin/bash", "-l"])]
    #[case("#!/usr/bin/env bash", &["/usr/bin/env", "bash"])]
    fn the_first_line_names_the_interpreter(#[case] script: &str, #[case] words: &[&str]) {
        assert_eq!(interpreter(script.as_bytes()).unwrap(), words);
    }

    #[rstest]
    #[case("true\n")]
    #[case("#!\n")]
    #[case("")]
    fn a_script_without_interpreter_is_none(#[case] script: &str) {
        assert_eq!(interpreter(script.as_bytes()), None);
    }
}
