//! What an operator does to a site's link: start, refresh, stop.
//!
//! A refresh opens all masters anew beside the old ones, proves that they work, and switches the
//! links that riders follow. The old masters take no more sessions, end those they have, and go:
//! nothing that is under way is cut.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use jiff::Timestamp;
use tokio::process::Command;

use super::{
    LinkError, Patience,
    master::Master,
    open::{Asking, command_line, open},
    opening::{Opening, openings, percent},
    record::{Record, person},
    refusal::OpenError,
    socket::{Sockets, next_generation, of_generation, this_host},
};
use crate::config::site::SshConnection;

/// How long a master that was just opened may take to run `true`.
const FIRST_ANSWER: Duration = Duration::from_secs(30);

/// Why the link could not be brought up or taken down.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// A master could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new link does not work, or there can be none.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// Another start, refresh or stop of this site is under way.
    #[error("site `{site}`: another start, refresh or stop is under way (it holds {lock})")]
    Busy {
        /// The site.
        site: String,
        /// The file that it has locked.
        lock: PathBuf,
    },
    /// Others could put their own socket in the place of ours.
    #[error(
        "site `{site}`: every user may write to {directory}, so another could put a socket there \
         before us: set `connection.socket` to a path in a directory of your own"
    )]
    NotPrivate {
        /// The site.
        site: String,
        /// The directory of the sockets.
        directory: PathBuf,
    },
    /// Sockets, links or the record could not be written.
    #[error("site `{site}`: {path}: {source}")]
    File {
        /// The site.
        site: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What a start found or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// All masters lived and answered already.
    AlreadyUp,
    /// Masters that a living login carries were opened again, without a token.
    Mended {
        /// How many.
        lines: u32,
    },
    /// All masters were opened.
    Opened(Record),
}

/// Who is told how an opening goes.
pub trait Console: Sync {
    /// The next master is being opened, `n` from 1 of `of`.
    fn opening(&self, n: usize, of: usize, what: &str);
    /// ssh says something; raw bytes.
    fn says(&self, words: &[u8]);
}

/// A site's link in an operator's hands.
#[derive(Debug)]
pub struct Operator<'a> {
    /// The site's name.
    pub site: &'a str,
    /// The way there.
    pub ssh: &'a SshConnection,
    /// Where its sockets lie.
    pub sockets: Sockets,
}

impl<'a> Operator<'a> {
    /// For this user on this host.
    ///
    /// # Errors
    /// [`LinkError::SocketPath`] or [`LinkError::NoHome`].
    pub fn of(site: &'a str, ssh: &'a SshConnection) -> Result<Self, LinkError> {
        let sockets = Sockets::here(site, ssh)?;
        Ok(Self { site, ssh, sockets })
    }

