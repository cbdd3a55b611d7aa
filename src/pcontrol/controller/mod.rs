//! The controller as a pure machine: what happens goes in with its time, what is to be done comes
//! out.
//!
//! One law stands above all: a job is given out again only when its earlier run is known to be
//! over. It is known from the end that the agent tells; from a later agent's welcome, which comes
//! after it has killed what was there and names what goes on; or, without `keep`, from the fence:
//! the agent ends its jobs when it has heard nothing for a while, and somewhat more than that has
//! passed since it was last heard here.

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
    pclient::wire::{Order, Start, Welcome},
    process::{Captured, Completion, Outcome},
};

/// Stands for the host's number of threads in a command.
const MAX_THREADS: &str = "@MAX_THREADS@";

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

    /// Adds a slot on a host.
    pub fn add(&mut self, host: &str, threads: u32, keep: Option<bool>, now: Instant) -> SlotId {
        let id = self.pool.add(host, threads);
        let (kept, fence) = (keep.unwrap_or(self.settings.keep), self.fence());
        let machine = self
            .machines
            .entry(key(host))
            .or_insert_with(|| Machine::new(host, kept, fence, now));
        machine.wanted_keep = keep.unwrap_or(machine.wanted_keep);
        machine.dismissed = false;
        let other_way = machine.wanted_keep != machine.keep && machine.jobs.is_empty();
        let up = machine.is_up();
        let unseated = machine.jobs.iter().find(|job| !self.pool.is_seated(**job));
        if let Some(job) = unseated.copied() {
            self.pool.reseat(job, host);
        }
        self.pool.set_up(host, up);
        if up && other_way {
            self.send_away(host, now);
        }
        self.look_at(host, now);
        id
    }

    /// Takes one slot of a host out, a busy one after its job.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn off(&mut self, host: &str, now: Instant) -> Result<(), HostError> {
        self.pool.off(host)?;
        self.look_at(host, now);
        Ok(())
    }

    /// Takes one slot of a host back in.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn on(&mut self, host: &str, now: Instant) -> Result<(), HostError> {
        self.pool.on(host)?;
        self.try_now(host, now);
        Ok(())
    }

    /// Tries now to connect to a host that is down.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn retry(&mut self, host: &str, now: Instant) -> Result<(), HostError> {
        self.pool.is_down(host)?;
        self.try_now(host, now);
        Ok(())
    }

    /// Forgets one slot of a host that is off.
    ///
    /// # Errors
    /// [`HostError`].
    pub fn delete(&mut self, host: &str, now: Instant) -> Result<(), HostError> {
        self.pool.delete(host)?;
        self.look_at(host, now);
        Ok(())
    }

    /// Forgets all hosts; their agents end, and their jobs wait again. How many slots there were.
    pub fn clear(&mut self, now: Instant) -> usize {
        let count = self.pool.clear();
        let names: Vec<String> = self.machines.values().map(|m| m.name.clone()).collect();
        for name in names {
            self.dismiss(&name, now);
        }
        count
    }

    /// Closes the connections to hosts that have jobs which live on without them.
    pub fn let_go(&mut self, now: Instant) {
        let lives_on = |machine: &&Machine| machine.keep && machine.has_runs();
        let kept = self.machines.values().filter(lives_on);
        let names: Vec<String> = kept.map(|machine| machine.name.clone()).collect();
        for name in names {
            self.give_up(&name, "let go", now);
            // Nobody will ask for it any more.
            self.machines.remove(&key(&name));
            self.pool.set_up(&name, false);
        }
    }

    /// Makes all connections anew; for hosts without jobs.
    pub fn reconnect(&mut self, now: Instant) {
        let names: Vec<String> = self.machines.values().map(|m| m.name.clone()).collect();
        for name in names {
            self.give_up(&name, "made anew", now);
            self.try_now(&name, now);
        }
    }

    /// Submits a job. Jobs are numbered in the order of their submission.
    pub fn submit(&mut self, job: u64, request: Request, now: Instant) {
        self.pool.wait(job, request.claim.clone(), now);
        self.jobs.insert(job, Job::new(request, now));
    }

    /// Takes over a job that an earlier controller gave to a host, whose agent may still have it.
    /// Unless it lives on there, the agent ended with that controller, or will within the fence.
    pub fn resume(&mut self, job: u64, request: Request, resumed: Resumed, now: Instant) {
        let Resumed { place, account } = resumed;
        let host = place.host.clone();
        let (kept, present) = (place.fence.is_none(), self.fence());
        let fence = place.fence.map(Fence).map_or(present, |fence| Fence(fence.0.max(present.0)));
        self.close_for_resume(&host, kept, now);
        let machine = self
            .machines
            .entry(key(&host))
            .or_insert_with(|| Machine::new(&host, kept, present, now));
        machine.dismissed = false;
        machine.account = account.or(machine.account.take());
        let over = now + fence.here();
        // One job that lives on is enough for time to prove nothing about the agent.
        machine.fence = match machine.fence {
            _ if kept => None,
            None if !machine.jobs.is_empty() => None,
            known => Some(known.map_or(over, |known| known.max(over))),
        };
        machine.jobs.insert(job);
        let mut entry = Job::new(request, now);
        self.runs.insert(place.run, job);
        entry.place = Some(Place {
            since: now,
            started: false,
            ..place
        });
        self.jobs.insert(job, entry);
        self.pool.reseat(job, &host);
        self.look_at(&host, now);
    }

    /// A connection that was made before could not know of the jobs that are resumed.
    fn close_for_resume(&mut self, host: &str, kept: bool, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        let other_way = kept && !machine.keep;
        if kept && machine.jobs.is_empty() {
            (machine.keep, machine.wanted_keep) = (true, true);
        }
        let met = matches!(machine.link, Link::Up { .. } | Link::Leaving { .. });
        if met || (other_way && machine.is_connected()) {
            self.give_up(host, "made anew", now);
        }
    }

    /// Ends a job: one that waits at once, one that runs soon. False where there is none.
    pub fn kill(&mut self, job: u64) -> bool {
        let Some(entry) = self.jobs.get_mut(&job) else {
            return false;
        };
        let Some(place) = &mut entry.place else {
            self.pool.withdraw(job);
            self.finish(job, unstarted(Outcome::Stopped));
            return true;
        };
        place.killed = true;
        let (host, run) = (place.host.clone(), place.run);
        if self
            .machine(&host)
            .is_some_and(|machine| matches!(machine.link, Link::Up { .. }))
        {
            self.say(&host, Order::Kill { run });
        }
        true
    }

    /// Seats waiting jobs on idle slots. The jobs, and the hosts that they were given to.
    pub fn assign(&mut self, now: Instant) -> Vec<(u64, String)> {
        let mut given = Vec::new();
        for seat in self.pool.assign(now) {
            let machine = self.machines.get_mut(&key(&seat.host));
            let (Some(job), Some(machine)) = (self.jobs.get_mut(&seat.job), machine) else {
                self.pool.release(seat.job);
                continue;
            };
            machine.jobs.insert(seat.job);
            let run = fastrand::u64(..);
            job.place = Some(Place {
                host: seat.host.clone(),
                run,
                since: now,
                started: false,
                killed: false,
                fence: (!machine.keep).then_some(machine.agreed.0),
            });
            let mut argv = job.request.argv.clone();
            for word in &mut argv {
                if word.contains(MAX_THREADS) {
                    *word = word.replace(MAX_THREADS, &seat.threads.to_string());
                }
            }
            let start = Start {
                run,
                argv,
                nice: job.request.nice,
                block: job.request.block.clone(),
            };
            self.runs.insert(run, seat.job);
            self.say(&seat.host, Order::Start(Box::new(start)));
            given.push((seat.job, seat.host));
        }
        given
    }

    /// The end of a job is stored: its host may forget it.
    pub fn taken(&mut self, host: &str, run: u64, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        machine.untaken.remove(&run);
        if matches!(machine.link, Link::Up { .. }) {
            self.say(host, Order::Taken { run });
        }
        // A host that was taken out waits for nothing but this.
        if self.machine(host).is_some_and(|machine| !machine.has_runs()) {
            self.look_at(host, now);
        }
    }

    /// Takes news of a connection; those of an earlier one mean nothing any more.
    pub fn hear(&mut self, host: &str, connection: u64, news: News, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        if machine.connection != connection {
            return;
        }
        match news {
            News::Welcome(welcome) => self.welcome(host, welcome, now),
            News::Started { run } => self.started(host, run),
            News::Ended(completion) => self.ended(host, *completion, now),
            News::Beat { at } => {
                let was_silent = !machine.is_up();
                machine.heard(at);
                let is_up = machine.is_up();
                if was_silent && is_up {
                    self.tell(format!("host {host} answers again"));
                }
                self.pool.set_up(host, is_up);
            },
            News::Gone => {
                self.requeue_all(host, "its agent was told to end", false, now);
                self.effects.push_back(Effect::Close {
                    machine: host.to_owned(),
                });
                self.lost(host, "disconnected".to_owned(), now);
            },
            News::Lost(why) => {
                if !matches!(machine.link, Link::Leaving { .. }) {
                    let text = format!("host {host} is down: {why}");
                    self.tell(text);
                }
                self.lost(host, why, now);
            },
        }
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

    fn try_now(&mut self, host: &str, now: Instant) {
        if let Some(machine) = self.machines.get_mut(&key(host))
            && let Link::Closed {
                failures, retry, ..
            } = &mut machine.link
        {
            (*failures, *retry) = (0, now);
            machine.brief = 0;
        }
        self.look_at(host, now);
    }

    /// Judges a machine's silence. All that it has said has to have been heard before.
    fn judge(&mut self, host: &str, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        let (name, agreed) = (machine.name.clone(), machine.agreed);
        if machine.fence.is_some_and(|fence| fence <= now) && !machine.jobs.is_empty() {
            let heard = agreed.here().as_secs();
            let why = format!("nothing was heard of its host for {heard} s");
            self.give_up(&name, "it does not answer", now);
            self.requeue_all(&name, &why, true, now);
            return;
        }
        let Link::Up { heard, silent, .. } = &mut machine.link else {
            return;
        };
        let silence = now.saturating_duration_since(*heard);
        if silence >= agreed.here() {
            self.tell(format!("host {name} is down: it does not answer"));
            self.give_up(&name, "it does not answer", now);
        } else if silence >= agreed.overdue() && !std::mem::replace(silent, true) {
            self.tell(format!(
                "host {name} has not answered for {} s and gets no more jobs",
                silence.as_secs()
            ));
            self.pool.set_up(&name, false);
        }
    }

    /// Does what a machine's state asks for now.
    fn look_at(&mut self, host: &str, now: Instant) {
        let Some(machine) = self.machines.get(&key(host)) else {
            return;
        };
        let (name, wanted) = (machine.name.clone(), self.wants(machine));
        match machine.link {
            Link::Closed {
                retry, failures, ..
            } => {
                if wanted && retry <= now {
                    self.connect(&name, failures);
                } else if !wanted && !self.pool.knows(&name) {
                    self.machines.remove(&key(host));
                }
            },
            Link::Opening { .. } => {},
            Link::Up { since, silent, .. } => {
                let aged = now.saturating_duration_since(since) >= self.settings.connect_time;
                if !silent && (!wanted || (aged && !machine.has_runs())) {
                    self.send_away(&name, now);
                }
            },
            Link::Leaving { until } => {
                if until <= now {
                    self.give_up(&name, "it did not end when it was told to", now);
                }
            },
        }
    }

    fn connect(&mut self, host: &str, failures: u32) {
        self.connections += 1;
        let (connection, fence) = (self.connections, self.fence());
        if let Some(machine) = self.machines.get_mut(&key(host)) {
            if !machine.has_runs() {
                machine.keep = machine.wanted_keep;
            }
            machine.agreed = fence;
            machine.link = Link::Opening { failures };
            machine.connection = connection;
            self.effects.push_back(Effect::Connect {
                machine: machine.name.clone(),
                connection,
                keep: machine.keep,
                fence: fence.0,
            });
        }
    }

    /// Tells the agent of a machine to end its jobs and to go.
    fn send_away(&mut self, host: &str, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        match machine.link {
            Link::Up { .. } => {
                machine.leave(now);
                self.pool.set_up(host, false);
                self.say(host, Order::Bye);
            },
            Link::Opening { .. } => self.give_up(host, "it is not wanted any more", now),
            Link::Closed { .. } | Link::Leaving { .. } => self.look_at(host, now),
        }
    }

    /// Ends the agent of a machine. Jobs that live on while there is no connection end with the
    /// next one, which is tried at once.
    fn dismiss(&mut self, host: &str, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        if !machine.keep || !machine.has_runs() {
            self.send_away(host, now);
            return;
        }
        machine.dismissed = true;
        match machine.link {
            Link::Up { silent: false, .. } => self.send_away(host, now),
            Link::Up { .. } => self.give_up(host, "it does not answer", now),
            Link::Closed { .. } => self.try_now(host, now),
            Link::Opening { .. } | Link::Leaving { .. } => {},
        }
    }

    /// Closes the connection without waiting for anything.
    fn give_up(&mut self, host: &str, why: &str, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        if machine.is_connected() {
            self.effects.push_back(Effect::Close {
                machine: machine.name.clone(),
            });
            self.lost(host, why.to_owned(), now);
        }
    }

    fn lost(&mut self, host: &str, why: String, now: Instant) {
        if let Some(machine) = self.machines.get_mut(&key(host)) {
            machine.lost(&self.settings, why, now);
            // Whatever still comes from there is from the past.
            machine.connection = 0;
        }
        self.pool.set_up(host, false);
        self.look_at(host, now);
    }

    fn welcome(&mut self, host: &str, welcome: Welcome, now: Instant) {
        let Some(machine) = self.machines.get_mut(&key(host)) else {
            return;
        };
        if !matches!(machine.link, Link::Opening { .. }) {
            return;
        }
        let other = machine.account.as_ref().is_some_and(|known| *known != welcome.account);
        if other && !machine.jobs.is_empty() {
            // What it says proves nothing about the jobs of the one that had the name.
            let why = "another machine or account answers under this name than the one that has \
                       its jobs";
            self.tell(format!("host {host} is down: {why}"));
            self.give_up(host, why, now);
            return;
        }
        machine.account = Some(welcome.account.clone());
        machine.link = Link::Up {
            since: now,
            heard: now,
            silent: false,
        };
        machine.about = format!(
            "{}, {} cores, version {}",
            welcome.host, welcome.cores, welcome.version
        );
        machine.heard(now);
        let about = machine.about.clone();
        let jobs: Vec<u64> = machine.jobs.iter().copied().collect();
        for job in jobs {
            let place = self.jobs.get(&job).and_then(|job| job.place.clone());
            match place {
                Some(place) if welcome.runs.contains(&place.run) => {
                    if place.killed {
                        self.say(host, Order::Kill { run: place.run });
                    }
                },
                _ => self.requeue(job, "the agent that had it is gone", true, now),
            }
        }
        for run in welcome.runs {
            if !self.runs.contains_key(&run) {
                // Its end is known, or nobody wants it any more.
                self.say(host, Order::Kill { run });
                self.say(host, Order::Taken { run });
            }
        }
        self.tell(format!("host {host} is up: {about}"));
        self.pool.set_up(host, true);
        if self.machine(host).is_some_and(|machine| machine.dismissed) {
            self.send_away(host, now);
        } else {
            self.look_at(host, now);
        }
    }

    /// The job of a run that was given to that host.
    fn job_of(&self, host: &str, run: u64) -> Option<u64> {
        let job = *self.runs.get(&run)?;
        let place = self.jobs.get(&job)?.place.as_ref()?;
        place.host.eq_ignore_ascii_case(host).then_some(job)
    }

    fn started(&mut self, host: &str, run: u64) {
        let Some(job) = self.job_of(host, run) else {
            return;
        };
        let place = self.jobs.get_mut(&job).and_then(|job| job.place.as_mut());
        if let Some(place) = place
            && !std::mem::replace(&mut place.started, true)
        {
            let host = place.host.clone();
            self.happenings.push_back(Happening::Started { job, host });
        }
    }

    fn ended(&mut self, host: &str, completion: Completion, now: Instant) {
        let run = completion.id;
        let untaken = |machine: &Machine| machine.untaken.contains(&run);
        match self.job_of(host, run) {
            Some(job) => {
                if let Some(machine) = self.machines.get_mut(&key(host)) {
                    machine.untaken.insert(run);
                }
                self.finish(job, completion);
            },
            // It was told before, and is being stored.
            None if self.machine(host).is_some_and(untaken) => {},
            // It was told before: the agent has not heard yet that it may forget it.
            None => self.taken(host, run, now),
        }
    }

    /// A job is over.
    fn finish(&mut self, job: u64, completion: Completion) {
        let Some(entry) = self.jobs.remove(&job) else {
            return;
        };
        self.pool.release(job);
        let host = entry.place.map(|place| {
            self.runs.remove(&place.run);
            if let Some(machine) = self.machines.get_mut(&key(&place.host)) {
                machine.jobs.remove(&job);
            }
            place.host
        });
        self.happenings.push_back(Happening::Ended {
            job,
            host,
            request: Box::new(entry.request),
            completion: Box::new(completion),
        });
    }

    fn requeue_all(&mut self, host: &str, why: &str, counts: bool, now: Instant) {
        let Some(machine) = self.machine(host) else {
            return;
        };
        let jobs: Vec<u64> = machine.jobs.iter().copied().collect();
        for job in jobs {
            self.requeue(job, why, counts, now);
        }
    }

    /// A job's run is known to be over, and nothing is known of its end: it waits again. Whether it
    /// `counts` as lost: a human may have wanted it so.
    fn requeue(&mut self, job: u64, why: &str, counts: bool, now: Instant) {
        let Some(entry) = self.jobs.get_mut(&job) else {
            return;
        };
        let Some(place) = entry.place.clone() else {
            return;
        };
        if place.killed {
            self.finish(job, unstarted(Outcome::Stopped));
            return;
        }
        entry.losses += u32::from(counts);
        if counts && entry.losses >= self.settings.losses {
            let (losses, host) = (entry.losses, &place.host);
            let why = format!(
                "it was lost with its host {losses} times, last on {host}: {why}; it may be what \
                 brings its hosts down"
            );
            self.finish(job, unstarted(Outcome::Lost(why)));
            return;
        }
        entry.place = None;
        let claim: Claim = entry.request.claim.clone();
        self.runs.remove(&place.run);
        self.pool.release(job);
        if let Some(machine) = self.machines.get_mut(&key(&place.host)) {
            machine.jobs.remove(&job);
        }
        self.pool.wait(job, claim, now);
        self.happenings.push_back(Happening::Requeued {
            job,
            host: place.host,
            why: why.to_owned(),
        });
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

/// The end of a job that nobody saw run.
fn unstarted(outcome: Outcome) -> Completion {
    let why = match &outcome {
        Outcome::Lost(why) => format!("{why}\n"),
        _ => String::new(),
    };
    Completion {
        id: 0,
        outcome,
        stdout: Captured::text(Vec::new()),
        stderr: Captured::text(why),
        wall: Duration::ZERO,
        usage: None,
        hung: false,
    }
}

#[cfg(test)]
mod tests;
