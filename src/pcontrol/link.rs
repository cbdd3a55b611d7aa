//! One connection to the agent of one machine: a process, usually ssh, and what goes through it.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    task::{JoinHandle, block_in_place},
    time::timeout,
};

use super::controller::News;
use crate::{
    pclient::wire::{
        Decoder, Ended, Frame, HELLO, Hello, Order, PROTOCOL, Stream, WELCOME, Welcome, Word,
        put_message,
    },
    process::{Captured, Completion, Outcome, Spool},
};

/// Output that was stored is credited in portions of this size: a quarter of the window.
const PORTION: u64 = 1 << 20;

/// Most bytes that a login shell may print before the agent answers.
const LONGEST_PREFACE: usize = 256 << 10;

/// The end of what ssh or the agent complained of.
const COMPLAINT: usize = 2048;

/// How long the process may take to end when nobody talks to it any more.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long the last of what it complained of may take when the process has ended: something that
/// it left behind may hold the stream open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Room for what comes at once.
const ROOM: usize = 64 << 10;

/// The code with which a shell says that there is no such program.
const NO_SUCH_PROGRAM: i32 = 127;

/// News of a connection, with whose it is.
#[derive(Debug)]
pub struct Report {
    /// The machine's name.
    pub machine: String,
    /// The connection's number.
    pub connection: u64,
    /// What is new.
    pub news: News,
}

/// What a connection is to be.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The program to start and its arguments: ssh, or the agent itself on this machine.
    pub(super) argv: Vec<String>,
    /// What its first word is called, if not by its path.
    pub(super) name: Option<&'static str>,
    /// What is said first.
    pub(super) hello: Hello,
    /// The connection's number.
    pub(super) connection: u64,
    /// How long the agent may take to answer.
    pub(super) patience: Duration,
    /// Where long output is stored.
    pub(super) spill_dir: PathBuf,
}

/// Keeps a connection until it ends, or until nobody has orders any more.
pub(super) async fn keep(
    plan: Plan,
    orders: UnboundedReceiver<Order>,
    reports: UnboundedSender<Report>,
) {
    let tell = |news| {
        let report = Report {
            machine: plan.hello.machine.clone(),
            connection: plan.connection,
            news,
        };
        // Nobody listens any more when the controller has gone.
        drop(reports.send(report));
    };
    let why = match open(&plan) {
        Ok(line) => line.talk(&plan, orders, &tell).await,
        Err(error) => {
            let program = plan.argv.first().map_or("", String::as_str);
            format!("cannot run {program}: {error}")
        },
    };
    tell(News::Lost(why));
}

/// An open connection.
struct Line {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    complaint: Arc<Mutex<Vec<u8>>>,
    listener: JoinHandle<()>,
}

fn open(plan: &Plan) -> io::Result<Line> {
    let (program, arguments) = plan.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C at the terminal is not for it.
        .process_group(0)
        .kill_on_drop(true);
    if let Some(name) = plan.name {
        command.arg0(name);
    }
    let mut child = command.spawn()?;
    let absent = || io::Error::from(io::ErrorKind::BrokenPipe);
    let input = child.stdin.take().ok_or_else(absent)?;
    let output = child.stdout.take().ok_or_else(absent)?;
    let stderr = child.stderr.take().ok_or_else(absent)?;
    let complaint = Arc::default();
    let listener = tokio::spawn(listen(stderr, Arc::clone(&complaint)));
    Ok(Line {
        child,
        input,
        output,
        complaint,
        listener,
    })
}

/// Keeps the end of what comes.
async fn listen(mut stderr: ChildStderr, complaint: Arc<Mutex<Vec<u8>>>) {
    let mut bytes = vec![0; 1024];
    while let Ok(read) = stderr.read(&mut bytes).await
        && read > 0
    {
        let mut kept = complaint.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes.get(..read).unwrap_or_default());
        let surplus = kept.len().saturating_sub(COMPLAINT);
        kept.drain(..surplus);
    }
}

impl Line {
    /// Talks until the end, which it explains.
    async fn talk(
        mut self,
        plan: &Plan,
        orders: UnboundedReceiver<Order>,
        tell: &impl Fn(News),
    ) -> String {
        let mut decoder = Decoder::default();
        let greeted = timeout(plan.patience, self.greet(plan, &mut decoder)).await;
        let why = match greeted {
            Err(_) => {
                let seconds = plan.patience.as_secs();
                Some(format!("no answer within {seconds} s"))
            },
            Ok(Err(why)) => why,
            Ok(Ok(welcome)) => {
                let runs = welcome.runs.iter().copied().collect();
                let stored = Stored::new(&plan.spill_dir, runs);
                tell(News::Welcome(welcome));
                self.converse(stored, decoder, orders, tell).await
            },
        };
        self.explain(plan, why).await
    }

