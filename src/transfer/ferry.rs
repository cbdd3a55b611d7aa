//! A session of a stream that stays: bundle after bundle goes in, and while one lands at the far
//! end the next is under way.

use std::{
    collections::HashMap,
    io,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{far::Stage, program, rate::Governor, sluice};
use crate::connection::{Host, LinkError};

/// The sessions of one transfer, one a stream; each is opened when its first bundle comes.
#[derive(Debug)]
pub(super) struct Ferries {
    host: Host,
    stage: Stage,
    governor: Arc<Governor>,
    script: &'static str,
    program: Option<PathBuf>,
    /// By the number of the stream; the inner lock is the queue of those who want to load.
    sessions: Mutex<HashMap<usize, Arc<tokio::sync::Mutex<Option<Session>>>>>,
}

/// A bundle on its way in.
#[derive(Debug)]
pub(super) struct Cargo {
    /// Its exact length in bytes.
    pub(super) length: u64,
    /// Bytes of the files in it.
    pub(super) bytes: u64,
    /// It itself.
    pub(super) content: mpsc::Receiver<Vec<u8>>,
}

/// What the far end said of a bundle.
#[derive(Debug)]
pub(super) struct Said {
    /// Its lines.
    pub(super) text: String,
    /// Where the session ended before all was said: its exit code and standard error.
    pub(super) cut: Option<(i32, String)>,
}

#[derive(Debug)]
struct Session {
    next: u64,
    loads: mpsc::Sender<Load>,
    end: Arc<Mutex<End>>,
    running: JoinSet<()>,
}

#[derive(Debug)]
struct Load {
    number: u64,
    cargo: Cargo,
    answer: oneshot::Sender<String>,
}

/// How a session ended.
#[derive(Debug, Default)]
enum End {
    #[default]
    NotYet,
    /// The script's exit code and standard error.
    Script(i32, String),
    /// The link's error, for the first who asks.
    Link(Option<LinkError>),
}

impl Ferries {
    /// None is open yet. `script` reads a line `NUMBER LENGTH BYTES` and then LENGTH bytes for each
    /// bundle, and answers with lines between `or begin NUMBER` and `or over NUMBER`; its arguments
    /// are a directory for it alone, the word of `stage`, and [`program::words`].
    pub(super) fn new(
        host: Host,
        stage: Stage,
        governor: Arc<Governor>,
        script: &'static str,
        program: Option<PathBuf>,
    ) -> Self {
        Self {
            host,
            stage,
            governor,
            script,
            program,
            sessions: Mutex::default(),
        }
    }

    /// Opens the sessions of the first `streams` streams, without waiting for them.
    pub(super) fn prepare(&self, streams: usize) {
        for stream in 0..streams {
            if let Ok(mut place) = self.queue(stream).try_lock() {
                place.get_or_insert_with(|| self.open(stream));
            }
        }
    }

    /// Puts a bundle on a stream, and waits until `packed` says that all of it has been written and
    /// then for what the far end says of it. The next bundle of the stream goes in meanwhile.
    pub(super) async fn carry<T>(
        &self,
        stream: usize,
        cargo: Cargo,
        packed: impl Future<Output = T>,
    ) -> Result<(Said, T), LinkError> {
        let (tell, told) = oneshot::channel();
        let queue = self.queue(stream);
        let mut place = queue.lock().await;
        let session = match place.take() {
            Some(session) if !session.loads.is_closed() => session,
            _ => self.open(stream),
        };
        let session = place.insert(session);
        session.next += 1;
        let load = Load {
            number: session.next,
            cargo,
            answer: tell,
        };
        // A session that has ended says why below.
        drop(session.loads.send(load).await);
        let end = Arc::clone(&session.end);
        let packed = packed.await;
        drop(place);
        let said = match told.await {
            Ok(text) => Said { text, cut: None },
            Err(_) => ended(&end)?,
        };
        Ok((said, packed))
    }

    /// Ends the session of a stream, so that the stream can be used for something else.
    pub(super) async fn leave(&self, stream: usize) {
        let queue = self.queue(stream);
        let mut place = queue.lock().await;
        if let Some(session) = place.take() {
            session.end().await;
        }
    }

    /// Ends all sessions; with the last of them the directory of the transfer goes.
    pub(super) async fn end(&self) {
        let streams: Vec<usize> = held(&self.sessions).keys().copied().collect();
        let mut ending = Vec::new();
        for stream in streams {
            ending.extend(self.queue(stream).lock().await.take());
        }
        let mut running = JoinSet::new();
        for session in ending {
            running.spawn(session.end());
        }
        running.join_all().await;
    }

    fn queue(&self, stream: usize) -> Arc<tokio::sync::Mutex<Option<Session>>> {
        Arc::clone(held(&self.sessions).entry(stream).or_default())
    }

    fn open(&self, stream: usize) -> Session {
        let (loads, loaded) = mpsc::channel(1);
        let end = Arc::<Mutex<End>>::default();
        let mut running = JoinSet::new();
        let (host, governor) = (self.host.clone(), Arc::clone(&self.governor));
        let (directory, word) = (self.stage.fresh(), self.stage.word());
        let (script, told) = (self.script, Arc::clone(&end));
        let program = self.program.clone();
        running.spawn(async move {
            let mut loaded = loaded;
            let [program, version] = program::words(program.as_deref());
            let args: [&[u8]; 4] = [
                directory.as_os_str().as_bytes(),
                word.as_bytes(),
                program,
                version,
            ];
            let waiting = Answers::default();
            let streamed = host
                .stream(
                    stream,
                    script,
                    &args,
                    |pipe| feed(&mut loaded, pipe, &governor, &waiting),
                    |pipe| hear(pipe, &waiting),
                )
                .await;
            *held(&told) = match streamed {
                Ok(streamed) => End::Script(
                    streamed.code,
                    String::from_utf8_lossy(&streamed.stderr).into_owned(),
                ),
                Err(error) => End::Link(Some(error)),
            };
            // Those who still wait are let go only now that the reason is known.
            drop((loaded, waiting));
        });
        Session {
            next: 0,
            loads,
            end,
            running,
        }
    }
}

impl Session {
    async fn end(self) {
        drop(self.loads);
        self.running.join_all().await;
    }
}

/// Why a bundle got no answer.
fn ended(end: &Mutex<End>) -> Result<Said, LinkError> {
    let (code, stderr) = match &mut *held(end) {
        End::Link(error) => match error.take() {
            Some(error) => return Err(error),
            None => (-1, "the link went down".to_owned()),
        },
        End::Script(code, stderr) => (*code, stderr.clone()),
        End::NotYet => (-1, "its session was given up".to_owned()),
    };
    Ok(Said {
        text: String::new(),
        cut: Some((code, stderr)),
    })
}

type Answers = Mutex<HashMap<u64, oneshot::Sender<String>>>;

/// Pours the bundles, each behind its header.
async fn feed(
    loads: &mut mpsc::Receiver<Load>,
    pipe: Option<openssh::ChildStdin>,
    governor: &Governor,
    waiting: &Answers,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    sluice::widen(&pipe);
    while let Some(load) = loads.recv().await {
        let Cargo {
            length,
            bytes,
            content,
        } = load.cargo;
        held(waiting).insert(load.number, load.answer);
        let header = format!("{} {length} {bytes}\n", load.number);
        pipe.write_all(header.as_bytes()).await?;
        sluice::pump(content, &mut pipe, governor).await?;
    }
    Ok(())
}

/// Reads what the far end says of each bundle, and tells those who wait for it.
async fn hear(pipe: Option<openssh::ChildStdout>, waiting: &Answers) -> io::Result<()> {
    let Some(pipe) = pipe else { return Ok(()) };
    let mut pipe = BufReader::new(pipe);
    let mut said = String::new();
    let mut line = Vec::new();
    while pipe.read_until(b'\n', &mut line).await? > 0 {
        let text = String::from_utf8_lossy(&line);
        if text.starts_with("or begin ") {
            said.clear();
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

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
