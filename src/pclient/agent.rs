//! The agent on a host: it starts, ends and remembers jobs for one controller.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc::UnboundedReceiver,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    ending::{AgentError, gone, kill_all, last_word},
    guard::{Guard, Moment},
    mark::Mark,
    outgoing::Outgoing,
    post::Taken,
    wire::{
        Decoder, Frame, Hello, Order, PROTOCOL, Start, WELCOME, Welcome, WireError, Word,
        put_message,
    },
};
use crate::process::{Completion, ProcessSettings, Processes, Program, Report, marked};

/// An agent says that it is there so many times before its time is over.
const BEATS: u32 = 5;

/// The longest time between two beats.
const SLOWEST_BEAT: Duration = Duration::from_secs(15);

/// The least fence: a busy machine may be silent for some time.
const SHORTEST_FENCE: Duration = Duration::from_millis(200);

/// Room for what comes at once.
const ROOM: usize = 64 << 10;

/// How a connection came to its end.
#[derive(Debug)]
pub(super) enum Parting {
    /// The controller wants the agent to go; whether its jobs are all gone.
    Bye(Result<(), AgentError>),
    /// The connection is gone, for this reason.
    Lost(String),
    /// The guard is dead: nobody would end the jobs if this agent died too.
    Unguarded,
}

/// The jobs of one controller on this machine.
#[derive(Debug)]
pub(super) struct Agent {
    hello: Hello,
    fence: Duration,
    mark: Mark,
    incarnation: String,
    processes: Processes,
    reports: UnboundedReceiver<Report>,
    runs: HashMap<u64, Run>,
    guard: Guard,
    _place: Taken,
}

/// How the runs of an agent stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// So many go on, or have not been started yet.
    pub(super) going: usize,
    /// So many are over, and the controller has not stored their ends.
    pub(super) over: usize,
}

/// One run of a job.
#[derive(Debug)]
enum Run {
    /// It goes on, or has not been started yet.
    Going(Option<u32>),
    /// It is over, and the controller has not stored its end.
    Over(Arc<Completion>),
}

impl Agent {
    /// An agent that has its place, after everything that earlier ones left is gone.
    pub(super) fn start(hello: Hello, place: Taken) -> Result<Self, AgentError> {
        let incarnation = format!("{:016x}", fastrand::u64(..));
        let mark = Mark::new(&hello.controller, &hello.machine, &incarnation);
        gone(marked::kill(&|entry| mark.is_older(entry))?)?;
        let mut guard = Guard::start(&mark)?;
        let fence = fence(&hello);
        if !hello.keep {
            guard.extend(Moment::now().after(fence))?;
        }
        let (processes, reports) = Processes::new(ProcessSettings::default());
        Ok(Self {
            hello,
            fence,
            mark,
            incarnation,
            processes,
            reports,
            runs: HashMap::new(),
            guard,
            _place: place,
        })
    }

    /// From the next connection on it is as this one's controller wants it.
    pub(super) fn heed(&mut self, hello: Hello) {
        self.fence = fence(&hello);
        self.hello = hello;
    }

    /// How many of its runs go on, and how many are over and were not taken.
    pub(super) fn standing(&self) -> Standing {
        let is_going = |run: &&Run| matches!(run, Run::Going(_));
        let going = self.runs.values().filter(is_going).count();
        let over = self.runs.len() - going;
        Standing { going, over }
    }

    /// What nobody will hear of if it goes now, a line a run.
    pub(super) fn losses(&self) -> Vec<String> {
        let loss = |(number, run): (&u64, &Run)| match run {
            Run::Going(_) => format!("run {number} is ended"),
            Run::Over(completion) => {
                let outcome = &completion.outcome;
                format!("the end of run {number}, {outcome:?}, and its output are forgotten")
            },
        };
        self.runs.iter().map(loss).collect()
    }

