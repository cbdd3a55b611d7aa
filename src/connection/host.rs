//! A machine that runs our commands: this one, or a site behind its master.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use openssh::{ChildStdin, ChildStdout};

use super::{
    LinkError, Output, Patience, Streamed,
    lines::Lines,
    local, rsync,
    scp::{self, Copied},
    socket::Sockets,
};
use crate::{
    config::site::{Connection, Site, SshConnection},
    durable,
};

/// A machine that runs our commands. Clones share the sessions of its masters.
#[derive(Debug, Clone)]
pub struct Host(Way);

#[derive(Debug, Clone)]
enum Way {
    Local,
    Ssh(Arc<Lines>),
}

impl Host {
    /// This machine.
    pub fn local() -> Self {
        Self(Way::Local)
    }

    /// The machine that runs the scheduler of `site`, as its `connection` says.
    ///
    /// # Errors
    /// As [`Host::attach`].
    pub async fn open(site_name: &str, site: &Site) -> Result<Self, LinkError> {
        match &site.connection {
            Connection::None => Ok(Self::local()),
            Connection::Ssh(ssh) => Self::attach(site_name, ssh).await,
        }
    }

    /// Rides the masters that a human opened for `site_name`; those that do not answer are left
    /// out.
    ///
    /// # Errors
    /// [`LinkError::Down`] if none answers, [`LinkError::SocketPath`] or
    /// [`LinkError::NoHome`] if there can be no such socket. Never tries to log in.
    pub async fn attach(site_name: &str, ssh: &SshConnection) -> Result<Self, LinkError> {
        Self::attach_with(site_name, ssh, Patience::default()).await
    }

    /// [`Host::attach`] with other waiting times.
    ///
    /// # Errors
    /// As [`Host::attach`].
    pub async fn attach_with(
        site_name: &str,
        ssh: &SshConnection,
        patience: Patience,
    ) -> Result<Self, LinkError> {
        let sockets = Sockets::here(site_name, ssh)?;
        let lines = Lines::attach(site_name, ssh, &sockets, patience).await?;
        Ok(Self(Way::Ssh(Arc::new(lines))))
    }

    /// Whether this is the machine we run on.
    pub fn is_local(&self) -> bool {
        matches!(self.0, Way::Local)
    }

    /// Sessions that may run at once; `None` where nothing limits them.
    pub fn sessions(&self) -> Option<u32> {
        match &self.0 {
            Way::Local => None,
            Way::Ssh(lines) => Some(lines.sessions()),
        }
    }

    /// Whether a session that stays open on each line leaves another for commands.
    pub fn spares_sessions(&self) -> bool {
        let lines = u32::try_from(self.lines()).unwrap_or(u32::MAX);
        self.sessions().is_none_or(|most| most > lines)
    }

    /// Runs `argv` and captures all it says; `stdin` is its whole input, nothing if absent.
    ///
    /// No word of `argv` meets a shell as anything but itself. A program that is not there
    /// answers 127, an end by signal N 128 + N. The remote program goes on if the future is
    /// dropped.
    ///
    /// # Errors
    /// [`LinkError::Down`] if the link is down or falls silent, [`LinkError::Busy`] if the site
    /// keeps refusing a session, [`LinkError::TooLong`] if `argv` is over 120 kB.
    pub async fn run(&self, argv: &[String], stdin: Option<&[u8]>) -> Result<Output, LinkError> {
        let words: Vec<&[u8]> = argv.iter().map(String::as_bytes).collect();
        self.run_words(&words, stdin).await
    }

    /// Runs our own POSIX sh `text` with `args` as `$1`, `$2`, …; they are never part of it.
    ///
    /// # Errors
    /// As [`Host::run`].
    pub async fn script(&self, text: &str, args: &[String]) -> Result<Output, LinkError> {
        let words: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
        self.script_fed(text, &words, None).await
    }

