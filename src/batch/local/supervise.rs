//! The process that takes care of one job from submission to end.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use tokio::{
    process::Child,
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use super::{
    processes::{self, ProcessId},
    spool::{JobDirectory, Order, Spool},
    verbs::look,
};
use crate::{
    batch::{
        Ending, JobStatus,
        launch::slots::{Slot, Slots},
    },
    engine::clock::Clock,
};

/// Time that a job has to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How often a job that waits for others looks at them.
const AGAIN: Duration = Duration::from_millis(50);

/// Starts a supervisor for `job` and returns once it has the job in care.
pub(super) fn start(job: &JobDirectory) -> io::Result<()> {
    let log = File::options().create(true).append(true).open(job.log())?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["local", "supervise"])
        .arg(job.path())
        .env_remove(processes::MARK)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut String::new())?;
    }
    Ok(())
}

/// Takes care of the job in `directory`, unless somebody else does.
pub(super) fn run(directory: &Path, clock: &dyn Clock) -> io::Result<()> {
    let job = JobDirectory::at(directory)?;
    // It fails only in a process that leads a group already, such as one started by hand.
    let session = rustix::process::setsid();
    let Some(_care) = job.care()? else {
        return Ok(());
    };
    if let Err(error) = session {
        eprintln!("no session of its own: {error}");
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(supervise(&job, clock))
}

async fn supervise(job: &JobDirectory, clock: &dyn Clock) -> io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    job.note_supervisor(&ProcessId::own()?)?;
    if writeln!(io::stdout(), "in care").is_err() {
        eprintln!("whoever started this supervisor has gone");
    }
    if job.ended()?.is_some() || job.started()?.is_some() {
        return Ok(());
    }
    let order = job.order()?;
    let well = tokio::select! {
        _ = term.recv() => None,
        well = all_ended_well(job, &order.after, clock) => Some(well?),
    };
    if well != Some(true) {
        if well == Some(false) || job.is_cancelled() {
            job.note_ended(clock.now(), Ending::Cancelled)?;
        }
        return Ok(());
    }
    let turns = Arc::new(Turns::new(job, &order));
    let waiting = Arc::clone(&turns);
    let mut turn = tokio::task::spawn_blocking(move || waiting.take());
    // The request may have come before this process listened for it.
    let cancelled = job.is_cancelled();
    let turn: Option<Vec<Slot>> = tokio::select! {
        biased;
        _ = term.recv() => None,
        () = std::future::ready(()), if cancelled => None,
        taken = &mut turn => taken.map_err(io::Error::other)??,
    };
    if turn.is_none() || job.is_cancelled() {
        turns.close();
        if job.is_cancelled() {
            job.note_ended(clock.now(), Ending::Cancelled)?;
        }
        return Ok(());
    }
    // Written before the start: a job is never started twice, even if this process dies here.
    job.note_started(clock.now())?;
    let ending = match spawn(job, &order) {
        Ok(child) => {
            let asked = async {
                term.recv().await;
            };
            follow(job, child, Duration::from_secs(order.walltime), asked).await?
        },
        Err(error) => {
            eprintln!("cannot start {}: {error}", order.interpreter.join(" "));
            Ending::Failed {
                code: 127,
                signal: 0,
            }
        },
    };
    processes::kill_job(job.path())?;
    job.note_ended(clock.now(), ending)?;
    drop(turn);
    Ok(())
}

/// What a job waits for before it begins: a turn among all jobs, and before that one among the tasks
/// of its array, if only some of them may run at once.
struct Turns(Vec<Slots>);

impl Turns {
    fn new(job: &JobDirectory, order: &Order) -> Self {
        let array = job.array().zip(order.array.and_then(|array| array.running));
        let of_array =
            array.map(|(array, most)| Slots::new(Some(array.path().to_owned()), "running", most));
        let of_all = Slots::new(Spool::of_job(job), "turn", order.jobs);
        Self(of_array.into_iter().chain([of_all]).collect())
    }

    /// Waits for all of them; `None` once they are closed.
    fn take(&self) -> io::Result<Option<Vec<Slot>>> {
        let taken: io::Result<Vec<_>> = self.0.iter().map(Slots::take).collect();
        Ok(taken?.into_iter().collect())
    }

    fn close(&self) {
        self.0.iter().for_each(Slots::close);
    }
}

/// Waits until all of `jobs` are over; tells whether all of them ended well, and `job` is still
/// wanted.
async fn all_ended_well(
    job: &JobDirectory,
    jobs: &[String],
    clock: &dyn Clock,
) -> io::Result<bool> {
    for id in jobs {
        let Some(other) = job.beside(id) else {
            return Ok(false);
        };
        loop {
            match look(&other, clock)? {
                JobStatus::Ended(Ending::Completed) => break,
                JobStatus::Ended(_) => return Ok(false),
                _ if job.is_cancelled() => return Ok(false),
                _ => sleep(AGAIN).await,
            }
        }
    }
    Ok(true)
}

fn spawn(job: &JobDirectory, order: &Order) -> io::Result<Child> {
    let output = File::options()
        .create(true)
        .append(true)
        .open(&order.output)
        .map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", order.output.display()))
        })?;
    let mut words = order.interpreter.iter();
    let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    tokio::process::Command::new(program)
        .args(words)
        .arg(job.script())
        .env(processes::MARK, job.path())
        .env("OUTRIGGER_JOB_ID", job.id())
        .envs(of_task(job))
        .current_dir(&order.directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
}

/// What tells a task of an array which one it is.
fn of_task(job: &JobDirectory) -> impl Iterator<Item = (&'static str, String)> {
    let named = job.array().map(|array| {
        [
            ("OUTRIGGER_ARRAY_JOB_ID", array.name()),
            ("OUTRIGGER_ARRAY_TASK_ID", job.name()),
        ]
    });
    named.into_iter().flatten()
}

/// Waits for the script's end, for its walltime, or until it is `asked` to end it.
async fn follow(
    job: &JobDirectory,
    mut child: Child,
    walltime: Duration,
    asked: impl Future<Output = ()>,
) -> io::Result<Ending> {
    let ending = tokio::select! {
        status = child.wait() => return status.map(of_status),
        () = sleep(walltime) => Ending::Timeout,
        () = asked => if job.is_cancelled() { Ending::Cancelled } else { Ending::NodeFailure },
    };
    let directory = job.path().to_owned();
    tokio::task::spawn_blocking(move || processes::end_job(&directory, GRACE))
        .await
        .map_err(io::Error::other)??;
    if child.try_wait()?.is_none() {
        child.start_kill()?;
        child.wait().await?;
    }
    Ok(ending)
}

fn of_status(status: std::process::ExitStatus) -> Ending {
    use std::os::unix::process::ExitStatusExt;
    Ending::of_exit(status.code().unwrap_or(0), status.signal().unwrap_or(0))
}
