//! Where workers come in to the coordinator.

use std::{
    collections::HashSet,
    fs, io,
    net::UdpSocket,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc::UnboundedSender},
};

use super::{
    message::{Order, Word},
    place::Way,
    talk::{Line, PROTOCOL, over_files, over_tcp},
};
use crate::connection::talk::{hello, secret::Secret};

/// Most visitors who have not proved yet that they know the secret.
const STRANGERS: usize = 64;
/// How often the directory of messages is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// After the system could not take a visitor (too many open files), the next one waits so long.
const PAUSE: Duration = Duration::from_millis(100);

/// A worker's line, by the order in which lines came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineId(u64);

/// What happens at the door.
#[derive(Debug)]
pub(super) enum Event {
    /// A worker's line begins; this is where it is told what.
    Came(LineId, UnboundedSender<Order>),
    /// A worker says something.
    Said(LineId, Word),
    /// A line is over.
    Gone(LineId, String),
}

/// The door's own end of the events.
#[derive(Debug, Clone)]
pub(super) struct Door {
    events: UnboundedSender<Event>,
    next: Arc<AtomicU64>,
}

impl Door {
    /// A door that tells `events`.
    pub(super) fn new(events: UnboundedSender<Event>) -> Self {
        Self {
            events,
            next: Arc::default(),
        }
    }

    /// Opens a TCP port to who knows the secret. With `only_here` nobody from another node can
    /// come.
    pub(super) async fn open_tcp(
        &self,
        only_here: bool,
        node: &str,
        secret: Secret,
    ) -> io::Result<Way> {
        let any = if only_here { "127.0.0.1" } else { "0.0.0.0" };
        let listener = TcpListener::bind((any, 0)).await?;
        let port = listener.local_addr()?.port();
        let hosts = if only_here {
            vec!["127.0.0.1".to_owned()]
        } else {
            let own = outward_address().map(|address| address.to_string());
            own.into_iter().chain([node.to_owned()]).collect()
        };
        tokio::spawn(self.clone().take_in(listener, secret));
        Ok(Way::Tcp { hosts, port })
    }

    /// Opens the directory of messages `mail`.
    pub(super) fn open_files(&self, mail: PathBuf, incarnation: u64) -> io::Result<Way> {
        match fs::DirBuilder::new().mode(0o700).create(&mail) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {},
        }
        tokio::spawn(self.clone().look_for(mail, incarnation));
        Ok(Way::Files)
    }

    async fn take_in(self, listener: TcpListener, secret: Secret) {
        let strangers = Arc::new(Semaphore::new(STRANGERS));
        loop {
            let Ok(place) = Arc::clone(&strangers).acquire_owned().await else {
                return;
            };
            let (mut stream, from) = match listener.accept().await {
                Ok(next) => next,
                Err(error) => {
                    eprintln!("outrigger worker: cannot take a visitor: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                },
            };
            let (door, secret) = (self.clone(), secret.clone());
            tokio::spawn(async move {
                let greeted = hello::greet(&mut stream, &PROTOCOL, Some(&secret)).await;
                drop(place);
                match greeted
                    .map_err(|error| error.to_string())
                    .and_then(|()| stream.set_nodelay(true).map_err(|error| error.to_string()))
                {
                    Ok(()) => door.bring_in(|ended| over_tcp(stream, ended)).await,
                    Err(why) => eprintln!("outrigger worker: {from} was not let in: {why}"),
                }
            });
        }
    }

    async fn look_for(self, mail: PathBuf, incarnation: u64) {
        let mut known = HashSet::new();
        while !self.events.is_closed() {
            for up in uploads(&mail, incarnation) {
                if known.insert(up.clone()) {
                    let down = up.with_extension("down");
                    let door = self.clone();
                    tokio::spawn(async move {
                        door.bring_in(|ended| over_files(up, down, ended)).await;
                    });
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Passes on what a worker says, until its line is over.
    async fn bring_in(
        &self,
        line: impl FnOnce(Box<dyn FnOnce(String) + Send>) -> Line<Word, Order>,
    ) {
        let id = LineId(self.next.fetch_add(1, Ordering::Relaxed));
        let (told, why) = tokio::sync::oneshot::channel();
        let mut line = line(Box::new(move |why| drop(told.send(why))));
        let mut is_heard = self.events.send(Event::Came(id, line.outgoing)).is_ok();
        while is_heard && let Some(word) = line.incoming.recv().await {
            is_heard = self.events.send(Event::Said(id, word)).is_ok();
        }
        if is_heard {
            let why = why.await.unwrap_or_default();
            drop(self.events.send(Event::Gone(id, why)));
        }
    }
}

/// Name of the file that a worker writes to on one line.
pub(super) fn upload(coordinator: u64, node: &str, line: u64) -> String {
    format!("{coordinator:016x}.{node}.{line:016x}.up")
}

fn uploads(mail: &Path, incarnation: u64) -> Vec<PathBuf> {
    let begin = format!("{incarnation:016x}.");
    let entries = fs::read_dir(mail).into_iter().flatten().flatten();
    entries
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(&begin) && name.ends_with(".up")
        })
        .map(|entry| entry.path())
        .collect()
}

/// This node's address towards other networks; to ask for it sends nothing.
fn outward_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}
