//! The classic prompt protocols of `pclient` and `pcontrol`, as a program at the other end of a
//! pipe speaks them (tests/classic/*.txt say how these files are read).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed test says where"
)]

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use regex::Regex;
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};

/// How long an answer may take that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

struct Talk {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: Receiver<String>,
    prompt: String,
    _bin: tempfile::TempDir,
}

impl Talk {
    fn with(name: &str, options: &[&str]) -> Self {
        let bin = tempfile::tempdir().unwrap();
        let program = bin.path().join(name);
        symlink(env!("CARGO_BIN_EXE_outrigger"), &program).unwrap();
        let mut child = Command::new(program)
            .args(options)
            .current_dir(bin.path())
            .env("HOME", bin.path())
            .env_remove("PTOLEMY")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, errors) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let mut talk = Self {
            input: child.stdin.take().unwrap(),
            output: child.stdout.take().unwrap(),
            child,
            errors,
            prompt: format!("{name}: "),
            _bin: bin,
        };
        assert_eq!(talk.answer(), "");
        talk
    }

    /// What comes until the prompt, or until the end.
    fn answer(&mut self) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        while self.output.read(&mut byte).unwrap() > 0 {
            text.push(byte[0]);
            if text.ends_with(self.prompt.as_bytes()) {
                text.truncate(text.len() - self.prompt.len());
                break;
            }
        }
        String::from_utf8(text).unwrap()
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}").unwrap();
        self.answer()
    }

    fn ask_until(&mut self, command: &str, wanted: &str) {
        let begun = Instant::now();
        loop {
            let answer = self.ask(command);
            if answer.contains(wanted) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{command}: {answer}");
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line on the error stream.
    fn error(&self, wanted: &str) {
        let pattern = pattern(wanted);
        let mut come = Vec::new();
        while let Ok(line) = self.errors.recv_timeout(PATIENCE) {
            if pattern.is_match(&line) {
                return;
            }
            come.push(line);
        }
        panic!("`{wanted}` never came, but {come:?}");
    }

    /// Plays a transcript to its end; the exit code.
    fn play(mut self, transcript: &str) -> Option<i32> {
        let mut lines = transcript.lines().enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            if line.starts_with('#') {
                continue;
            }
            if let Some(wanted) = line.strip_prefix("! ") {
                self.error(wanted);
            } else if let Some(question) = line.strip_prefix("? ") {
                let (command, wanted) = question.split_once(" | ").unwrap();
                self.ask_until(command, wanted);
            } else {
                let command = line.strip_prefix("> ").unwrap();
                let answer = self.ask(command);
                let mut wanted = String::new();
                let is_answer =
                    |line: &str| !line.starts_with("> ") && !line.starts_with(['!', '?']);
                while let Some((_, line)) = lines.next_if(|(_, line)| is_answer(line)) {
                    wanted.push_str(line);
                    wanted.push('\n');
                }
                let place = number + 1;
                assert!(
                    pattern(&wanted).is_match(&answer),
                    "line {place}: {command}\n{answer}but wanted\n{wanted}"
                );
            }
        }
        drop(self.input);
        self.child.wait().unwrap().code()
    }
}

/// A text in which `<n>` stands for a number, `<age>` for a padded decimal one and `<any>` for
/// anything.
fn pattern(text: &str) -> Regex {
    let text = regex::escape(text);
    let text = text
        .replace("<n>", "[0-9]+")
        .replace("<age>", r" *[0-9]+\.[0-9]+")
        .replace("<any>", ".*");
    Regex::new(&format!("^{text}$")).unwrap()
}

#[test]
fn an_agent_speaks_the_classic_protocol() {
    let talk = Talk::with("pclient", &[]);
    let code = talk.play(include_str!("classic/pclient.txt"));
    assert_eq!(code, Some(0));
}

#[test]
fn an_agent_ends_with_its_job_when_nobody_talks_to_it_any_more() {
    let mut talk = Talk::with("pclient", &[]);
    let answer = talk.ask("job sleep 600");
    let pid = answer.trim().strip_prefix("PCLIENT_PID: ").unwrap();
    let process = format!("/proc/{pid}");
    drop(talk.input);
    assert_eq!(talk.child.wait().unwrap().code(), Some(0));
    assert!(!Path::new(&process).exists());
}

