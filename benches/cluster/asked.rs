//! The program pcontrol by itself.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use crate::{
    DOWN, OUTRIGGER, QUIET, WAITING,
    decide::COMMAND,
    desk::Site,
    usage::{resident, run_time},
};

/// The program, asked through a pipe as the original's pantasks did.
struct Asked {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Asked {
    fn start(site: &Site) -> Self {
        let mut child = Command::new(OUTRIGGER)
            .args(["pcontrol", "--norc"])
            .args(["-D", "COMMAND", &site.ssh("plain").join(" ")])
            .args(["-D", "SHELL", &format!("{OUTRIGGER} pclient")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    /// The lines that a command is answered with.
    fn ask(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}\necho over").unwrap();
        let mut text = String::new();
        while !text.ends_with("over\n") {
            assert!(self.output.read_line(&mut text).unwrap() > 0);
        }
        text
    }

    fn status(&mut self, command: &str) {
        let mut times: Vec<f64> = (0..100)
            .map(|_| {
                let begin = Instant::now();
                self.ask(command);
                begin.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        println!(
            "  `{command}`: median {:.3} ms, 99 % {:.3} ms",
            times[50], times[99]
        );
    }
}

pub(crate) fn program() {
    let site = Site::start();
    let mut asked = Asked::start(&site);
    for n in 1..=4 {
        asked.ask(&format!("host add h{n} -count 2"));
    }
    asked.ask(&format!("host add {DOWN}"));
    while asked.ask("hoststack idle").contains("Nhosts: 8") {}
    println!("nothing waits");
    asked.status("status");
    let pid = asked.child.id().to_string();
    let (before, begin) = (resident(&pid), Instant::now());
    let job = format!("job +host {DOWN} {}", COMMAND.join(" "));
    for _ in 0..WAITING {
        asked.ask(&job);
    }
    let each = begin.elapsed().as_secs_f64() * 1e6 / WAITING as f64;
    let bytes = (resident(&pid) - before) / WAITING;
    println!("{WAITING} jobs wait ({each:.0} µs and {bytes} bytes a job)");
    asked.status("status -nojobs");
    asked.status("status");
    asked.status("check job 5000");
    let cpu = run_time(asked.child.id());
    let begin = Instant::now();
    while begin.elapsed() < QUIET {
        std::thread::park_timeout(QUIET.saturating_sub(begin.elapsed()));
    }
    let cpu = run_time(asked.child.id()).saturating_sub(cpu).as_secs_f64();
    println!("  CPU in {} s: {cpu:.4} s", QUIET.as_secs());
    writeln!(asked.input, "exit").unwrap();
    assert!(asked.child.wait().unwrap().success());
}