    /// Serves one connection to its end. `decoder` has what has come already.
    pub(super) async fn serve<R, W>(
        &mut self,
        mut decoder: Decoder,
        mut input: R,
        mut output: W,
    ) -> Parting
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut talk = Talk::new(self.fence);
        let mut bytes = self.welcome();
        let mut written = 0;
        self.recall(&mut talk.outgoing);
        loop {
            match self.understand(&mut decoder, &mut talk) {
                Ok(true) => {},
                Ok(false) => return self.farewell(&mut output).await,
                Err(error) => return Parting::Lost(error.to_string()),
            }
            if written == bytes.len() {
                bytes.clear();
                written = 0;
                talk.outgoing.fill(&mut bytes);
            }
            let left = bytes.get(written..).unwrap_or_default();
            let room = decoder.room();
            room.reserve(ROOM);
            tokio::select! {
                read = input.read_buf(room) => match read {
                    Ok(0) => return Parting::Lost("the connection was closed".to_owned()),
                    Ok(_) => {},
                    Err(error) => return Parting::Lost(error.to_string()),
                },
                wrote = output.write(left), if !left.is_empty() => match wrote {
                    Ok(count) => written += count,
                    Err(error) => return Parting::Lost(error.to_string()),
                },
                Some(report) = self.reports.recv() => {
                    self.take(report, Some(&mut talk.outgoing));
                    // What is to be said at once is written at once.
                    while let Ok(report) = self.reports.try_recv() {
                        self.take(report, Some(&mut talk.outgoing));
                    }
                },
                _ = talk.beat.tick() => talk.beat(),
                () = self.guard.died() => return Parting::Unguarded,
            }
        }
    }

    /// Looks after the jobs while there is no connection, until something happens to one of them;
    /// false when the guard is dead.
    pub(super) async fn alone(&mut self) -> bool {
        tokio::select! {
            Some(report) = self.reports.recv() => {
                self.take(report, None);
                true
            },
            () = self.guard.died() => false,
        }
    }

    /// Ends all jobs and waits until they are gone, with whatever they have left behind.
    ///
    /// # Errors
    /// Where they are not all gone after a while, or nobody can tell.
    pub(super) async fn end(&mut self) -> Result<(), AgentError> {
        let mut groups: BTreeSet<u32> = self
            .runs
            .values()
            .filter_map(|run| match run {
                Run::Going(pid) => *pid,
                Run::Over(_) => None,
            })
            .collect();
        self.processes.stop_all();
        while !self.processes.is_empty()
            && let Some(report) = self.reports.recv().await
        {
            if let Report::Started { pid, .. } = report {
                groups.insert(pid);
            }
        }
        let mark = self.mark.clone();
        let killing = tokio::task::spawn_blocking(move || kill_all(&mark, &groups));
        killing.await.map_err(io::Error::other)?
    }

    async fn farewell<W: AsyncWrite + Unpin>(&mut self, output: &mut W) -> Parting {
        let ended = self.end().await;
        let mut bytes = Vec::new();
        if let Some(word) = last_word(&ended) {
            put_message(&mut bytes, &word);
        }
        // Without it the controller waits for the fence, or for a later agent.
        if output.write_all(&bytes).await.is_ok() {
            drop(output.flush().await);
        }
        Parting::Bye(ended)
    }

    fn welcome(&self) -> Vec<u8> {
        let uname = rustix::system::uname();
        let welcome = Welcome {
            incarnation: self.incarnation.clone(),
            account: account(),
            host: uname.nodename().to_string_lossy().into_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            runs: self.runs.keys().copied().collect(),
        };
        // Plain data with text keys always has a JSON form.
        let text = serde_json::to_string(&welcome).unwrap_or_default();
        format!("\n{WELCOME} {PROTOCOL} {text}\n").into_bytes()
    }

    /// Says again what an earlier connection may not have brought over.
    fn recall(&self, outgoing: &mut Outgoing) {
        for (run, state) in &self.runs {
            match state {
                Run::Going(Some(pid)) => outgoing.say(Word::Started {
                    run: *run,
                    pid: *pid,
                }),
                Run::Going(None) => {},
                Run::Over(completion) => outgoing.end(*run, Arc::clone(completion)),
            }
        }
    }

    /// Does what has come; false when the controller said farewell.
    fn understand(&mut self, decoder: &mut Decoder, talk: &mut Talk) -> Result<bool, WireError> {
        while let Some(frame) = decoder.frame::<Order>()? {
            let Frame::Message(order) = frame else {
                continue;
            };
            match order {
                Order::Start(start) => self.begin(*start),
                Order::Kill { run } => drop(self.processes.stop(run)),
                Order::Taken { run } => drop(self.runs.remove(&run)),
                Order::Heard { beat } => {
                    if let (Some(said), false) = (talk.heard(beat), self.hello.keep) {
                        // A guard that cannot be reached is dead, which is noticed by itself.
                        self.guard
                            .extend(said.after(self.fence))
                            .unwrap_or_default();
                    }
                },
                Order::Credit { bytes } => talk.outgoing.credit(bytes),
                Order::Bye => return Ok(false),
            }
        }
        Ok(true)
    }

    fn begin(&mut self, start: Start) {
        if self.runs.contains_key(&start.run) {
            return;
        }
        self.runs.insert(start.run, Run::Going(None));
        let program = Program {
            argv: start.argv,
            nice: start.nice,
            block: start.block.into_iter().map(Into::into).collect(),
            environment: vec![self.mark.entry()],
            ..Program::default()
        };
        self.processes.start(start.run, program);
    }

    fn take(&mut self, report: Report, outgoing: Option<&mut Outgoing>) {
        match report {
            Report::Started { id, pid } => {
                self.runs.insert(id, Run::Going(Some(pid)));
                if let Some(outgoing) = outgoing {
                    outgoing.say(Word::Started { run: id, pid });
                }
            },
            Report::Ended(completion) => {
                let completion = Arc::new(*completion);
                let run = completion.id;
                self.runs.insert(run, Run::Over(Arc::clone(&completion)));
                if let Some(outgoing) = outgoing {
                    outgoing.end(run, completion);
                }
            },
        }
    }
}

