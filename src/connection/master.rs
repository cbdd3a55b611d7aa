//! An OpenSSH ControlMaster that a human opened: our share of its sessions, and whether it lives.

use std::{
    ffi::OsStr,
    future::Future,
    io,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use openssh::{Child, ChildStdin, ChildStdout, Session, Stdio};
use tokio::{
    sync::{Mutex, Semaphore, SemaphorePermit},
    time::{sleep, timeout},
};

use super::{
    LinkError, Output, Streamed,
    far_line::{MOST_BYTES, far_line, onwards},
    local::{drain, feed},
    socket::stranger,
};
use crate::config::site::SshConnection;

/// Exit code of an ssh that did not reach its machine, or lost it.
const SSH_FAILED: i32 = 255;
/// Exit code of a shell that does not find a program, for which openssh has an error of its own.
const NOT_FOUND: i32 = 127;

/// How long a master may keep us waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// While a command runs, the link is probed this often.
    pub between: Duration,
    /// A probe without an answer for this long means that the link is down.
    pub limit: Duration,
    /// How often a session is asked for when the site refuses it.
    pub tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            between: Duration::from_secs(10),
            limit: Duration::from_secs(15),
            tries: 10,
        }
    }
}

impl Patience {
    /// Pause before try number `tried` + 1: doubling from 50 ms, at most 1 s.
    pub(super) fn pause(tried: u32) -> Duration {
        Duration::from_millis((50u64 << tried.min(5)).min(1000))
    }
}

/// A live or dead master; the socket's path is all that ties us to it, so it may be reopened
/// under us.
#[derive(Debug)]
pub(super) struct Master {
    pub(super) site: String,
    pub(super) ssh: SshConnection,
    pub(super) socket: PathBuf,
    pub(super) patience: Patience,
    /// Set once the site turned out to have no sftp server.
    pub(super) legacy_scp: AtomicBool,
    pub(super) session: Session,
    permits: Semaphore,
    proven: Mutex<Option<Instant>>,
}

impl Master {
    pub(super) fn at(site: &str, ssh: &SshConnection, socket: PathBuf, patience: Patience) -> Self {
        let sessions = usize::try_from(ssh.sessions.max(1)).unwrap_or(1);
        Self {
            site: site.to_owned(),
            ssh: ssh.clone(),
            session: Session::resume_mux(socket.clone().into_boxed_path(), None),
            socket,
            patience,
            legacy_scp: AtomicBool::new(false),
            permits: Semaphore::new(sessions),
            proven: Mutex::new(None),
        }
    }

    /// Refuses a socket that another user has put in the place of ours.
    pub(super) fn guard(&self) -> Result<(), LinkError> {
        stranger(&self.socket).map_or(Ok(()), |owner| {
            Err(LinkError::NotOurs {
                site: self.site.clone(),
                path: self.socket.clone(),
                owner,
            })
        })
    }

    /// Asks the master's own process whether it lives; says nothing about the network behind.
    pub(super) async fn check(&self) -> Result<(), LinkError> {
        self.guard()?;
        match timeout(self.patience.limit, self.session.check()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if ours(&error) => Err(self.other(&error)),
            Ok(Err(error)) => Err(self.down(self.why(&error))),
            Err(_) => Err(self.down("its master does not answer".into())),
        }
    }

