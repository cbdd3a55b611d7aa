//! A controller that is used by itself, with the language around it: what is typed is done, what
//! happens is told.

use std::{
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    runtime::Runtime,
    sync::mpsc::UnboundedReceiver,
    time::{sleep, timeout},
};

use super::{
    cluster::{Cluster, Way},
    desk::{RawSink, Shared},
    link::Report,
    meanwhile::Meanwhile,
    prompt, report,
    settings::Settings,
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

/// A controller with its language.
pub(super) struct Session {
    interpreter: Interpreter,
    shared: Shared,
    outlet: Outlet,
    reports: UnboundedReceiver<Report>,
    /// Printed after each command, for whoever reads the answers through a pipe.
    prompt: Option<&'static str>,
    meanwhile: Meanwhile,
}

impl Session {
    /// A session without hosts. A tokio runtime has to be around it.
    pub(super) fn new(
        around: Surroundings,
        (settings, way): (Settings, Way),
        clock: Arc<dyn Clock>,
        outlet: Outlet,
        raw: RawSink,
        prompt: Option<&'static str>,
    ) -> io::Result<Self> {
        let (cluster, reports) = Cluster::new(settings, way);
        let machine = Machine::new(Arc::clone(&clock), outlet.clone(), around)?;
        let mut interpreter = Interpreter::new(Box::new(machine));
        let shared = Shared::new(cluster, raw, clock);
        prompt::register(&mut interpreter, &shared);
        Ok(Self {
            interpreter,
            shared,
            outlet,
            reports,
            prompt,
            meanwhile: Meanwhile::default(),
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
            let (pause, draining) = {
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
                (desk.pause(), desk.draining)
            };
            self.meanwhile.mind(draining);
            let waited = if draining {
                None
            } else {
                self.meanwhile.next()
            };
            let event = runtime.block_on(async {
                if let Some(request) = waited {
                    return Event::Asked(Some(request));
                }
                tokio::select! {
                    biased;
                    request = requests.recv() => Event::Asked(request),
                    () = self.meanwhile.interrupted() => Event::Interrupted,
                    report = self.reports.recv() => Event::Reported(report),
                    () = wait(pause) => Event::Due,
                }
            });
            match event {
                Event::Asked(None) => break 0,
                Event::Asked(Some(request)) => {
                    if let Some(request) = self.admit(request, draining)
                        && let Err(code) = self.serve(request)
                    {
                        break code;
                    }
                },
                Event::Interrupted => self.stop_draining(),
                Event::Reported(Some(report)) => {
                    let mut desk = self.shared.lock();
                    let now = desk.instant();
                    desk.cluster.take(report, now);
                },
                Event::Reported(None) | Event::Due => {},
            }
        };
        let unread = self.meanwhile.lines();
        if unread > 0 {
            let text = format!("lines that waited for `drain` and are not run: {unread}\n");
            self.outlet.err(&text);
        }
        runtime.block_on(self.shut_down());
        code
    }

    /// The request, if it is to be served now.
    fn admit(&mut self, request: Request, draining: bool) -> Option<Request> {
        if !draining {
            return Some(request);
        }
        // Whoever reads answers from a pipe gets prompts.
        let human = self.prompt.is_none();
        let interrupted = self.interpreter.interrupt().load(Ordering::Relaxed);
        self.meanwhile.defer(request, human, interrupted)
    }

    fn stop_draining(&mut self) {
        let mut desk = self.shared.lock();
        desk.draining = false;
        let left = desk.cluster.jobs().count();
        let text = format!("drain: interrupted; jobs that are not over: {left}\n");
        self.outlet.err(&text);
    }

    /// Ends the agents with their jobs, and tells of those that could not be reached.
    async fn shut_down(&mut self) {
        {
            let mut desk = self.shared.lock();
            let now = desk.instant();
            desk.cluster.dismiss(true, now);
        }
        // Agents that do not say that they are gone see the connection close.
        drop(timeout(FAREWELL, self.hosts_gone()).await);
        let mut desk = self.shared.lock();
        let left = report::left_behind(desk.cluster.jobs(), desk.cluster.identity());
        if !left.is_empty() {
            self.outlet.err(&left);
        }
        desk.cluster.disconnect();
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
                // Before the prompt: whoever sees it may interrupt.
                self.meanwhile.mind(self.shared.lock().draining);
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
        flag.store(false, Ordering::Relaxed);
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
    Interrupted,
    Due,
}

async fn wait(pause: Option<Duration>) {
    match pause {
        Some(pause) => sleep(pause).await,
        None => std::future::pending().await,
    }
}
