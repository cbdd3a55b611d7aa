//! Hosts that ssh reaches, each with a throw-away sshd of its own, and a `pcontrol` that uses them.

mod pcontrol;
mod processes;
pub(crate) mod trouble;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

pub(crate) use pcontrol::Pcontrol;
pub(crate) use processes::{Process, signal};

use crate::sshd::Sshd;

/// How long anything may take that is to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Hosts, and a directory that they share with whoever uses them.
#[derive(Debug)]
pub(crate) struct Cluster {
    dir: tempfile::TempDir,
    hosts: Vec<Host>,
}

/// One host.
#[derive(Debug)]
pub(crate) struct Host {
    /// No other test has a host of this name, so processes can be told by it.
    pub(crate) name: String,
    pub(crate) sshd: Sshd,
}

impl Cluster {
    /// So many ordinary hosts.
    pub(crate) fn of(count: usize) -> Self {
        Self::with_settings(count, "")
    }

    /// With further lines in the configuration of each sshd.
    pub(crate) fn with_settings(count: usize, settings: &str) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let dir = tempfile::Builder::new()
            .prefix("or-")
            .tempdir_in("/tmp")
            .unwrap();
        for name in ["pcontrol", "pclient"] {
            symlink(env!("CARGO_BIN_EXE_outrigger"), dir.path().join(name)).unwrap();
        }
        fs::create_dir(dir.path().join("tmp")).unwrap();
        let hosts = (1..=count).map(|n| Host {
            name: format!(
                "h{n}-{}-{}",
                std::process::id(),
                LAST.fetch_add(1, Ordering::Relaxed)
            ),
            sshd: Sshd::start(settings),
        });
        let cluster = Self {
            hosts: hosts.collect(),
            dir,
        };
        for host in &cluster.hosts {
            cluster.also_known(&host.name, host, "");
        }
        cluster
    }

    /// Gives a host a further name, with lines of ssh's configuration that go before the others.
    pub(crate) fn also_known(&self, name: &str, host: &Host, lines: &str) {
        let text = fs::read_to_string(host.sshd.path().join("ssh_config")).unwrap();
        let text = text.replacen("Host site", &format!("Host {name}\n{lines}"), 1);
        let path = self.path("ssh_config");
        let known = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, format!("{known}{text}\n")).unwrap();
    }

    /// Nobody gets to a host any more; connections that are there stay.
    pub(crate) fn unreachable(&self, host: &Host) {
        let path = self.path("ssh_config");
        let text = fs::read_to_string(&path).unwrap();
        let head = format!("Host {}\n", host.name);
        let text = text.replace(&head, &format!("{head}Port 1\nHostName 127.0.0.1\n"));
        fs::write(path, text).unwrap();
    }

    /// A file in the shared directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is in a file there, as text; nothing where there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Lines of a file there.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    /// An executable script there, which works in that directory; its path.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let directory = self.dir.path().display();
        fs::write(&path, format!("#!/bin/sh\ncd {directory} || exit\n{text}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub(crate) fn host(&self, n: usize) -> &Host {
        &self.hosts[n]
    }

    /// A `pcontrol` with these settings besides the ways to the hosts.
    pub(crate) fn pcontrol(&self, settings: &[(&str, &str)]) -> Pcontrol {
        Pcontrol::start(self, settings)
    }

    /// A `pcontrol` to which all hosts were added, each with one slot.
    pub(crate) fn pcontrol_with_hosts(&self, settings: &[(&str, &str)]) -> Pcontrol {
        let mut pcontrol = self.pcontrol(settings);
        for host in &self.hosts {
            pcontrol.ask(&format!("host add {}", host.name));
        }
        for host in &self.hosts {
            pcontrol.wait_for_host(&host.name, "IDLE");
        }
        pcontrol
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A test that has failed leaves nothing behind either.
        for process in self.hosts.iter().flat_map(Host::processes) {
            signal(process.pid, rustix::process::Signal::KILL);
        }
    }
}

impl Host {
    /// Agents, guards and jobs here.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let is_here = |process: &Process| process.is_of(&self.name);
        Process::all().into_iter().filter(is_here).collect()
    }

    /// The agent with its guard, if there is one that has got so far.
    pub(crate) fn agent_and_guard(&self) -> Option<(u32, u32)> {
        let processes = self.processes();
        let mut pairs = processes.iter().filter_map(|guard| {
            let agent = guard.guards()?;
            Some((agent, guard.pid))
        });
        pairs.next()
    }

    /// The agent, which is waited for.
    pub(crate) fn agent(&self) -> u32 {
        wait_for("an agent", || self.agent_and_guard()).0
    }
}

/// Waits until something is there.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "in vain waited for {what}");
        pause(Duration::from_millis(10));
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// Lets so much time pass.
pub(crate) fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now())
        && !left.is_zero()
    {
        std::thread::park_timeout(left);
    }
}
