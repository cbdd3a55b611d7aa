//! All masters of one site that answer.

use std::time::Duration;

use super::{LinkError, Patience, master::Master, socket::Sockets};
use crate::config::site::SshConnection;

/// The masters to a site's front ends that answered when we came; at least one.
#[derive(Debug)]
pub(super) struct Lines {
    first: Master,
    more: Vec<Master>,
}

impl Lines {
    /// Looks for all that the configuration names.
    pub(super) async fn attach(
        site: &str,
        ssh: &SshConnection,
        sockets: &Sockets,
        patience: Patience,
    ) -> Result<Self, LinkError> {
        let mut living = Vec::new();
        let mut down = None;
        for n in 0..ssh.masters() {
            let master = Master::at(site, ssh, sockets.line(n), patience);
            match master.check().await {
                Ok(()) => living.push(master),
                Err(error) => down = down.or(Some(error)),
            }
        }
        let mut living = living.into_iter();
        match (living.next(), down) {
            (Some(first), _) => Ok(Self {
                first,
                more: living.collect(),
            }),
            (None, Some(down)) => Err(down),
            (None, None) => Err(LinkError::io("no line")(
                std::io::ErrorKind::NotFound.into(),
            )),
        }
    }

    /// The masters.
    pub(super) fn all(&self) -> impl Iterator<Item = &Master> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        1 + self.more.len()
    }

    /// The one with the lowest number.
    pub(super) fn first(&self) -> &Master {
        &self.first
    }

    /// Number `n` from 0, counted round.
    pub(super) fn turn(&self, n: usize) -> &Master {
        match n % self.count() {
            0 => &self.first,
            n => self.more.get(n - 1).unwrap_or(&self.first),
        }
    }

    /// The one with the most free sessions.
    pub(super) fn freest(&self) -> &Master {
        let more = self.more.iter();
        more.fold(&self.first, |best, master| {
            if master.free() > best.free() {
                master
            } else {
                best
            }
        })
    }

    /// Sessions that may run at once on all of them.
    pub(super) fn sessions(&self) -> u32 {
        let each = self.first.ssh.sessions.max(1);
        each.saturating_mul(u32::try_from(self.count()).unwrap_or(u32::MAX))
    }

    /// Whether the site answers on any line within `limit`.
    pub(super) async fn probe(&self, limit: Duration) -> Result<(), LinkError> {
        let mut first_error = None;
        for master in self.all() {
            match master.probe(limit).await {
                Ok(()) => return Ok(()),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}
