//! The link in an operator's hands: a token typed at a terminal, lines through one login, a
//! refresh beside the old link, and runs that a lost link stops at each of their steps.

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::lab_harness::{Answer, Lab};

/// A directory with an `outrigger.yaml` for the lab behind its one-time password.
struct Desk<'lab> {
    lab: &'lab Lab,
    dir: TempDir,
    scratch: String,
}

impl<'lab> Desk<'lab> {
    /// `connection` and `site`: further lines of these maps.
    fn new(lab: &'lab Lab, connection: &str, site: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("or-").tempdir().unwrap();
        let unique = dir.path().file_name().unwrap().to_str().unwrap();
        let scratch = format!("/scratch/lanluser/{unique}");
        lab.fe(["mkdir", &scratch]).success();
        let text = format!(
            "sites:
  lanl:
    scheduler: slurm
    partition: shared
    nodes: {{cores: 24, max: 4}}
    walltime: {{min: 1m, max: 1h}}
    scratch: {scratch}
    {site}
    connection:
      host: fe
      jump: bastion-otp
      socket: {}/link
      config_file: {}
      lifetime: 12h
      {connection}
",
            dir.path().display(),
            lab.ssh_config().display(),
        );
        fs::write(dir.path().join("outrigger.yaml"), text).unwrap();
        Self { lab, dir, scratch }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("OUTRIGGER_LAB")
            .env_remove("SSH_ASKPASS")
            .env_remove("DISPLAY")
            .stdin(Stdio::null());
        command
    }

    fn outrigger(&self, arguments: &[&str]) -> Answer {
        self.command(arguments).output().unwrap().into()
    }

    /// At a terminal, with `answers` typed at the prompts for a password.
    fn at_terminal(&self, answers: &[&str], arguments: &[&str]) -> Answer {
        let typist = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/typist.py");
        let output = Command::new("python3")
            .arg(typist)
            .arg("assword:")
            .args(answers)
            .args(["--", env!("CARGO_BIN_EXE_outrigger")])
            .args(arguments)
            .current_dir(self.path())
            .env_remove("SSH_ASKPASS")
            .env_remove("DISPLAY")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        output.into()
    }

    /// Logs in with a fresh token; `lines` masters to the front end are to be opened.
    fn log_in(&self, verb: &str, lines: u32) -> String {
        self.lab.expect(1, lines);
        let opened = self.at_terminal(&[&self.lab.token()], &["connection", verb]);
        assert_eq!(opened.code, 0, "{opened:?}");
        opened.stdout
    }

    fn status(&self) -> Value {
        let told = self.outrigger(&["connection", "status", "--json"]);
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        told["sites"][0].clone()
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        self.outrigger(&["connection", "stop", "--now"]);
        self.lab.fe(["rm", "-rf", &self.scratch]);
    }
}

/// Returns when `condition` holds.
#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_mins(1), "never: {what}");
    }
}

