//! The processes of this machine, and whose they are.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The mark of an agent's jobs: `CONTROLLER:MACHINE:INCARNATION`.
const MARK: &str = "OUTRIGGER_AGENT=";

/// A process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) argv: Vec<String>,
    /// The machine whose mark it has.
    machine: Option<String>,
}

impl Process {
    /// All that can be read.
    pub(crate) fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").unwrap();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names
            .filter_map(|name| Self::read(name.parse().ok()?))
            .collect()
    }

    fn read(pid: u32) -> Option<Self> {
        let argv = words(&fs::read(format!("/proc/{pid}/cmdline")).ok()?);
        let environment = words(&fs::read(format!("/proc/{pid}/environ")).ok()?);
        let mark = environment
            .iter()
            .find_map(|entry| entry.strip_prefix(MARK));
        let machine = mark.and_then(|mark| mark.split(':').nth(1));
        let machine = machine.map(str::to_owned);
        Some(Self { pid, argv, machine })
    }

    /// Whether it is an agent, a guard or a job of that machine.
    pub(crate) fn is_of(&self, machine: &str) -> bool {
        self.machine.as_deref() == Some(machine) || self.keeps(machine)
    }

    /// Whether it is an agent of that machine that outlives its connections.
    fn keeps(&self, machine: &str) -> bool {
        match self.argv.as_slice() {
            [_, option, hello] => {
                option == "--keep" && hello.contains(&format!("\"machine\":\"{machine}\""))
            },
            _ => false,
        }
    }

    /// The agent whose guard it is.
    pub(crate) fn guards(&self) -> Option<u32> {
        match self.argv.as_slice() {
            [_, option, _, agent] if option == "--guard" => agent.parse().ok(),
            _ => None,
        }
    }

    /// Whether it is a job.
    pub(crate) fn is_job(&self) -> bool {
        self.machine.is_some() && self.guards().is_none()
    }

    /// Whether a process with this number lives.
    pub(crate) fn lives(pid: u32) -> bool {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = state.rsplit(") ").next().unwrap_or_default();
        !state.is_empty() && !state.starts_with(['Z', 'X'])
    }

    /// The most memory that it has had, in bytes.
    pub(crate) fn peak_memory(pid: u32) -> u64 {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes.unwrap().trim().parse::<u64>().unwrap() << 10
    }
}

/// Signals a process, which may have ended by itself.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap_or_default();
}

fn words(bytes: &[u8]) -> Vec<String> {
    let words = bytes.split(|byte| *byte == 0);
    let mut words: Vec<String> = words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    words.pop();
    words
}
