//! What befalls hosts, by a seeded chance.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{Cluster, Host, Pcontrol, Process, pause, signal, wait_until};

/// Something that befalls a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    /// The agent is killed.
    Agent,
    /// The agent's guard is killed.
    Guard,
    /// Everything on the host ends at once.
    Crash,
    /// The ssh process here is killed.
    Client,
    /// The connection's processes on the host are killed.
    Server,
    /// The network is silent, for a moment or for longer than the fence.
    Silence,
    /// The network is silent, and the agent stands still.
    SilenceAndStop,
    /// The agent stands still.
    Stop,
    /// A human takes the host out for a while.
    Off,
    /// The controller itself stands still, for a moment or for longer than the fence.
    Controller,
}

use Trouble::{
    Agent, Client, Controller, Crash, Guard, Off, Server, Silence, SilenceAndStop, Stop,
};

const ALL: [Trouble; 10] = [
    Agent,
    Guard,
    Crash,
    Client,
    Server,
    Silence,
    SilenceAndStop,
    Stop,
    Off,
    Controller,
];

/// Brings trouble to the hosts of a cluster.
#[derive(Debug)]
pub(crate) struct Chance<'a> {
    cluster: &'a Cluster,
    random: fastrand::Rng,
    fence: Duration,
    /// When what stands still on a host, or is out, goes on.
    paused: Vec<Option<Paused>>,
    next: Instant,
    counts: BTreeMap<Trouble, usize>,
}

#[derive(Debug)]
struct Paused {
    until: Instant,
    trouble: Trouble,
    agent: Option<u32>,
}

impl<'a> Chance<'a> {
    pub(crate) fn new(cluster: &'a Cluster, seed: u64, fence: Duration) -> Self {
        Self {
            cluster,
            random: fastrand::Rng::with_seed(seed),
            fence,
            paused: cluster.hosts().iter().map(|_| None).collect(),
            next: Instant::now(),
            counts: BTreeMap::new(),
        }
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self, pcontrol: &mut Pcontrol) {
        let now = Instant::now();
        for at in 0..self.paused.len() {
            if self.paused[at].as_ref().is_some_and(|it| it.until <= now) {
                self.go_on(at, pcontrol);
            }
        }
        if self.next > now {
            return;
        }
        self.next = now + self.between(0.05, 0.5);
        let at = self.random.usize(..self.paused.len());
        let trouble = ALL[self.random.usize(..ALL.len())];
        if self.befall(at, trouble, pcontrol) {
            *self.counts.entry(trouble).or_default() += 1;
        }
    }

    /// Lets everything go on.
    pub(crate) fn end(&mut self, pcontrol: &mut Pcontrol) {
        for at in 0..self.paused.len() {
            self.go_on(at, pcontrol);
        }
    }

    fn between(&mut self, least: f64, most: f64) -> Duration {
        Duration::from_secs_f64(least + self.random.f64() * (most - least))
    }

    /// Mostly longer than the fence.
    fn silence(&mut self) -> Duration {
        let fence = self.fence.as_secs_f64();
        if self.random.u8(..4) == 0 {
            self.between(0.2 * fence, 0.8 * fence)
        } else {
            self.between(1.2 * fence, 3.0 * fence)
        }
    }

    fn befall(&mut self, at: usize, trouble: Trouble, pcontrol: &mut Pcontrol) -> bool {
        let cluster = self.cluster;
        let host = cluster.host(at);
        let paused = self.paused[at].as_ref().map(|paused| paused.trouble);
        let stands = matches!(paused, Some(SilenceAndStop | Stop));
        match trouble {
            Agent => kill_agent(host),
            // A guard is there for an agent that fails, and the agent for a guard that does: both
            // at once is more than they promise.
            Guard if stands => false,
            Guard => kill_guard(host),
            Crash => crash(host),
            Client => {
                let connections = pcontrol.connections(&host.name);
                for ssh in &connections {
                    signal(*ssh, Signal::KILL);
                }
                !connections.is_empty()
            },
            Server => {
                host.sshd.signal_connections(Signal::KILL);
                true
            },
            Silence | SilenceAndStop | Stop | Off if paused.is_some() => false,
            Silence | SilenceAndStop | Stop => {
                let agent = host.agent_and_guard().map(|(agent, _)| agent);
                if trouble != Silence {
                    let Some(agent) = agent else { return false };
                    signal(agent, Signal::STOP);
                }
                if trouble != Stop {
                    host.sshd.signal_connections(Signal::STOP);
                }
                self.paused[at] = Some(Paused {
                    until: Instant::now() + self.silence(),
                    trouble,
                    agent: agent.filter(|_| trouble != Silence),
                });
                true
            },
            Controller => {
                // Seldom: meanwhile nothing happens at all.
                if self.random.u8(..4) > 0 {
                    return false;
                }
                signal(pcontrol.pid(), Signal::STOP);
                pause(self.silence());
                signal(pcontrol.pid(), Signal::CONT);
                true
            },
            Off => {
                pcontrol.ask(&format!("host off {} -all", host.name));
                self.paused[at] = Some(Paused {
                    until: Instant::now() + self.between(0.1, 3.0),
                    trouble,
                    agent: None,
                });
                true
            },
        }
    }

    fn go_on(&mut self, at: usize, pcontrol: &mut Pcontrol) {
        let Some(paused) = self.paused[at].take() else {
            return;
        };
        let host = self.cluster.host(at);
        if paused.trouble == Off {
            pcontrol.ask(&format!("host on {} -all", host.name));
        }
        host.sshd.signal_connections(Signal::CONT);
        if let Some(agent) = paused.agent {
            signal(agent, Signal::CONT);
        }
    }
}

impl fmt::Display for Chance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: usize = self.counts.values().sum();
        write!(f, "{all} troubles: ")?;
        for (n, (trouble, count)) in self.counts.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {trouble:?}")?;
        }
        Ok(())
    }
}

/// Kills an agent; its guard ends what it had.
fn kill_agent(host: &Host) -> bool {
    let Some((agent, guard)) = host.agent_and_guard() else {
        return false;
    };
    let jobs = jobs(host);
    signal(agent, Signal::KILL);
    wait_until("the guard's work", || !Process::lives(guard));
    wait_until("the end of its jobs", || !any_lives(&jobs));
    true
}

/// Kills a guard; its agent ends with its jobs.
fn kill_guard(host: &Host) -> bool {
    let Some((agent, guard)) = host.agent_and_guard() else {
        return false;
    };
    let jobs = jobs(host);
    signal(guard, Signal::KILL);
    wait_until("the agent's end", || !Process::lives(agent));
    wait_until("the end of its jobs", || !any_lives(&jobs));
    true
}

/// Ends everything at once, as far as that can be done from outside.
fn crash(host: &Host) -> bool {
    let Some((agent, guard)) = host.agent_and_guard() else {
        return false;
    };
    for process in [agent, guard] {
        signal(process, Signal::STOP);
    }
    // Nothing that is started now escapes, and nobody tells of an end.
    pause(Duration::from_millis(2));
    let jobs = jobs(host);
    for process in [agent, guard].into_iter().chain(jobs) {
        signal(process, Signal::KILL);
    }
    true
}

fn jobs(host: &Host) -> Vec<u32> {
    let processes = host.processes();
    let jobs = processes.iter().filter(|process| process.is_job());
    jobs.map(|process| process.pid).collect()
}

fn any_lives(pids: &[u32]) -> bool {
    pids.iter().any(|pid| Process::lives(*pid))
}