#[test]
fn a_controller_speaks_the_classic_protocol() {
    let talk = Talk::with("pcontrol", &["--norc"]);
    let code = talk.play(include_str!("classic/pcontrol.txt"));
    assert_eq!(code, Some(3));
}

#[test]
fn a_human_is_heard_while_jobs_are_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/classic/terminal.py");
    let program = dir.path().join("pcontrol");
    symlink(env!("CARGO_BIN_EXE_outrigger"), &program).unwrap();
    let mut command = Command::new("python3");
    let output = command.arg(python).arg(program).arg(dir.path()).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// Has a `pcontrol` wait for a job that has no host.
fn draining() -> Talk {
    let mut talk = Talk::with("pcontrol", &["--norc"]);
    assert_eq!(talk.ask("job true"), "JobID: 1\n");
    assert_eq!(talk.ask("drain"), "");
    talk
}

#[test]
fn an_interrupt_ends_the_wait_for_jobs_and_the_lines_behind_it_are_read() {
    let mut talk = draining();
    writeln!(talk.input, "exit 4").unwrap();
    talk.signal(Signal::INT);
    talk.error("drain: interrupted; jobs that are not over: 1");
    assert_eq!(talk.child.wait().unwrap().code(), Some(4));
}

#[test]
fn a_request_to_end_is_heard_while_jobs_are_waited_for() {
    let mut talk = draining();
    talk.signal(Signal::TERM);
    assert_eq!(talk.child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn the_end_of_the_input_waits_for_the_jobs_that_a_line_before_it_waits_for() {
    let mut talk = Talk::with("pcontrol", &["--norc"]);
    talk.ask("host add localhost");
    talk.ask("job echo hello");
    writeln!(talk.input, "drain\nstdout 1").unwrap();
    drop(talk.input);
    let mut said = String::new();
    talk.output.read_to_string(&mut said).unwrap();
    assert!(said.contains("hello\nSTATUS 0\n"), "{said}");
    assert_eq!(talk.child.wait().unwrap().code(), Some(0));
}

#[rstest]
#[case::a_quote(&["-D", "SHELL", "/opt/'my pclient"], "SHELL", "within a quote")]
#[case::no_program(&["-D", "COMMAND", "''"], "COMMAND", "names no program")]
#[case::too_long(&["-D", "CONTROLLER_FENCE", "1e30"], "CONTROLLER_FENCE", "10 years")]
fn a_setting_that_cannot_be_used_is_told_at_once(
    #[case] options: &[&str],
    #[case] name: &str,
    #[case] why: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("pcontrol");
    symlink(env!("CARGO_BIN_EXE_outrigger"), &program).unwrap();
    let mut command = Command::new(program);
    command.args(options).arg("--norc").stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(name) && said.contains(why), "{said}");
}

#[test]
fn blanks_in_the_name_of_the_agent_stay_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let agent = dir.path().join("my pclient");
    // It is told by its name what it is.
    let text = format!(
        "#!/bin/bash\nexec -a pclient {} \"$@\"\n",
        env!("CARGO_BIN_EXE_outrigger")
    );
    fs::write(&agent, text).unwrap();
    fs::set_permissions(&agent, Permissions::from_mode(0o755)).unwrap();
    let shell = format!("'{}'", agent.display());
    let mut talk = Talk::with("pcontrol", &["--norc", "-D", "SHELL", &shell]);
    talk.ask("host add localhost");
    talk.ask("job echo hello");
    talk.ask_until("jobstack exit", "Njobs: 1");
    assert_eq!(talk.ask("stdout 1"), "hello\nSTATUS 0\n");
}

#[test]
fn an_input_that_cannot_be_read_is_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("pcontrol");
    symlink(env!("CARGO_BIN_EXE_outrigger"), &program).unwrap();
    let mut command = Command::new(program);
    command.arg("--norc").stdin(fs::File::open("/").unwrap());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("standard input cannot be read"), "{said}");
}

#[test]
fn a_line_that_is_not_text_is_answered_with_a_complaint() {
    let mut talk = Talk::with("pcontrol", &["--norc"]);
    talk.input.write_all(b"echo \xff\n").unwrap();
    assert_eq!(talk.answer(), "");
    talk.error("standard input: line 1 is not UTF-8 and is not run");
    assert_eq!(talk.ask("echo hello"), "hello\n");
}
