//! What follows a job's end: its output, its variables, its exit macro (spec/pantasks.md §3.4).

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use super::{
    exit_macro::End,
    job::{Job, JobId, State},
    jobs::Ended,
    scheduler::LOCALHOST,
    session::{Quit, Session},
    task::{Host, Target},
};
use crate::{
    opihi::Body,
    pcontrol::SlotState,
    process::{Captured, Completion},
};

/// The most bytes of one output that the queues `stdout` and `stderr` take; files take all.
const QUEUE_LIMIT: u64 = 64 << 20;

/// The most bytes of one output that a variable takes.
const VARIABLE_LIMIT: u64 = 1 << 20;

impl Session {
    /// A process has ended, or could not be started.
    pub(super) fn ended(&mut self, id: JobId, completion: &Completion) -> Result<(), Quit> {
        let end = completion.outcome.clone().into();
        let ended = self.shared.lock().finished(id, end);
        match ended {
            Some(ended) => self.over(&ended, Some(completion)),
            None => Ok(()),
        }
    }

    /// A job is over; `completion` is there if it ever had a process.
    pub(super) fn over(
        &mut self,
        ended: &Ended,
        completion: Option<&Completion>,
    ) -> Result<(), Quit> {
        let Ended { job, end } = ended;
        let seconds = completion.map_or(0.0, |completion| completion.wall.as_secs_f64());
        let (body, own_exit) = self.count(job, end, seconds);
        self.warn_of(job, end, completion);
        if let Some(completion) = completion {
            self.keep(job, &job.launch.stdout, "stdout", &completion.stdout);
            self.keep(job, &job.launch.stderr, "stderr", &completion.stderr);
        } else {
            let why = self.why_not_started(job);
            self.interpreter.queues_mut().push_lines("stderr", &why);
        }
        self.set_variables(job, end, seconds);
        let usage = completion.and_then(|completion| completion.usage);
        let cpu = usage.map_or(0.0, |usage| usage.cpu.as_secs_f64());
        let memory = usage.map_or(0, |usage| usage.peak_memory);
        self.interpreter.set("JOB_CPU", &format!("{cpu:.6}"));
        self.interpreter.set("JOB_MEMORY", &memory.to_string());
        let mut quit = Ok(true);
        if let Some(body) = body {
            quit = self.run_body(&body);
        } else if let Some(name) = own_exit {
            let body = Body::of(Path::new("job"), &name);
            quit = self.run_body(&body);
        }
        for queue in ["stdout", "stderr"] {
            self.interpreter.queues_mut().create(queue).clear();
        }
        let mut scheduler = self.shared.lock();
        let scheduler = &mut *scheduler;
        scheduler.tasks.sweep(&scheduler.jobs);
        quit.map(drop)
    }

    /// Counts the end, and finds what follows it: the task's macro, or the job's own.
    fn count(&mut self, job: &Job, end: &End, seconds: f64) -> (Option<Body>, Option<String>) {
        let mut scheduler = self.shared.lock();
        let own_exit = scheduler.own_exits.remove(&job.id);
        let task = job.task.and_then(|id| scheduler.tasks.get_mut(id));
        let body = task.and_then(|task| {
            task.statistics.record(end, seconds);
            task.exits.pick(end).map(|(_, body)| body.clone())
        });
        (body, own_exit)
    }

    fn warn_of(&mut self, job: &Job, end: &End, completion: Option<&Completion>) {
        let (name, id) = (&job.launch.name, job.id.0);
        if self.shared.lock().verbose {
            self.outlet.out(&format!("job {name} ({id}) {end}\n"));
        }
        if completion.is_some_and(|completion| completion.hung) {
            self.outlet.err(&format!(
                "job {name} ({id}): its process hangs and cannot be ended, perhaps on a disk that is gone\n"
            ));
        }
    }

