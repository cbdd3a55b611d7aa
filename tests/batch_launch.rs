//! The built-in multi-prog launcher with real processes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod until;

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use until::until;

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A launcher of configs, each given as its lines.
    fn launcher(&self, arguments: &[&str], confs: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outrigger"));
        command
            .arg("launch")
            .args(arguments)
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        for lines in confs {
            let taken = fs::read_dir(self.directory.path()).unwrap().count();
            let path = self.path(&format!("{taken}.conf"));
            fs::write(&path, lines).unwrap();
            command.arg(path);
        }
        command
    }

    fn launch(&self, arguments: &[&str], confs: &[&str]) -> Output {
        self.launcher(arguments, confs).output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

#[rstest]
#[case("0 true\n1 true\n", 0)]
#[case("0 sh -c 'exit 1'\n1 sh -c 'exit 200'\n2 sh -c 'exit 5'\n", 200)]
#[case("0 sh -c 'kill -9 $$'\n1 true\n", 137)]
#[case("0 /nonexistent/program\n1 true\n", 2)]
#[case("# nothing\n", 0)]
fn the_highest_exit_code_is_that_of_the_launcher(#[case] conf: &str, #[case] code: i32) {
    let place = Place::new();
    let answer = place.launch(&["--slots", "2"], &[conf]);
    assert_eq!(answer.status.code(), Some(code), "{answer:?}");
}

#[test]
fn all_lines_of_all_configs_run_after_a_failure_too() {
    let place = Place::new();
    let confs = [
        "0 sh -c 'exit 3'\n1-3 touch a%t.%o\n",
        "0 touch b\\ 0\n1 touch 'b 1'\n",
    ];
    let answer = place.launch(&["--slots", "1"], &confs);
    assert_eq!(answer.status.code(), Some(3));
    for name in ["a1.0", "a2.1", "a3.2", "b 0", "b 1"] {
        assert!(place.path(name).exists(), "{name}");
    }
    assert_eq!(
        String::from_utf8_lossy(&answer.stderr),
        "outrigger launch: rank 0: sh: exit status: 3\n"
    );
}

#[rstest]
#[case("0 touch ran\n0 true\n")]
#[case("0 touch ran\n* true\n")]
#[case("0 touch 'ran\n")]
fn a_wrong_config_starts_nothing(#[case] conf: &str) {
    let place = Place::new();
    let answer = place.launch(&["--slots", "1"], &["0 touch ran\n", conf]);
    assert_eq!(answer.status.code(), Some(1));
    assert!(!place.path("ran").exists());
}

#[test]
fn tasks_have_no_input_and_no_shell() {
    let place = Place::new();
    let answer = place.launch(&["--slots", "1"], &["0 cat\n1 echo $HOME * ; | \"x y\"\n"]);
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout),
        "$HOME * ; | \"x y\"\n"
    );
}

/// Each task counts those that run beside it.
fn counting(tasks: u32) -> String {
    let body = "mkdir run.%o.$$ && echo run.* | wc -w >> counts && sleep 0.03; rmdir run.%o.$$";
    let line = |rank| format!("{rank} sh -c '{}'", body.replace("%o", &format!("{rank}")));
    (0..tasks).map(line).collect::<Vec<_>>().join("\n")
}

fn most(place: &Place) -> usize {
    let counts = place.read("counts");
    counts
        .lines()
        .map(|line| line.trim().parse().unwrap())
        .max()
        .unwrap()
}

#[test]
fn no_more_tasks_run_at_once_than_there_are_slots() {
    let place = Place::new();
    let answer = place.launch(&["--slots", "3"], &[&counting(20)]);
    assert_eq!(answer.status.code(), Some(0));
    assert_eq!(place.read("counts").lines().count(), 20);
    assert!((2..=3).contains(&most(&place)), "{}", most(&place));
}

#[test]
fn two_launchers_share_the_slots_and_both_get_on() {
    let place = Place::new();
    let arguments = ["--slots", "2", "--spool", "."];
    let conf = counting(30);
    let mut one = place.launcher(&arguments, &[&conf]).spawn().unwrap();
    let mut other = place.launcher(&arguments, &[&conf]).spawn().unwrap();
    assert!(one.wait().unwrap().success());
    assert!(other.wait().unwrap().success());
    assert_eq!(place.read("counts").lines().count(), 60);
    assert!(most(&place) <= 2, "{}", most(&place));
}

#[test]
fn a_launcher_that_is_killed_gives_its_slots_back() {
    let place = Place::new();
    let arguments = ["--slots", "1", "--spool", "."];
    let conf = "0 sh -c 'echo $$ > pid; exec sleep 600'\n";
    let mut killed = place.launcher(&arguments, &[conf]).spawn().unwrap();
    until("the task runs", || {
        place.path("pid").exists() && !place.read("pid").is_empty()
    });
    let mut next = place
        .launcher(&arguments, &["0 touch ran\n"])
        .spawn()
        .unwrap();
    assert_eq!(next.try_wait().unwrap(), None);
    assert!(!place.path("ran").exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(next.wait().unwrap().success());
    assert!(place.path("ran").exists());
    let task = place.read("pid").trim().parse().unwrap();
    kill_process(Pid::from_raw(task).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn asked_to_end_it_asks_its_tasks_and_starts_no_more() {
    let place = Place::new();
    let body =
        "trap \"echo asked > asked; exit 4\" TERM; touch ready; while :; do sleep 0.05; done";
    let conf = format!("0 sh -c '{body}'\n1 touch ran\n");
    let mut launcher = place
        .launcher(&["--slots", "1"], &[&conf])
        .stderr(File::create(place.path("err")).unwrap())
        .spawn()
        .unwrap();
    until("the task runs", || place.path("ready").exists());
    signal(&launcher, Signal::TERM);
    assert_eq!(launcher.wait().unwrap().code(), Some(143));
    assert_eq!(place.read("asked"), "asked\n");
    assert!(!place.path("ran").exists());
}

#[test]
fn asked_twice_it_kills_its_tasks() {
    let place = Place::new();
    let body = "trap \"touch asked\" TERM; touch ready; while :; do sleep 0.05; done";
    let conf = format!("0 sh -c '{body}'\n");
    let mut launcher = place.launcher(&["--slots", "1"], &[&conf]).spawn().unwrap();
    until("the task runs", || place.path("ready").exists());
    signal(&launcher, Signal::TERM);
    until("the task was asked", || place.path("asked").exists());
    signal(&launcher, Signal::TERM);
    assert_eq!(launcher.wait().unwrap().code(), Some(137));
}
