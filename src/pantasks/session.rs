//! One scheduler with its language: what is due is done, what ends is harvested, what is typed is
//! run. All on one thread, so that no two bodies of a script ever run at once
//! (spec/pantasks.md §3.3).

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{
    commands,
    job::JobId,
    persist::Persist,
    scheduler::{LOCALHOST, Shared, Subject},
    task::TaskId,
    timers,
};
use crate::{
    engine::clock::Clock,
    opihi::{Args, Body, Flow, Interpreter, Outcome, Stop},
    pcontrol::{self, Cluster},
    process::{self, ProcessSettings, Processes},
    shell::{
        machine::{Machine, Surroundings},
        outlet::Outlet,
    },
};

/// The scripts that `module` finds without any directory.
pub(super) const MODULES: [(&str, &str); 2] = [
    ("pantasks.pro", include_str!("../../tasks/pantasks.pro")),
    ("remote.pro", include_str!("../../tasks/remote.pro")),
];

/// The program was told to end, with this code (`quit`, `exit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quit(pub i32);

/// What is told about jobs and hosts.
#[derive(Debug)]
pub enum Report {
    /// By a process of this host.
    Here(process::Report),
    /// By a connection to a host of the controller.
    There(pcontrol::Report),
}

/// A scheduler with its language.
pub struct Session {
    pub(super) interpreter: Interpreter,
    pub(super) shared: Shared,
    pub(super) outlet: Outlet,
    pub(super) persist: Persist,
    pub(super) here: UnboundedReceiver<process::Report>,
    pub(super) there: UnboundedReceiver<pcontrol::Report>,
    next_evaluation: Timestamp,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("scheduler", &self.shared)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session at rest. A tokio runtime has to be around it.
    ///
    /// # Errors
    /// Where the process's directory cannot be told.
    pub fn new(clock: Arc<dyn Clock>, outlet: Outlet, local: ProcessSettings) -> io::Result<Self> {
        let around = Surroundings {
            name: "pantasks",
            ..Surroundings::default()
        };
        Self::within(around, clock, outlet, local)
    }

