//! The worker of a node: takes orders, runs them, writes down what came of them.

use std::{
    fs::File,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use super::{
    asked::{Asked, Ending, keeper_gone},
    books::{self, Books},
    error::WorkerError,
    incarnation,
    job::Shop,
    message::{Ended, Join, Order, Word},
    place::Place,
    programs::Programs,
    reach::{Reach, Reached},
    room::Need,
    talk::Line,
    tasks,
    yard::{Stop, Yard},
};
use crate::{durable, engine::clock::Clock, state::run_dir};

/// How often what ended is brought to the disk, and the coordinator hears of it.
const BEAT: Duration = Duration::from_secs(1);
/// A coordinator that is not heard for so long may be another one by now.
const QUIET: Duration = Duration::from_secs(3);
/// How long the coordinator may take to hear the last word.
const FAREWELL: Duration = Duration::from_secs(5);

/// What a worker is to do.
#[derive(Debug, Clone)]
pub(super) struct Service {
    /// Its files.
    pub(super) place: Place,
    /// The allocation's name.
    pub(super) allocation: String,
    /// This node's name.
    pub(super) node: String,
    /// What it may use of the node.
    pub(super) whole: Need,
    /// A coordinator that is not heard for so long is taken for lost.
    pub(super) silence: Duration,
    /// Whether it comes after one that was killed.
    pub(super) again: bool,
}

/// Runs what the coordinator orders until there is no more.
pub(super) async fn serve(of: &Service, clock: Arc<dyn Clock>) -> Result<Ending, WorkerError> {
    let mut asked = Asked::new().map_err(WorkerError::system("signals"))?;
    let directory = &of.place.directory;
    let name = of.place.books(&of.node);
    let books = Books::open(directory, &name).map_err(WorkerError::io(directory))?;
    let journal = directory.join(books::journal_name(&name));
    let ended = if of.again {
        tasks::passed(&journal)?
    } else {
        Vec::new()
    };
    let commands = directory.join(run_dir::COMMANDS);
    let shop = Shop {
        node: of.node.clone(),
        directory: directory.clone(),
        commands: File::open(&commands).map_err(WorkerError::io(&commands))?,
        refused: tasks::refused(directory)?,
        programs: Programs::new(&std::env::var_os("PATH").unwrap_or_default()),
        clock: Arc::clone(&clock),
    };
    let (reports, results) = unbounded_channel();
    let hands = Hands {
        yard: Arc::new(Yard::new(of.whole)),
        books: Arc::new(books),
        shop,
        reports,
    };
    let (yard, books) = (Arc::clone(&hands.yard), Arc::clone(&hands.books));
    hands.start(of.whole.threads)?;
    let incarnation = incarnation().map_err(WorkerError::system("random numbers"))?;
    let now = clock.instant();
    let mut worker = Worker {
        reach: Reach::new(of.place.clone(), of.allocation.clone(), of.node.clone()),
        of,
        clock,
        incarnation,
        yard,
        books,
        results,
        ended,
        told: 0,
        synced: 0,
        syncing: None,
        coordinator: 0,
        heard: now,
        joined: now,
    };
    let outcome = worker.work(&mut asked).await;
    if outcome.is_err() {
        worker.yard.close(true);
        while worker.results.recv().await.is_some() {}
    }
    outcome
}

/// The threads that run jobs.
struct Hands {
    yard: Arc<Yard>,
    books: Arc<Books>,
    shop: Shop,
    reports: UnboundedSender<Report>,
}

/// What became of an attempt; an error if it could not be written down.
type Report = std::io::Result<Ended>;

impl Hands {
    fn start(self, count: u32) -> Result<(), WorkerError> {
        let hands = Arc::new(self);
        for _ in 0..count.max(1) {
            let hand = Arc::clone(&hands);
            std::thread::Builder::new()
                .spawn(move || hand.work())
                .map_err(WorkerError::system("a thread for jobs"))?;
        }
        Ok(())
    }

    fn work(&self) {
        loop {
            let stop = match Stop::new() {
                Ok(stop) => Arc::new(stop),
                Err(error) => {
                    drop(self.reports.send(Err(error)));
                    return;
                },
            };
            let Some(given) = self.yard.next(&stop) else {
                return;
            };
            let run = || {
                self.books.write(&self.shop.start(&given))?;
                let attempt = self.shop.run(&given, stop.fd());
                let (seq, number) = (given.seq, given.attempt);
                self.books
                    .log(seq, number, attempt.exit_code, &attempt.output)?;
                self.books.write(&attempt.lines)?;
                Ok(attempt.ended)
            };
            let report = run();
            // First told, then done: who asks what is under way and then what has ended misses
            // nothing.
            let is_heard = self.reports.send(report).is_ok();
            self.yard.done(&given);
            if !is_heard {
                return;
            }
        }
    }
}

struct Worker<'a> {
    of: &'a Service,
    clock: Arc<dyn Clock>,
    incarnation: u64,
    reach: Reach,
    yard: Arc<Yard>,
    books: Arc<Books>,
    results: UnboundedReceiver<Report>,
    /// All that ended, as it was written down.
    ended: Vec<Ended>,
    /// How many of them the coordinator was told.
    told: usize,
    /// How many of them are on the disk.
    synced: usize,
    /// A sync that is under way, and how many it is of.
    syncing: Option<(usize, JoinHandle<std::io::Result<()>>)>,
    /// Which process the coordinator is.
    coordinator: u64,
    /// When the coordinator was heard last.
    heard: Instant,
    /// When it was told last that this node is there.
    joined: Instant,
}

