//! How many jobs a second.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use outrigger::{
    pcontrol::Wish,
    process::{Outcome, ProcessSettings, Processes},
};
use tokio::runtime::Runtime;

use crate::{
    desk::{Desk, Site, local_end, start},
    option,
    usage::{Cpu, micros},
};

pub(crate) fn rates(runtime: &Runtime) {
    let jobs = option("--jobs", 4000);
    let site = Site::start();
    let limit = show("bare spawn and wait", jobs, bare(jobs), None);
    let show = |name: &str, jobs, time| show(name, jobs, time, Some(limit));
    let time = runtime.block_on(executor(jobs, 8));
    let local = show("executor, 8 at once", jobs, time);
    let mut ours = 0.0;
    for (machines, slots) in [(4, 2), (1, 8)] {
        let (time, cpu) = runtime.block_on(through_ssh(&site, machines, slots, jobs));
        let rate = show(
            &format!("cluster, {machines} machines x {slots}"),
            jobs,
            time,
        );
        println!("  {:.2} times the executor; CPU a job: {cpu}", rate / local);
        ours = f64::max(ours, rate);
    }
    for (config, name, some) in [
        ("plain", "GNU parallel, 4 x 2", jobs.min(100)),
        ("shared", "the same, ControlMaster", jobs.min(300)),
    ] {
        match parallel(&site, config, some) {
            Some(time) => {
                let rate = show(name, some, time);
                println!("  the cluster is {:.1} times as fast", ours / rate);
            },
            None => println!("GNU parallel is not installed"),
        }
    }
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

async fn executor(jobs: u64, at_once: u64) -> Duration {
    let begin = Instant::now();
    let (processes, mut reports) = Processes::new(ProcessSettings::default());
    let mut started = at_once.min(jobs);
    (0..started).for_each(|id| start(&processes, id, &["true"]));
    for _ in 0..jobs {
        assert_eq!(local_end(&mut reports).await.outcome, Outcome::Exit(0));
        if started < jobs {
            start(&processes, started, &["true"]);
            started += 1;
        }
    }
    begin.elapsed()
}

async fn through_ssh(site: &Site, machines: u32, slots: u32, jobs: u64) -> (Duration, String) {
    let mut desk = Desk::connected(site, machines, slots).await;
    let cpu = Cpu::now();
    let begin = Instant::now();
    for _ in 0..jobs {
        desk.submit(&["true"], Wish::Any);
    }
    for _ in 0..jobs {
        desk.ended().await;
    }
    let elapsed = begin.elapsed();
    let a_job = |time: Duration| micros(time.div_f64(jobs as f64));
    let cpu = cpu.since(a_job);
    desk.close().await;
    (elapsed, cpu)
}

/// None where GNU parallel is not installed.
fn parallel(site: &Site, config: &str, jobs: u64) -> Option<Duration> {
    let version = Command::new("parallel").arg("--version").output().ok()?;
    let gnu = String::from_utf8_lossy(&version.stdout).contains("GNU parallel");
    if !gnu {
        return None;
    }
    let ssh = site.ssh(config);
    if config == "shared" {
        for n in 1..=4 {
            master(&ssh, &format!("h{n}"));
        }
    }
    let begin = Instant::now();
    let mut child = Command::new("parallel")
        .args(["--will-cite", "--ssh", &ssh.join(" ")])
        .args(["-S", "2/h1,2/h2,2/h3,2/h4", "true"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = child.stdin.take().unwrap();
    for n in 0..jobs {
        writeln!(words, "{n}").unwrap();
    }
    drop(words);
    assert!(child.wait().unwrap().success());
    Some(begin.elapsed())
}

/// Opens a connection that later ones share.
pub(crate) fn master(ssh: &[String], host: &str) {
    let mut command = Command::new(&ssh[0]);
    command.args(&ssh[1..]).args(["-fN", host]);
    // It keeps the streams as long as it lives.
    let command = command.stdin(Stdio::null()).stderr(Stdio::null());
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
}