    /// Brings the link up if it is not: nothing if all works, only the missing masters where a
    /// living login carries them, else everything anew.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn start(
        &self,
        now: &(dyn Fn() -> Timestamp + Sync),
        asking: Asking,
        console: &dyn Console,
    ) -> Result<Started, OperatorError> {
        let _lock = self.lock()?;
        let dead = self.dead().await;
        if dead.is_empty() {
            return Ok(Started::AlreadyUp);
        }
        if let Some(lines) = self.ride_again(&dead, console).await? {
            return Ok(Started::Mended { lines });
        }
        let record = self.open_all(now, asking, console).await?;
        Ok(Started::Opened(record))
    }

    /// Opens lines again that a living login carries: no token is needed. Tells how many.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn mend(&self, console: &dyn Console) -> Result<u32, OperatorError> {
        let _lock = self.lock()?;
        let dead = self.dead().await;
        let mended = self.ride_again(&dead, console).await?;
        Ok(mended.unwrap_or_default())
    }

    /// The commands that a refresh would run, in their order.
    pub async fn commands(&self, asking: Asking) -> Vec<Vec<String>> {
        let generation = self.generation();
        let mut commands = Vec::new();
        for opening in openings(self.ssh, &self.sockets) {
            commands.push(command_line(&opening, self.ssh, generation, asking).await);
        }
        commands
    }

    /// Opens new masters beside the old ones and switches to them.
    ///
    /// # Errors
    /// [`OperatorError`]; the old link is then as it was.
    pub async fn refresh(
        &self,
        now: &(dyn Fn() -> Timestamp + Sync),
        asking: Asking,
        console: &dyn Console,
    ) -> Result<Record, OperatorError> {
        let _lock = self.lock()?;
        self.open_all(now, asking, console).await
    }

    /// Takes the link down: masters end when their last session does, or at once if `cut`. Tells
    /// how many there were.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn stop(&self, cut: bool) -> Result<usize, OperatorError> {
        let _lock = self.lock()?;
        let mut stopped = 0;
        // Lines first: they are what a bastion's master still has open.
        for path in self.known().into_iter().rev() {
            let Some(socket) = real(&path) else { continue };
            if tell(self.ssh, &socket, if cut { "exit" } else { "stop" }).await {
                stopped += 1;
            }
            remove(&socket);
            remove(&path);
        }
        remove(&self.sockets.record());
        Ok(stopped)
    }

    /// Masters that do not answer.
    async fn dead(&self) -> Vec<Opening> {
        let mut dead = Vec::new();
        for opening in openings(self.ssh, &self.sockets) {
            let lives = if self.is_line(&opening.path) {
                let master = self.master(opening.path.clone());
                master.probe(FIRST_ANSWER).await.is_ok()
            } else {
                tell(self.ssh, &opening.path, "check").await
            };
            if !lives {
                dead.push(opening);
            }
        }
        dead
    }

    /// The generation that is opened next.
    fn generation(&self) -> u32 {
        let before = Record::read(&self.sockets.record());
        next_generation(before.map_or(0, |record| record.generation))
    }

    fn is_line(&self, path: &Path) -> bool {
        (0..self.ssh.masters()).any(|n| self.sockets.line(n) == path)
    }

    fn master(&self, socket: PathBuf) -> Master {
        Master::at(self.site, self.ssh, socket, Patience::default())
    }

    /// Opens the `dead` again over logins that live; `None` if that does not work: a login itself
    /// is dead, with or without having noticed.
    async fn ride_again(
        &self,
        dead: &[Opening],
        console: &dyn Console,
    ) -> Result<Option<u32>, OperatorError> {
        let Some(record) = Record::read(&self.sockets.record()) else {
            return Ok(None);
        };
        if !dead.iter().all(Opening::rides) {
            return Ok(None);
        }
        let mut mended = 0;
        for (n, opening) in dead.iter().enumerate() {
            console.opening(n + 1, dead.len(), &opening.what);
            let echo = |words: &[u8]| console.says(words);
            remove(&of_generation(&opening.path, record.generation));
            let opened = open(
                self.site,
                opening,
                self.ssh,
                record.generation,
                Asking::Nobody,
                &echo,
            );
            if opened.await.is_err() {
                return Ok(None);
            }
            self.lead(&opening.path, record.generation)?;
            mended += 1;
        }
        Ok(Some(mended))
    }

    async fn open_all(
        &self,
        now: &(dyn Fn() -> Timestamp + Sync),
        asking: Asking,
        console: &dyn Console,
    ) -> Result<Record, OperatorError> {
        let generation = self.generation();
        let all = openings(self.ssh, &self.sockets);
        let mut opened: Vec<&Opening> = Vec::new();
        let mut opened_at = None;
        for (n, opening) in all.iter().enumerate() {
            console.opening(n + 1, all.len(), &opening.what);
            remove(&of_generation(&opening.path, generation));
            let echo = |words: &[u8]| console.says(words);
            let result = open(self.site, opening, self.ssh, generation, asking, &echo).await;
            if let Err(error) = result {
                self.abandon(&opened, generation).await;
                return Err(error.into());
            }
            opened.push(opening);
            // Later logins wait for their tokens, while the first grows old.
            opened_at.get_or_insert_with(now);
            if self.is_line(&opening.path) {
                let master = self.master(of_generation(&opening.path, generation));
                if let Err(error) = master.probe(FIRST_ANSWER).await {
                    self.abandon(&opened, generation).await;
                    return Err(error.into());
                }
            }
        }
        let record = Record {
            schema: 1,
            site: self.site.to_owned(),
            generation,
            opened_at: opened_at.unwrap_or_else(now),
            opened_by: person(),
            on_host: this_host(),
            account: self.ssh.user.clone(),
            lifetime: self.ssh.lifetime.map(|time| time.0),
            masters: all.iter().map(|opening| opening.path.clone()).collect(),
        };
        if let Err(error) = self.switch(&all, &record).await {
            self.abandon(&opened, generation).await;
            return Err(error);
        }
        Ok(record)
    }

    /// Lets riders follow the new generation, and the old one come to its end.
    ///
    /// # Errors
    /// [`OperatorError::File`]; riders then follow the old one as before, unless it was opened by
    /// hand.
    async fn switch(&self, all: &[Opening], record: &Record) -> Result<(), OperatorError> {
        let known = self.known();
        let path = self.sockets.record();
        let before = Record::read(&path);
        record
            .write(&path)
            .map_err(|source| self.file(&path, source))?;
        let mut old = Vec::new();
        for path in known.into_iter().rev() {
            let Some(socket) = real(&path) else { continue };
            if socket == path {
                // Opened by hand: when told to stop it removes this path itself.
                tell(self.ssh, &socket, "stop").await;
                remove(&socket);
            } else {
                old.push((path, socket));
            }
        }
        for opening in all {
            if let Err(error) = self.lead(&opening.path, record.generation) {
                self.switch_back(all, &old, before.as_ref());
                return Err(error);
            }
        }
        for (path, socket) in old {
            tell(self.ssh, &socket, "stop").await;
            remove(&socket);
            if real(&path).is_none() {
                remove(&path);
            }
        }
        Ok(())
    }

    /// Undoes a switch that failed half-way, as far as that can be done.
    fn switch_back(&self, all: &[Opening], old: &[(PathBuf, PathBuf)], before: Option<&Record>) {
        for path in all.iter().map(|opening| &opening.path) {
            match old.iter().find(|(of, _)| of == path) {
                Some((_, socket)) if real(path).as_ref() != Some(socket) => {
                    remove(path);
                    drop(symlink(socket.file_name().unwrap_or_default(), path));
                },
                Some(_) => {},
                None => remove(path),
            }
        }
        let path = self.sockets.record();
        match before {
            Some(record) => drop(record.write(&path)),
            None => remove(&path),
        }
    }

    /// Ends masters that were opened for nothing.
    async fn abandon(&self, opened: &[&Opening], generation: u32) {
        for opening in opened.iter().rev() {
            let socket = of_generation(&opening.path, generation);
            tell(self.ssh, &socket, "exit").await;
            remove(&socket);
        }
    }

    /// Makes `path` lead to its socket of `generation`, in one step.
    fn lead(&self, path: &Path, generation: u32) -> Result<(), OperatorError> {
        let target = of_generation(path, generation);
        let name = target.file_name().unwrap_or_default();
        let new = of_generation(path, 0);
        remove(&new);
        symlink(name, &new)
            .and_then(|()| fs::rename(&new, path))
            .map_err(|source| self.file(path, source))
    }

    /// All paths at which masters of this site may be, logins first.
    fn known(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = openings(self.ssh, &self.sockets)
            .into_iter()
            .map(|opening| opening.path)
            .collect();
        let record = Record::read(&self.sockets.record());
        for path in record.into_iter().flat_map(|record| record.masters) {
            if !paths.contains(&path) {
                paths.insert(0, path);
            }
        }
        paths
    }

    /// One start, refresh or stop at a time; also makes the directory, for us alone.
    fn lock(&self) -> Result<File, OperatorError> {
        let directory = self.sockets.directory();
        let cannot = |source| self.file(directory, source);
        if !directory.exists() {
            fs::create_dir_all(directory).map_err(cannot)?;
            fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(cannot)?;
        }
        let mode = fs::metadata(directory)
            .map_err(cannot)?
            .permissions()
            .mode();
        if mode & 0o002 != 0 {
            return Err(OperatorError::NotPrivate {
                site: self.site.to_owned(),
                directory: directory.to_owned(),
            });
        }
        let path = self.sockets.lock();
        let file = File::create(&path).map_err(|source| self.file(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(OperatorError::Busy {
                site: self.site.to_owned(),
                lock: path,
            }),
            Err(fs::TryLockError::Error(source)) => Err(self.file(&path, source)),
        }
    }

    fn file(&self, path: &Path, source: io::Error) -> OperatorError {
        OperatorError::File {
            site: self.site.to_owned(),
            path: path.to_owned(),
            source,
        }
    }
}

/// The socket to which `path` leads, dead or alive; `None` if nothing is there.
fn real(path: &Path) -> Option<PathBuf> {
    if let Ok(target) = fs::read_link(path) {
        let socket = path.parent().unwrap_or(Path::new("/")).join(target);
        return socket.symlink_metadata().is_ok().then_some(socket);
    }
    let metadata = path.symlink_metadata().ok()?;
    metadata.file_type().is_socket().then(|| path.to_owned())
}

/// Says `word` to the master behind `socket`; whether there is one that understood.
async fn tell(ssh: &SshConnection, socket: &Path, word: &str) -> bool {
    let asked = Command::new(&ssh.ssh)
        .args(["-F", "/dev/null", "-S", &percent(socket), "-O", word, "x"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    let answered = tokio::time::timeout(Duration::from_secs(10), asked).await;
    answered.is_ok_and(|status| status.is_ok_and(|status| status.success()))
}

/// What cannot be removed is in nobody's way.
fn remove(path: &Path) {
    drop(fs::remove_file(path));
}
