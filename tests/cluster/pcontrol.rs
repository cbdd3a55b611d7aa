//! `pcontrol` with pipes: what is asked, what it answers, what it logs.

use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{Cluster, PATIENCE, signal};

const PROMPT: &[u8] = b"pcontrol: ";

/// A running `pcontrol`.
#[derive(Debug)]
pub(crate) struct Pcontrol {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: mpsc::Receiver<String>,
    log: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Pcontrol {
    pub(super) fn start(cluster: &Cluster, settings: &[(&str, &str)]) -> Self {
        let ssh = format!(
            "ssh -F {} -o BatchMode=yes",
            cluster.path("ssh_config").display()
        );
        let agent = cluster.path("pclient").display().to_string();
        let mut command = Command::new(cluster.path("pcontrol"));
        for (name, value) in [("COMMAND", ssh.as_str()), ("SHELL", &agent)]
            .iter()
            .chain(settings)
        {
            command.args(["-D", name, value]);
        }
        let mut child = command
            .arg("--norc")
            .current_dir(cluster.directory())
            .env("HOME", cluster.directory())
            .env("TMPDIR", cluster.path("tmp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (answered, answers) = mpsc::channel();
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        let readers = vec![
            std::thread::spawn(move || {
                let (mut answer, mut bytes) = (Vec::new(), vec![0; 64 << 10]);
                while let Ok(read) = stdout.read(&mut bytes)
                    && read > 0
                {
                    answer.extend_from_slice(&bytes[..read]);
                    if let Some(answer) = answer.strip_suffix(PROMPT) {
                        let answer = String::from_utf8_lossy(answer).into_owned();
                        answered.send(answer).unwrap_or_default();
                    }
                    if answer.ends_with(PROMPT) {
                        answer.clear();
                    }
                }
            }),
            std::thread::spawn(move || {
                let mut bytes = vec![0; 64 << 10];
                while let Ok(read) = stderr.read(&mut bytes)
                    && read > 0
                {
                    let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                    kept.lock().unwrap().push_str(&text);
                }
            }),
        ];
        let pcontrol = Self {
            child,
            stdin,
            answers,
            log,
            readers,
        };
        pcontrol.answer("the first prompt", PATIENCE);
        pcontrol
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has a command done; what is printed until the next prompt.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.ask_for(command, PATIENCE)
    }

    /// The same, where it may take so long.
    #[track_caller]
    pub(crate) fn ask_for(&mut self, command: &str, patience: Duration) -> String {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(format!("{command}\n").as_bytes()).unwrap();
        self.answer(command, patience)
    }

    #[track_caller]
    fn answer(&self, command: &str, patience: Duration) -> String {
        let answer = self.answers.recv_timeout(patience);
        answer.unwrap_or_else(|_| panic!("no answer to `{command}`; the log:\n{}", self.log()))
    }

    /// Submits a job: its number.
    #[track_caller]
    pub(crate) fn job(&mut self, words: &str) -> u64 {
        let answer = self.ask(&format!("job {words}"));
        let id = answer.trim().strip_prefix("JobID: ");
        id.and_then(|id| id.parse().ok()).expect(&answer)
    }

    /// Everything that was logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a text in the log.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        let begin = Instant::now();
        while !self.log().contains(text) {
            assert!(
                begin.elapsed() < PATIENCE,
                "no `{text}` in the log:\n{}",
                self.log()
            );
            super::pause(Duration::from_millis(10));
        }
    }

    /// The log lines that say that this job was lost.
    pub(crate) fn losses(&self, job: u64) -> Vec<String> {
        let begin = format!("job {job} was lost with host ");
        let log = self.log();
        let lines = log.lines().filter(|line| line.starts_with(&begin));
        lines.map(str::to_owned).collect()
    }

    /// The word for a job's state, and its exit status.
    #[track_caller]
    pub(crate) fn state(&mut self, job: u64) -> (String, i32) {
        let answer = self.ask(&format!("check job {job}"));
        let value = |name: &str| {
            let mut lines = answer.lines();
            let value = lines.find_map(|line| line.strip_prefix(name));
            value.expect(&answer).trim().to_owned()
        };
        (value("STATUS"), value("EXITST").parse().unwrap())
    }

    /// Waits until a job is in a state.
    #[track_caller]
    pub(crate) fn wait_for_job(&mut self, job: u64, state: &str) {
        let begin = Instant::now();
        loop {
            let found = self.state(job);
            if found.0 == state {
                return;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "job {job} is {found:?}, not {state}; the log:\n{}",
                self.log()
            );
            super::pause(Duration::from_millis(10));
        }
    }

    /// Waits until the first slot of a host is in a state; what is told about it.
    #[track_caller]
    pub(crate) fn wait_for_host(&mut self, host: &str, state: &str) -> String {
        let begin = Instant::now();
        loop {
            let found = self.ask(&format!("host check {host}"));
            if found.starts_with(&format!("host {host} is {state}")) {
                return found;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "not {state}: {found}; the log:\n{}",
                self.log()
            );
            super::pause(Duration::from_millis(10));
        }
    }

    /// Waits until the reason why a host is down has a text in it; the whole reason.
    #[track_caller]
    pub(crate) fn wait_for_reason(&mut self, host: &str, reason: &str) -> String {
        let begin = Instant::now();
        loop {
            let found = self.wait_for_host(host, "DOWN");
            if found.contains(reason) {
                return found;
            }
            assert!(begin.elapsed() < PATIENCE, "not `{reason}`: {found}");
            super::pause(Duration::from_millis(10));
        }
    }

    /// The ssh processes that it has for a host.
    pub(crate) fn connections(&self, host: &str) -> Vec<u32> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        let children = threads.into_iter().flatten().filter_map(|thread| {
            let path = thread.ok()?.path().join("children");
            std::fs::read_to_string(path).ok()
        });
        let all: String = children.collect();
        let mut pids: Vec<u32> = all
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        let is_for = |pid: &u32| {
            let argv = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            argv.split('\0').any(|word| word == host)
        };
        pids.into_iter().filter(is_for).collect()
    }

    /// Ends it as a human does.
    pub(crate) fn exit(self) -> ExitStatus {
        self.exit_with_log().0
    }

    /// The same, with all that it has logged.
    pub(crate) fn exit_with_log(mut self) -> (ExitStatus, String) {
        let mut stdin = self.stdin.take().unwrap();
        // It may have ended by itself, which its status tells.
        drop(stdin.write_all(b"exit\n"));
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                for reader in self.readers.drain(..) {
                    reader.join().unwrap();
                }
                return (status, self.log());
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            super::pause(Duration::from_millis(10));
        }
    }

    /// Ends it as nothing else can.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Pcontrol {
    fn drop(&mut self) {
        signal(self.child.id(), Signal::KILL);
        drop(self.child.wait());
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
        if std::thread::panicking() {
            eprintln!("pcontrol's log:\n{}", self.log());
        }
    }
}
