//! How long a client waits for `status` while 5,000 jobs are queued and tasks are evaluated, beside
//! the same command with nothing queued. `cargo bench --bench latency`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that fails should say so at once"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use outrigger::{
    engine::clock::SystemClock,
    pantasks::{drive::drive, session::Session},
    process::ProcessSettings,
    shell::{
        front::own_streams,
        request::{Answer, Request},
    },
};
use tokio::sync::{
    mpsc::{self, UnboundedSender},
    oneshot,
};

/// Jobs that wait for a host which never comes, and tasks that keep looking for work.
const SCRIPT: &str = "
task queued
  host anyhost
  periods -exec 0
  nmax JOBS
  command true
end
macro look
  for i 0 10
    task look.$i
      periods -exec 0.02
      task.exec
        book npages none -var n
        if ($n == 0) break
        command never
      end
    end
  end
end
look
run
";

fn main() {
    let idle = measure(0);
    let queued = measure(5000);
    show("nothing queued", &idle, &idle);
    show("5,000 jobs queued", &queued, &idle);
}

fn measure(jobs: u64) -> Vec<Duration> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (asking, mut asked) = mpsc::unbounded_channel();
    let nmax = if jobs == 0 {
        "1".to_owned()
    } else {
        jobs.to_string()
    };
    let script = SCRIPT.replace("JOBS", &nmax);
    let handle = runtime.handle().clone();
    let scheduler = std::thread::spawn(move || {
        let _inside = handle.enter();
        let clock = Arc::new(SystemClock);
        let mut session = Session::new(clock, own_streams(), ProcessSettings::default()).unwrap();
        assert!(session.run_text("bench".as_ref(), &script).unwrap());
        drive(&mut session, &runtime, &mut asked)
    });
    let wanted = format!("\"outstanding\":{nmax}");
    while !ask(&asking, "status -json").said.out.contains(&wanted) {}
    let mut times: Vec<Duration> = (0..500)
        .map(|_| {
            let begin = Instant::now();
            let answer = ask(&asking, "status");
            assert!(answer.worked && answer.said.out.contains("queued"));
            begin.elapsed()
        })
        .collect();
    times.sort_unstable();
    asking.send(Request::Quit(0)).unwrap();
    assert_eq!(scheduler.join().unwrap(), 0);
    times
}

fn ask(asking: &UnboundedSender<Request>, command: &str) -> Answer {
    let (done, answer) = oneshot::channel();
    let text = command.to_owned();
    asking.send(Request::Client { text, done }).unwrap();
    answer.blocking_recv().unwrap()
}

fn show(name: &str, times: &[Duration], idle: &[Duration]) {
    let at = |share: usize| times[times.len() * share / 100];
    let ratio = at(50).as_secs_f64() / idle[idle.len() / 2].as_secs_f64();
    println!(
        "status, {name:<20} median {:>8.3} ms, 99 % within {:>8.3} ms ({ratio:.1} times idle)",
        at(50).as_secs_f64() * 1e3,
        at(99).as_secs_f64() * 1e3
    );
}
