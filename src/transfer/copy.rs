//! A site that is this host: copies, under the same rules.

use std::{fs, path::PathBuf};

use super::{
    Item, Outcome, Progress, TransferError, TransferOptions,
    drive::{BatchResult, How, Job, Ledgered, Piece, Settled, drive, jobs},
    far,
    land::Berth,
    plan::Cutting,
    source,
};
use crate::connection::LinkError;

/// Which of an item's paths is the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// `local` to `remote`.
    Out,
    /// `remote` to `local`.
    Back,
}

pub(super) async fn copy(
    items: &[Item],
    way: Way,
    opts: &TransferOptions<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, LinkError> {
    let mut outcomes = Ledgered::new(items.len(), opts.ledger, progress);
    let ends = |item: &Item| match way {
        Way::Out => (item.local.clone(), item.remote.clone()),
        Way::Back => (item.remote.clone(), item.local.clone()),
    };
    let (from, to): (Vec<PathBuf>, Vec<PathBuf>) = items.iter().map(ends).unzip();
    let sources = source::known(&from, opts.ledger).await;
    let targets = source::known(&to, opts.ledger).await;
    let mut pieces = Vec::new();
    let both = sources
        .into_iter()
        .zip(targets)
        .zip(from.into_iter().zip(to));
    for (index, (((known, target), (from, to)), item)) in both.zip(items).enumerate() {
        let copyable = far::absolute(&item.remote)
            .and(known)
            .and_then(|known| source::as_expected(&from, item.hash, known));
        match copyable {
            Err(error) => outcomes.set(index, Outcome::Failed(error)),
            Ok(known) if target.is_ok_and(|target| target.hash == known.hash) => {
                let (size, hash) = (known.key.size, known.hash);
                outcomes.set(index, Outcome::AlreadyThere { size, hash });
            },
            Ok(known) => pieces.push(Piece {
                index,
                from,
                to,
                size: known.key.size,
                hash: Some(known.hash),
                key: Some(known.key),
            }),
        }
    }
    let how = How {
        site: String::new(),
        streams: usize::try_from(opts.streams).unwrap_or(1),
        ahead: 1,
        bundle: opts.bundle,
        until: None,
        governor: opts.governor(),
    };
    let work = |_, job| async move {
        match job {
            Job::Bundle(batch) => carry(batch).await,
            Job::Part(..) | Job::Assemble(..) | Job::Discard(..) => Ok(Vec::new()),
        }
    };
    drive(
        jobs(&pieces, &how, |_| Cutting::Never),
        &how,
        &mut outcomes,
        work,
    )
    .await?;
    Ok(outcomes.finish())
}

async fn carry(batch: Vec<Piece>) -> BatchResult {
    let done = tokio::task::spawn_blocking(move || carry_now(batch)).await;
    done.map_err(far::stopped("a copy"))
}

fn carry_now(mut batch: Vec<Piece>) -> Vec<(Piece, Settled)> {
    let mut settled = Vec::new();
    let Some(berth) = Berth::for_some(&mut batch, &mut settled) else {
        return settled;
    };
    let mut said = String::new();
    let mut arrived = Vec::new();
    for piece in batch {
        let copied = fs::copy(&piece.from, berth.path().join(piece.name()));
        match (copied, source::still(&piece)) {
            (_, Err(error)) => settled.push((piece, Settled::Failed(error))),
            (Err(error), Ok(())) if is_readable(&piece) => {
                said.push_str(&[&piece.name(), ": ", &error.to_string(), "\n"].concat());
                arrived.push(piece);
            },
            (Err(error), Ok(())) => {
                let error: TransferError = source::unreadable(&piece.from, &error);
                settled.push((piece, Settled::Failed(error)));
            },
            (Ok(_), Ok(())) => arrived.push(piece),
        }
    }
    settled.extend(berth.land_unhashed(arrived, &said));
    settled
}

fn is_readable(piece: &Piece) -> bool {
    fs::File::open(&piece.from).is_ok()
}
