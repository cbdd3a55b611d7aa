//! The controller as a pure machine: what happens goes in with its time, what is to be done comes
//! out.
//!
//! One law stands above all: a job is given out again only when its earlier run is known to be
//! over. It is known from the end that the agent tells; from a later agent's welcome, which comes
//! after it has killed what was there and names what goes on; or, without `keep`, from the fence:
//! the agent ends its jobs when it has heard nothing for a while, and somewhat more than that has
//! passed since it was last heard here.

mod hosts;
mod jobs;
mod news;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    fence::Fence,
    job::{Job, Place, Request},
    machine::{Link, Machine},
    pool::{HostError, Pool, Slot, SlotId, SlotState},
    settings::Settings,
    waiting::{Claim, key},
};
use crate::{
    pclient::wire::{Order, Welcome},
    process::Completion,
};

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open a connection to a machine.
    Connect {
        /// The machine's name.
        machine: String,
        /// The connection's number, which its news carry.
        connection: u64,
        /// Whether its jobs live on without it.
        keep: bool,
        /// How long its agent may hear nothing.
        fence: Duration,
    },
    /// Say this to an agent.
    Say {
        /// The machine's name.
        machine: String,
        /// The connection that it is meant for: said to a later one it could be wrong.
        connection: u64,
        /// What.
        order: Order,
    },
    /// Close the connection to a machine.
    Close {
        /// The machine's name.
        machine: String,
    },
}

/// Where an earlier controller gave a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// The host and the attempt.
    pub place: Place,
    /// The machine and account behind the host's name.
    pub account: Option<String>,
}

/// What happened to jobs and hosts.
#[derive(Debug)]
pub enum Happening {
    /// A job's process runs.
    Started {
        /// The job.
        job: u64,
        /// Its host.
        host: String,
    },
    /// A job is over.
    Ended {
        /// The job.
        job: u64,
        /// The host it ran on; none where it never came to one.
        host: Option<String>,
        /// What it was to run.
        request: Box<Request>,
        /// How it ended, and what it wrote.
        completion: Box<Completion>,
    },
    /// A job waits again.
    Requeued {
        /// The job.
        job: u64,
        /// The host that it was on.
        host: String,
        /// Why.
        why: String,
    },
    /// For the log.
    Told(String),
}

/// News of a connection.
#[derive(Debug)]
pub enum News {
    /// The agent answers.
    Welcome(Welcome),
    /// A run's process runs.
    Started {
        /// Which.
        run: u64,
    },
    /// A run is over; the completion carries its number.
    Ended(Box<Completion>),
    /// The agent is there, and has been told that it was heard.
    Beat {
        /// When.
        at: Instant,
    },
    /// The agent has ended all its jobs and goes.
    Gone,
    /// The connection is closed, or did not come about.
    Lost(String),
}

/// Hosts and jobs.
#[derive(Debug)]
pub struct Controller {
    /// Times and patience.
    pub settings: Settings,
    pub(super) pool: Pool,
    machines: HashMap<Box<str>, Machine>,
    jobs: BTreeMap<u64, Job>,
    /// The jobs by the number of their run.
    runs: HashMap<u64, u64>,
    connections: u64,
    effects: VecDeque<Effect>,
    happenings: VecDeque<Happening>,
}

impl Controller {
    /// A controller without hosts and jobs.
    pub fn new(settings: Settings) -> Self {
        let mut pool = Pool::default();
        pool.affinity = settings.affinity;
        Self {
            settings,
            pool,
            machines: HashMap::new(),
            jobs: BTreeMap::new(),
            runs: HashMap::new(),
            connections: 0,
            effects: VecDeque::new(),
            happenings: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The next thing that happened.
    pub fn next_happening(&mut self) -> Option<Happening> {
        self.happenings.pop_front()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Instant) {
        let due = |machine: &&Machine| {
            let next = machine.next(&self.settings);
            next.is_some_and(|next| next <= now)
        };
        let names: Vec<String> = self
            .machines
            .values()
            .filter(due)
            .map(|machine| machine.name.clone())
            .collect();
        for name in names {
            self.judge(&name, now);
            self.look_at(&name, now);
        }
    }

    /// When [`Self::tick`] or [`Self::assign`] has something to do though nothing happens.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let machines = self.machines.values();
        let due = machines.filter(|machine| machine.is_connected() || self.wants(machine));
        let due = due.filter_map(|machine| machine.next(&self.settings)).min();
        [due, self.pool.next_look(now)].into_iter().flatten().min()
    }

    /// The slots in the order they were added, and what they do.
    pub fn slots(&self) -> impl Iterator<Item = (&Slot, SlotState)> {
        self.pool.slots().map(|slot| (slot, self.pool.state(slot)))
    }

    /// The jobs in the order of their submission.
    pub fn jobs(&self) -> impl Iterator<Item = (u64, &Job)> {
        self.jobs.iter().map(|(id, job)| (*id, job))
    }

    /// A job that is not over.
    pub fn job(&self, job: u64) -> Option<&Job> {
        self.jobs.get(&job)
    }

    /// Whether a slot of that host is known.
    pub fn knows(&self, host: &str) -> bool {
        self.pool.knows(host)
    }

    /// Why a host takes no jobs, or `up`.
    pub fn reason(&self, host: &str, now: Instant) -> Option<String> {
        let machine = self.machine(host)?;
        if !machine.is_connected() && !self.wants(machine) {
            return Some("it is off".to_owned());
        }
        Some(machine.reason(now))
    }

    /// What a host told about itself.
    pub fn about(&self, host: &str) -> &str {
        self.machine(host).map_or("", |machine| &machine.about)
    }

    /// The machine and account behind a host's name, as far as they are known.
    pub fn account(&self, host: &str) -> Option<&str> {
        self.machine(host)?.account.as_deref()
    }

    /// Whether any agent is there or being reached.
    pub fn is_connected(&self) -> bool {
        self.machines.values().any(Machine::is_connected)
    }

    fn machine(&self, host: &str) -> Option<&Machine> {
        self.machines.get(&key(host))
    }

    fn say(&mut self, host: &str, order: Order) {
        if let Some(machine) = self.machines.get(&key(host)) {
            self.effects.push_back(Effect::Say {
                machine: machine.name.clone(),
                connection: machine.connection,
                order,
            });
        }
    }

    fn tell(&mut self, text: String) {
        self.happenings.push_back(Happening::Told(text));
    }

    /// Whether there is a reason to be connected: slots that are in, or jobs of which nobody knows.
    fn wants(&self, machine: &Machine) -> bool {
        self.pool.wants(&machine.name) || machine.has_runs()
    }

    fn fence(&self) -> Fence {
        Fence(self.settings.fence)
    }
}

impl Machine {
    /// Whether it has jobs, or ends that were not stored here yet.
    fn has_runs(&self) -> bool {
        !self.jobs.is_empty() || !self.untaken.is_empty()
    }

    fn is_connected(&self) -> bool {
        !matches!(self.link, Link::Closed { .. })
    }
}

#[cfg(test)]
mod tests;