    /// [`Host::script`] with arguments of any bytes (no NUL) and input.
    ///
    /// # Errors
    /// As [`Host::run`].
    pub async fn script_fed(
        &self,
        text: &str,
        args: &[&[u8]],
        stdin: Option<&[u8]>,
    ) -> Result<Output, LinkError> {
        let mut words: Vec<&[u8]> = vec![b"sh", b"-c", text.as_bytes(), b"sh"];
        words.extend_from_slice(args);
        self.run_words(&words, stdin).await
    }

    async fn run_words(&self, words: &[&[u8]], stdin: Option<&[u8]>) -> Result<Output, LinkError> {
        if words.is_empty() || words.iter().any(|word| word.contains(&0)) {
            return Err(LinkError::Io {
                what: "a command needs at least one word, and no word may hold NUL".into(),
                source: std::io::ErrorKind::InvalidInput.into(),
            });
        }
        durable::step(named(words));
        match &self.0 {
            Way::Local => local::run(words, stdin).await,
            Way::Ssh(lines) => lines.freest().run(words, stdin).await,
        }
    }

    /// Runs our own POSIX sh `text` on the master whose turn it is, counted round, while `feed`
    /// writes its input and `take` reads its output.
    ///
    /// # Errors
    /// As [`Host::run`]; not for this machine.
    pub(crate) async fn stream<A, B, FA, FB>(
        &self,
        turn: usize,
        text: &str,
        args: &[&[u8]],
        feed: impl FnOnce(Option<ChildStdin>) -> FA,
        take: impl FnOnce(Option<ChildStdout>) -> FB,
    ) -> Result<Streamed<A, B>, LinkError>
    where
        FA: Future<Output = std::io::Result<A>>,
        FB: Future<Output = std::io::Result<B>>,
    {
        let mut words: Vec<&[u8]> = vec![b"sh", b"-c", text.as_bytes(), b"sh"];
        words.extend_from_slice(args);
        durable::step(named(&words));
        match &self.0 {
            Way::Local => Err(LinkError::Io {
                what: "a stream to this host".into(),
                source: std::io::ErrorKind::Unsupported.into(),
            }),
            Way::Ssh(lines) => lines.turn(turn).stream(&words, feed, take).await,
        }
    }

    /// Masters that commands are spread over; 1 for this machine.
    pub fn lines(&self) -> usize {
        match &self.0 {
            Way::Local => 1,
            Way::Ssh(lines) => lines.count(),
        }
    }

    /// Where the Unix socket `remote` of the site is reached from here: itself, or a socket to
    /// which a master listens for us as long as it lives. That costs no session.
    ///
    /// # Errors
    /// [`LinkError::Down`], or [`LinkError::Io`] if the master will not forward.
    pub async fn forwarded(&self, remote: &Path) -> Result<PathBuf, LinkError> {
        match &self.0 {
            Way::Local => Ok(remote.to_owned()),
            Way::Ssh(lines) => lines.first().forwarded(remote).await,
        }
    }

    /// Whether the site answers within `limit`: `true` is run there. A live master alone proves
    /// nothing about the network behind it.
    ///
    /// # Errors
    /// [`LinkError::Down`].
    pub async fn probe(&self, limit: Duration) -> Result<(), LinkError> {
        match &self.0 {
            Way::Local => Ok(()),
            Way::Ssh(lines) => lines.probe(limit).await,
        }
    }

    /// Sessions that the site allows on our master now, counted up to `most`; `None` where
    /// nothing limits them.
    ///
    /// # Errors
    /// [`LinkError::Down`].
    pub(super) async fn count_sessions(&self, most: u32) -> Result<Option<u32>, LinkError> {
        match &self.0 {
            Way::Local => Ok(None),
            Way::Ssh(lines) => lines.first().count_sessions(most).await.map(Some),
        }
    }

    /// Options for an `ssh` or `scp` of ours that leave no way to the site but the master's
    /// socket: with no master, or none of its sessions free, such a program fails at once and
    /// cannot log in. Empty for this machine.
    pub fn ssh_rider_options(&self) -> Vec<String> {
        match &self.0 {
            Way::Local => Vec::new(),
            Way::Ssh(lines) => {
                let master = lines.first();
                scp::rider_options(&master.socket, &master.ssh)
            },
        }
    }

