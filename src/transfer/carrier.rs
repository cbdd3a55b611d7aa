//! Files by programs that know how: `scp`, the classic, and `rsync`. They carry links that are
//! named by number, so that no name of a file meets them.

use std::os::unix::fs::symlink;

use super::{
    Engine, TransferOptions,
    drive::{BatchResult, Piece, Settled},
    far::{self, Stage},
    land::Berth,
    push::source_at_fault,
    source,
};
use crate::connection::{Host, LinkError, Output};

/// A program that carries files on one of several streams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carrier {
    engine: Engine,
    /// Most bytes a second on that stream.
    limit: Option<u64>,
}

impl Carrier {
    /// On each of so many `streams`, which share what may go in all.
    pub(super) fn of(opts: &TransferOptions<'_>, streams: usize) -> Self {
        let streams = u64::try_from(streams).unwrap_or(u64::MAX).max(1);
        let limit = opts.limit.filter(|limit| *limit > 0);
        Self {
            engine: opts.engine,
            limit: limit.map(|limit| (limit / streams).max(1)),
        }
    }

    /// One batch to the site, then verification and renames there.
    pub(super) async fn send(
        self,
        host: Host,
        stage: Stage,
        stream: usize,
        batch: Vec<Piece>,
    ) -> BatchResult {
        let links =
            tempfile::tempdir().map_err(LinkError::io("a temporary directory for links"))?;
        let mut names = Vec::new();
        for piece in &batch {
            let target = std::path::absolute(&piece.from).unwrap_or_else(|_| piece.from.clone());
            symlink(target, links.path().join(piece.name()))
                .map_err(LinkError::io(format!("a link to {}", piece.from.display())))?;
            names.push(piece.name());
        }
        let into = stage.stream(stream);
        let sent: Output = match self.engine {
            Engine::Rsync => host.rsync_to(links.path(), &into, self.limit).await?,
            _ => host.scp_to(links.path(), &names, &into, self.limit).await?,
        };
        let mut settled: Vec<(Piece, Settled)> = Vec::new();
        let mut arrived = Vec::new();
        for piece in batch {
            match source::still(&piece) {
                Ok(()) => arrived.push(piece),
                Err(error) => settled.push((piece, Settled::Failed(error))),
            }
        }
        settled.extend(stage.land(stream, arrived, &sent.err()).await?);
        Ok(settled.into_iter().map(source_at_fault).collect())
    }

    /// One batch: links on the site, one program into a directory beside the destination, and
    /// landing.
    pub(super) async fn fetch(
        self,
        host: Host,
        stage: Stage,
        stream: usize,
        batch: Vec<Piece>,
    ) -> BatchResult {
        let mut refused = stage.link(stream, &batch).await?;
        let mut settled = Vec::new();
        let mut coming = Vec::new();
        for piece in batch {
            match refused.remove(&piece.index) {
                Some(error) => settled.push((piece, Settled::Failed(error))),
                None => coming.push(piece),
            }
        }
        let Some(berth) = Berth::for_some(&mut coming, &mut settled) else {
            return Ok(settled);
        };
        let from = stage.stream(stream);
        let came = match self.engine {
            Engine::Rsync => host.rsync_from(&from, berth.path(), self.limit).await?,
            _ => host.scp_from(&from, berth.path(), self.limit).await?,
        };
        let said = came.err();
        let landing = tokio::task::spawn_blocking(move || berth.land_unhashed(coming, &said));
        settled.extend(landing.await.map_err(far::stopped("landing a batch"))?);
        Ok(settled)
    }
}
