//! Runs at a site whose link lives and has troubles of its own, or is about to end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

mod asked;
mod fifo;
#[allow(
    dead_code,
    reason = "the harness of another test, of which this one needs a part"
)]
mod sshd;
mod until;
#[path = "link_runs/webhook.rs"]
mod webhook;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use fifo::fifo;
use outrigger::engine::clock::{Clock, SystemClock};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use sshd::Sshd;
use until::until;

const STAGE: &str = r#"
stage: sum
components: {file: ../things.csv}
inputs: [{local: "raw/{{ stage_id }}", remote: "raw/{{ stage_id }}"}]
command: {sh: "cat {{ input(0) }} > {{ stage_id }}.out"}
outputs: [{remote: "{{ stage_id }}.out", local: "products/{{ stage_id }}.out"}]
cost: {threads: 1, seconds: 1}
"#;

/// Inputs of a run that sends for a while.
const THINGS: usize = 8;

/// A workplace with one run to make at one site, over a link to an sshd.
struct Night {
    sshd: Sshd,
    dir: tempfile::TempDir,
}

impl Night {
    /// `connection` and `site`: further keys of these maps; `things`: components of the run, each
    /// with an input of 4 MB.
    fn new(sshd: Sshd, connection: &str, site: &str, things: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "sites:
  far:
    scheduler: local
    scratch: {scratch}
    nodes: {{cores: 2}}
    walltime: {{min: 1m, max: 1h}}
    connection: {{host: site, config_file: {config}, {connection}}}
    {site}
notify: {{command: [sh, -c, 'cat >>\"$1\"', sh, {told}]}}
",
            scratch = dir.path().join("scratch").display(),
            config = sshd.path().join("ssh_config").display(),
            told = dir.path().join("told").display(),
        );
        let night = Self { sshd, dir };
        let socket = night.sshd.socket().display().to_string();
        night.write(
            "outrigger.yaml",
            config.replace("SOCKET", &socket).as_bytes(),
        );
        night.write("stages/sum.yaml", STAGE.as_bytes());
        let ids: Vec<String> = (0..things).map(|thing| format!("{thing}\n")).collect();
        night.write(
            "things.csv",
            format!("stage_id\n{}", ids.concat()).as_bytes(),
        );
        for thing in 0..things {
            night.write(&format!("raw/{thing}"), &vec![7; 4_000_000]);
        }
        outrigger::state::Store::create(&night.path().join("state.db")).unwrap();
        night
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
        command
            .args(words.split(' '))
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    fn outrigger(&self, words: &str) -> Output {
        self.command(words).output().unwrap()
    }

    #[track_caller]
    fn answers(&self, words: &str, code: i32) {
        let output = self.outrigger(words);
        assert_eq!(output.status.code(), Some(code), "{words}: {output:?}");
    }

    /// Lets the link that was opened by hand look as if that had been so long ago.
    fn age(&self, age: Duration) {
        let age = i64::try_from(age.as_secs()).unwrap();
        let time = Timespec {
            tv_sec: SystemClock.now().as_second() - age,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        utimensat(CWD, self.sshd.socket(), &times, AtFlags::empty()).unwrap();
    }

    fn run(&self) -> String {
        let state = "SELECT state || ', attempt ' || attempt || ': ' || reason FROM runs";
        asked::ask(self.path(), state).concat()
    }

    /// The notices that a human was given.
    fn told(&self) -> String {
        fs::read_to_string(self.path().join("told")).unwrap_or_default()
    }
}

#[test]
fn a_site_whose_sessions_others_hold_is_asked_again_and_nobody_is_called_to_log_in() {
    let sshd = Sshd::start("MaxSessions 1\nSubsystem sftp internal-sftp");
    sshd.open_master();
    let night = Night::new(sshd, "socket: SOCKET, sessions: 1", "", 1);
    night.answers("remote define sum --label t", 0);
    night.answers("remote prepare", 0);
    let [begun, go] = ["begun", "go"].map(|name| night.path().join(name));
    fifo(&begun);
    fifo(&go);
    let mut other = Command::new("ssh")
        .args(["-F", "/dev/null", "-o", "ProxyCommand=false", "-S"])
        .arg(night.sshd.socket())
        .arg("x")
        .arg(format!(
            "echo >{}; read x <{}",
            begun.display(),
            go.display()
        ))
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    fs::read(begun).unwrap();
    night.answers("remote exec", 4);
    let run = night.run();
    assert!(run.starts_with("staging, attempt 1: "), "{run}");
    assert!(run.contains("refused a further session"), "{run}");
    assert_eq!(night.told(), "");
    fs::write(go, "\n").unwrap();
    assert!(other.wait().unwrap().success());
    night.answers("remote run --label t", 0);
    let run = night.run();
    assert!(run.starts_with("full, attempt 1: "), "{run}");
    assert_eq!(night.told(), "");
    assert_eq!(night.sshd.logins(), 1);
}

#[test]
fn what_only_a_change_mends_ends_even_a_driver_that_waits_for_a_login() {
    let night = Night::new(Sshd::ordinary(), "sessions: 1", "", 1);
    // The default socket would lie there.
    let home = night.path().join("x".repeat(100));
    let words = "remote run --label t --wait-for-login";
    let output = night.command(words).env("HOME", home).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("set `connection.socket` to a shorter path"),
        "{said}"
    );
    assert!(
        night.run().starts_with("pending, attempt 1: "),
        "{}",
        night.run()
    );
    assert_eq!(night.told(), "");
}

#[test]
fn what_the_link_would_not_outlive_is_held_until_a_refresh_and_then_goes_on_by_itself() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    // Five seconds of sending, over a link that lives for two.
    let limit = "transfer: {limit: 1 MB, bundle: 500 kB, program: none, compress: false}";
    let night = Night::new(sshd, "socket: SOCKET, lifetime: 1h", limit, THINGS);
    night.age(Duration::from_hours(1) - Duration::from_secs(2));
    let mut driver = night.command("remote run --label t --wait-for-login");
    let mut driver = driver.spawn().unwrap();
    until("the run is held", || {
        night.run().starts_with("auth:staging")
    });
    let run = night.run();
    assert!(run.contains("the link to site `far` ends soon"), "{run}");
    until("a human is told", || night.told().contains("link-ending"));
    let landed = fs::read_dir(night.path().join("scratch/raw")).map_or(0, Iterator::count);
    assert!(landed < THINGS, "{landed}");
    assert!(driver.try_wait().unwrap().is_none(), "the driver waits");
    night.answers("connection refresh far --batch", 0);
    assert!(driver.wait().unwrap().success());
    let run = night.run();
    assert!(run.starts_with("full, attempt 1: "), "{run}");
    assert_eq!(
        night.told().matches("link-ending").count(),
        1,
        "{}",
        night.told()
    );
    assert!(!night.told().contains("login-needed"), "{}", night.told());
    night.answers("connection stop far --now", 0);
    assert_eq!(night.sshd.logins(), 2);
}
