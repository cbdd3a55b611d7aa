//! Variables and books outlive a scheduler that was killed (`persist on`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test says where"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use outrigger::state::Store;

/// A project with a state.db, and the scheduler by its name.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        symlink(
            env!("CARGO_BIN_EXE_outrigger"),
            desk.path().join("pantasks"),
        )
        .unwrap();
        let config = "sites:\n  here: {scheduler: local, nodes: {cores: 1}, scratch: /tmp/none}\n";
        fs::write(desk.path().join("outrigger.yaml"), config).unwrap();
        Store::create(&desk.path().join("state.db")).unwrap();
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, script: &str) -> Command {
        fs::write(self.path().join("night.pro"), script).unwrap();
        let mut command = Command::new(self.path().join("pantasks"));
        command
            .args(["--norc", "night.pro"])
            .current_dir(self.path())
            .env("HOME", self.path())
            .env_remove("OUTRIGGER_CONFIG")
            .stdin(Stdio::null());
        command
    }

    /// How many agents there are that keep jobs of its scheduler, after those that go have gone.
    fn agents(&self) -> usize {
        let store = Store::open(&self.path().join("state.db")).unwrap();
        let identity = store.saved_script("pantasks").unwrap().identity.unwrap();
        let is_ours = |command: &Vec<u8>| {
            let command = String::from_utf8_lossy(command);
            command.contains("--keep") && command.contains(&identity)
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let processes = fs::read_dir("/proc").unwrap();
            let files = processes.map(|entry| entry.unwrap().path().join("cmdline"));
            let commands = files.filter_map(|file| fs::read(file).ok());
            let count = commands.filter(is_ours).count();
            if count == 0 || Instant::now() > deadline {
                return count;
            }
            std::thread::yield_now();
        }
    }

    /// What a script that ends says.
    fn play(&self, script: &str) -> String {
        let output = self.command(script).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    /// Runs a script until it says `wanted`, and kills it then.
    fn kill_at(&self, script: &str, wanted: &str) {
        let mut child = self.command(script).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let found = lines.map(Result::unwrap).any(|line| line == wanted);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found, "the script ended before it said {wanted}");
    }
}

const FIRST: &str = r#"
$night = 0
book init runs
persist on
$night = 17
$text = two "words" and $night
for i 0 3
  book newpage runs run.$i
  book setword runs run.$i pantaskState INIT
end
book setword runs run.1 pantaskState RUN
book setword runs run.2 note "a  b"
book delpage runs run.0
book newpage runs run.9
persist save
echo saved
$lost = with the last second
sleep 600
"#;

#[test]
fn what_was_saved_is_there_after_a_kill_and_what_a_module_sets_gives_way() {
    let desk = Desk::new();
    desk.kill_at(FIRST, "saved");
    let said = desk.play(
        "$night = 0\nbook init runs\npersist on -reset pantaskState RUN INIT\n\
         echo $night $text $?lost\nbook listbook runs\nbook getword runs run.2 note -var note\n\
         echo \"<$note>\"\nbook getword runs run.1 pantaskState -var state\necho $state\nexit",
    );
    assert!(said.contains("books with 3 pages restored"), "{said}");
    // A value may carry quotes, which the line that it is put into takes for its own.
    assert!(said.contains("17 two words and 17 0\n"), "{said}");
    assert!(said.contains("<a  b>\nINIT\n"), "{said}");
    let pages: Vec<&str> = said
        .lines()
        .filter_map(|line| {
            line.split_whitespace()
                .next()
                .filter(|w| w.starts_with("run."))
        })
        .collect();
    assert_eq!(pages, ["run.1", "run.2", "run.9"], "{said}");
}

#[test]
fn changes_are_saved_by_themselves_while_the_scheduler_runs() {
    let desk = Desk::new();
    // The task says so a second and more after the change, when it must have been saved.
    desk.kill_at(
        "persist on\n$night = 5\n$looks = 0\ntask t\n periods -exec 0.1\n task.exec\n  $looks ++\n  if ($looks == 30)\n   echo late\n  end\n  break\n  command none\n end\nend\nrun",
        "late",
    );
    let said = desk.play("persist on\necho night $night\nif ($looks > 5) echo moved\nexit");
    assert!(said.contains("night 5\nmoved\n"), "{said}");
}

#[test]
fn forgotten_is_forgotten_and_each_name_keeps_its_own() {
    let desk = Desk::new();
    desk.play("persist on one\n$a = 1\nexit");
    desk.play("persist on two\n$a = 2\nexit");
    let said = desk.play("persist on one\necho a $a\npersist forget\nexit");
    assert!(said.contains("a 1\n"), "{said}");
    let said = desk.play("persist on one\necho $?a\npersist off\npersist on two\necho a $a\nexit");
    assert!(said.contains("\n0\n") && said.contains("a 2\n"), "{said}");
}

