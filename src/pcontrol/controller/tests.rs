//! The one law, played against a small world of machines, agents and a network that fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proptest::prelude::*;

use super::{
    super::pool::{Affinity, Wish},
    jobs::unstarted,
    *,
};
use crate::process::Outcome;

const FENCE: Duration = Duration::from_secs(10);
const JOBS: u64 = 6;
const MACHINES: usize = 3;

fn request(wish: Wish) -> Request {
    Request {
        argv: vec!["true".into()],
        nice: 0,
        block: Vec::new(),
        claim: Claim {
            wish,
            touches: Vec::new(),
            priority: 0,
        },
    }
}

fn completion(run: u64) -> Box<Completion> {
    Box::new(Completion {
        id: run,
        ..unstarted(Outcome::Exit(0))
    })
}

fn welcome(account: usize, runs: Vec<u64>) -> News {
    News::Welcome(Welcome {
        incarnation: "i".into(),
        account: account.to_string(),
        host: "h".into(),
        cores: 1,
        version: "0".into(),
        runs,
    })
}

/// An agent as it really is, whatever the controller believes.
#[derive(Debug, Default)]
struct Agent {
    going: BTreeSet<u64>,
    over: BTreeSet<u64>,
    /// How long it may hear nothing; for ever, where jobs live on.
    fence: Option<Duration>,
    /// When it ends its jobs if it hears nothing.
    lease: Option<Instant>,
}

#[derive(Debug, Default)]
struct Host {
    /// Of each of the two machines that may be behind the name.
    agents: [Option<Agent>; 2],
    /// Which of them is.
    behind: usize,
    /// The connection that the controller has, or is opening.
    connection: Option<u64>,
    /// Whether the agent behind it was greeted.
    greeted: bool,
    /// What the agent is told first: whether its jobs live on, and its fence.
    hello: (bool, Duration),
    /// Bytes arrive.
    reachable: bool,
    /// What was sent and has not arrived.
    buffer: Vec<Order>,
}

struct World {
    controller: Controller,
    now: Instant,
    hosts: Vec<Host>,
    /// The job of each run that was ever sent.
    jobs: BTreeMap<u64, u64>,
    ended: BTreeSet<u64>,
    requeues: usize,
}

#[derive(Debug, Clone)]
enum Step {
    /// So many tenths of the fence pass.
    Pass(u32),
    /// The network to a host fails, or works again.
    Network(usize, bool),
    /// The connection is closed; whether the agent sees it.
    Close(usize, bool),
    /// A machine is switched off and on again.
    Crash(usize),
    /// A job on a host ends.
    Finish(usize),
    /// A human takes a slot out or in.
    Off(usize),
    On(usize),
    /// A human ends a job.
    Kill(u64),
    /// The name of a host leads to another machine from the next connection on.
    Other(usize),
    /// Another fence, of so many tenths of the first, for connections to come.
    Fence(u32),
    /// The controller dies, and another one takes its jobs over; whether agents see the connections
    /// close, and whether it has its hosts before its jobs.
    Restart(bool, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let host = 0..MACHINES;
    prop_oneof![
        4 => (1..16_u32).prop_map(Step::Pass),
        2 => (host.clone(), any::<bool>()).prop_map(|(host, up)| Step::Network(host, up)),
        2 => (host.clone(), any::<bool>()).prop_map(|(host, seen)| Step::Close(host, seen)),
        1 => host.clone().prop_map(Step::Crash),
        2 => host.clone().prop_map(Step::Finish),
        1 => host.clone().prop_map(Step::Off),
        2 => host.prop_map(Step::On),
        1 => (1..=JOBS).prop_map(Step::Kill),
        1 => (0..MACHINES).prop_map(Step::Other),
        1 => (5..30_u32).prop_map(Step::Fence),
        1 => any::<(bool, bool)>().prop_map(|(seen, first)| Step::Restart(seen, first)),
    ]
}

fn name(host: usize) -> String {
    format!("po{host}")
}

impl Host {
    /// The connection is over; whether the agent sees it.
    fn close(&mut self, seen: bool) {
        self.connection = None;
        let agent = &mut self.agents[self.behind];
        if seen && agent.as_ref().is_some_and(|agent| agent.fence.is_some()) {
            *agent = None;
        }
    }
}

impl World {
    fn new(keep: bool) -> Self {
        let settings = Settings {
            fence: FENCE,
            keep,
            losses: u32::MAX,
            affinity: Affinity::default(),
            ..Settings::default()
        };
        let mut world = Self {
            controller: Controller::new(settings),
            now: Instant::now(),
            hosts: (0..MACHINES).map(|_| Host::default()).collect(),
            jobs: BTreeMap::new(),
            ended: BTreeSet::new(),
            requeues: 0,
        };
        for host in 0..MACHINES {
            world.hosts[host].reachable = true;
        }
        world.add_hosts();
        for job in 1..=JOBS {
            world.controller.submit(job, request(Wish::Any), world.now);
        }
        world
    }

