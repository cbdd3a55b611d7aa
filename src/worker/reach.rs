//! A worker's way to its coordinator.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};

use super::{
    door::upload,
    incarnation,
    message::{Order, Word},
    place::{Address, Place, Way},
    talk::{Line, PROTOCOL, over_files, over_tcp},
};
use crate::connection::talk::hello;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one address may take to answer.
const CONNECT: Duration = Duration::from_secs(3);

/// What there is where the coordinator should be.
#[derive(Debug)]
pub(super) enum Reached {
    /// A line to it, and which process it is.
    Line(Line<Order, Word>, u64),
    /// It is over: there is no more work.
    Over,
}

/// How a worker reaches its coordinator. Clones share what the last try said.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    place: Place,
    allocation: String,
    node: String,
    last_error: Arc<Mutex<String>>,
}

impl Reach {
    /// A way for the worker of a node to its coordinator.
    pub(super) fn new(place: Place, allocation: String, node: String) -> Self {
        Self {
            place,
            allocation,
            node,
            last_error: Arc::new(Mutex::new("it has not said yet where it is".into())),
        }
    }

    /// The coordinator, as soon as it can be reached.
    pub(super) async fn reached(self) -> Reached {
        loop {
            let error = match self.once().await {
                Ok(reached) => return reached,
                Err(error) => error,
            };
            let before = std::mem::replace(&mut *self.error(), error.clone());
            if error != before {
                eprintln!("outrigger worker: {}: {error}", self.node);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether another coordinator has taken the place of this one.
    pub(super) fn is_replaced(&self, incarnation: u64) -> bool {
        Address::read(&self.place, &self.allocation)
            .ok()
            .flatten()
            .is_some_and(|address| address.incarnation != incarnation)
    }

    /// Waits until the coordinator has said that it is over.
    pub(super) async fn over(&self) {
        let is_over = || {
            let address = Address::read(&self.place, &self.allocation);
            matches!(address, Ok(Some(Address { way: Way::Over, .. })))
        };
        while !is_over() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Why the last try failed.
    pub(super) fn last_error(&self) -> String {
        self.error().clone()
    }

    fn error(&self) -> MutexGuard<'_, String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn once(&self) -> Result<Reached, String> {
        let address = Address::read(&self.place, &self.allocation)
            .map_err(|error| format!("where the coordinator is cannot be read: {error}"))?
            .ok_or("it has not said yet where it is")?;
        let line = match address.way {
            Way::Over => return Ok(Reached::Over),
            Way::Tcp { hosts, port } => self.connect(&hosts, port).await?,
            Way::Files => {
                let line = incarnation().map_err(|error| error.to_string())?;
                let name = upload(address.incarnation, &self.node, line);
                let up = self.place.mail().join(name);
                over_files(up.with_extension("down"), up, |why| told(&why))
            },
        };
        Ok(Reached::Line(line, address.incarnation))
    }

    async fn connect(&self, hosts: &[String], port: u16) -> Result<Line<Order, Word>, String> {
        let secret = self
            .place
            .existing_key()
            .map_err(|error| error.to_string())?;
        let mut why = "it names no address".to_owned();
        for host in hosts {
            let failed = |error: &dyn std::fmt::Display| format!("{host} port {port}: {error}");
            let mut stream = match timeout(CONNECT, TcpStream::connect((host.as_str(), port))).await
            {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    why = failed(&error);
                    continue;
                },
                Err(slow) => {
                    why = failed(&slow);
                    continue;
                },
            };
            match hello::enter(&mut stream, &PROTOCOL, Some(&secret)).await {
                Ok(()) => {
                    stream.set_nodelay(true).map_err(|error| failed(&error))?;
                    return Ok(over_tcp(stream, |why| told(&why)));
                },
                Err(error) => why = failed(&error),
            }
        }
        Err(why)
    }
}

fn told(why: &str) {
    eprintln!("outrigger worker: the line to the coordinator is gone: {why}");
}