    /// Takes one output to where the task wants it, and to the queue of its name.
    fn keep(&mut self, job: &Job, target: &Target, stream: &str, captured: &Captured) {
        match target {
            Target::Nowhere => {},
            Target::File(path) => {
                let full = self.interpreter.host().directory().join(path);
                if let Err(error) = captured.append_to(&full) {
                    let path = path.display();
                    self.outlet.err(&format!(
                        "unable to open {stream} dump file {path}: {error}\n"
                    ));
                }
            },
            Target::Variable(name) => {
                let mut text = Vec::new();
                let mut reader = captured.reader().take(VARIABLE_LIMIT);
                if let Err(error) = reader.read_to_end(&mut text) {
                    self.outlet
                        .err(&format!("{stream} of job {}: {error}\n", job.id.0));
                }
                let text = String::from_utf8_lossy(&text).into_owned();
                self.interpreter.set(name, text.trim_end_matches('\n'));
                self.tell_cut(job, stream, captured, VARIABLE_LIMIT, "the variable");
            },
        }
        let queue = self.interpreter.queues_mut().create(stream);
        let mut reader = BufReader::new(captured.reader().take(QUEUE_LIMIT));
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => {
                    let text = line.strip_suffix(b"\n").unwrap_or(&line);
                    queue.push_back(String::from_utf8_lossy(text).into_owned());
                },
            }
        }
        self.tell_cut(job, stream, captured, QUEUE_LIMIT, "the queue");
    }

    fn tell_cut(&mut self, job: &Job, stream: &str, captured: &Captured, limit: u64, what: &str) {
        if captured.len() > limit {
            let (id, length) = (job.id.0, captured.len());
            self.outlet.err(&format!(
                "{stream} of job {id} has {length} bytes: {what} has the first {limit}; `{stream} FILE` in the task keeps all\n"
            ));
        }
    }

    fn set_variables(&mut self, job: &Job, end: &End, seconds: f64) {
        let launch = &job.launch;
        let interpreter = &mut self.interpreter;
        interpreter.set_list("taskarg", launch.argv.iter().map(String::as_str));
        interpreter.set_list("options", launch.options.iter().map(String::as_str));
        let status = end.status();
        interpreter.set("JOB_STATUS", &status);
        interpreter.set("EXIT", &status);
        let host = match &job.state {
            State::Busy { host, .. } => host,
            _ => LOCALHOST,
        };
        interpreter.set("JOB_HOSTNAME", host);
        interpreter.set("JOB_DTIME", &format!("{seconds:.6}"));
    }

    /// The reason that a job which waits too long has not been started (seed 002).
    fn why_not_started(&self, job: &Job) -> String {
        let scheduler = self.shared.lock();
        let cluster = &scheduler.cluster;
        let name = match &job.launch.host {
            Host::Local => return "the files it waits for are not there".to_owned(),
            Host::Any => None,
            Host::Named { name, .. } => Some(name.as_str()),
        };
        if !scheduler.standing.controller {
            return "the controller is stopped (controller run)".to_owned();
        }
        let is_meant = |host: &str| name.is_none_or(|name| name.eq_ignore_ascii_case(host));
        let mut slots = cluster
            .slots()
            .filter(|(slot, _)| is_meant(&slot.host))
            .peekable();
        if slots.peek().is_none() {
            return match name {
                Some(name) => format!("the controller has no such host: {name}"),
                None => "the controller has no host (controller host add NAME)".to_owned(),
            };
        }
        let (mut down, mut busy, mut idle, mut all) = (BTreeSet::new(), 0, 0, 0);
        for (slot, state) in slots {
            all += 1;
            match state {
                SlotState::Down => drop(down.insert(slot.host.clone())),
                SlotState::Busy(_) => busy += 1,
                SlotState::Idle => idle += 1,
                SlotState::Off => {},
            }
        }
        let who = name.map_or("the controller".to_owned(), |name| format!("host {name}"));
        let now = scheduler.instant();
        let reasons = down.iter().map(|host| {
            let why = cluster.reason(host, now).unwrap_or_default();
            format!("host {host} is down: {why}")
        });
        let reasons: Vec<String> = reasons.collect();
        if idle > 0 {
            return format!(
                "{who} has {idle} idle slots, held back by the times of affinity or by jobs that \
                 work on the same disks from elsewhere (-xhost, unwanted_host_jobs)"
            );
        }
        match (busy, reasons.as_slice()) {
            (0, []) => format!("{who} has no slot that is on"),
            (0, reasons) => reasons.join("; "),
            (busy, reasons) => {
                let overloaded = format!("{who} is overloaded: {busy} of {all} slots are busy");
                [&[overloaded], reasons].concat().join("; ")
            },
        }
    }
}
