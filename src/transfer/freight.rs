//! Bundles on their way home: each is asked for while the one before it comes.

use std::{
    any::Any,
    io::{self, BufReader},
    path::PathBuf,
    sync::Arc,
};

use tokio::{
    io::AsyncWriteExt,
    sync::{mpsc, oneshot},
};

use super::{
    drive::Piece,
    land::Berth,
    program,
    rate::Governor,
    sessions::{Cut, Served, Sessions},
    sluice,
    unpack::{Brought, unpack},
};
use crate::connection::{Host, LinkError};

/// The sessions that bring bundles.
#[derive(Debug)]
pub(super) struct Freights {
    sessions: Sessions<Request>,
    compress: bool,
}

#[derive(Debug)]
struct Request {
    number: u64,
    list: String,
    pieces: Arc<Vec<Piece>>,
    berth: Berth,
    /// The error is why what came of it cannot be read.
    answer: oneshot::Sender<io::Result<(Berth, Brought)>>,
}

/// What a session needs to know.
#[derive(Debug)]
struct Way {
    host: Host,
    governor: Arc<Governor>,
    script: &'static str,
    program: Option<PathBuf>,
}

impl Freights {
    /// None is open yet. `script` reads a line `NUMBER LINES HOW` and so many paths for each bundle,
    /// and answers with a tar stream, and checksums where HOW is `sums`, between `or begin NUMBER` and
    /// `or over NUMBER`; its arguments are [`program::words`]. With `compress` the line ends in `zstd`,
    /// and a frame may take the place of the tar stream: then `or begin NUMBER zstd` says so.
    pub(super) fn new(
        host: Host,
        governor: Arc<Governor>,
        script: &'static str,
        program: Option<PathBuf>,
        compress: bool,
    ) -> Self {
        let way = Arc::new(Way {
            host,
            governor,
            script,
            program,
        });
        Self {
            sessions: Sessions::new(move |stream, loads| {
                Box::pin(Arc::clone(&way).serve(stream, loads))
            }),
            compress,
        }
    }

    /// [`Sessions::prepare`].
    pub(super) fn prepare(&self, streams: usize) {
        self.sessions.prepare(streams);
    }

    /// Asks on a stream for the files of `list`, lines of paths, and waits until they lie in the
    /// berth; the inner error is why they do not.
    pub(super) async fn bring(
        &self,
        stream: usize,
        list: &str,
        pieces: &Arc<Vec<Piece>>,
        berth: Berth,
    ) -> Result<Result<(Berth, Brought), Cut>, LinkError> {
        let (answer, told) = oneshot::channel();
        // No file can hold a number that nobody knows before.
        let number = fastrand::u64(..);
        let unknown = pieces.iter().any(|piece| piece.hash.is_none());
        let sums = if unknown { "sums" } else { "-" };
        let zstd = if self.compress { " zstd" } else { "" };
        let request = Request {
            number,
            list: format!("{number} {} {sums}{zstd}\n{list}", list.lines().count()),
            pieces: Arc::clone(pieces),
            berth,
            answer,
        };
        let end = self.sessions.load(stream, request).await.pass();
        match told.await {
            Ok(Ok(brought)) => Ok(Ok(brought)),
            Ok(Err(error)) => Ok(Err((0, format!("what it sent is not a bundle: {error}")))),
            Err(_) => end.why().map(Err),
        }
    }

    /// [`Sessions::leave`].
    pub(super) async fn leave(&self, stream: usize) {
        self.sessions.leave(stream).await;
    }

    /// [`Sessions::missed`].
    pub(super) fn missed(&self) -> bool {
        self.sessions.missed()
    }

    /// [`Sessions::end`].
    pub(super) async fn end(&self) {
        self.sessions.end().await;
    }
}

impl Way {
    async fn serve(self: Arc<Self>, stream: usize, mut loads: mpsc::Receiver<Request>) -> Served {
        let (out, outlet) = sluice::outward();
        let (asked, coming) = mpsc::unbounded_channel();
        let governor = Arc::clone(&self.governor);
        let unpacking = tokio::task::spawn_blocking(move || take(outlet, coming, &governor));
        let streamed = self
            .host
            .stream(
                stream,
                self.script,
                &program::words(self.program.as_deref()),
                |pipe| ask(&mut loads, pipe, asked),
                |pipe| sluice::draw(pipe, out, &self.governor),
            )
            .await;
        let waiting = unpacking.await;
        (streamed, Box::new((loads, waiting)) as Box<dyn Any + Send>)
    }
}

/// Writes the requests, and hands each on to who takes the answer, for as long as that one does.
async fn ask(
    loads: &mut mpsc::Receiver<Request>,
    pipe: Option<openssh::ChildStdin>,
    asked: mpsc::UnboundedSender<Request>,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    loop {
        let next = tokio::select! {
            next = loads.recv() => next,
            () = asked.closed() => None,
        };
        let Some(mut request) = next else {
            return Ok(());
        };
        let list = std::mem::take(&mut request.list);
        if asked.send(request).is_err() {
            return Ok(());
        }
        pipe.write_all(list.as_bytes()).await?;
    }
}

/// Unpacks what comes, request after request, until what comes makes no sense. Gives back those who
/// wait in vain, and are told why when their session has ended.
fn take(
    outlet: sluice::Outlet,
    mut coming: mpsc::UnboundedReceiver<Request>,
    governor: &Governor,
) -> Vec<Request> {
    let mut stream = BufReader::with_capacity(1 << 16, outlet);
    let mut waiting = Vec::new();
    while let Some(request) = coming.blocking_recv() {
        // Whoever waited may have been given up meanwhile.
        match unpack(&request.pieces, &mut stream, &request.berth, request.number) {
            Ok(brought) => {
                governor.save(brought.saved);
                drop(request.answer.send(Ok((request.berth, brought))));
            },
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                waiting.push(request);
                break;
            },
            // Where the next bundle begins is not known.
            Err(error) => {
                drop(request.answer.send(Err(error)));
                break;
            },
        }
    }
    coming.close();
    waiting.extend(std::iter::from_fn(|| coming.blocking_recv()));
    waiting
}
