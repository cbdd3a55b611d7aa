//! Starting 20,000 `true` on this host, next to `xargs -P2` and a loop that spawns and waits, in
//! the same run. `cargo bench --bench dispatch -- --jobs 2000` takes fewer.
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
    time::{Duration, Instant},
};

use outrigger::pantasks::{
    exit_macro::End,
    job::JobId,
    local::{Local, LocalSettings, Program, Report},
};

const JOBS: u64 = 20_000;

fn main() {
    let jobs = jobs();
    show("bare spawn and wait", jobs, bare(jobs));
    show("xargs -P2", jobs, xargs(jobs));
    show("pantasks, all at once", jobs, ours(jobs, jobs));
    show("pantasks, 2 at once", jobs, ours(jobs, 2));
}

fn jobs() -> u64 {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--jobs");
    given
        .and_then(|at| arguments.get(at + 1))
        .map_or(JOBS, |jobs| jobs.parse().unwrap())
}

fn show(name: &str, jobs: u64, elapsed: Duration) {
    let rate = jobs as f64 / elapsed.as_secs_f64();
    println!(
        "{name:<24} {:>8.3} s {rate:>9.0} jobs/s",
        elapsed.as_secs_f64()
    );
}

fn bare(jobs: u64) -> Duration {
    let begin = Instant::now();
    for _ in 0..jobs {
        let status = Command::new("true").stdin(Stdio::null()).status().unwrap();
        assert!(status.success());
    }
    begin.elapsed()
}

fn xargs(jobs: u64) -> Duration {
    let begin = Instant::now();
    let mut child = Command::new("xargs")
        .args(["-P2", "-n1", "true"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = child.stdin.take().unwrap();
    for n in 0..jobs {
        writeln!(words, "{n}").unwrap();
    }
    drop(words);
    assert!(child.wait().unwrap().success());
    begin.elapsed()
}

/// Our executor with at most `at_once` jobs under way, each end seen before the next start.
fn ours(jobs: u64, at_once: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let begin = Instant::now();
        let (local, mut reports) = Local::new(LocalSettings::default());
        let start = |n| {
            let program = Program {
                argv: vec!["true".to_owned()],
                ..Program::default()
            };
            local.start(JobId(n), program);
        };
        (0..at_once.min(jobs)).for_each(start);
        let mut started = at_once.min(jobs);
        let mut ended = 0;
        while ended < jobs {
            let Report::Ended(completion) = reports.recv().await.unwrap() else {
                continue;
            };
            assert_eq!(completion.end, End::Exit(0));
            ended += 1;
            if started < jobs {
                start(started);
                started += 1;
            }
        }
        begin.elapsed()
    })
}