    /// Runs `true` on the site within `limit`. A refused session is an answer: the link lives. So
    /// is any exit code, but for that of a bastion's own ssh, by which alone the front end answers.
    pub(super) async fn probe(&self, limit: Duration) -> Result<(), LinkError> {
        self.guard()?;
        let line = if self.ssh.nested {
            onwards(&self.ssh, "true")
        } else {
            "true".to_owned()
        };
        let ask = async {
            let mut command = self.session.raw_command(line);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped());
            let mut child = command.spawn().await?;
            let said = drain(child.stderr().take()).await.unwrap_or_default();
            let ended = child.wait().await;
            Ok((code_of(ended)?, said))
        };
        match timeout(limit, ask).await {
            Ok(Ok((code, said))) if self.ssh.nested && code != 0 => {
                Err(self.front_end_down(code, &said))
            },
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if refused(&error) => Ok(()),
            Ok(Err(error)) if ours(&error) => Err(self.other(&error)),
            Ok(Err(error)) => Err(self.down(self.why(&error))),
            Err(_) => Err(self.down(format!("no answer within {} s", limit.as_secs_f64()))),
        }
    }

    /// Waits for one of our sessions; it is given back when the permit is dropped.
    pub(super) async fn permit(&self) -> Result<SemaphorePermit<'_>, LinkError> {
        self.permits
            .acquire()
            .await
            .map_err(|closed| LinkError::Io {
                what: format!("sessions of site `{}`", self.site),
                source: io::Error::other(closed),
            })
    }

    /// `work`, cut short with [`LinkError::Down`] when the link falls silent meanwhile.
    pub(super) async fn watched<T>(
        &self,
        work: impl Future<Output = Result<T, LinkError>>,
    ) -> Result<T, LinkError> {
        tokio::select! {
            done = work => done,
            down = self.silence() => Err(down),
        }
    }

    /// Runs `argv` on the site.
    pub(super) async fn run(
        &self,
        argv: &[&[u8]],
        input: Option<&[u8]>,
    ) -> Result<Output, LinkError> {
        let line = self.line(argv)?;
        let _permit = self.permit().await?;
        self.watched(Box::pin(self.converse(&line, input))).await
    }

    /// What the machine at the master's end is given to run `argv` on the front end.
    pub(super) fn line(&self, argv: &[&[u8]]) -> Result<String, LinkError> {
        let line = far_line(argv);
        let line = if self.ssh.nested {
            onwards(&self.ssh, &line)
        } else {
            line
        };
        if line.len() > MOST_BYTES {
            return Err(LinkError::TooLong {
                site: self.site.clone(),
                bytes: line.len(),
                most: MOST_BYTES,
            });
        }
        Ok(line)
    }

    /// Sessions that could be had at once.
    pub(super) fn free(&self) -> usize {
        self.permits.available_permits()
    }

    async fn converse(&self, line: &str, input: Option<&[u8]>) -> Result<Output, LinkError> {
        let streamed = self
            .pumped(line, input.is_some(), |stdin| feed(stdin, input), drain)
            .await?;
        let pipes = |error| LinkError::io(format!("pipes to site `{}`", self.site))(error);
        streamed.fed.map_err(pipes)?;
        Ok(Output {
            code: streamed.code,
            stdout: streamed.taken.map_err(pipes)?,
            stderr: streamed.stderr,
        })
    }

    /// Runs `argv` on the site while `feed` writes its input and `take` reads its output.
    pub(super) async fn stream<A, B, FA, FB>(
        &self,
        argv: &[&[u8]],
        feed: impl FnOnce(Option<ChildStdin>) -> FA,
        take: impl FnOnce(Option<ChildStdout>) -> FB,
    ) -> Result<Streamed<A, B>, LinkError>
    where
        FA: Future<Output = io::Result<A>>,
        FB: Future<Output = io::Result<B>>,
    {
        let line = self.line(argv)?;
        let _permit = self.permit().await?;
        self.watched(Box::pin(self.pumped(&line, true, feed, take)))
            .await
    }

    async fn pumped<A, B, FA, FB>(
        &self,
        line: &str,
        fed: bool,
        feed: impl FnOnce(Option<ChildStdin>) -> FA,
        take: impl FnOnce(Option<ChildStdout>) -> FB,
    ) -> Result<Streamed<A, B>, LinkError>
    where
        FA: Future<Output = io::Result<A>>,
        FB: Future<Output = io::Result<B>>,
    {
        let mut child = self.session_running(line, fed).await?;
        let (fed, taken, stderr) = tokio::join!(
            feed(child.stdin().take()),
            take(child.stdout().take()),
            drain(child.stderr().take()),
        );
        let code = match code_of(child.wait().await) {
            Ok(code) => {
                // A bastion's ssh that lost the front end, or a command's own exit code.
                if self.ssh.nested && code == SSH_FAILED {
                    self.probe(self.patience.limit).await?;
                }
                code
            },
            Err(openssh::Error::RemoteProcessTerminated) => {
                self.probe(self.patience.limit).await?;
                // The far sh itself was killed; the protocol does not say by which signal.
                128 + 9
            },
            Err(error) => return Err(self.failed(error).await),
        };
        Ok(Streamed {
            code,
            fed,
            taken,
            stderr: stderr.unwrap_or_default(),
        })
    }

    /// A session that runs `line`, asked for again with growing pauses while the site refuses.
    pub(super) async fn session_running(
        &self,
        line: &str,
        fed: bool,
    ) -> Result<Child<&'_ Session>, LinkError> {
        for tried in 0..self.patience.tries.max(1) {
            self.guard()?;
            match self.spawn(line, fed).await {
                Ok(child) => return Ok(child),
                Err(error) if refused(&error) => sleep(Patience::pause(tried)).await,
                Err(error) => return Err(self.failed(error).await),
            }
        }
        Err(self.busy())
    }

    async fn spawn(&self, line: &str, fed: bool) -> Result<Child<&'_ Session>, openssh::Error> {
        let mut command = self.session.raw_command(OsStr::from_bytes(line.as_bytes()));
        command
            .stdin(if fed { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().await
    }

    /// Opens sessions until the site refuses one or `most` are open; how many were open at once.
    pub(super) async fn count_sessions(&self, most: u32) -> Result<u32, LinkError> {
        self.guard()?;
        let count = async {
            let mut open = Vec::new();
            let mut opened = 0;
            let outcome = loop {
                if opened == most {
                    break Ok(opened);
                }
                match self.spawn("cat", true).await {
                    Ok(child) => open.push(child),
                    Err(error) if refused(&error) => break Ok(opened),
                    Err(error) => break Err(error),
                }
                opened += 1;
            };
            for child in open {
                // Each `cat` ends with its input; how it ended tells nothing about the limit.
                drop(child.wait().await);
            }
            match outcome {
                Ok(opened) => Ok(opened),
                Err(error) => Err(self.failed(error).await),
            }
        };
        self.watched(Box::pin(count)).await
    }

    /// Ends only when the link has fallen silent.
    async fn silence(&self) -> LinkError {
        loop {
            sleep(self.patience.between).await;
            let mut proven = self.proven.lock().await;
            // One probe serves all commands that wait on this master.
            if proven.is_none_or(|at| at.elapsed() >= self.patience.between / 2) {
                if let Err(down) = self.probe(self.patience.limit).await {
                    return down;
                }
                *proven = Some(Instant::now());
            }
        }
    }

    pub(super) async fn failed(&self, error: openssh::Error) -> LinkError {
        if matches!(error, openssh::Error::Disconnected) {
            return self.down(self.why(&error));
        }
        match self.probe(self.patience.limit).await {
            Err(down) => down,
            Ok(()) => self.other(&error),
        }
    }

    fn other(&self, error: &openssh::Error) -> LinkError {
        let why = match error {
            openssh::Error::SshMux(inner) => inner.to_string(),
            openssh::Error::ChildIo(inner) => inner.to_string(),
            other => other.to_string(),
        };
        LinkError::Session {
            site: self.site.clone(),
            why,
        }
    }

    pub(super) fn busy(&self) -> LinkError {
        LinkError::Busy {
            site: self.site.clone(),
            tries: self.patience.tries.max(1),
            sessions: self.ssh.sessions,
            socket: self.socket.clone(),
        }
    }

    /// The bastion answers, and its ssh to the front end ended with `code`, having `said` why.
    fn front_end_down(&self, code: i32, said: &[u8]) -> LinkError {
        let said = String::from_utf8_lossy(said);
        let last = said.lines().rfind(|line| !line.trim().is_empty());
        let words = last.map_or_else(String::new, |line| format!(": {}", line.trim()));
        let host = &self.ssh.host;
        LinkError::Down {
            site: self.site.clone(),
            why: format!("the bastion answers, but its `ssh {host}` ends with {code}{words}"),
            mend: format!("work goes on by itself once `ssh {host} true` works on the bastion"),
        }
    }

    pub(super) fn down(&self, why: String) -> LinkError {
        LinkError::Down {
            site: self.site.clone(),
            why,
            mend: mend(&self.site),
        }
    }

    fn why(&self, error: &openssh::Error) -> String {
        let socket = self.socket.display();
        match error {
            openssh::Error::Disconnected if self.socket.symlink_metadata().is_err() => {
                format!("no master has its control socket at {socket}")
            },
            openssh::Error::Disconnected => {
                format!("the control socket {socket} is stale: its master is gone")
            },
            openssh::Error::RemoteProcessTerminated => "its master lost the connection".to_owned(),
            openssh::Error::SshMux(inner) => format!("control socket {socket}: {inner}"),
            other => format!("control socket {socket}: {other}"),
        }
    }
}

/// The exit code of a remote command.
fn code_of(ended: Result<std::process::ExitStatus, openssh::Error>) -> Result<i32, openssh::Error> {
    match ended {
        Ok(status) => Ok(status.code().unwrap_or(-1)),
        Err(openssh::Error::Remote(_)) => Ok(NOT_FOUND),
        Err(error) => Err(error),
    }
}

/// What to tell a human whose link to `site` is down.
pub(super) fn mend(site: &str) -> String {
    format!("log in with: outrigger connection start {site}")
}

/// Whether this process lacks file descriptors, which says nothing about the link.
fn ours(error: &openssh::Error) -> bool {
    match error {
        openssh::Error::ChildIo(_) => true,
        openssh::Error::SshMux(inner) => inner.to_string().contains("Too many open files"),
        _ => false,
    }
}

fn refused(error: &openssh::Error) -> bool {
    matches!(error, openssh::Error::SshMux(inner) if inner.to_string().contains("open refused by peer"))
}
