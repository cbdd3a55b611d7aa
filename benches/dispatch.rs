//! Starting 20,000 `true` on this host: a bare loop that spawns and waits (the limit), `xargs`,
//! GNU parallel if it is installed (fewer jobs: it is slow), our executor alone, and the whole
//! scheduler with a task whose task.exec and exit macro run for each job. All in the same run.
//! `cargo bench --bench dispatch -- --jobs 2000` takes fewer.
//!
//! Aim: at least 80 % of the bare loop.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark that fails should say so at once"
)]

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use outrigger::{
    engine::clock::SystemClock,
    pantasks::{drive::drive, session::Session},
    process::{Outcome, ProcessSettings, Processes, Program, Report},
    shell::front::own_streams,
};

const JOBS: u64 = 20_000;

fn main() {
    let jobs = jobs();
    let limit = show("bare spawn and wait", jobs, bare(jobs), None);
    let show = |name, jobs, time| show(name, jobs, time, Some(limit));
    show("bare, two threads", jobs, bare_twice(jobs));
    show("xargs -P2", jobs, xargs(jobs));
    let some = jobs.min(1000);
    if let Some(time) = parallel(some) {
        show("GNU parallel -j2", some, time);
    }
    show("executor, all at once", jobs, executor(jobs, jobs));
    show("executor, 2 at once", jobs, executor(jobs, 2));
    show("scheduler, 2 at once", jobs, scheduler(jobs, 2));
    show("scheduler, 100 at once", jobs, scheduler(jobs, 100));
}

fn jobs() -> u64 {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--jobs");
    given
        .and_then(|at| arguments.get(at + 1))
        .map_or(JOBS, |jobs| jobs.parse().unwrap())
}

/// Prints the rate, beside the limit, and returns it.
fn show(name: &str, jobs: u64, elapsed: Duration, limit: Option<f64>) -> f64 {
    let rate = jobs as f64 / elapsed.as_secs_f64();
    let share = limit.map_or(1.0, |limit| rate / limit) * 100.0;
    println!(
        "{name:<24} {:>8.3} s {rate:>9.0} jobs/s {share:>5.0} %",
        elapsed.as_secs_f64()
    );
    rate
}

fn bare(jobs: u64) -> Duration {
    let begin = Instant::now();
    for _ in 0..jobs {
        let status = Command::new("true").stdin(Stdio::null()).status().unwrap();
        assert!(status.success());
    }
    begin.elapsed()
}

fn bare_twice(jobs: u64) -> Duration {
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| bare(jobs / 2));
        }
    });
    begin.elapsed()
}

fn fed(command: &mut Command, jobs: u64) -> Duration {
    let begin = Instant::now();
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut words = child.stdin.take().unwrap();
    for n in 0..jobs {
        writeln!(words, "{n}").unwrap();
    }
    drop(words);
    assert!(child.wait().unwrap().success());
    begin.elapsed()
}

fn xargs(jobs: u64) -> Duration {
    fed(Command::new("xargs").args(["-P2", "-n1", "true"]), jobs)
}

/// None where GNU parallel is not installed.
fn parallel(jobs: u64) -> Option<Duration> {
    let version = Command::new("parallel").arg("--version").output().ok()?;
    let gnu = String::from_utf8_lossy(&version.stdout).contains("GNU parallel");
    gnu.then(|| {
        let mut command = Command::new("parallel");
        fed(command.args(["--will-cite", "-j2", "true"]), jobs)
    })
}

/// Our executor with at most `at_once` jobs under way, each end seen before the next start.
fn executor(jobs: u64, at_once: u64) -> Duration {
    let runtime = runtime();
    runtime.block_on(async {
        let begin = Instant::now();
        let (local, mut reports) = Processes::new(ProcessSettings::default());
        let start = |n| {
            let program = Program {
                argv: vec!["true".to_owned()],
                ..Program::default()
            };
            local.start(n, program);
        };
        (0..at_once.min(jobs)).for_each(start);
        let mut started = at_once.min(jobs);
        let mut ended = 0;
        while ended < jobs {
            let Report::Ended(completion) = reports.recv().await.unwrap() else {
                continue;
            };
            assert_eq!(completion.outcome, Outcome::Exit(0));
            ended += 1;
            if started < jobs {
                start(started);
                started += 1;
            }
        }
        begin.elapsed()
    })
}

/// The whole scheduler: task.exec, a job, its output, its variables, its exit macro.
fn scheduler(jobs: u64, at_once: u64) -> Duration {
    let script = format!(
        "$over = 0; $made = 0\n\
         task t\n\
           periods -exec 0 -poll 60 -timeout 600\n\
           npending {at_once}\n\
           nmax {jobs}\n\
           task.exec\n\
             $made ++\n\
             options $made\n\
             command true\n\
           end\n\
           task.exit 0\n\
             $over ++\n\
             if ($over == {jobs}) exit\n\
           end\n\
         end\n\
         run"
    );
    let runtime = runtime();
    let _inside = runtime.enter();
    let begin = Instant::now();
    let clock = Arc::new(SystemClock);
    let mut session = Session::new(clock, own_streams(), ProcessSettings::default()).unwrap();
    let (_requests, mut asked) = tokio::sync::mpsc::unbounded_channel();
    assert!(session.run_text("bench".as_ref(), &script).unwrap());
    assert_eq!(drive(&mut session, &runtime, &mut asked), 0);
    begin.elapsed()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}