#[test]
fn without_an_outrigger_yaml_it_says_what_to_do() {
    let desk = Desk::new();
    fs::remove_file(desk.path().join("outrigger.yaml")).unwrap();
    let said = desk.play("persist on\nexit");
    assert!(
        said.contains("night.pro:1: persist needs the state.db"),
        "{said}"
    );
    assert!(said.contains("outrigger init"), "{said}");
}

/// A job on a host of the controller that ends once there is a file `go`.
fn hosts(how: &str) -> String {
    format!(
        r#"
persist on
controller host add localhost {how}
task work
  host anyhost
  nmax 1
  periods -exec 0.05
  options page.1
  command sh -c "echo begin >>log; until test -e go; do sleep 0.05; done; echo end >>log; echo result"
  task.exit 0
    queuepop stdout -var out
    echo "$options:0 $out $JOB_HOSTNAME"
    exit
  end
end
task look
  periods -exec 0.05 -timeout 60
  npending 1
  command grep -q begin log
  task.exit 0
    echo running
  end
end
run
"#
    )
}

#[test]
fn a_job_on_a_host_that_keeps_it_outlives_a_scheduler_that_is_killed() {
    let desk = Desk::new();
    desk.kill_at(&hosts("-keep"), "running");
    fs::write(desk.path().join("go"), "").unwrap();
    let said = desk.play(&hosts("-keep"));
    assert!(said.contains("1 jobs on other hosts go on"), "{said}");
    assert!(said.contains("page.1 result localhost\n"), "{said}");
    let log = fs::read_to_string(desk.path().join("log")).unwrap();
    assert_eq!(log, "begin\nend\n", "{said}");
    assert_eq!(desk.agents(), 0, "with nothing left to keep they go");
    let said = desk.play("persist on\nexit");
    assert!(!said.contains("jobs on other hosts"), "{said}");
}

#[test]
fn a_host_that_is_back_before_the_scheduler_runs_does_not_lose_its_job() {
    let desk = Desk::new();
    desk.kill_at(&hosts("-keep"), "running");
    let script = hosts("-keep");
    let tasks = script.strip_suffix("run\n").unwrap();
    fs::write(desk.path().join("tasks.pro"), tasks).unwrap();
    let mut command = Command::new(desk.path().join("pantasks"));
    command.arg("--norc").current_dir(desk.path());
    command.env("HOME", desk.path());
    command.env_remove("OUTRIGGER_CONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut typed = child.stdin.take().unwrap();
    typed.write_all(b"input tasks.pro\n").unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    loop {
        typed.write_all(b"controller status\necho told\n").unwrap();
        let told: Vec<String> = lines.by_ref().take_while(|line| line != "told").collect();
        assert!(!told.is_empty(), "the scheduler has ended");
        if told.iter().any(|line| line.contains("localhost   BUSY")) {
            break;
        }
    }
    fs::write(desk.path().join("go"), "").unwrap();
    typed.write_all(b"run\n").unwrap();
    let said: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success());
    assert_eq!(said.last().unwrap(), "page.1 result localhost", "{said:?}");
    let log = fs::read_to_string(desk.path().join("log")).unwrap();
    assert_eq!(log, "begin\nend\n", "{said:?}");
    assert_eq!(desk.agents(), 0);
}

#[test]
fn a_job_on_another_host_is_run_again_after_a_scheduler_that_was_killed() {
    let desk = Desk::new();
    desk.kill_at(&hosts("-fence"), "running");
    fs::write(desk.path().join("go"), "").unwrap();
    let said = desk.play(&hosts("-fence"));
    assert!(said.contains("page.1 result localhost\n"), "{said}");
    let log = fs::read_to_string(desk.path().join("log")).unwrap();
    if log != "begin\nend\n" {
        // It was ended with its agent, unless it was faster.
        assert_eq!(log, "begin\nbegin\nend\n", "{said}");
        let why = "was lost with host localhost and is run again";
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_session_has_one_scheduler_at_a_time() {
    let desk = Desk::new();
    let first = "persist on\necho on\nsleep 600";
    let mut child = desk.command(first).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "on"));
    let said = desk.play("persist on");
    assert!(said.contains("another scheduler keeps pantasks"), "{said}");
    let said = desk.play("persist on another");
    assert!(said.contains("restored"), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    let said = desk.play("persist on");
    assert!(said.contains("restored"), "{said}");
}