    /// Says hello and waits for the agent's answer. Without one the error says why not, or
    /// nothing where the connection was just closed.
    async fn greet(
        &mut self,
        plan: &Plan,
        decoder: &mut Decoder,
    ) -> Result<Welcome, Option<String>> {
        // Plain data with text keys always has a JSON form.
        let text = serde_json::to_string(&plan.hello).unwrap_or_default();
        let line = format!("{HELLO} {PROTOCOL} {text}\n");
        let (mut preface, mut length) = (Vec::new(), 0);
        // One that closes at once says why on its error stream.
        if self.input.write_all(line.as_bytes()).await.is_err() {
            return Err(None);
        }
        loop {
            while let Some(line) = decoder.line() {
                let text = String::from_utf8_lossy(&line).into_owned();
                if let Some(answer) = text.trim().strip_prefix(WELCOME) {
                    return understand(answer.trim()).map_err(Some);
                }
                length += line.len() + 1;
                preface.push(text);
            }
            let room = decoder.room();
            let strange = || {
                let first = preface.iter().find(|line| !line.trim().is_empty());
                format!(
                    "what was started there is not Outrigger's pclient; it says: {}",
                    first.map_or("nothing", |line| line.trim())
                )
            };
            if room.len() + length > LONGEST_PREFACE {
                return Err(Some(strange()));
            }
            room.reserve(ROOM);
            match self.output.read_buf(room).await {
                Ok(0) if preface.iter().all(|line| is_own_prompt(line)) => return Err(None),
                Ok(0) => return Err(Some(strange())),
                Ok(_) => {},
                Err(error) => return Err(Some(error.to_string())),
            }
        }
    }

    /// Carries orders and news until the end. Nothing where the connection was just closed.
    async fn converse(
        &mut self,
        mut stored: Stored<'_>,
        mut decoder: Decoder,
        mut orders: UnboundedReceiver<Order>,
        tell: &impl Fn(News),
    ) -> Option<String> {
        let (mut bytes, mut written) = (Vec::new(), 0);
        loop {
            let mut heard = None;
            loop {
                match decoder.frame::<Word>() {
                    // Here, so that a busy scheduler does not let its hosts believe it is gone.
                    Ok(Some(Frame::Message(Word::Beat { beat }))) => heard = Some(beat),
                    Ok(Some(frame)) => match stored.take(frame) {
                        Ok(news) => news.into_iter().for_each(tell),
                        Err(run) => {
                            return Some(format!(
                                "its agent speaks of run {run:016x}, which it does not have"
                            ));
                        },
                    },
                    Ok(None) => break,
                    Err(error) => return Some(error.to_string()),
                }
            }
            if let Some(beat) = heard {
                put_message(&mut bytes, &Order::Heard { beat });
                tell(News::Beat { at: Instant::now() });
            }
            if written == bytes.len() {
                bytes.clear();
                written = 0;
                if let Some(credit) = stored.credit() {
                    put_message(&mut bytes, &credit);
                }
            }
            // What is to be said at once is written at once.
            while bytes.len() < ROOM
                && let Ok(order) = orders.try_recv()
            {
                stored.expect(&order);
                put_message(&mut bytes, &order);
            }
            let left = bytes.get(written..).unwrap_or_default();
            let room = decoder.room();
            room.reserve(ROOM);
            tokio::select! {
                read = read_some(&mut self.output, room) => match read {
                    Ok(0) => return None,
                    Ok(_) => {},
                    Err(error) => return Some(error.to_string()),
                },
                wrote = self.input.write(left), if !left.is_empty() => match wrote {
                    Ok(count) => written += count,
                    Err(_) => return None,
                },
                order = orders.recv(), if left.is_empty() => match order {
                    Some(order) => {
                        stored.expect(&order);
                        put_message(&mut bytes, &order);
                    },
                    None => return Some("closed here".to_owned()),
                },
            }
        }
    }

    /// Waits for the process's end, and says why the connection is not there.
    async fn explain(mut self, plan: &Plan, why: Option<String>) -> String {
        drop((self.input, self.output));
        let status = match timeout(FAREWELL, self.child.wait()).await {
            Ok(status) => {
                drop(timeout(LAST_WORDS, &mut self.listener).await);
                status.ok()
            },
            Err(_) => {
                // It goes with this task, whether or not it heeds the signal.
                drop(self.child.start_kill());
                None
            },
        };
        let complaint = self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let complaint = String::from_utf8_lossy(&complaint);
        why.unwrap_or_else(|| reason(plan, status, complaint.trim()))
    }
}

async fn read_some<R: AsyncRead + Unpin>(from: &mut R, room: &mut Vec<u8>) -> io::Result<usize> {
    from.read_buf(room).await
}

