//! CPU time and memory of this process and of what it has started.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    fs,
    path::PathBuf,
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// The CPU time of this process.
pub(crate) fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), 0) + Duration::from_nanos(time.tv_nsec.unsigned_abs())
}

/// The CPU time of everything that this process has started and that still runs: number and time
/// by the name of the program.
pub(crate) fn cpu_below() -> BTreeMap<String, (u64, Duration)> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // One that has just ended has nothing to say.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if let Some((head, tail)) = stat.rsplit_once(')') {
            let program = head.split_once('(').unwrap().1.to_owned();
            let parent: u32 = tail.split_whitespace().nth(1).unwrap().parse().unwrap();
            processes.insert(pid, (program, parent));
        }
    }
    let own = std::process::id();
    let is_below = |pid: &u32| {
        let mut pid = *pid;
        while let Some((_, parent)) = processes.get(&pid) {
            if *parent == own {
                return true;
            }
            pid = *parent;
        }
        false
    };
    let mut times = BTreeMap::new();
    for pid in processes.keys().filter(|pid| is_below(pid)) {
        let name = match processes[pid].0.as_str() {
            "outrigger" => "agent",
            // It is started as /proc/self/exe.
            "exe" => "guard",
            name => name,
        };
        let (count, time) = times.entry(name.to_owned()).or_default();
        *count += 1;
        *time += run_time(*pid);
    }
    times
}

/// The time that all threads of a process have run.
pub(crate) fn run_time(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let time = |path: PathBuf| -> u64 {
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        let first = text.split_whitespace().next();
        first.map_or(0, |word| word.parse().unwrap())
    };
    let times = threads.map(|thread| time(thread.unwrap().path()));
    Duration::from_nanos(times.sum())
}

/// The CPU time so far.
pub(crate) struct Cpu {
    own: Duration,
    below: BTreeMap<String, (u64, Duration)>,
}

impl Cpu {
    pub(crate) fn now() -> Self {
        let below = cpu_below();
        // After the look at the others, which takes time too.
        let own = own_cpu();
        Self { own, below }
    }

    /// Since then, each program's time by `show`.
    pub(crate) fn since(&self, show: impl Fn(Duration) -> String) -> String {
        let own = own_cpu().saturating_sub(self.own);
        let mut text = format!("controller {}", show(own));
        for (name, (count, time)) in cpu_below() {
            let before = self.below.get(&name).map_or(Duration::ZERO, |(_, t)| *t);
            let time = show(time.saturating_sub(before));
            write!(text, ", {count} {name} {time}").unwrap();
        }
        text
    }
}

/// The resident memory of a process, in bytes.
pub(crate) fn resident(pid: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1);
    kilobytes.unwrap().parse::<u64>().unwrap() * 1024
}

pub(crate) fn micros(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6)
}