    fn add_hosts(&mut self) {
        for host in 0..MACHINES {
            for _ in 0..2 {
                self.controller.add(&name(host), 0, None, self.now);
            }
        }
    }

    /// Lets everything happen that can happen now.
    fn settle(&mut self) {
        self.controller.tick(self.now);
        self.controller.assign(self.now);
        while let Some(effect) = self.controller.next_effect() {
            self.perform(effect);
            self.controller.assign(self.now);
        }
        while let Some(happening) = self.controller.next_happening() {
            match happening {
                Happening::Ended {
                    job,
                    host,
                    completion,
                    ..
                } => {
                    assert!(self.ended.insert(job), "job {job} ended twice");
                    if let Some(host) = host {
                        self.controller.taken(&host, completion.id, self.now);
                    }
                },
                Happening::Requeued { .. } => self.requeues += 1,
                Happening::Started { .. } | Happening::Told(_) => {},
            }
        }
        while let Some(effect) = self.controller.next_effect() {
            self.perform(effect);
        }
        self.check();
    }

    /// No job runs twice at once, and none that has ended runs.
    fn check(&self) {
        let mut running = BTreeSet::new();
        let agents = self
            .hosts
            .iter()
            .flat_map(|host| host.agents.iter().flatten());
        for run in agents.flat_map(|agent| &agent.going) {
            let job = self.jobs[run];
            assert!(running.insert(job), "two copies of job {job}");
        }
    }

    fn perform(&mut self, effect: Effect) {
        let host = |machine: &str| {
            machine
                .strip_prefix("po")
                .unwrap()
                .parse::<usize>()
                .unwrap()
        };
        match effect {
            Effect::Connect {
                machine,
                connection,
                keep,
                fence,
            } => {
                let at = host(&machine);
                self.hosts[at].hello = (keep, fence);
                self.hosts[at].buffer.clear();
                self.hosts[at].greeted = false;
                self.hosts[at].connection = Some(connection);
                self.greet(at);
            },
            Effect::Close { machine } => {
                // The network may keep this from the agent for ever.
                self.hosts[host(&machine)].connection = None;
            },
            Effect::Say {
                machine,
                connection,
                order,
            } => {
                let at = host(&machine);
                assert_eq!(self.hosts[at].connection, Some(connection));
                if let Order::Start(start) = &order {
                    let job = self.controller.runs[&start.run];
                    self.jobs.insert(start.run, job);
                }
                self.hosts[at].buffer.push(order);
                self.deliver(at);
            },
        }
    }

    /// The agent answers, if it is reached.
    fn greet(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let (Some(connection), true, false) = (host.connection, host.reachable, host.greeted)
        else {
            return;
        };
        host.greeted = true;
        let (keep, fence) = host.hello;
        let behind = host.behind;
        let agent = &mut host.agents[behind];
        if !keep || agent.as_ref().is_none_or(|agent| agent.fence.is_some()) {
            // It kills its predecessor and all that it left.
            *agent = Some(Agent::default());
        }
        let agent = agent.as_mut().unwrap();
        agent.fence = (!keep).then_some(fence);
        agent.lease = agent.fence.map(|fence| self.now + fence);
        let over: Vec<u64> = agent.over.iter().copied().collect();
        let runs = agent.going.iter().chain(&agent.over).copied().collect();
        self.hear(at, connection, welcome(behind, runs));
        for run in over {
            self.hear(at, connection, News::Ended(completion(run)));
        }
    }

    fn hear(&mut self, at: usize, connection: u64, news: News) {
        self.controller.hear(&name(at), connection, news, self.now);
    }

    /// What is on its way arrives.
    fn deliver(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let (Some(connection), true, true) = (host.connection, host.reachable, host.greeted) else {
            return;
        };
        let Some(agent) = &mut host.agents[host.behind] else {
            return;
        };
        let mut killed = Vec::new();
        let mut gone = false;
        for order in host.buffer.drain(..) {
            match order {
                Order::Start(start) => drop(agent.going.insert(start.run)),
                Order::Kill { run } => {
                    if agent.going.remove(&run) {
                        agent.over.insert(run);
                        killed.push(run);
                    }
                },
                Order::Taken { run } => drop(agent.over.remove(&run)),
                Order::Heard { .. } | Order::Credit { .. } => {},
                Order::Bye => gone = true,
            }
        }
        if gone {
            host.agents[host.behind] = None;
        }
        for run in killed {
            self.hear(at, connection, News::Ended(completion(run)));
        }
        if gone {
            self.hear(at, connection, News::Gone);
        }
    }

