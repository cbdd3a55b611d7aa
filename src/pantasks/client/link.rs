//! The connection of a client to its server.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use thiserror::Error;
use tokio::runtime::Handle;

use crate::{
    connection::talk::{
        frame::{self, FrameError},
        hello::{self, HelloError},
        secret::Secret,
    },
    pantasks::server::{
        PROTOCOL,
        listen::{Stream, visit},
        place::Place,
        reply::Reply,
    },
};

/// After so long without an answer a human is told why.
const BUSY: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    /// Nobody listens.
    #[error(
        "no server at {place}: {source}; start one with pantasks_server, or name another place"
    )]
    Nobody { place: String, source: io::Error },
    /// It went away.
    #[error("the server at {place} has gone: {source}")]
    Gone { place: String, source: FrameError },
    /// It does not let this client in.
    #[error("the server at {place} refuses: {source}")]
    Refused { place: String, source: HelloError },
    /// It speaks another protocol.
    #[error("what listens at {place} is no server that this client knows: {source}")]
    Protocol { place: String, source: HelloError },
}

impl LinkError {
    /// The exit code (spec/pantasks.md §4: 32 to 35).
    pub(super) fn code(&self) -> i32 {
        match self {
            Self::Nobody { .. } => 32,
            Self::Gone { .. } => 33,
            Self::Refused { .. } => 34,
            Self::Protocol { .. } => 35,
        }
    }
}

/// The way to a server. Clones share it.
#[derive(Clone)]
pub(super) struct Link {
    place: Arc<Place>,
    secret: Arc<Option<Secret>>,
    runtime: Handle,
    stream: Arc<Mutex<Option<Box<dyn Stream>>>>,
}

impl Link {
    pub(super) fn new(place: Place, secret: Option<Secret>, runtime: Handle) -> Self {
        Self {
            place: Arc::new(place),
            secret: Arc::new(secret),
            runtime,
            stream: Arc::default(),
        }
    }

    /// Goes there, unless it is there.
    pub(super) fn connect(&self) -> Result<(), LinkError> {
        let mut slot = self.slot();
        if slot.is_none() {
            *slot = Some(self.runtime.block_on(self.enter())?);
        }
        Ok(())
    }

    /// Leaves the server.
    pub(super) fn disconnect(&self) {
        *self.slot() = None;
    }

    /// Asks the server to run a line. `busy` is called where that takes long.
    pub(super) fn ask(&self, line: &str, busy: impl FnOnce()) -> Result<Reply, LinkError> {
        self.connect()?;
        let mut slot = self.slot();
        let Some(stream) = slot.as_mut() else {
            return Ok(Reply::default());
        };
        let asked = self.runtime.block_on(async {
            frame::write(stream, line).await?;
            let reply = Reply::read(stream);
            tokio::pin!(reply);
            if let Ok(reply) = tokio::time::timeout(BUSY, &mut reply).await {
                return reply;
            }
            busy();
            reply.await
        });
        asked.map_err(|source| {
            *slot = None;
            LinkError::Gone {
                place: self.place.to_string(),
                source,
            }
        })
    }

    async fn enter(&self) -> Result<Box<dyn Stream>, LinkError> {
        let place = || self.place.to_string();
        let mut stream = visit(&self.place)
            .await
            .map_err(|source| LinkError::Nobody {
                place: place(),
                source,
            })?;
        match hello::enter(&mut stream, &PROTOCOL, Option::as_ref(&self.secret)).await {
            Ok(()) => Ok(stream),
            Err(source @ HelloError::Protocol { .. }) => Err(LinkError::Protocol {
                place: place(),
                source,
            }),
            Err(HelloError::Frame(source)) => Err(LinkError::Gone {
                place: place(),
                source,
            }),
            Err(source) => Err(LinkError::Refused {
                place: place(),
                source,
            }),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Box<dyn Stream>>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