/// This machine and account, whatever name leads here. Machines without an identity of their own
/// are told by their names.
fn account() -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let user = rustix::process::geteuid().as_raw();
    match machine.trim() {
        "" => format!(
            "{}:{user}",
            rustix::system::uname().nodename().to_string_lossy()
        ),
        machine => format!("{machine}:{user}"),
    }
}

fn fence(hello: &Hello) -> Duration {
    let fence = Duration::try_from_secs_f64(hello.fence).unwrap_or(Duration::MAX);
    fence.max(SHORTEST_FENCE)
}

/// What belongs to one connection.
#[derive(Debug)]
struct Talk {
    outgoing: Outgoing,
    beat: Interval,
    beats: u64,
    /// The beats that were not heard yet, and when they were said.
    said: VecDeque<(u64, Moment)>,
}

impl Talk {
    fn new(fence: Duration) -> Self {
        let mut beat = interval((fence / BEATS).min(SLOWEST_BEAT));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            outgoing: Outgoing::default(),
            beat,
            beats: 0,
            said: VecDeque::new(),
        }
    }

    fn beat(&mut self) {
        if !self.outgoing.has_beat() {
            self.beats += 1;
            self.said.push_back((self.beats, Moment::now()));
            self.outgoing.say(Word::Beat { beat: self.beats });
        }
    }

    /// When the beat was said that was heard now.
    fn heard(&mut self, beat: u64) -> Option<Moment> {
        let mut found = None;
        while let Some((said, at)) = self.said.front().copied()
            && said <= beat
        {
            found = Some(at);
            self.said.pop_front();
        }
        found
    }
}
