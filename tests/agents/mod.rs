//! The controller's end of a connection to an agent.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::symlink, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

use outrigger::pclient::wire::{
    Decoder, Frame, HELLO, Hello, Order, PROTOCOL, Start, Stream, WELCOME, Welcome, Word,
    put_message,
};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A controller and a machine that no other test has.
#[derive(Debug)]
pub(crate) struct Place {
    dir: tempfile::TempDir,
    machine: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let dir = tempfile::tempdir().unwrap();
        symlink(env!("CARGO_BIN_EXE_outrigger"), dir.path().join("pclient")).unwrap();
        let last = LAST.fetch_add(1, Ordering::Relaxed);
        Self {
            machine: format!("agent-{}-{last}", std::process::id()),
            dir,
        }
    }

    /// A file in a directory of this place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn hello(&self, fence: f64, keep: bool) -> Hello {
        Hello {
            controller: "test".to_owned(),
            machine: self.machine.clone(),
            fence,
            keep,
            version: "test".to_owned(),
        }
    }

    /// The file by which the agent holds its place, with another ending.
    pub(crate) fn post(&self, ending: &str) -> PathBuf {
        let hash = blake3::hash(format!("test:{}", self.machine).as_bytes()).to_hex();
        let uid = rustix::process::geteuid().as_raw();
        PathBuf::from(format!(
            "/tmp/outrigger-{uid}/pclient-{}.{ending}",
            hash.get(..16).unwrap()
        ))
    }
}

impl Place {
    /// Kills the guard of the agent here.
    pub(crate) fn kill_guard(&self) {
        kill_all(&format!("--guard\0test:{}:", self.machine));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test that has failed leaves no agent behind; the rest is its guard's.
        kill_all(&format!("\"machine\":\"{}\"", self.machine));
        for ending in ["lock", "socket", "log"] {
            drop(fs::remove_file(self.post(ending)));
        }
    }
}

/// Kills processes in whose words this is.
fn kill_all(wanted: &str) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let name = entry.file_name().into_string().unwrap_or_default();
        if String::from_utf8_lossy(&words).contains(wanted)
            && let Some(pid) = name.parse().ok().and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::KILL).unwrap_or_default();
        }
    }
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "in vain waited for {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A connection.
pub(crate) struct Line {
    child: Option<Child>,
    input: Box<dyn Write>,
    come: Receiver<Vec<u8>>,
    decoder: Decoder,
    stdout: Vec<u8>,
}

impl Line {
    /// By the program that a controller starts.
    pub(crate) fn new(place: &Place) -> Self {
        Self::with_soft_limit(place, None)
    }

    /// The same, with this limit of open files.
    pub(crate) fn with_soft_limit(place: &Place, limit: Option<u32>) -> Self {
        let limit = limit.map_or(String::new(), |limit| format!("ulimit -Sn {limit}; "));
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit}exec \"$0\"")])
            .arg(place.path("pclient"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = Box::new(child.stdin.take().unwrap());
        let come = listen(child.stdout.take().unwrap());
        Self::of(Some(child), input, come)
    }

    /// Straight to an agent that outlives its connections.
    pub(crate) fn to_socket(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        let come = listen(stream.try_clone().unwrap());
        Self::of(None, Box::new(stream), come)
    }

    fn of(child: Option<Child>, input: Box<dyn Write>, come: Receiver<Vec<u8>>) -> Self {
        Self {
            child,
            input,
            come,
            decoder: Decoder::default(),
            stdout: Vec::new(),
        }
    }

    /// Says who it is: the agent's answer, or why there is none.
    pub(crate) fn greet(&mut self, hello: &Hello) -> Result<Welcome, String> {
        self.greet_in(PROTOCOL, &serde_json::to_string(hello).unwrap())
    }

    /// The same in any protocol.
    pub(crate) fn greet_in(&mut self, protocol: u32, text: &str) -> Result<Welcome, String> {
        writeln!(self.input, "{HELLO} {protocol} {text}").unwrap();
        loop {
            while let Some(line) = self.decoder.line() {
                let line = String::from_utf8(line).unwrap();
                let Some(answer) = line.trim().strip_prefix(WELCOME) else {
                    continue;
                };
                let (number, text) = answer.trim().split_once(' ').unwrap();
                return match number {
                    "error" => Err(text.to_owned()),
                    _ => Ok(serde_json::from_str(text).unwrap()),
                };
            }
            self.hear("its answer");
        }
    }

    pub(crate) fn say(&mut self, order: &Order) {
        let mut bytes = Vec::new();
        put_message(&mut bytes, order);
        self.input.write_all(&bytes).unwrap();
    }

    /// Starts a script with a file as its name.
    pub(crate) fn start_job(&mut self, run: u64, script: &str, file: &Path) {
        let words = ["sh", "-c", script, file.to_str().unwrap()];
        self.say(&Order::Start(Box::new(Start {
            run,
            argv: words.map(str::to_owned).to_vec(),
            nice: 0,
            block: Vec::new(),
        })));
    }

    /// Waits for a message; beats are not answered.
    pub(crate) fn wait_for(&mut self, what: &str, is_it: impl Fn(&Word) -> bool) {
        loop {
            while let Some(frame) = self.decoder.frame().unwrap() {
                match frame {
                    Frame::Message(word) if is_it(&word) => return,
                    Frame::Output {
                        stream: Stream::Out,
                        bytes,
                        ..
                    } => self.stdout.extend(bytes),
                    _ => {},
                }
            }
            self.hear(what);
        }
    }

    /// What jobs have written.
    pub(crate) fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Ends the agent with its jobs.
    pub(crate) fn bye(mut self) {
        self.say(&Order::Bye);
        self.wait_for("the end of all", |word| *word == Word::Gone);
        drop(self.input);
        if let Some(mut child) = self.child {
            assert!(child.wait().unwrap().success());
        }
    }

    /// Closes the connection, and waits until whoever carried it is gone.
    pub(crate) fn close(self) {
        drop(self.input);
        if let Some(mut child) = self.child {
            child.wait().unwrap();
        }
    }

    fn hear(&mut self, what: &str) {
        match self.come.recv_timeout(PATIENCE) {
            Ok(bytes) => self.decoder.room().extend(bytes),
            Err(error) => panic!("in vain waited for {what}: {error}"),
        }
    }
}

fn listen(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, come) = channel();
    std::thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(read) = from.read(&mut bytes)
            && read > 0
            && sender
                .send(bytes.iter().copied().take(read).collect())
                .is_ok()
        {}
    });
    come
}
