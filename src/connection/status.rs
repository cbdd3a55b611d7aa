//! How the link to a site is, asked of the site itself.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    LinkError, Patience, Sockets,
    life::{Link, Standing},
    master::Master,
};
use crate::config::site::SshConnection;

/// How the link to a site is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The site.
    pub site: String,
    /// Whether any line answers.
    pub up: bool,
    /// Why not, where one does not.
    pub why: Option<String>,
    /// Masters to front ends that answer.
    pub lines_up: u32,
    /// Masters to front ends that the configuration names.
    pub lines: u32,
    /// Sessions that may run at once on those that answer.
    pub sessions: u32,
    /// Its opening and its end.
    #[serde(flatten)]
    pub link: Link,
    /// Seconds until the site cuts it, where that is known.
    pub left: Option<u64>,
    /// Path of the first control socket.
    pub socket: PathBuf,
}

impl Status {
    /// Runs `true` on every line, each within `limit`: a socket that exists, and even a master
    /// that answers, prove nothing about the network behind.
    ///
    /// # Errors
    /// [`LinkError::SocketPath`] or [`LinkError::NoHome`].
    pub async fn ask(
        site: &str,
        ssh: &SshConnection,
        limit: Duration,
        now: Timestamp,
    ) -> Result<Self, LinkError> {
        let sockets = Sockets::here(site, ssh)?;
        let lines = ssh.masters();
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..lines {
            let master = Master::at(site, ssh, sockets.line(n), Patience::default());
            asked.spawn(async move { master.probe(limit).await });
        }
        let mut lines_up = 0;
        let mut why = None;
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(())) => lines_up += 1,
                Ok(Err(error)) => why = why.or(Some(error.to_string())),
                Err(error) => why = why.or(Some(error.to_string())),
            }
        }
        let link = Link::look(ssh, &sockets);
        Ok(Self {
            site: site.to_owned(),
            up: lines_up > 0,
            why,
            lines_up,
            lines,
            sessions: ssh.sessions.saturating_mul(lines_up),
            left: link.left(now).map(|left| left.as_secs()),
            link,
            socket: sockets.line(0),
        })
    }

    /// What it means for notices.
    pub fn standing(&self) -> Standing {
        if self.up {
            Standing::Up(self.link.clone())
        } else {
            Standing::Down(self.why.clone().unwrap_or_default())
        }
    }
}
