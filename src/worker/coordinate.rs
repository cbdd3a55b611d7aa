//! The coordinator: gives the jobs of a run out to the workers of an allocation.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    asked::{Asked, Ending, keeper_gone},
    desk::{Desk, NodeId},
    door::{Door, Event, LineId},
    error::WorkerError,
    horizon::Horizon,
    incarnation,
    message::{How, Order, Word},
    pace::Pace,
    place::{Address, Place, Way},
    tasks,
};
use crate::{config::site::Transport, durable, engine::clock::Clock};

/// How often it is looked whether a node is silent, or the end is near.
const TICK: Duration = Duration::from_millis(200);
/// How often the batch job's output is told how far it is.
const REPORT: Duration = Duration::from_mins(1);
/// How long workers may take to go.
const FAREWELL: Duration = Duration::from_secs(10);
/// What nodes are given ahead lasts about so long, if jobs are short.
const AHEAD_OVER_TCP: Duration = Duration::from_millis(50);
const AHEAD_OVER_FILES: Duration = Duration::from_secs(2);

/// What a coordinator is to do.
#[derive(Debug, Clone)]
pub(super) struct Coordination {
    /// Its files.
    pub(super) place: Place,
    /// The allocation's name.
    pub(super) allocation: String,
    /// This node's name.
    pub(super) node: String,
    /// How many workers there are to be.
    pub(super) workers: usize,
    /// Whether all of them are on this machine.
    pub(super) only_here: bool,
    /// How it is talked to.
    pub(super) transport: Transport,
    /// How often a job is tried.
    pub(super) tries: u32,
    /// Seconds that the allocation lasts, from its beginning.
    pub(super) walltime: Option<u64>,
    /// When the allocation began, in seconds since 1970.
    pub(super) begun: i64,
    /// A worker that is not heard for so long is taken for lost.
    pub(super) silence: Duration,
    /// Whether it comes after one that was killed: workers may have work already.
    pub(super) again: bool,
}

/// Gives out jobs until there is nothing more to do.
pub(super) async fn coordinate(
    of: &Coordination,
    clock: &dyn Clock,
) -> Result<Ending, WorkerError> {
    let mut asked = Asked::new().map_err(WorkerError::system("signals"))?;
    let tasks = tasks::left(&of.place)?;
    let ahead = match of.transport {
        Transport::Tcp => AHEAD_OVER_TCP,
        Transport::Files => AHEAD_OVER_FILES,
    };
    let desk = Desk::new(tasks, of.tries, Pace::new(ahead));
    let (events, happens) = unbounded_channel();
    let mut address = open(of, events).await?;
    let now = clock.instant();
    let mut coordinator = Coordinator {
        of,
        clock,
        desk,
        horizon: Horizon::new(of.begun, of.walltime),
        lines: BTreeMap::new(),
        heard: BTreeMap::new(),
        is_open: !of.again,
        begun: now,
        last_heard: now,
        reported: now,
    };
    eprintln!(
        "outrigger worker: {} jobs are left to do; {} workers are to come",
        coordinator.desk.tally().left,
        of.workers
    );
    let outcome = coordinator.work(happens, &mut asked).await;
    eprintln!("outrigger worker: {}", coordinator.desk.tally());
    // Workers that come late need not look for it.
    address.way = Way::Over;
    let over = address.publish(&of.place);
    over.map_err(WorkerError::io(&of.place.directory))?;
    outcome
}

async fn open(of: &Coordination, events: UnboundedSender<Event>) -> Result<Address, WorkerError> {
    let incarnation = incarnation().map_err(WorkerError::system("random numbers"))?;
    let door = Door::new(events);
    let way = match of.transport {
        Transport::Tcp => {
            let secret = of.place.key()?;
            door.open_tcp(of.only_here, &of.node, secret).await
        },
        Transport::Files => door.open_files(of.place.mail(), incarnation),
    };
    let way = way.map_err(WorkerError::system("a door for workers"))?;
    let address = Address {
        allocation: of.allocation.clone(),
        incarnation,
        way,
    };
    let publish = address.publish(&of.place);
    publish.map_err(WorkerError::io(&of.place.directory))?;
    Ok(address)
}

