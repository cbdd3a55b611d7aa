//! Bundles on their way to the site: one goes in after the other, and while one lands at the far
//! end the next is under way.

use std::{
    any::Any,
    collections::{HashMap, HashSet},
    io,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::{mpsc, oneshot},
};

use super::{
    far::Stage,
    lock::held,
    program,
    rate::Governor,
    sessions::{Cut, Served, Sessions},
    sluice,
};
use crate::connection::{Host, LinkError};

/// The sessions that take bundles.
#[derive(Debug)]
pub(super) struct Ferries {
    sessions: Sessions<Load>,
    next: AtomicU64,
    way: Arc<Way>,
}

/// What the far end said of a bundle.
#[derive(Debug)]
pub(super) struct Said {
    /// Its lines.
    pub(super) text: String,
    /// Where the session ended before all was said: its exit code and standard error.
    pub(super) cut: Option<Cut>,
}

#[derive(Debug)]
struct Load {
    number: u64,
    /// Its header and it itself.
    content: mpsc::Receiver<Vec<u8>>,
    answer: oneshot::Sender<String>,
}

/// What a session needs to know.
#[derive(Debug)]
struct Way {
    host: Host,
    stage: Stage,
    governor: Arc<Governor>,
    script: &'static str,
    program: Option<PathBuf>,
    /// Streams whose far end takes compressed bundles too.
    takes: Mutex<HashSet<usize>>,
}

impl Ferries {
    /// None is open yet. `script` reads a line `NUMBER LENGTH BYTES` and then LENGTH bytes for each
    /// bundle, or, if it has said `or takes zstd`, a line that ends in `zstd` and one frame of so many
    /// bytes; it answers with lines between `or begin NUMBER` and `or over NUMBER`; its arguments
    /// are a directory for it alone, the word of `stage`, and [`program::words`].
    pub(super) fn new(
        host: Host,
        stage: Stage,
        governor: Arc<Governor>,
        script: &'static str,
        program: Option<PathBuf>,
    ) -> Self {
        let way = Arc::new(Way {
            host,
            stage,
            governor,
            script,
            program,
            takes: Mutex::default(),
        });
        let served = Arc::clone(&way);
        Self {
            sessions: Sessions::new(move |stream, loads| {
                Box::pin(Arc::clone(&served).serve(stream, loads))
            }),
            next: AtomicU64::new(1),
            way,
        }
    }

    /// A number for a bundle.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the far end of a stream has said that it takes compressed bundles.
    pub(super) fn takes_squeezed(&self, stream: usize) -> bool {
        held(&self.way.takes).contains(&stream)
    }

    /// [`Sessions::prepare`].
    pub(super) fn prepare(&self, streams: usize) {
        self.sessions.prepare(streams);
    }

    /// Puts a bundle of that number on a stream, its header and its content, and waits until `packed`
    /// is done and then for what the far end says of it. The next bundle of the stream goes in meanwhile;
    /// where `packed` says that the bundle has not become whole, none can go in behind it, and its session
    /// ends.
    pub(super) async fn carry<T>(
        &self,
        stream: usize,
        number: u64,
        content: mpsc::Receiver<Vec<u8>>,
        packed: impl Future<Output = (T, bool)>,
    ) -> Result<(Said, T), LinkError> {
        let (answer, told) = oneshot::channel();
        let load = Load {
            number,
            content,
            answer,
        };
        let loaded = self.sessions.load(stream, load).await;
        let (packed, whole) = packed.await;
        let end = if whole {
            loaded.pass()
        } else {
            loaded.give_up()
        };
        let said = match told.await {
            Ok(text) => Said { text, cut: None },
            Err(_) => Said {
                text: String::new(),
                cut: Some(end.why()?),
            },
        };
        Ok((said, packed))
    }

    /// [`Sessions::leave`].
    pub(super) async fn leave(&self, stream: usize) {
        self.sessions.leave(stream).await;
    }

    /// [`Sessions::missed`].
    pub(super) fn missed(&self) -> bool {
        self.sessions.missed()
    }

    /// [`Sessions::end`]; with the last of them the directory of the transfer goes.
    pub(super) async fn end(&self) {
        self.sessions.end().await;
    }
}

/// What the far end says first if it takes compressed bundles.
pub(super) const TAKES: &str = "or takes zstd";

/// What comes before a bundle: its number, its length and the bytes of its files, and whether a frame
/// holds it.
pub(super) fn header(number: u64, length: u64, bytes: u64, squeezed: bool) -> String {
    let how = if squeezed { " zstd" } else { "" };
    format!("{number} {length} {bytes}{how}\n")
}

type Answers = Mutex<HashMap<u64, oneshot::Sender<String>>>;

impl Way {
    async fn serve(self: Arc<Self>, stream: usize, mut loads: mpsc::Receiver<Load>) -> Served {
        let (directory, word) = (self.stage.fresh(), self.stage.word());
        let [program, version] = program::words(self.program.as_deref());
        let args: [&[u8]; 4] = [
            directory.as_os_str().as_bytes(),
            word.as_bytes(),
            program,
            version,
        ];
        let waiting = Answers::default();
        let (speaks, silent) = oneshot::channel();
        held(&self.takes).remove(&stream);
        let takes = || {
            held(&self.takes).insert(stream);
        };
        let streamed = self
            .host
            .stream(
                stream,
                self.script,
                &args,
                |pipe| feed(&mut loads, pipe, &self.governor, &waiting, silent),
                |pipe| hear(pipe, &waiting, takes, speaks),
            )
            .await;
        (streamed, Box::new((loads, waiting)) as Box<dyn Any + Send>)
    }
}

/// Pours the bundles, until the far end is `silent`.
async fn feed(
    loads: &mut mpsc::Receiver<Load>,
    pipe: Option<openssh::ChildStdin>,
    governor: &Governor,
    waiting: &Answers,
    mut silent: oneshot::Receiver<()>,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    sluice::widen(&pipe);
    loop {
        let next = tokio::select! {
            next = loads.recv() => next,
            _ = &mut silent => None,
        };
        let Some(load) = next else {
            return Ok(());
        };
        held(waiting).insert(load.number, load.answer);
        sluice::pump(load.content, &mut pipe, governor).await?;
    }
}

/// Reads what the far end says of each bundle, and tells those who wait for it; calls `takes` where
/// it takes compressed ones. `speaks` ends with what it says.
async fn hear(
    pipe: Option<openssh::ChildStdout>,
    waiting: &Answers,
    takes: impl Fn(),
    _speaks: oneshot::Sender<()>,
) -> io::Result<()> {
    let Some(pipe) = pipe else { return Ok(()) };
    let mut pipe = BufReader::new(pipe);
    let mut said = String::new();
    let mut line = Vec::new();
    while pipe.read_until(b'\n', &mut line).await? > 0 {
        let text = String::from_utf8_lossy(&line);
        if text.starts_with("or begin ") {
            said.clear();
        } else if text.trim_end() == TAKES {
            takes();
        } else if let Some(number) = text.strip_prefix("or over ") {
            let answer = number.trim().parse().ok();
            let answer = answer.and_then(|number| held(waiting).remove(&number));
            if let Some(answer) = answer {
                // Whoever waited may have been given up meanwhile.
                drop(answer.send(std::mem::take(&mut said)));
            }
        } else {
            said.push_str(&text);
        }
        line.clear();
    }
    Ok(())
}
