//! An agent that outlives its connections: it stays behind a socket, and whoever the controller
//! starts through ssh only carries bytes to it and back.

use std::{
    fs::File,
    io,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::mpsc::UnboundedReceiver,
};

use super::{
    agent::{Agent, Parting, Standing},
    door::{self, Visitor},
    ending::AgentError,
    post::{Own, Post, PostError},
    streams::{Input, Output, standard_output},
    wire::{Decoder, Hello},
};

/// The first argument of such an agent.
pub(super) const ARGUMENT: &str = "--keep";

/// How long an agent that has no jobs at all waits for a connection.
const LINGER: Duration = Duration::from_mins(10);

/// How long an agent all of whose jobs are over waits for somebody to ask for their ends, since the
/// last one ended or the last connection was lost: a week. Then it says in its log which ends are
/// forgotten, and goes; a controller that comes later runs those jobs again. As long as one job
/// runs there is no limit.
const PATIENCE: Duration = Duration::from_hours(7 * 24);

/// A log that is longer is begun anew by the next agent.
const LONGEST_LOG: u64 = 1 << 20;

/// Why an agent that outlives its connections is not there.
#[derive(Debug, Error)]
pub(super) enum KeepError {
    /// Its place.
    #[error(transparent)]
    Post(#[from] PostError),
    /// Itself.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The system said so.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There was none, and the one that was started is not there either.
    #[error(
        "no agent that keeps jobs is there, and a new one does not start: {why} (its log there is \
         {log}). Whether jobs of an earlier one still run is not known: they are ended and run \
         again once a new one starts, so remove the cause and say `host retry`"
    )]
    Absent {
        /// What it said last.
        why: String,
        /// Where it said that.
        log: String,
    },
    /// There is one that takes no connection; another would end its jobs.
    #[error("the agent that keeps jobs there cannot be reached: {0}; its jobs go on")]
    Unreachable(io::Error),
}

/// Carries bytes between a controller and the agent, which is started where there is none.
/// `greeting` is the controller's first line, `decoder` what came behind it.
pub(super) async fn relay(
    hello: &Hello,
    greeting: &[u8],
    mut decoder: Decoder,
    mut input: Input,
) -> Result<(), KeepError> {
    let post = Post::of(&hello.controller, &hello.machine)?;
    let mut stream = match UnixStream::connect(post.socket()).await {
        Ok(stream) => stream,
        Err(error) if is_nobody(&error) => start(hello, &post).await?,
        Err(error) => return Err(KeepError::Unreachable(error)),
    };
    stream.write_all(greeting).await?;
    stream.write_all(b"\n").await?;
    stream.write_all(decoder.room()).await?;
    let (mut from, mut to) = stream.split();
    let mut output = standard_output()?;
    // Whichever side ends first, the other has nobody to talk to any more.
    tokio::select! {
        up = tokio::io::copy(&mut input, &mut to) => drop(up),
        down = copy_at_once(&mut from, &mut output) => drop(down),
    }
    Ok(())
}

/// Whether an error says that no agent has that socket.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// Copies what has come without waiting for more.
async fn copy_at_once(
    from: &mut tokio::net::unix::ReadHalf<'_>,
    to: &mut Output,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(bytes.get(..read).unwrap_or_default()).await?;
        to.flush().await?;
    }
}

async fn start(hello: &Hello, post: &Post) -> Result<UnixStream, KeepError> {
    let path = post.log();
    let log = open_log(&path)?;
    let begin = log.metadata()?.len();
    let text = serde_json::to_string(hello).map_err(io::Error::other)?;
    let mut child = Command::new("/proc/self/exe")
        .arg0("pclient")
        .args([ARGUMENT, &text])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let stdout = child.stdout.take();
    // It closes its output when it listens, and when it dies.
    let ready = tokio::task::spawn_blocking(move || match stdout {
        Some(mut stdout) => io::copy(&mut stdout, &mut io::sink()).map(drop),
        None => Ok(()),
    });
    ready.await.map_err(io::Error::other)??;
    UnixStream::connect(post.socket())
        .await
        .map_err(|error| KeepError::Absent {
            why: last_line(&path, begin).unwrap_or_else(|| error.to_string()),
            log: path.display().to_string(),
        })
}

/// The last line of a log behind a place in it.
fn last_line(log: &Path, begin: u64) -> Option<String> {
    let text = std::fs::read(log).ok()?;
    let new = text.get(usize::try_from(begin).ok()?..)?;
    let new = String::from_utf8_lossy(new);
    let last = new.lines().rfind(|line| !line.trim().is_empty())?;
    let last = last.trim();
    Some(last.strip_prefix("pclient: ").unwrap_or(last).to_owned())
}

