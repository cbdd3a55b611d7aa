//! Home to site over ssh.

use std::{os::unix::fs::symlink, path::PathBuf};

use super::{
    Item, Outcome, Progress, TransferError, TransferOptions,
    drive::{BatchResult, Ledgered, Piece, Settled, drive},
    far::{self, Fact, Stage},
    source,
};
use crate::connection::{Host, LinkError};

/// Files asked about by one script.
const ASKED: usize = 1000;

pub(super) async fn push(
    host: &Host,
    items: &[Item],
    opts: &TransferOptions<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, LinkError> {
    let mut outcomes = Ledgered::new(items.len(), opts.ledger, progress);
    let paths: Vec<PathBuf> = items.iter().map(|item| item.local.clone()).collect();
    let (known, there) = tokio::join!(source::known(&paths, opts.ledger), ask_all(host, items));
    let there = there?;
    let mut pieces = Vec::new();
    for (index, (item, known)) in items.iter().zip(known).enumerate() {
        let sendable = far::absolute(&item.remote)
            .and(known)
            .and_then(|known| source::as_expected(&item.local, item.hash, known));
        match sendable {
            Err(error) => outcomes.set(index, Outcome::Failed(error)),
            Ok(known) => match there.get(index) {
                Some(Fact::File { size, hash }) if *hash == known.hash => {
                    let (size, hash) = (*size, *hash);
                    outcomes.set(index, Outcome::AlreadyThere { size, hash });
                },
                _ => pieces.push(Piece {
                    index,
                    from: item.local.clone(),
                    to: item.remote.clone(),
                    size: known.key.size,
                    hash: known.hash,
                    key: Some(known.key),
                }),
            },
        }
    }
    if pieces.is_empty() {
        return Ok(outcomes.finish());
    }
    let streams = super::streams(host, opts);
    let stage = match Stage::begin(host, &opts.staging, streams).await? {
        Ok(stage) => stage,
        Err(error) => {
            for piece in pieces {
                outcomes.set(piece.index, Outcome::Failed(error.clone()));
            }
            return Ok(outcomes.finish());
        },
    };
    let work = |stream, batch| send(host.clone(), stage.clone(), stream, batch);
    drive(pieces, streams, &mut outcomes, work).await?;
    // All has landed; what is left in the staging directory is swept by a later transfer.
    drop(stage.end().await);
    Ok(outcomes.finish())
}

/// What the site has at the items' remote paths, in their order.
async fn ask_all(host: &Host, items: &[Item]) -> Result<Vec<Fact>, LinkError> {
    let mut all = Vec::with_capacity(items.len());
    for chunk in items.chunks(ASKED) {
        let paths: Vec<_> = chunk
            .iter()
            .map(|item| item.remote.as_path())
            .enumerate()
            .collect();
        let mut facts = far::facts(host, &paths).await?;
        all.extend((0..chunk.len()).map(|n| facts.remove(&n).unwrap_or(Fact::Missing)));
    }
    Ok(all)
}

/// One batch: one scp of links named by number, then verification and renames on the site.
async fn send(host: Host, stage: Stage, stream: usize, batch: Vec<Piece>) -> BatchResult {
    let links = tempfile::tempdir().map_err(LinkError::io("a temporary directory for links"))?;
    let mut names = Vec::new();
    for piece in &batch {
        let target = std::path::absolute(&piece.from).unwrap_or_else(|_| piece.from.clone());
        symlink(target, links.path().join(piece.name()))
            .map_err(LinkError::io(format!("a link to {}", piece.from.display())))?;
        names.push(piece.name());
    }
    let sent = host
        .scp_to(links.path(), &names, &stage.stream(stream))
        .await?;
    let still = |piece: &Piece| match piece.key {
        Some(key) => source::unchanged(&piece.from, key),
        None => Ok(()),
    };
    let mut settled: Vec<(Piece, Settled)> = Vec::new();
    let mut arrived = Vec::new();
    for piece in batch {
        match still(&piece) {
            Ok(()) => arrived.push(piece),
            Err(error) => settled.push((piece, Settled::Failed(error))),
        }
    }
    settled.extend(stage.land(stream, arrived, &sent.err()).await?);
    Ok(settled.into_iter().map(source_at_fault).collect())
}

/// A source that can no longer be read is a better reason than that nothing arrived.
fn source_at_fault((piece, settled): (Piece, Settled)) -> (Piece, Settled) {
    let settled = match settled {
        Settled::Again(TransferError::Write { .. }) => match std::fs::File::open(&piece.from) {
            Err(error) => Settled::Failed(source::unreadable(&piece.from, &error)),
            Ok(_) => settled,
        },
        other => other,
    };
    (piece, settled)
}
