//! The line between a worker and its coordinator: messages each way, over TCP between nodes that
//! can connect, else over files that one side appends to and the other follows.

use std::{
    io::{self, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::connection::talk::{frame, hello::Protocol};

/// What workers and their coordinator speak.
pub(super) const PROTOCOL: Protocol = Protocol {
    name: "outrigger-worker",
    version: "1",
    no_secret: "it is in the run's directory",
};

/// Most bytes of a message: a worker that comes again tells of all its jobs.
const LONGEST: u32 = 64 << 20;
/// How often a file is looked at, at first and after a while without news.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// One side's ends of a line. It is over when nothing comes in any more.
#[derive(Debug)]
pub(super) struct Line<I, O> {
    /// What the other side says.
    pub(super) incoming: UnboundedReceiver<I>,
    /// What it is told.
    pub(super) outgoing: UnboundedSender<O>,
}

/// A line over a connection whose sides have said hello. Why it ended is told to `ended`.
pub(super) fn over_tcp<I, O>(
    stream: TcpStream,
    ended: impl FnOnce(String) + Send + 'static,
) -> Line<I, O>
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    let (mut reader, mut writer) = stream.into_split();
    let (heard, incoming) = unbounded_channel();
    let (outgoing, mut said) = unbounded_channel::<O>();
    tokio::spawn(async move {
        while let Some(next) = said.recv().await {
            let Ok(text) = serde_json::to_string(&next) else {
                break;
            };
            if frame::write(&mut writer, &text).await.is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        let why = loop {
            let text = match frame::read(&mut reader, LONGEST).await {
                Ok(text) => text,
                Err(error) => break error.to_string(),
            };
            let next = match serde_json::from_str(&text) {
                Ok(next) => next,
                Err(error) => break format!("not a message of this protocol: {error}"),
            };
            if heard.send(next).is_err() {
                break "it is not heard any more".to_owned();
            }
        };
        ended(why);
    });
    Line { incoming, outgoing }
}

/// A line over two files: one that the other side writes, and one that this side does. The files
/// are opened anew for each look, since a network disk then shows what is new.
pub(super) fn over_files<I, O>(
    read: PathBuf,
    write: PathBuf,
    ended: impl FnOnce(String) + Send + 'static,
) -> Line<I, O>
where
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
{
    let (heard, incoming) = unbounded_channel();
    let (outgoing, mut said) = unbounded_channel::<O>();
    tokio::spawn(async move {
        while let Some(next) = said.recv().await {
            let mut lines = Vec::new();
            let mut batch = Some(next);
            while let Some(next) = batch {
                if serde_json::to_writer(&mut lines, &next).is_err() {
                    return;
                }
                lines.push(b'\n');
                batch = said.try_recv().ok();
            }
            if append(&write, &lines).await.is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        let (mut at, mut pause) = (0, FIRST_PAUSE);
        let why = loop {
            let news = match news(&read, at).await {
                Ok(news) => news,
                Err(error) => break error.to_string(),
            };
            if news.is_empty() {
                if heard.is_closed() {
                    break "it is not heard any more".to_owned();
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            pause = FIRST_PAUSE;
            at += news.len() as u64;
            let mut lines = news
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty());
            let bad = lines.find_map(|line| match serde_json::from_slice(line) {
                Ok(next) => heard.send(next).err().map(|_| String::new()),
                Err(error) => Some(error.to_string()),
            });
            if let Some(error) = bad {
                break format!("not a message of this protocol: {error}");
            }
        };
        ended(why);
    });
    Line { incoming, outgoing }
}

async fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .await?;
    file.write_all(lines).await?;
    file.sync_data().await
}

/// The whole lines of a file from byte `at` on; none as long as it is not there.
async fn news(path: &Path, at: u64) -> io::Result<Vec<u8>> {
    let mut file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(at)).await?;
    let mut bytes = Vec::new();
    file.take(LONGEST.into()).read_to_end(&mut bytes).await?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n');
    bytes.truncate(whole.map_or(0, |at| at + 1));
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{Order, Word},
        *,
    };

    #[tokio::test]
    async fn messages_go_both_ways_over_files() {
        let directory = tempfile::tempdir().unwrap();
        let (up, down) = (directory.path().join("up"), directory.path().join("down"));
        let mut worker = over_files::<Order, Word>(down.clone(), up.clone(), drop);
        let mut coordinator = over_files::<Word, Order>(up, down, drop);
        for synced in 0..3 {
            worker.outgoing.send(Word::Beat { synced }).unwrap();
        }
        for synced in 0..3 {
            assert_eq!(
                coordinator.incoming.recv().await,
                Some(Word::Beat { synced })
            );
        }
        coordinator.outgoing.send(Order::Finish).unwrap();
        assert_eq!(worker.incoming.recv().await, Some(Order::Finish));
    }

    #[tokio::test]
    async fn what_is_no_message_ends_the_line_and_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let (up, down) = (directory.path().join("up"), directory.path().join("down"));
        std::fs::write(&up, "{\"Beat\":{\"synced\":1}}\nhello\n").unwrap();
        let (told, why) = tokio::sync::oneshot::channel();
        let ended = |why| told.send(why).unwrap();
        let mut line = over_files::<Word, Order>(up, down, ended);
        assert_eq!(line.incoming.recv().await, Some(Word::Beat { synced: 1 }));
        assert_eq!(line.incoming.recv().await, None);
        assert!(
            why.await
                .unwrap()
                .starts_with("not a message of this protocol")
        );
    }
}