/// What made the worker stop its work.
enum Turn {
    /// Go on.
    On,
    /// There is no more.
    Finish,
    /// The allocation ends.
    Stop,
    /// It is asked to end.
    Asked,
}

impl Worker<'_> {
    async fn work(&mut self, asked: &mut Asked) -> Result<Ending, WorkerError> {
        let gone = keeper_gone();
        tokio::pin!(gone);
        let mut beat = tokio::time::interval(BEAT);
        let mut line: Option<Line<Order, Word>> = None;
        let mut reaching = tokio::spawn(self.reach.clone().reached());
        let served = loop {
            let turn = tokio::select! {
                Some(report) = self.results.recv() => {
                    self.note(report)?;
                    self.tell(line.as_ref())?;
                    Turn::On
                },
                order = hear(&mut line) => match order {
                    Some(order) => self.heed(order),
                    None => {
                        line = None;
                        reaching = self.reach_again();
                        Turn::On
                    },
                },
                reached = &mut reaching, if line.is_none() => {
                    match reached {
                        Ok(Reached::Line(reached, incarnation)) => {
                            self.join(&reached, incarnation)?;
                            line = Some(reached);
                            Turn::On
                        },
                        Ok(Reached::Over) => Turn::Finish,
                        Err(error) => {
                            return Err(WorkerError::System {
                                what: "the way to the coordinator",
                                error: std::io::Error::other(error),
                            });
                        },
                    }
                },
                synced = done(&mut self.syncing) => {
                    self.synced = synced.map_err(WorkerError::Journal)?;
                    self.beat(line.as_ref());
                    Turn::On
                },
                _ = beat.tick() => {
                    self.sync();
                    self.beat(line.as_ref());
                    self.fence()?;
                    if line.is_some() && self.is_left() {
                        line = None;
                        reaching = self.reach_again();
                    }
                    Turn::On
                },
                () = asked.next() => Turn::Asked,
                () = &mut gone => Turn::Asked,
            };
            match turn {
                Turn::On => {},
                Turn::Finish => break Ending::Done,
                Turn::Stop => {
                    self.yard.close(true);
                    break Ending::Done;
                },
                Turn::Asked => {
                    self.yard.close(true);
                    break Ending::Asked;
                },
            }
        };
        self.leave(line).await?;
        Ok(served)
    }

    fn heed(&mut self, order: Order) -> Turn {
        self.heard = self.clock.instant();
        match order {
            Order::Run(orders) => self.yard.add(orders),
            Order::Drop(attempts) => self.yard.end(&attempts),
            Order::Sync => self.sync(),
            Order::Beat => {},
            Order::Finish => return Turn::Finish,
            Order::Stop => return Turn::Stop,
        }
        Turn::On
    }

    fn note(&mut self, report: Report) -> Result<(), WorkerError> {
        match report {
            Ok(ended) => self.ended.push(ended),
            Err(error) => return Err(WorkerError::Journal(error)),
        }
        Ok(())
    }

    /// Takes what else has ended, and tells the coordinator.
    fn tell(&mut self, line: Option<&Line<Order, Word>>) -> Result<(), WorkerError> {
        while let Ok(report) = self.results.try_recv() {
            self.note(report)?;
        }
        let news = self.ended.get(self.told..).unwrap_or_default();
        if let Some(line) = line
            && !news.is_empty()
        {
            durable::step("tell what ended");
            // If it does not go, it goes with the next line.
            drop(line.outgoing.send(Word::Ended(news.to_vec())));
            self.told = self.ended.len();
        }
        Ok(())
    }

    /// The coordinator is gone, or another one is there: what it ordered and has not begun is
    /// forgotten.
    fn reach_again(&mut self) -> JoinHandle<Reached> {
        self.yard.forget();
        tokio::spawn(self.reach.clone().reached())
    }

    fn join(&mut self, line: &Line<Order, Word>, coordinator: u64) -> Result<(), WorkerError> {
        self.joined = self.clock.instant();
        // Over files one that has died looks like one that has nothing to say.
        if self.coordinator != coordinator {
            self.coordinator = coordinator;
            self.heard = self.joined;
        }
        let mut going = self.yard.going();
        self.tell(None)?;
        let has_ended = |(seq, attempt): &(u64, u32)| {
            let mut ended = self.ended.iter().rev();
            ended.any(|ended| (ended.seq, ended.attempt) == (*seq, *attempt))
        };
        going.retain(|attempt| !has_ended(attempt));
        let join = Join {
            node: self.of.node.clone(),
            incarnation: self.incarnation,
            whole: self.of.whole,
            going,
            ended: self.ended.clone(),
        };
        self.told = self.ended.len();
        durable::step("join");
        drop(line.outgoing.send(Word::Join(join)));
        self.beat(Some(line));
        Ok(())
    }

    fn beat(&self, line: Option<&Line<Order, Word>>) {
        if let Some(line) = line {
            let synced = self.synced as u64;
            drop(line.outgoing.send(Word::Beat { synced }));
        }
    }

    /// Begins to bring to the disk what has ended, unless that is under way.
    fn sync(&mut self) {
        let count = self.ended.len();
        if self.syncing.is_none() && self.synced < count {
            let books = Arc::clone(&self.books);
            let sync = tokio::task::spawn_blocking(move || books.sync());
            self.syncing = Some((count, sync));
        }
    }

    /// Whether the line leads nowhere: its coordinator has given this node up, or another one is there.
    /// A file system that stalls keeps who asks it waiting: it is asked only when nothing else is heard.
    fn is_left(&self) -> bool {
        let now = self.clock.instant();
        let since = now.saturating_duration_since(self.heard.max(self.joined));
        since > self.of.silence || (since > QUIET && self.reach.is_replaced(self.coordinator))
    }

    /// Ends what runs while the coordinator is not heard, before that gives it to others.
    fn fence(&mut self) -> Result<(), WorkerError> {
        let unheard = self.clock.instant().saturating_duration_since(self.heard);
        if unheard > self.of.silence * 2 {
            return Err(WorkerError::Unheard {
                seconds: unheard.as_secs(),
                why: self.reach.last_error(),
            });
        }
        if unheard > self.of.silence * 2 / 3 && !self.yard.is_idle() {
            let seconds = unheard.as_secs();
            eprintln!("outrigger worker: no coordinator for {seconds} s; its jobs are ended");
            self.yard.end(&self.yard.going());
        }
        Ok(())
    }

    /// Waits for what runs, writes it down, and says so.
    async fn leave(&mut self, line: Option<Line<Order, Word>>) -> Result<(), WorkerError> {
        self.yard.close(false);
        while let Some(report) = self.results.recv().await {
            self.note(report)?;
        }
        let books = Arc::clone(&self.books);
        let synced = tokio::task::spawn_blocking(move || books.sync()).await;
        synced
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
            .map_err(WorkerError::Journal)?;
        self.tell(line.as_ref())?;
        if let Some(mut line) = line {
            durable::step("leave");
            drop(line.outgoing.send(Word::Leave));
            let heard = async {
                while let Some(order) = line.incoming.recv().await {
                    if order == Order::Finish {
                        break;
                    }
                }
            };
            // Over files its own end is all that a coordinator which has gone can tell.
            let farewell = async {
                tokio::select! {
                    () = heard => {},
                    () = self.reach.over() => {},
                }
            };
            drop(tokio::time::timeout(FAREWELL, farewell).await);
        }
        Ok(())
    }
}

/// The next order; pends as long as there is no line.
async fn hear(line: &mut Option<Line<Order, Word>>) -> Option<Order> {
    match line {
        Some(line) => line.incoming.recv().await,
        None => std::future::pending().await,
    }
}

/// Waits for a sync that is under way; gives how many attempts are on the disk now.
async fn done(
    syncing: &mut Option<(usize, JoinHandle<std::io::Result<()>>)>,
) -> std::io::Result<usize> {
    let Some((count, sync)) = syncing else {
        return std::future::pending().await;
    };
    let count = *count;
    let outcome = sync.await;
    *syncing = None;
    match outcome {
        Ok(synced) => synced.map(|()| count),
        Err(error) => Err(std::io::Error::other(error)),
    }
}