/// What an earlier agent has written there stays, unless it is too much.
fn open_log(path: &Path) -> io::Result<File> {
    let log = File::options().append(true).create(true).open(path)?;
    if log.metadata()?.len() > LONGEST_LOG {
        log.set_len(0)?;
    }
    Ok(log)
}

/// Runs as the agent that stays. `listening` is called once connections can come.
pub(super) async fn stay(hello: Hello, listening: impl FnOnce()) -> Result<(), KeepError> {
    // It fails only where it leads a session already.
    if let Err(error) = rustix::process::setsid() {
        eprintln!("no session of its own: {error}");
    }
    let post = Post::of(&hello.controller, &hello.machine)?;
    let place = post.seize()?;
    let socket = post.socket();
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {},
    }
    let mut agent = Agent::start(hello.clone(), place)?;
    let listener = UnixListener::bind(&socket)?;
    let own_socket = Own::of(&socket, &std::fs::symlink_metadata(&socket)?);
    let mut visitors = door::open(listener, hello);
    listening();
    let mut next = None;
    let ended = loop {
        let visitor = match next.take() {
            Some(visitor) => visitor,
            None => match alone(&mut agent, &mut visitors).await {
                Ok(visitor) => visitor,
                Err(why) => break leave(&mut agent, why).await,
            },
        };
        agent.heed(visitor.hello);
        let (input, output) = visitor.stream.into_split();
        // The newest connection is the one whose controller lives.
        let parting = tokio::select! {
            parting = agent.serve(visitor.decoder, input, output) => parting,
            Some(visitor) = visitors.recv() => {
                next = Some(visitor);
                continue;
            },
        };
        match parting {
            Parting::Lost(why) => eprintln!("a connection was lost: {why}"),
            Parting::Bye(ended) => break ended.map(|()| Log::Useless),
            Parting::Unguarded => break leave(&mut agent, UNGUARDED).await,
        }
    };
    drop(own_socket);
    // The last word of one that goes with an error is in the log, too.
    if ended? == Log::Useless {
        let log = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        drop(Own::of(&post.log(), &log.metadata()?));
    }
    Ok(())
}

const UNGUARDED: &str = "its guard is dead";

/// Whether somebody may want to read the log.
#[derive(Debug, PartialEq, Eq)]
enum Log {
    Useless,
    Needed,
}

/// Ends without having been told to, and says what is lost by that.
async fn leave(agent: &mut Agent, why: &str) -> Result<Log, AgentError> {
    let losses = agent.losses();
    for loss in &losses {
        eprintln!("{loss}: {why}");
    }
    agent.end().await?;
    Ok(if losses.is_empty() {
        Log::Useless
    } else {
        Log::Needed
    })
}

/// How long an agent waits for a connection; forever where that is nothing.
fn patience(standing: Standing) -> Option<Duration> {
    match standing {
        Standing { going: 0, over: 0 } => Some(LINGER),
        Standing { going: 0, .. } => Some(PATIENCE),
        _ => None,
    }
}

/// Looks after the jobs until somebody comes.
///
/// # Errors
/// Why it is time to go.
async fn alone(
    agent: &mut Agent,
    visitors: &mut UnboundedReceiver<Visitor>,
) -> Result<Visitor, &'static str> {
    loop {
        let patience = patience(agent.standing());
        let bored = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(visitor) = visitors.recv() => return Ok(visitor),
            is_guarded = agent.alone() => if !is_guarded {
                return Err(UNGUARDED);
            },
            () = bored => return Err("nobody has asked for it for too long"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_agent_without_running_jobs_ever_tires_of_waiting() {
        let patience = |going, over| patience(Standing { going, over });
        assert_eq!(patience(0, 0), Some(LINGER));
        assert_eq!(patience(0, 3), Some(PATIENCE));
        assert_eq!(patience(1, 0), None);
        assert_eq!(patience(1, 3), None);
    }

    #[test]
    fn an_agent_that_cannot_be_reached_is_not_replaced() {
        assert!(is_nobody(&io::ErrorKind::ConnectionRefused.into()));
        assert!(is_nobody(&io::ErrorKind::NotFound.into()));
        // Too many wait to be let in.
        assert!(!is_nobody(&io::ErrorKind::WouldBlock.into()));
    }
}