#[test]
fn one_token_typed_at_a_terminal_opens_every_line_and_the_link_outlives_the_terminal() {
    let lab = Lab::get();
    let desk = Desk::new(&lab, "lines: 3", "");
    let down = desk.outrigger(&["connection", "check"]);
    assert_eq!(down.code, 3, "{down:?}");
    let screen = desk.log_in("start", 3);
    assert!(screen.contains("login at bastion-otp"), "{screen}");
    assert!(screen.contains("the link is up until"), "{screen}");
    let status = desk.status();
    assert_eq!(
        (&status["lines_up"], &status["sessions"]),
        (&3.into(), &15.into())
    );
    let left = status["left"].as_u64().unwrap();
    assert!((43_000..=43_200).contains(&left), "{status}");
    let again = desk.outrigger(&["connection", "start", "--batch"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stderr.contains("up already"), "{again:?}");
    let who = desk.outrigger(&["connection", "who"]).success();
    assert!(who.contains("lanl"), "{who}");
    let record = fs::read_to_string(desk.path().join("link.json")).unwrap();
    assert!(!record.to_lowercase().contains("password"), "{record}");
}

#[test]
fn a_wrong_token_and_a_used_one_are_refused_and_leave_nothing_behind() {
    let lab = Lab::get();
    let desk = Desk::new(&lab, "lines: 2", "");
    let refused = desk.at_terminal(&["echo 000000"], &["connection", "start"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused.stdout.contains("the login was refused"),
        "{refused:?}"
    );
    // Typed again, the same token is not a token any more.
    lab.expect(1, 2);
    let token = desk.path().join("token");
    let once = format!("{} | tee {}", lab.token(), token.display());
    let opened = desk.at_terminal(&[&once], &["connection", "start"]);
    assert_eq!(opened.code, 0, "{opened:?}");
    let used = format!("cat {}", token.display());
    let refused = desk.at_terminal(&[&used], &["connection", "refresh"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    // The link that was there is untouched.
    assert_eq!(desk.outrigger(&["connection", "check"]).code, 0);
    let nobody = desk.outrigger(&["connection", "refresh", "--batch"]);
    assert_eq!(nobody.code, 3, "{nobody:?}");
    assert_eq!(desk.status()["lines_up"], 2);
}

#[test]
fn a_refresh_switches_to_a_new_link_and_cuts_nothing_that_is_under_way() {
    let lab = Lab::get();
    let desk = Desk::new(&lab, "lines: 1", "");
    desk.log_in("start", 1);
    let go = format!("{}/go", desk.scratch);
    let mut ssh = Command::new("ssh");
    let mut rider = ssh
        .args(["-F", "/dev/null", "-o", "ProxyCommand=false", "-S"])
        .arg(desk.path().join("link"))
        .args([
            "x",
            &format!("echo begun; while [ ! -e {go} ]; do sleep 0.1; done; echo ended"),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the rider runs", || {
        let running = lab.fe(["pgrep", "-f", &go]);
        running.stdout.lines().count() > 0
    });
    let before = fs::read_link(desk.path().join("link")).unwrap();
    desk.log_in("refresh", 1);
    let after = fs::read_link(desk.path().join("link")).unwrap();
    assert_ne!(before, after);
    assert_eq!(desk.outrigger(&["connection", "check"]).code, 0);
    assert!(rider.try_wait().unwrap().is_none(), "the rider was cut");
    lab.fe(["touch", &go]).success();
    let mut said = String::new();
    std::io::Read::read_to_string(rider.stdout.as_mut().unwrap(), &mut said).unwrap();
    assert!(rider.wait().unwrap().success());
    assert_eq!(said, "begun\nended\n");
    wait_until("the old master is gone", || {
        let masters = Command::new("pgrep")
            .args(["-f", before.to_str().unwrap()])
            .output();
        masters.unwrap().stdout.is_empty()
    });
}

#[test]
fn a_line_that_is_lost_is_opened_again_over_the_login_that_lives_without_a_token() {
    let lab = Lab::get();
    let desk = Desk::new(&lab, "lines: 2", "");
    desk.log_in("start", 2);
    let status = Command::new("ssh")
        .args(["-F", "/dev/null", "-O", "exit", "-S"])
        .arg(desk.path().join("link-1"))
        .arg("x")
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    assert_eq!(desk.status()["lines_up"], 1);
    lab.expect(0, 1);
    let mended = desk.outrigger(&["connection", "start", "--batch"]);
    assert!(mended.stderr.contains("1 lines opened again"), "{mended:?}");
    assert_eq!(desk.status()["lines_up"], 2);
}

#[test]
fn a_dead_link_whose_sockets_are_still_there_is_found_within_seconds() {
    let lab = Lab::get();
    let desk = Desk::new(&lab, "lines: 1", "");
    desk.log_in("start", 1);
    lab.control(["wan", "off"]);
    let begin = Instant::now();
    let check = desk.outrigger(&["connection", "check", "--limit", "3s"]);
    assert_eq!(check.code, 3, "{check:?}");
    assert!(check.stderr.contains("no answer within 3 s"), "{check:?}");
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    assert!(desk.path().join("link").exists());
    lab.control(["wan", "on"]);
}

#[test]
fn a_bastion_that_forwards_nothing_is_passed_by_a_command_on_it() {
    let lab = Lab::get();
    let account = "nested: true\n      user: lanluser";
    let desk = Desk::new(&lab, account, "");
    let yaml = fs::read_to_string(desk.path().join("outrigger.yaml")).unwrap();
    desk.write(
        "outrigger.yaml",
        yaml.replace("host: fe\n", "host: fe1:22\n").as_bytes(),
    );
    lab.expect(1, 0);
    let opened = desk.at_terminal(&[&lab.token()], &["connection", "start"]);
    assert_eq!(opened.code, 0, "{opened:?}");
    let content: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
    desk.write("night/raw it's.fits", &content);
    desk.write("night/empty", b"");
    let into = format!("{}/in", desk.scratch);
    let logins = lab.accepted().cluster;
    let pushed = desk.outrigger(&["transfer", "push", "lanl", "night", "--into", &into]);
    assert_eq!(pushed.code, 0, "{pushed:?}");
    let far = format!("{into}/night");
    let pulled = desk.outrigger(&["transfer", "pull", "lanl", &far, "--into", "back"]);
    assert_eq!(pulled.code, 0, "{pulled:?}");
    let back = fs::read(desk.path().join("back/night/raw it's.fits")).unwrap();
    assert!(back == content);
    // Each command is a login from the bastion to the front end, by the key that lies there.
    let made = lab.accepted().cluster;
    assert!(made > logins);
    lab.expect(0, made);
    desk.outrigger(&["connection", "stop", "--now"]);
    let more = lab.accepted().cluster - made;
    lab.expect(0, more);
}

#[test]
fn a_host_key_that_changed_is_refused_and_nothing_is_sent() {
    let lab = Lab::get();
    let desk = Desk::new(&lab, "lines: 1", "");
    let config = fs::read_to_string(lab.ssh_config()).unwrap();
    let known = desk.path().join("known_hosts");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(desk.path().join("other"))
        .status();
    assert!(made.unwrap().success());
    let key = fs::read_to_string(desk.path().join("other.pub")).unwrap();
    fs::write(&known, format!("bastion {key}")).unwrap();
    let lines = config
        .lines()
        .map(|line| match line.trim().split_once(' ') {
            Some(("UserKnownHostsFile", _)) => format!("UserKnownHostsFile {}", known.display()),
            _ => line.to_owned(),
        });
    let lines: Vec<String> = lines.collect();
    desk.write("ssh_config", lines.join("\n").as_bytes());
    let yaml = fs::read_to_string(desk.path().join("outrigger.yaml")).unwrap();
    let yaml = yaml.replace(
        &lab.ssh_config().display().to_string(),
        &desk.path().join("ssh_config").display().to_string(),
    );
    desk.write("outrigger.yaml", yaml.as_bytes());
    let refused = desk.at_terminal(&[&lab.token()], &["connection", "start"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(
        refused
            .stdout
            .contains("host key is not the one that is known"),
        "{refused:?}"
    );
    assert!(!refused.stdout.contains("assword:"), "{refused:?}");
}

const STAGE: &str = r#"
stage: sum
components: {file: ../things.csv}
jobs: {for_each: thing, from: {file: ../things.csv}, by: stage_id, key: "{{ thing.stage_id }}"}
inputs: [{local: "raw/{{ stage_id }}", remote: "raw/{{ stage_id }}"}]
command: {sh: "cat {{ input(0) }} {{ input(0) }} > {{ stage_id }}.out"}
outputs: [{remote: "{{ stage_id }}.out", local: "products/{{ stage_id }}.out"}]
cost: {threads: 1, seconds: 2}
"#;

const THINGS: usize = 12;
const BYTES: usize = 400_000;

/// An sbatch that submits, tells, and then keeps its answer to itself until the link is cut.
const SLOW_SBATCH: &str = r#"#!/bin/sh
/usr/bin/sbatch "$@" >answer.$$ || exit
cat answer.$$ >>SCRATCH/submitted
while [ -e SCRATCH/hold ]; do sleep 0.1; done
cat answer.$$
"#;

#[test]
fn a_link_lost_in_stage_in_submission_and_return_costs_nothing_but_logins() {
    let lab = Lab::get();
    // 1 MB a second: slow enough to be cut in the middle.
    let scheduler = "scheduler_path: SCRATCH/bin\n    transfer: {limit: 1000000, bundle: 500 kB}";
    let desk = Desk::new(&lab, "lines: 2", "resident: []");
    let yaml = fs::read_to_string(desk.path().join("outrigger.yaml")).unwrap();
    let yaml = yaml.replace("resident: []", &scheduler.replace("SCRATCH", &desk.scratch));
    desk.write("outrigger.yaml", yaml.as_bytes());
    desk.write("stages/sum.yaml", STAGE.as_bytes());
    let mut things = String::from("stage_id\n");
    for thing in 0..THINGS {
        writeln!(things, "{thing}").unwrap();
        let byte = u8::try_from(thing).unwrap();
        desk.write(&format!("raw/{thing}"), &vec![byte; BYTES]);
    }
    desk.write("things.csv", things.as_bytes());
    outrigger::state::Store::create(&desk.path().join("state.db")).unwrap();
    let bin = format!("{}/bin", desk.scratch);
    lab.fe(["mkdir", &bin]).success();
    for program in ["squeue", "sacct", "scancel", "scontrol", "sinfo", "srun"] {
        lab.fe(["ln", "-s", &format!("/usr/bin/{program}"), &bin])
            .success();
    }
    lab.write(
        &format!("{bin}/sbatch"),
        &SLOW_SBATCH.replace("SCRATCH", &desk.scratch),
    );
    lab.fe(["chmod", "755", &format!("{bin}/sbatch")]).success();
    lab.fe(["touch", &format!("{}/hold", desk.scratch)])
        .success();

    desk.log_in("start", 2);
    // Stage-in.
    let landed = || {
        let list = lab.fe([
            "sh",
            "-c",
            "cd \"$1\" && stat -c '%n %i %Y' *",
            "sh",
            &format!("{}/raw", desk.scratch),
        ]);
        let lines: Vec<String> = list.stdout.lines().map(str::to_owned).collect();
        lines
    };
    let mut driver = drive(&desk);
    wait_until("some inputs have landed, not all", || !landed().is_empty());
    let early = landed();
    cut(&lab, &desk, &mut driver);
    assert!(early.len() < THINGS, "{early:?}");
    let seen = landed();
    assert_eq!(state(&desk), "auth:staging");

    // Submission.
    desk.log_in("start", 2);
    let mut driver = drive(&desk);
    let submitted = format!("{}/submitted", desk.scratch);
    wait_until("the job is submitted", || {
        lab.fe(["test", "-s", &submitted]).code == 0
    });
    let inputs = landed();
    assert!(
        seen.iter().all(|file| inputs.contains(file)),
        "sent twice: {seen:?} {inputs:?}"
    );
    cut(&lab, &desk, &mut driver);
    assert_eq!(state(&desk), "auth:submitting");
    lab.fe(["rm", &format!("{}/hold", desk.scratch)]).success();

    // Return.
    desk.log_in("start", 2);
    let mut driver = drive(&desk);
    let products = || match fs::read_dir(desk.path().join("products")) {
        Ok(entries) => entries
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "out"))
            .count(),
        Err(_) => 0,
    };
    wait_until("some products are home, not all", || products() > 0);
    cut(&lab, &desk, &mut driver);
    assert_eq!(state(&desk), "auth:returning");
    assert!(products() < THINGS);

    desk.log_in("start", 2);
    let driven = desk.outrigger(&["remote", "run", "--label", "t"]);
    assert_eq!(driven.code, 0, "{driven:?}");
    assert_eq!(state(&desk), "full");
    for thing in 0..THINGS {
        let product = fs::read(desk.path().join(format!("products/{thing}.out"))).unwrap();
        let byte = u8::try_from(thing).unwrap();
        assert!(product == vec![byte; 2 * BYTES], "product {thing}");
    }
    let jobs = lab.fe(["cat", &submitted]).success();
    assert_eq!(jobs.lines().count(), 1, "{jobs}");
    assert_eq!(ask(&desk, "SELECT count(*) || '' FROM runs"), "1");
    let attempts =
        "SELECT max(runs.attempt) || ' ' || max(components.attempt) FROM runs, components";
    assert_eq!(ask(&desk, attempts), "1 1", "a lost link is no retry");
}

fn drive(desk: &Desk<'_>) -> Child {
    let mut command = desk.command(&["remote", "run", "--label", "t", "--wait-for-login"]);
    command
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Cuts the link; the driver must come to wait for a login, and is then ended as by an operator.
fn cut(lab: &Lab, desk: &Desk<'_>, driver: &mut Child) {
    lab.control(["drop"]);
    wait_until("the run waits for a login", || {
        state(desk).starts_with("auth:")
    });
    assert!(driver.try_wait().unwrap().is_none(), "the driver waits too");
    driver.kill().unwrap();
    driver.wait().unwrap();
}

fn state(desk: &Desk<'_>) -> String {
    ask(desk, "SELECT state FROM runs")
}

fn ask(desk: &Desk<'_>, sql: &str) -> String {
    let db = Connection::open(desk.path().join("state.db")).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}
