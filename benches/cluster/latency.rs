//! How long until a job runs, and until its end is known.

use std::{io::Read as _, process::Command};

use outrigger::{
    engine::clock::{Clock as _, SystemClock},
    pcontrol::Wish,
    process::{Captured, ProcessSettings, Processes},
};
use tokio::runtime::Runtime;

use crate::{
    WAITING,
    desk::{Desk, Site, local_end, start},
    option,
    rates::master,
};

/// Says when it runs.
const STAMP: [&str; 2] = ["date", "+%s.%N"];

pub(crate) fn latency(runtime: &Runtime) {
    let probes = option("--jobs", 500);
    let site = Site::start();
    let local = runtime.block_on(async {
        let (processes, mut reports) = Processes::new(ProcessSettings::default());
        let mut times = Times::default();
        for id in 0..probes {
            let begin = seconds();
            start(&processes, id, &STAMP);
            let ended = local_end(&mut reports).await;
            times.add(begin, &ended.stdout);
        }
        times
    });
    local.show("executor", None);
    let ssh = site.ssh("shared");
    master(&ssh, "h1");
    let mut shared = Times::default();
    for _ in 0..probes.min(100) {
        let begin = seconds();
        let mut command = Command::new(&ssh[0]);
        let output = command.args(&ssh[1..]).arg("h1").args(STAMP).output();
        shared.add(begin, &Captured::text(output.unwrap().stdout));
    }
    shared.show("ssh through a master", Some(&local));
    for waiting in [0, WAITING] {
        let times = runtime.block_on(async {
            let mut desk = Desk::connected(&site, 4, 2).await;
            desk.submit_waiting(waiting);
            let mut times = Times::default();
            for _ in 0..probes {
                let begin = seconds();
                desk.submit(&STAMP, Wish::Any);
                let ended = desk.ended().await;
                times.add(begin, &ended.stdout);
            }
            desk.close().await;
            times
        });
        times.show(&format!("cluster, {waiting} wait"), Some(&local));
    }
}

/// Since 1970.
fn seconds() -> f64 {
    SystemClock.now().as_duration().as_secs_f64()
}

/// Until a job said when it ran, and from then to its end, in ms.
#[derive(Default)]
struct Times([Vec<f64>; 2]);

impl Times {
    /// For a job of [`STAMP`] that was asked for at `begin` and is over now.
    fn add(&mut self, begin: f64, stdout: &Captured) {
        let end = seconds();
        let mut text = String::new();
        stdout.reader().read_to_string(&mut text).unwrap();
        let ran: f64 = text.trim().parse().unwrap();
        for (times, time) in self.0.iter_mut().zip([ran - begin, end - ran]) {
            times.push(time * 1e3);
        }
    }

    fn at(&self, which: usize, share: usize) -> f64 {
        let mut times = self.0[which].clone();
        times.sort_unstable_by(f64::total_cmp);
        times[times.len() * share / 100]
    }

    fn show(&self, name: &str, peer: Option<&Self>) {
        let peer = peer.unwrap_or(self);
        let part = |which| {
            format!(
                "median {:>6.2} ms ({:.1} x), 99 % {:>6.2} ms",
                self.at(which, 50),
                self.at(which, 50) / peer.at(which, 50),
                self.at(which, 99)
            )
        };
        println!("{name:<22} start: {}; end: {}", part(0), part(1));
    }
}
