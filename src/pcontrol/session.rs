//! A controller that is used by itself, with the language around it: what is typed is done, what
//! happens is told.

use std::{
    collections::BTreeSet,
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Runtime,
    sync::mpsc::UnboundedReceiver,
    time::{sleep, timeout},
};

use super::{
    cluster::Cluster,
    controller::Happening,
    finished::{Finished, FinishedJobs},
    job::Request as Wanted,
    link::Report,
    prompt, setup,
};
use crate::{
    engine::clock::Clock,
    opihi::{Interpreter, Outcome, Stop},
    shell::{
        machine::{Machine, Surroundings},
        outlet::Outlet,
        request::{Answer, Request, Words},
    },
};

/// How long the agents may take to end their jobs when the controller ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// Takes output of jobs as it is.
pub(super) type RawSink = Box<dyn FnMut(&[u8]) + Send>;

/// What the controller does by itself (`run`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing.
    None,
    /// Connects to hosts.
    Hosts,
    /// And notes the ends of jobs.
    Reap,
    /// And gives jobs to hosts.
    All,
}

/// Hosts, jobs, and jobs that are over.
pub(super) struct Desk {
    pub(super) cluster: Cluster,
    pub(super) finished: FinishedJobs,
    pub(super) level: Level,
    pub(super) verbose: bool,
    pub(super) raw: RawSink,
    /// Nothing more is read until all jobs are over (`drain`).
    pub(super) draining: bool,
    /// Waiting jobs that were deleted: nobody wants to know of their end.
    pub(super) deleted: BTreeSet<u64>,
    clock: Arc<dyn Clock>,
    last: u64,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("cluster", &self.cluster)
            .field("finished", &self.finished.len())
            .finish_non_exhaustive()
    }
}

/// A desk that commands and the session share.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Desk>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    pub(super) fn instant(&self) -> Instant {
        self.clock.instant()
    }

    /// Submits a job; its number.
    pub(super) fn submit(&mut self, wanted: Wanted) -> u64 {
        self.last += 1;
        let now = self.instant();
        self.cluster.submit(self.last, wanted, now);
        self.last
    }

    /// Does what is due.
    fn turn(&mut self) {
        let now = self.instant();
        if self.level >= Level::Hosts {
            self.cluster.tick(now);
        }
        if self.level == Level::All {
            self.cluster.assign(now);
        }
        self.cluster.perform();
    }

    /// How long nothing will be due, unless something happens.
    fn pause(&self) -> Option<Duration> {
        if self.level == Level::None {
            return None;
        }
        let now = self.instant();
        let next = self.cluster.next(now)?;
        Some(next.saturating_duration_since(now))
    }

    /// Notes what happened. The text for the log.
    fn note(&mut self) -> String {
        let mut lines = Vec::new();
        while self.level >= Level::Reap
            && let Some(happening) = self.cluster.next_happening()
        {
            match happening {
                Happening::Started { job, host } if self.verbose => {
                    lines.push(format!("job {job} runs on {host}"));
                },
                Happening::Started { .. } => {},
                Happening::Requeued { job, host, why } => {
                    lines.push(format!(
                        "job {job} was lost with host {host} and is run again: {why}"
                    ));
                },
                Happening::Ended {
                    job,
                    host,
                    request,
                    completion,
                } => {
                    let finished = Finished {
                        request: *request,
                        host,
                        completion: *completion,
                    };
                    self.end(job, finished);
                },
                Happening::Told(line) => lines.push(line),
            }
        }
        self.cluster.perform();
        lines.into_iter().map(|line| line + "\n").collect()
    }

    fn end(&mut self, job: u64, finished: Finished) {
        if let Some(host) = &finished.host {
            let now = self.clock.instant();
            self.cluster.taken(host, finished.completion.id, now);
        }
        if !self.deleted.remove(&job) {
            self.finished.insert(job, finished);
        }
    }
}

/// A controller with its language.
pub(super) struct Session {
    interpreter: Interpreter,
    shared: Shared,
    outlet: Outlet,
    reports: UnboundedReceiver<Report>,
    /// Printed after each command, for whoever reads the answers through a pipe.
    prompt: Option<&'static str>,
}

impl Session {
    /// A session without hosts. A tokio runtime has to be around it.
    pub(super) fn new(
        around: Surroundings,
        clock: Arc<dyn Clock>,
        outlet: Outlet,
        raw: RawSink,
        prompt: Option<&'static str>,
    ) -> io::Result<Self> {
        let (settings, way) = setup::read(&around.settings).map_err(io::Error::other)?;
        let (cluster, reports) = Cluster::new(settings, way);
        let machine = Machine::new(Arc::clone(&clock), outlet.clone(), around)?;
        let mut interpreter = Interpreter::new(Box::new(machine));
        let shared = Shared(Arc::new(Mutex::new(Desk {
            cluster,
            finished: FinishedJobs::new(),
            level: Level::All,
            verbose: false,
            raw,
            draining: false,
            deleted: BTreeSet::new(),
            clock,
            last: 0,
        })));
        prompt::register(&mut interpreter, &shared);
        Ok(Self {
            interpreter,
            shared,
            outlet,
            reports,
            prompt,
        })
    }