/// What an agent answered, behind its first word.
fn understand(answer: &str) -> Result<Welcome, String> {
    let (number, text) = answer.split_once(' ').unwrap_or((answer, ""));
    if number == "error" {
        return Err(text.to_owned());
    }
    if number != PROTOCOL.to_string() {
        return Err(format!(
            "its pclient speaks protocol {number}, this controller (of Outrigger {}) {PROTOCOL}: \
             install the same version on both",
            env!("CARGO_PKG_VERSION")
        ));
    }
    serde_json::from_str(text).map_err(|error| format!("its pclient's answer: {error}"))
}

/// The classic prompt, which our agent prints before it knows whom it talks to.
fn is_own_prompt(line: &str) -> bool {
    matches!(line.trim(), "" | "pclient:")
}

/// Why a connection ended that nobody ended here.
fn reason(plan: &Plan, status: Option<ExitStatus>, complaint: &str) -> String {
    let program = plan.argv.first().map_or("", String::as_str);
    let last = complaint.lines().last().unwrap_or_default().trim();
    let Some(code) = status.and_then(|status| status.code()) else {
        return match last {
            "" => format!("{program} was ended"),
            last => last.to_owned(),
        };
    };
    let complaint = if last.is_empty() {
        String::new()
    } else {
        format!(" ({last})")
    };
    match code {
        NO_SUCH_PROGRAM => format!(
            "pclient was not found there{complaint}: install Outrigger on that host, or say where \
             it is with the setting SHELL"
        ),
        0 => format!("its agent ended{complaint}"),
        code if last.is_empty() => format!("{program} ended with code {code}"),
        _ => last.to_owned(),
    }
}

/// The output of jobs as it comes.
struct Stored<'a> {
    /// The runs that the agent has and whose ends it has not told.
    runs: HashSet<u64>,
    outputs: HashMap<u64, [Spool; 2]>,
    /// Outputs of which a part could not be stored, and why.
    broken: HashMap<u64, String>,
    bytes: u64,
    dir: &'a Path,
}

impl<'a> Stored<'a> {
    fn new(dir: &'a Path, runs: HashSet<u64>) -> Self {
        Self {
            runs,
            outputs: HashMap::new(),
            broken: HashMap::new(),
            bytes: 0,
            dir,
        }
    }

    /// What an agent is told to do.
    fn expect(&mut self, order: &Order) {
        if let Order::Start(start) = order {
            self.runs.insert(start.run);
        }
    }

    /// The news of a frame; the error is a run that the agent does not have.
    fn take(&mut self, frame: Frame<Word>) -> Result<Option<News>, u64> {
        let known = |run| self.runs.contains(&run).then_some(()).ok_or(run);
        Ok(match frame {
            Frame::Output { run, stream, bytes } => {
                known(run)?;
                self.store(run, stream, &bytes);
                None
            },
            Frame::Message(Word::Started { run, .. }) => {
                known(run)?;
                Some(News::Started { run })
            },
            // Answered where it was read.
            Frame::Message(Word::Beat { .. }) => None,
            Frame::Message(Word::Gone) => Some(News::Gone),
            Frame::Message(Word::Ended(ended)) => {
                known(ended.run)?;
                self.runs.remove(&ended.run);
                Some(News::Ended(Box::new(self.completion(*ended))))
            },
        })
    }

    fn store(&mut self, run: u64, stream: Stream, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if self.broken.contains_key(&run) {
            return;
        }
        let [out, err] = self.outputs.entry(run).or_default();
        let spool = match stream {
            Stream::Out => out,
            Stream::Err => err,
        };
        let stored = if spool.has_room(bytes.len()) {
            spool.append(bytes, self.dir)
        } else {
            // A disk that is slow holds up this connection, and no other.
            block_in_place(|| spool.append(bytes, self.dir))
        };
        if let Err(error) = stored {
            self.broken.insert(run, error.to_string());
        }
    }

    fn completion(&mut self, ended: Ended) -> Completion {
        let [stdout, stderr] = self.outputs.remove(&ended.run).unwrap_or_default();
        let broken = self.broken.remove(&ended.run);
        let unread = (ended.unread > 0).then(|| format!("{} bytes unread", ended.unread));
        // A job whose output is not whole has not done what it was to do.
        let (outcome, stderr) = match broken.or(unread) {
            None => (ended.outcome, stderr.finish()),
            Some(why) => {
                let why = format!("its output could not be stored: {why}");
                (
                    Outcome::Lost(why.clone()),
                    Captured::text(format!("{why}\n")),
                )
            },
        };
        Completion {
            id: ended.run,
            outcome,
            stdout: stdout.finish(),
            stderr,
            wall: Duration::try_from_secs_f64(ended.wall).unwrap_or_default(),
            usage: ended.usage,
            hung: ended.hung,
        }
    }

    /// What may be credited now.
    fn credit(&mut self) -> Option<Order> {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes >= PORTION {
            return Some(Order::Credit { bytes });
        }
        self.bytes = bytes;
        None
    }
}
