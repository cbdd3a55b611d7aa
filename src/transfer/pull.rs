//! Site to home over ssh.

use std::path::PathBuf;

use super::{
    Item, Outcome, Place, Progress, TransferError, TransferOptions,
    drive::{BatchResult, Ledgered, Piece, Settled, drive},
    far::{self, Fact, Stage},
    land::Berth,
    source,
};
use crate::connection::{Host, LinkError};

/// Files asked about by one script.
const ASKED: usize = 1000;

pub(super) async fn pull(
    host: &Host,
    items: &[Item],
    opts: &TransferOptions<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, LinkError> {
    let mut outcomes = Ledgered::new(items.len(), opts.ledger, progress);
    let mut wanted = Vec::new();
    for (index, wish) in wishes(host, items).await?.into_iter().enumerate() {
        match (wish, items.get(index)) {
            (Ok(fact), Some(item)) => wanted.push((index, item, fact)),
            (Err(error), _) => outcomes.set(index, Outcome::Failed(error)),
            (Ok(_), None) => {},
        }
    }
    let present: Vec<_> = wanted
        .iter()
        .filter(|(_, item, _)| item.local.exists())
        .collect();
    let paths: Vec<PathBuf> = present
        .iter()
        .map(|(_, item, _)| item.local.clone())
        .collect();
    let known = source::known(&paths, opts.ledger).await;
    let mut here: std::collections::HashMap<usize, source::Known> = present
        .iter()
        .zip(known)
        .filter_map(|((index, ..), known)| Some((*index, known.ok()?)))
        .collect();
    let mut pieces = Vec::new();
    for (index, item, (size, hash)) in wanted {
        match here.remove(&index) {
            Some(known) if known.hash == hash => {
                let size = known.key.size;
                outcomes.set(index, Outcome::AlreadyThere { size, hash });
            },
            _ => pieces.push(Piece {
                index,
                from: item.remote.clone(),
                to: item.local.clone(),
                size,
                hash,
                key: None,
            }),
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
    let work = |stream, batch| fetch(host.clone(), stage.clone(), stream, batch);
    drive(pieces, streams, &mut outcomes, work).await?;
    // All has landed; what is left in the staging directory is swept by a later transfer.
    drop(stage.end().await);
    Ok(outcomes.finish())
}

/// Size (0 if not known) and hash that each item must have: the caller's, else the site's.
async fn wishes(
    host: &Host,
    items: &[Item],
) -> Result<Vec<Result<(u64, crate::transfer::Hash), TransferError>>, LinkError> {
    let unknown: Vec<(usize, &Item)> = items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.hash.is_none() && item.remote.is_absolute())
        .collect();
    let mut facts = std::collections::HashMap::new();
    for chunk in unknown.chunks(ASKED) {
        let paths: Vec<_> = chunk
            .iter()
            .map(|(n, item)| (*n, item.remote.as_path()))
            .collect();
        facts.extend(far::facts(host, &paths).await?);
    }
    let wish = |(index, item): (usize, &Item)| {
        far::absolute(&item.remote)?;
        let path = item.remote.clone();
        let place = Place::Site;
        match (item.hash, facts.remove(&index)) {
            (Some(hash), _) => Ok((item.size.unwrap_or(0), hash)),
            (None, Some(Fact::File { size, hash })) => Ok((size, hash)),
            (None, Some(Fact::Unreadable(why))) => Err(TransferError::Read {
                path,
                place,
                why: why.to_owned(),
            }),
            (None, _) => Err(TransferError::Missing { path, place }),
        }
    };
    Ok(items.iter().enumerate().map(wish).collect())
}

/// One batch: links on the site, one scp into a directory beside the destination, and landing.
async fn fetch(host: Host, stage: Stage, stream: usize, batch: Vec<Piece>) -> BatchResult {
    let mut refused = stage.link(stream, &batch).await?;
    let mut settled = Vec::new();
    let mut coming = Vec::new();
    for piece in batch {
        match refused.remove(&piece.index) {
            Some(error) => settled.push((piece, Settled::Failed(error))),
            None => coming.push(piece),
        }
    }
    let berth = loop {
        let Some(first) = coming.first() else {
            return Ok(settled);
        };
        match Berth::beside(&first.to) {
            Ok(berth) => break berth,
            Err(error) => settled.push((coming.remove(0), Settled::Failed(error))),
        }
    };
    let came = host.scp_from(&stage.stream(stream), berth.path()).await?;
    let said = came.err();
    let landing = tokio::task::spawn_blocking(move || berth.land(coming, &said));
    let stopped = |error: tokio::task::JoinError| LinkError::Io {
        what: "landing a batch".into(),
        source: error.into(),
    };
    settled.extend(landing.await.map_err(stopped)?);
    Ok(settled)
}
