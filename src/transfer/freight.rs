//! Bundles on their way home: each is asked for while the one before it comes.

use std::{
    any::Any,
    io::{self, BufReader},
    path::PathBuf,
    sync::{Arc, mpsc as blocking},
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
    answer: oneshot::Sender<(Berth, Brought)>,
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
            Ok(brought) => Ok(Ok(brought)),
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
        let (asked, coming) = blocking::channel();
        let unpacking = tokio::task::spawn_blocking(move || take(outlet, coming));
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

/// Writes the requests, and hands each on to who takes the answer.
async fn ask(
    loads: &mut mpsc::Receiver<Request>,
    pipe: Option<openssh::ChildStdin>,
    asked: blocking::Sender<Request>,
) -> io::Result<()> {
    let Some(mut pipe) = pipe else { return Ok(()) };
    while let Some(mut request) = loads.recv().await {
        let list = std::mem::take(&mut request.list);
        // Who takes the answers outlives this.
        drop(asked.send(request));
        pipe.write_all(list.as_bytes()).await?;
    }
    Ok(())
}

/// Unpacks what comes, request after request. Gives back those who wait in vain.
fn take(outlet: sluice::Outlet, coming: blocking::Receiver<Request>) -> Vec<Request> {
    let mut stream = BufReader::with_capacity(1 << 16, outlet);
    let mut waiting = Vec::new();
    for request in coming {
        match unpack(&request.pieces, &mut stream, &request.berth, request.number) {
            // Whoever waited may have been given up meanwhile.
            Ok(brought) => drop(request.answer.send((request.berth, brought))),
            Err(_) => waiting.push(request),
        }
    }
    waiting
}