struct Coordinator<'a> {
    of: &'a Coordination,
    clock: &'a dyn Clock,
    desk: Desk,
    horizon: Horizon,
    lines: BTreeMap<LineId, LineOfNode>,
    /// When each node that is not known to be lost was heard last.
    heard: BTreeMap<NodeId, Instant>,
    /// Whether jobs are given out: not before all workers of a predecessor told what they have.
    is_open: bool,
    begun: Instant,
    last_heard: Instant,
    reported: Instant,
}

struct LineOfNode {
    orders: UnboundedSender<Order>,
    node: Option<NodeId>,
}

impl Coordinator<'_> {
    async fn work(
        &mut self,
        mut happens: UnboundedReceiver<Event>,
        asked: &mut Asked,
    ) -> Result<Ending, WorkerError> {
        let mut tick = tokio::time::interval(TICK);
        let gone = keeper_gone();
        tokio::pin!(gone);
        let ending = loop {
            let mut nodes = BTreeSet::new();
            tokio::select! {
                Some(event) = happens.recv() => {
                    self.take(event, &mut nodes);
                    while let Ok(event) = happens.try_recv() {
                        self.take(event, &mut nodes);
                    }
                },
                _ = tick.tick() => self.look(&mut nodes)?,
                () = asked.next() => break Ending::Asked,
                () = &mut gone => break Ending::Asked,
            }
            if self.is_open {
                self.give(&nodes);
                let left = self.left();
                if self.desk.is_over(left) {
                    break Ending::Done;
                }
                for node in self.desk.to_sync(left) {
                    self.order(node, Order::Sync);
                }
            }
            if self.horizon.is_reached(self.now()) {
                eprintln!(
                    "outrigger worker: the walltime ends; what is left stays for the next submission"
                );
                break Ending::Done;
            }
        };
        let last = match ending {
            Ending::Done if self.desk.is_over(self.left()) => Order::Finish,
            _ => Order::Stop,
        };
        durable::step("let workers go");
        for line in self.lines.values() {
            drop(line.orders.send(last.clone()));
        }
        let farewell = async {
            while !self.lines.is_empty()
                && let Some(event) = happens.recv().await
            {
                self.take(event, &mut BTreeSet::new());
            }
        };
        // A worker that does not go in time is ended with its step.
        drop(tokio::time::timeout(FAREWELL, farewell).await);
        Ok(ending)
    }

    /// Notes what happens; `nodes` gets those that may take work for it.
    fn take(&mut self, event: Event, nodes: &mut BTreeSet<NodeId>) {
        self.last_heard = self.clock.instant();
        match event {
            Event::Came(id, orders) => {
                let line = LineOfNode { orders, node: None };
                self.lines.insert(id, line);
            },
            Event::Gone(id, why) => {
                if let Some(node) = self.lines.remove(&id).and_then(|line| line.node)
                    && self.desk.is_present(node)
                {
                    let name = self.desk.name(node);
                    eprintln!("outrigger worker: the line to {name} is gone: {why}");
                }
            },
            Event::Said(id, word) => self.said(id, word, nodes),
        }
    }

    fn said(&mut self, id: LineId, word: Word, nodes: &mut BTreeSet<NodeId>) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        if let Word::Join(join) = &word {
            durable::step("hear who joins");
            let (node, foreign) = self.desk.join(join);
            line.node = Some(node);
            if !foreign.is_empty() {
                drop(line.orders.send(Order::Drop(foreign)));
            }
            // A line of the same node that is older leads nowhere.
            self.lines
                .retain(|other, line| *other == id || line.node != Some(node));
            self.heard.insert(node, self.last_heard);
            eprintln!(
                "outrigger worker: {} is here with {} cores",
                join.node, join.whole.threads
            );
            self.is_open |= self.heard.len() >= self.of.workers;
            nodes.extend(self.desk.working());
            return;
        }
        let Some(node) = line.node else {
            self.lines.remove(&id);
            return;
        };
        self.heard.insert(node, self.last_heard);
        match word {
            Word::Join(_) => {},
            Word::Ended(all) => {
                durable::step("hear what ended");
                for ended in &all {
                    self.desk.ended(node, ended);
                }
                nodes.insert(node);
                if all.iter().any(|ended| ended.how == How::Failed) {
                    self.drain();
                    nodes.extend(self.desk.working());
                }
            },
            Word::Beat { synced } => {
                drop(line.orders.send(Order::Beat));
                self.desk.synced(node, synced);
                nodes.insert(node);
            },
            Word::Leave => {
                drop(line.orders.send(Order::Finish));
                self.lines.remove(&id);
                self.heard.remove(&node);
                self.desk.synced(node, u64::MAX);
                self.desk.lost(node);
                nodes.extend(self.desk.working());
            },
        }
    }

    fn drain(&mut self) {
        for node in self.desk.drain() {
            let name = self.desk.name(node);
            eprintln!(
                "outrigger worker: {name} gets no more work: jobs keep failing there and pass elsewhere"
            );
        }
    }

    /// Looks for nodes that are silent.
    fn look(&mut self, nodes: &mut BTreeSet<NodeId>) -> Result<(), WorkerError> {
        let now = self.clock.instant();
        let silence = self.of.silence;
        let is_silent = |heard: &Instant| now.saturating_duration_since(*heard) > silence;
        let silent: Vec<NodeId> = self
            .heard
            .iter()
            .filter(|(_, heard)| is_silent(heard))
            .map(|(node, _)| *node)
            .collect();
        for node in silent {
            let (name, seconds) = (self.desk.name(node), silence.as_secs());
            eprintln!("outrigger worker: {name} is silent for {seconds} s; its jobs go elsewhere");
            self.heard.remove(&node);
            self.lines.retain(|_, line| line.node != Some(node));
            self.desk.lost(node);
            nodes.extend(self.desk.working());
        }
        if !self.is_open && is_silent(&self.begun) {
            self.is_open = true;
            nodes.extend(self.desk.working());
        }
        if self.heard.is_empty() && is_silent(&self.last_heard) {
            return Err(WorkerError::Alone(silence.as_secs()));
        }
        if now.saturating_duration_since(self.reported) >= REPORT {
            self.reported = now;
            eprintln!("outrigger worker: {}", self.desk.tally());
        }
        Ok(())
    }

    fn give(&mut self, nodes: &BTreeSet<NodeId>) {
        let left = self.left();
        for node in nodes {
            let has_line = self.lines.values().any(|line| line.node == Some(*node));
            if !has_line {
                continue;
            }
            let given = self.desk.give(*node, left);
            if !given.is_empty() {
                durable::step("give jobs");
                self.order(*node, Order::Run(given));
            }
        }
    }

    fn order(&self, node: NodeId, order: Order) {
        let mut lines = self.lines.values();
        if let Some(line) = lines.find(|line| line.node == Some(node)) {
            // A line that has gone is told as such.
            drop(line.orders.send(order));
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    fn left(&self) -> u64 {
        self.horizon.left(self.now())
    }
}

/// When the allocation began: what its batch script says, else now.
pub(super) fn begun(place: &Place, clock: &dyn Clock) -> i64 {
    let marked = || -> io::Result<i64> {
        let text = std::fs::read_to_string(place.started())?;
        let first = text.split_whitespace().next().unwrap_or_default();
        first.parse().map_err(io::Error::other)
    };
    marked().unwrap_or_else(|_| clock.now().as_second())
}