    /// A session at rest, within a program.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn within(
        around: Surroundings,
        clock: Arc<dyn Clock>,
        outlet: Outlet,
        local: ProcessSettings,
    ) -> io::Result<Self> {
        let (local, here) = Processes::new(local);
        let read = pcontrol::setup::read(&around.settings);
        let (settings, way) = read.map_err(io::Error::other)?;
        let (cluster, there) = Cluster::new(settings, way);
        let machine = Machine::new(Arc::clone(&clock), outlet.clone(), around)?;
        let mut interpreter = Interpreter::new(Box::new(machine));
        let shared = Shared::new(local, cluster, clock);
        commands::register(&mut interpreter, &shared);
        for (name, text) in MODULES {
            interpreter.add_module(name, text);
        }
        let persist = Persist::default();
        persist.register(&mut interpreter, &shared);
        Ok(Self {
            interpreter,
            shared,
            outlet,
            persist,
            here,
            there,
            next_evaluation: Timestamp::MIN,
        })
    }

    /// The language.
    pub fn interpreter(&mut self) -> &mut Interpreter {
        &mut self.interpreter
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &Shared {
        &self.shared
    }

    /// The streams.
    pub fn outlet(&self) -> &Outlet {
        &self.outlet
    }

    /// A flag that stops the script that is running.
    pub fn interrupt(&self) -> Arc<AtomicBool> {
        self.interpreter.interrupt()
    }

    /// Runs typed text; what stops it is told on the error stream. Whether all of it worked.
    ///
    /// # Errors
    /// [`Quit`].
    pub fn run_text(&mut self, name: &Path, text: &str) -> Result<bool, Quit> {
        self.clear_interrupt();
        let outcome = self.interpreter.run_text(name, text);
        self.tell(outcome)
    }

    /// Runs one command that another interpreter has expanded.
    ///
    /// # Errors
    /// [`Quit`].
    pub fn run_line(&mut self, name: &Path, line: &str) -> Result<bool, Quit> {
        self.clear_interrupt();
        let outcome = match Args::of_line(line) {
            Ok(words) => self.interpreter.run_words(name, words),
            Err(fault) => Err(fault.into()),
        };
        self.tell(outcome)
    }

    /// Runs a file (`input`).
    ///
    /// # Errors
    /// [`Quit`].
    pub fn load(&mut self, path: &Path) -> Result<bool, Quit> {
        self.clear_interrupt();
        let outcome = self.interpreter.load(path);
        self.tell(outcome)
    }

    /// Deals with what is due now. When to look again though nothing happens; nothing where only
    /// an event can change that.
    ///
    /// # Errors
    /// [`Quit`], said by a script.
    pub fn cycle(&mut self) -> Result<Option<Timestamp>, Quit> {
        let (now, standing) = {
            let scheduler = self.shared.lock();
            (scheduler.now(), scheduler.standing)
        };
        if standing.harvest {
            let orphans = self.shared.lock().adopt();
            for task in orphans {
                self.outlet.err(&format!(
                    "persist: a job of task {task} goes on, and there is no such task any more\n"
                ));
            }
        }
        // Nobody is called silent whose words have only not been read yet.
        while let Ok(report) = self.there.try_recv() {
            self.take(Report::There(report))?;
        }
        self.shared.lock().tick_hosts();
        self.happened()?;
        if standing.harvest {
            self.end_overdue(now)?;
        }
        if standing.scheduler && self.next_evaluation <= now {
            let due = {
                let scheduler = self.shared.lock();
                timers::due(&scheduler.tasks, &scheduler.jobs, now)
            };
            for task in due {
                self.evaluate(task, now)?;
            }
            let pulse = self.shared.lock().pulse;
            self.next_evaluation = now.checked_add(pulse).unwrap_or(Timestamp::MAX);
        }
        let (wake, save) = {
            let mut scheduler = self.shared.lock();
            scheduler.assign();
            let save = self
                .persist
                .save_if_due(&mut self.interpreter, &mut scheduler);
            (self.next_wake(&scheduler), save)
        };
        Ok([wake, save].into_iter().flatten().min())
    }

    /// Takes what has been reported so far, without waiting.
    ///
    /// # Errors
    /// [`Quit`], said by a script.
    pub fn harvest(&mut self) -> Result<(), Quit> {
        // Hosts are listened to in any case: one that is not heard counts as gone.
        while let Ok(report) = self.there.try_recv() {
            self.take(Report::There(report))?;
        }
        while self.shared.lock().standing.harvest {
            let Ok(report) = self.here.try_recv() else {
                break;
            };
            self.take(Report::Here(report))?;
        }
        self.happened()
    }

    /// Waits for a report; of the processes here only while they are harvested.
    pub async fn reported(&mut self) -> Option<Report> {
        let harvest = self.shared.lock().standing.harvest;
        tokio::select! {
            report = self.here.recv(), if harvest => report.map(Report::Here),
            report = self.there.recv() => report.map(Report::There),
        }
    }

    /// Deals with a report.
    ///
    /// # Errors
    /// [`Quit`], said by a script.
    pub fn take(&mut self, report: Report) -> Result<(), Quit> {
        match report {
            Report::Here(process::Report::Started { id, .. }) => {
                self.shared.lock().started(JobId(id), LOCALHOST);
                Ok(())
            },
            Report::Here(process::Report::Ended(completion)) => {
                self.ended(JobId(completion.id), &completion)
            },
            Report::There(report) => {
                let mut scheduler = self.shared.lock();
                let now = scheduler.instant();
                scheduler.cluster.take(report, now);
                Ok(())
            },
        }
    }

    /// Runs a body of a task; what stops it is told. Whether it came to its end.
    pub(super) fn run_body(&mut self, body: &Body) -> Result<bool, Quit> {
        self.clear_interrupt();
        match self.interpreter.run_body(body) {
            Err(Stop::Break) => Ok(false),
            outcome => self.tell(outcome),
        }
    }

    pub(super) fn tell(&mut self, outcome: Outcome) -> Result<bool, Quit> {
        match outcome {
            Ok(Flow::On | Flow::Last | Flow::Next) => Ok(true),
            Err(Stop::Break) => Ok(false),
            Err(Stop::Quit(code)) => Err(Quit(code)),
            Err(Stop::Failed(failure)) => {
                self.interpreter.report(&failure);
                Ok(false)
            },
        }
    }

    fn clear_interrupt(&self) {
        let flag = self.interpreter.interrupt();
        flag.store(false, std::sync::atomic::Ordering::Relaxed);
    }

    fn end_overdue(&mut self, now: Timestamp) -> Result<(), Quit> {
        let overdue = {
            let scheduler = self.shared.lock();
            timers::overdue(&scheduler.tasks, &scheduler.jobs, now)
        };
        for (id, why) in overdue {
            let ended = self.shared.lock().end(id, why);
            // A job that is being stopped already has no second end.
            if let Ok(Some(ended)) = ended {
                self.over(&ended, None)?;
            }
        }
        Ok(())
    }

    /// Runs a task's task.exec and submits the job it asks for (spec/pantasks.md §3.3).
    fn evaluate(&mut self, id: TaskId, now: Timestamp) -> Result<(), Quit> {
        let body = {
            let mut scheduler = self.shared.lock();
            let Some(task) = scheduler.tasks.get_mut(id) else {
                return Ok(());
            };
            task.evaluated(now, fastrand::f64() / 2.0 - 0.25);
            let body = task.exec.clone();
            scheduler.subject = Subject::Evaluation(id);
            body
        };
        let wanted = match &body {
            Some(body) => self.run_body(body),
            None => Ok(true),
        };
        let mut scheduler = self.shared.lock();
        scheduler.subject = Subject::Nothing;
        let wanted = wanted?;
        let Some(task) = scheduler.tasks.get_mut(id) else {
            return Ok(());
        };
        let launch = if wanted { task.launch(now) } else { None };
        match launch {
            Some(launch) => drop(scheduler.submit(Some(id), launch)),
            None => task.skipped(now),
        }
        Ok(())
    }

    fn next_wake(&self, scheduler: &super::scheduler::Scheduler) -> Option<Timestamp> {
        let now = scheduler.now();
        let standing = scheduler.standing;
        let evaluation = standing
            .scheduler
            .then(|| timers::next_evaluation(&scheduler.tasks, &scheduler.jobs, now))
            .flatten()
            .map(|at| at.max(self.next_evaluation));
        let deadline = standing
            .harvest
            .then(|| timers::next_deadline(&scheduler.tasks, &scheduler.jobs))
            .flatten();
        let seat = standing
            .controller
            .then(|| scheduler.next_at_hosts())
            .flatten();
        [evaluation, deadline, seat].into_iter().flatten().min()
    }
}