    /// Copies `names` of the local directory `from` into the directory `into` on the site, by
    /// one `scp` on one session, at most `limit` bytes a second. Names must be plain (letters,
    /// digits, dots).
    ///
    /// # Errors
    /// As [`Host::run`]; what `scp` itself met is in its [`Output`].
    pub(crate) async fn scp_to(
        &self,
        from: &Path,
        names: &[String],
        into: &Path,
        limit: Option<u64>,
    ) -> Result<Output, LinkError> {
        self.scp(Copied::To { from, names, into }, limit).await
    }

    /// Copies all files of the directory `from` on the site into the local directory `into`,
    /// by one `scp` on one session, at most `limit` bytes a second.
    ///
    /// # Errors
    /// As [`Host::scp_to`].
    pub(crate) async fn scp_from(
        &self,
        from: &Path,
        into: &Path,
        limit: Option<u64>,
    ) -> Result<Output, LinkError> {
        self.scp(Copied::From { from, into }, limit).await
    }

    /// Copies all files of the local directory `from` into the directory `into` on the site, by
    /// one `rsync` on one session, at most `limit` bytes a second.
    ///
    /// # Errors
    /// As [`Host::scp_to`].
    pub(crate) async fn rsync_to(
        &self,
        from: &Path,
        into: &Path,
        limit: Option<u64>,
    ) -> Result<Output, LinkError> {
        let names = &[];
        self.rsync(Copied::To { from, names, into }, limit).await
    }

    /// The same from the site.
    ///
    /// # Errors
    /// As [`Host::scp_to`].
    pub(crate) async fn rsync_from(
        &self,
        from: &Path,
        into: &Path,
        limit: Option<u64>,
    ) -> Result<Output, LinkError> {
        self.rsync(Copied::From { from, into }, limit).await
    }

    async fn rsync(&self, copied: Copied<'_>, limit: Option<u64>) -> Result<Output, LinkError> {
        durable::step("rsync");
        match &self.0 {
            Way::Local => Err(LinkError::Io {
                what: "rsync to this host".into(),
                source: std::io::ErrorKind::Unsupported.into(),
            }),
            Way::Ssh(lines) => rsync::copy(lines.freest(), copied, limit).await,
        }
    }

    async fn scp(&self, copied: Copied<'_>, limit: Option<u64>) -> Result<Output, LinkError> {
        durable::step("scp");
        match &self.0 {
            Way::Local => Err(LinkError::Io {
                what: "scp to this host".into(),
                source: std::io::ErrorKind::Unsupported.into(),
            }),
            Way::Ssh(lines) => scp::copy(lines.freest(), copied, limit).await,
        }
    }
}

/// What a command is called among the steps: its program and verbs, or the first line of its
/// script that is no comment.
fn named(words: &[&[u8]]) -> String {
    let texts: Vec<_> = words
        .iter()
        .map(|word| String::from_utf8_lossy(word))
        .collect();
    if let [shell, option, text, ..] = texts.as_slice()
        && shell == "sh"
        && option == "-c"
    {
        let line = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'));
        return format!("sh {}", line.unwrap_or_default());
    }
    let mut texts = texts.iter();
    let program = texts
        .next()
        .map_or("", |path| path.rsplit('/').next().unwrap_or_default());
    let verbs = texts.take_while(|word| word.bytes().all(|b| b.is_ascii_lowercase()));
    verbs
        .take(2)
        .fold(program.to_owned(), |name, verb| name + " " + verb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_a_name_of_its_own_among_the_steps() {
        let submit: [&[u8]; 4] = [b"/opt/outrigger", b"local", b"submit", b"--spool"];
        assert_eq!(named(&submit), "outrigger local submit");
        let script: [&[u8]; 4] = [b"sh", b"-c", b"\n cd \"$1\"\nls", b"/x"];
        assert_eq!(named(&script), "sh cd \"$1\"");
    }
}
