//! Sessions that stay: one a stream, opened when the first load for it comes, each load behind the
//! one before it.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    sync::{OwnedMutexGuard, mpsc},
    task::JoinSet,
};

use super::{lock::held, program};
use crate::connection::{LinkError, Streamed};

/// The sessions of one transfer.
pub(super) struct Sessions<L> {
    serve: Box<Serve<L>>,
    /// By the number of the stream; the inner lock is the queue of those who want to load.
    open: Mutex<HashMap<usize, Arc<Place<L>>>>,
    /// Whether the script of one did what our program could have done.
    missed: Arc<AtomicBool>,
}

type Place<L> = tokio::sync::Mutex<Option<Session<L>>>;
type Serve<L> = dyn Fn(usize, mpsc::Receiver<L>) -> Serving + Send + Sync;
/// A session from its beginning to its end.
pub(super) type Serving = std::pin::Pin<Box<dyn Future<Output = Served> + Send>>;
/// How a session ended, and what is let go only when that is known: those who wait for answers.
pub(super) type Served = (Result<Streamed<(), ()>, LinkError>, Box<dyn Any + Send>);

/// Why a session gave no answer: the script's exit code and standard error.
pub(super) type Cut = (i32, String);

/// That the script on the site ended early, with its exit code if known, and the last of its words.
pub(super) fn ended_early(code: Option<i32>, words: &str) -> String {
    let code = code.map_or_else(String::new, |code| format!(", exit code {code}"));
    let last = words.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or("no word of why").trim();
    format!("the script on the site ended early{code}: {last}")
}

#[derive(Debug)]
struct Session<L> {
    loads: mpsc::Sender<L>,
    end: Arc<Mutex<End>>,
    running: JoinSet<()>,
}

/// How a session ended.
#[derive(Debug, Default)]
enum End {
    #[default]
    NotYet,
    Script(Cut),
    /// The link's error, for the first who asks.
    Link(Option<LinkError>),
}

/// The next load of a stream goes in behind this one.
pub(super) struct Loaded<L> {
    turn: OwnedMutexGuard<Option<Session<L>>>,
    end: Ending,
}

/// Tells how a session ended, once it has.
#[derive(Debug)]
pub(super) struct Ending(Arc<Mutex<End>>);

impl<L: Send + 'static> Sessions<L> {
    /// None is open yet; `serve` runs the session of a stream until its loads end.
    pub(super) fn new(
        serve: impl Fn(usize, mpsc::Receiver<L>) -> Serving + Send + Sync + 'static,
    ) -> Self {
        Self {
            serve: Box::new(serve),
            open: Mutex::default(),
            missed: Arc::default(),
        }
    }

    /// Opens the sessions of the first `streams` streams, without waiting for them.
    pub(super) fn prepare(&self, streams: usize) {
        for stream in 0..streams {
            if let Ok(mut place) = self.place(stream).try_lock() {
                place.get_or_insert_with(|| self.begin(stream));
            }
        }
    }

    /// Puts a load on a stream, behind those that are on it.
    pub(super) async fn load(&self, stream: usize, load: L) -> Loaded<L> {
        let mut turn = self.place(stream).lock_owned().await;
        let session = match turn.take() {
            Some(session) if !session.loads.is_closed() => session,
            _ => self.begin(stream),
        };
        let session = turn.insert(session);
        // A session that has ended tells why when it is asked for its answer.
        drop(session.loads.send(load).await);
        let end = Ending(Arc::clone(&session.end));
        Loaded { turn, end }
    }

    /// Ends the session of a stream, so that the stream can be used for something else.
    pub(super) async fn leave(&self, stream: usize) {
        let place = self.place(stream);
        let mut place = place.lock().await;
        if let Some(session) = place.take() {
            session.end().await;
        }
    }

    /// Ends all sessions.
    pub(super) async fn end(&self) {
        let streams: Vec<usize> = held(&self.open).keys().copied().collect();
        let mut running = JoinSet::new();
        for stream in streams {
            if let Some(session) = self.place(stream).lock().await.take() {
                running.spawn(session.end());
            }
        }
        running.join_all().await;
    }

    /// Whether our program was missed at the far end by a session that has ended.
    pub(super) fn missed(&self) -> bool {
        self.missed.load(Ordering::Acquire)
    }

    fn place(&self, stream: usize) -> Arc<Place<L>> {
        Arc::clone(held(&self.open).entry(stream).or_default())
    }

    fn begin(&self, stream: usize) -> Session<L> {
        let (loads, loaded) = mpsc::channel(1);
        let end = Arc::<Mutex<End>>::default();
        let told = Arc::clone(&end);
        let missed = Arc::clone(&self.missed);
        let serving = (self.serve)(stream, loaded);
        let mut running = JoinSet::new();
        running.spawn(async move {
            let (streamed, waiting) = serving.await;
            *held(&told) = match streamed {
                Ok(streamed) => {
                    let words = String::from_utf8_lossy(&streamed.stderr);
                    let (told, words): (Vec<&str>, Vec<&str>) =
                        words.lines().partition(|line| *line == program::MISSED);
                    missed.fetch_or(!told.is_empty(), Ordering::AcqRel);
                    End::Script((streamed.code, words.join("\n")))
                },
                Err(error) => End::Link(Some(error)),
            };
            drop(waiting);
        });
        Session {
            loads,
            end,
            running,
        }
    }
}

impl<L> fmt::Debug for Sessions<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl<L> Loaded<L> {
    /// Lets the next load of the stream go in.
    pub(super) fn pass(self) -> Ending {
        drop(self.turn);
        self.end
    }

    /// Ends the session of this load, whatever is on it.
    pub(super) fn give_up(mut self) -> Ending {
        drop(self.turn.take());
        self.end
    }
}

impl Ending {
    /// Why a load got no answer.
    ///
    /// # Errors
    /// The link's error, for the first who asks.
    pub(super) fn why(&self) -> Result<Cut, LinkError> {
        Ok(match &mut *held(&self.0) {
            End::Link(error) => match error.take() {
                Some(error) => return Err(error),
                None => (-1, "the link went down".to_owned()),
            },
            End::Script(cut) => cut.clone(),
            End::NotYet => (-1, "its session was given up".to_owned()),
        })
    }
}

impl<L> Session<L> {
    async fn end(self) {
        drop(self.loads);
        self.running.join_all().await;
    }
}