    pub(super) fn interpreter(&mut self) -> &mut Interpreter {
        &mut self.interpreter
    }

    /// Runs a file; the code to end with if it says so.
    pub(super) fn load(&mut self, path: &Path) -> Option<i32> {
        let outcome = self.interpreter.load(path);
        self.tell(outcome).err()
    }

    /// Turns the session over until it is told to end; the code it was told.
    pub(super) fn drive(
        &mut self,
        runtime: &Runtime,
        requests: &mut UnboundedReceiver<Request>,
    ) -> i32 {
        self.show_prompt();
        let code = loop {
            let (pause, listens) = {
                let mut desk = self.shared.lock();
                while let Ok(report) = self.reports.try_recv() {
                    let now = desk.instant();
                    desk.cluster.take(report, now);
                }
                desk.turn();
                let text = desk.note();
                if !text.is_empty() {
                    self.outlet.err(&text);
                }
                desk.turn();
                let has_jobs = desk.cluster.jobs().next().is_some();
                desk.draining &= has_jobs;
                (desk.pause(), !desk.draining)
            };
            let event = runtime.block_on(async {
                tokio::select! {
                    biased;
                    request = requests.recv(), if listens => Event::Asked(request),
                    report = self.reports.recv() => Event::Reported(report),
                    () = wait(pause) => Event::Due,
                }
            });
            match event {
                Event::Asked(None) => break 0,
                Event::Asked(Some(request)) => {
                    if let Err(code) = self.serve(request) {
                        break code;
                    }
                },
                Event::Reported(Some(report)) => {
                    let mut desk = self.shared.lock();
                    let now = desk.instant();
                    desk.cluster.take(report, now);
                },
                Event::Reported(None) | Event::Due => {},
            }
        };
        runtime.block_on(self.shut_down());
        code
    }

    /// Ends the agents with their jobs.
    async fn shut_down(&mut self) {
        {
            let mut desk = self.shared.lock();
            let now = desk.instant();
            desk.cluster.dismiss(true, now);
        }
        // Agents that do not say that they are gone see the connection close.
        drop(timeout(FAREWELL, self.hosts_gone()).await);
        self.shared.lock().cluster.disconnect();
    }

    async fn hosts_gone(&mut self) {
        while self.shared.lock().cluster.is_connected()
            && let Some(report) = self.reports.recv().await
        {
            let mut desk = self.shared.lock();
            let now = desk.instant();
            desk.cluster.take(report, now);
            desk.cluster.perform();
        }
    }

    fn serve(&mut self, request: Request) -> Result<(), i32> {
        match request {
            Request::Typed { name, text, done } => {
                let worked = self.run(&name, &text)?;
                self.show_prompt();
                // Whoever asked may have gone; what was asked is done all the same.
                done.send(worked).unwrap_or_default();
            },
            Request::Client { text, done } => {
                self.outlet.capture();
                let worked = self.run("client".as_ref(), &text);
                let answer = Answer {
                    worked: worked.unwrap_or(true),
                    said: self.outlet.release(),
                };
                drop(done.send(answer));
                worked?;
            },
            Request::Words(done) => {
                let names = self.interpreter.command_names().map(str::to_owned);
                let words = Words {
                    commands: names.collect(),
                    ..Words::default()
                };
                drop(done.send(words));
            },
            Request::Quit(code) => return Err(code),
        }
        Ok(())
    }

    fn run(&mut self, name: &Path, text: &str) -> Result<bool, i32> {
        let flag = self.interpreter.interrupt();
        flag.store(false, std::sync::atomic::Ordering::Relaxed);
        let outcome = self.interpreter.run_text(name, text);
        self.tell(outcome)
    }

    fn tell(&mut self, outcome: Outcome) -> Result<bool, i32> {
        match outcome {
            Ok(_) => Ok(true),
            Err(Stop::Break) => Ok(false),
            Err(Stop::Quit(code)) => Err(code),
            Err(Stop::Failed(failure)) => {
                self.interpreter.report(&failure);
                Ok(false)
            },
        }
    }

    fn show_prompt(&self) {
        if let Some(prompt) = self.prompt {
            self.outlet.out(prompt);
        }
    }
}

enum Event {
    Asked(Option<Request>),
    Reported(Option<Report>),
    Due,
}

async fn wait(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => std::future::pending().await,
    }
}