    /// What an agent said while the network failed arrives.
    fn catch_up(&mut self, at: usize) {
        let host = &self.hosts[at];
        let heard = host.connection.filter(|_| host.reachable && host.greeted);
        if let (Some(connection), Some(agent)) = (heard, &host.agents[host.behind]) {
            for run in agent.over.clone() {
                self.hear(at, connection, News::Ended(completion(run)));
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Pass(tenths) => {
                // Time passes in pieces short enough for the beats.
                for _ in 0..tenths {
                    self.now += FENCE / 10;
                    self.beat();
                    self.settle();
                }
            },
            Step::Network(at, up) => {
                self.hosts[at].reachable = up;
                self.greet(at);
                self.deliver(at);
                self.catch_up(at);
            },
            Step::Close(at, seen) => {
                let host = &mut self.hosts[at];
                if let (Some(connection), true) = (host.connection, host.reachable) {
                    host.close(seen);
                    self.hear(at, connection, News::Lost("closed".into()));
                }
            },
            Step::Crash(at) => {
                let host = &mut self.hosts[at];
                host.agents[host.behind] = None;
                if let (Some(connection), true) = (host.connection, host.reachable) {
                    host.connection = None;
                    self.hear(at, connection, News::Lost("reset".into()));
                }
            },
            Step::Finish(at) => {
                let host = &mut self.hosts[at];
                let Some(agent) = &mut host.agents[host.behind] else {
                    return;
                };
                let Some(run) = agent.going.pop_first() else {
                    return;
                };
                agent.over.insert(run);
                let heard = host.connection.filter(|_| host.reachable && host.greeted);
                if let Some(connection) = heard {
                    self.hear(at, connection, News::Ended(completion(run)));
                }
            },
            Step::Off(at) => drop(self.controller.off(&name(at), self.now)),
            Step::On(at) => drop(self.controller.on(&name(at), self.now)),
            Step::Kill(job) => drop(self.controller.kill(job)),
            Step::Other(at) => {
                let host = &mut self.hosts[at];
                if !host.reachable {
                    return;
                }
                let connection = host.connection;
                host.close(false);
                host.behind ^= 1;
                if let Some(connection) = connection {
                    self.hear(at, connection, News::Lost("closed".into()));
                }
            },
            Step::Fence(tenths) => self.controller.settings.fence = FENCE / 10 * tenths,
            Step::Restart(seen, hosts_first) => self.restart(seen, hosts_first),
        }
        self.settle();
    }

    /// Another controller goes on with what is known of the jobs.
    fn restart(&mut self, seen: bool, hosts_first: bool) {
        for host in &mut self.hosts {
            host.close(seen && host.reachable);
        }
        let mut settings = self.controller.settings.clone();
        settings.fence = FENCE;
        let old = std::mem::replace(&mut self.controller, Controller::new(settings));
        if hosts_first {
            self.add_hosts();
            while let Some(effect) = self.controller.next_effect() {
                // As long as it has no jobs of theirs it greets no agents.
                assert!(matches!(
                    effect,
                    Effect::Connect { .. } | Effect::Close { .. }
                ));
            }
            self.controller.reconnect(self.now);
        }
        for (id, job) in old.jobs() {
            match job.place.clone() {
                Some(place) => {
                    let account = old.account(&place.host).map(str::to_owned);
                    let resumed = Resumed { place, account };
                    self.controller
                        .resume(id, job.request.clone(), resumed, self.now);
                },
                None => self.controller.submit(id, job.request.clone(), self.now),
            }
        }
        if !hosts_first {
            self.add_hosts();
        }
    }

    /// Agents say that they are there, and are heard; those that have heard nothing for too long
    /// end their jobs.
    fn beat(&mut self) {
        for at in 0..self.hosts.len() {
            let host = &mut self.hosts[at];
            for agent in &mut host.agents {
                let lease = agent.as_ref().and_then(|agent| agent.lease);
                if lease.is_some_and(|lease| lease <= self.now) {
                    *agent = None;
                }
            }
            let Some(agent) = &mut host.agents[host.behind] else {
                continue;
            };
            if let (Some(connection), true, true) = (host.connection, host.reachable, host.greeted)
            {
                agent.lease = agent.fence.map(|fence| self.now + fence);
                let at_now = self.now;
                self.hear(at, connection, News::Beat { at: at_now });
            }
        }
    }

    /// The network works again, slots are in, and jobs end.
    fn recover(&mut self) {
        for at in 0..self.hosts.len() {
            self.step(&Step::Network(at, true));
            self.step(&Step::On(at));
            self.step(&Step::On(at));
        }
        let mut left = 400;
        while (self.ended.len() as u64) < JOBS && left > 0 {
            left -= 1;
            self.step(&Step::Pass(10));
            for at in 0..self.hosts.len() {
                let account = self.controller.account(&name(at));
                let wanted = account.map_or(0, |account| account.parse().unwrap());
                if self.hosts[at].behind != wanted {
                    self.step(&Step::Other(at));
                }
                self.step(&Step::Finish(at));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_job_runs_twice_at_once_and_every_job_ends(
        keep: bool,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut world = World::new(keep);
        world.settle();
        for step in &steps {
            world.step(step);
        }
        world.recover();
        prop_assert_eq!(world.ended.len() as u64, JOBS);
    }
}

#[test]
fn a_silent_host_gets_no_jobs_and_its_own_run_again_only_after_the_fence() {
    let mut world = World::new(false);
    world.settle();
    world.step(&Step::Network(0, false));
    world.step(&Step::Pass(6));
    let states = |world: &World| -> Vec<&str> {
        world
            .controller
            .slots()
            .map(|(_, state)| state.word())
            .collect()
    };
    assert_eq!(states(&world)[..2], ["DOWN", "DOWN"]);
    world.step(&Step::Pass(5));
    assert_eq!(world.requeues, 0);
    world.step(&Step::Pass(3));
    assert_eq!(world.requeues, 2);
}

#[test]
fn a_job_that_loses_its_host_too_often_counts_as_failed() {
    let mut world = World::new(false);
    world.controller.settings.losses = 2;
    world.settle();
    for _ in 0..2 {
        for host in 0..MACHINES {
            world.step(&Step::Crash(host));
        }
        world.step(&Step::Pass(1));
    }
    assert_eq!(world.ended.len() as u64, JOBS);
}

#[test]
fn the_last_slot_that_goes_off_closes_the_connection() {
    let mut world = World::new(false);
    for job in 1..=JOBS {
        world.controller.kill(job);
    }
    world.settle();
    world.step(&Step::Off(0));
    assert!(world.hosts[0].connection.is_some());
    world.step(&Step::Off(0));
    assert!(world.hosts[0].agents[0].is_none());
    world.step(&Step::On(0));
    assert!(world.hosts[0].agents[0].is_some());
}

#[test]
fn an_old_connection_is_made_anew_when_it_is_idle() {
    let mut world = World::new(false);
    for job in 1..=JOBS {
        world.controller.kill(job);
    }
    world.settle();
    world.controller.settings.connect_time = FENCE * 2;
    let first = world.hosts[0].connection;
    world.step(&Step::Pass(30));
    assert!(world.hosts[0].connection > first);
}

/// A controller that comes after another one, with a job on a host that is not reached.
fn after_another(kept: bool) -> World {
    let mut world = World::new(false);
    for job in 1..=JOBS {
        world.controller.kill(job);
    }
    world.settle();
    world.step(&Step::Network(0, false));
    let now = world.now;
    let wanted = request(Wish::Any);
    let place = Place {
        host: "po9".into(),
        run: 77,
        since: now,
        started: true,
        killed: false,
        fence: (!kept).then_some(FENCE),
    };
    let resumed = Resumed {
        place,
        account: None,
    };
    world.controller.resume(9, wanted, resumed, now);
    // Nobody ever answers there.
    while world.controller.next_effect().is_some() {}
    world.now += FENCE * 5;
    world.controller.tick(world.now);
    world
}

fn is_requeued(world: &mut World) -> bool {
    let happenings = std::iter::from_fn(|| world.controller.next_happening());
    happenings
        .filter(|happening| matches!(happening, Happening::Requeued { job: 9, .. }))
        .count()
        == 1
}

#[test]
fn a_job_of_an_earlier_controller_is_run_again_after_the_fence() {
    assert!(is_requeued(&mut after_another(false)));
}

#[test]
fn one_that_lives_on_is_not_run_again_as_long_as_its_host_is_silent() {
    let mut world = after_another(true);
    assert!(!is_requeued(&mut world));
    assert_eq!(world.controller.job(9).unwrap().word(), "BUSY");
}
