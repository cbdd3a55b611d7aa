//! Batches over streams: who takes the next one, and what is tried again.

use std::{collections::VecDeque, future::Future, path::PathBuf};

use tokio::task::JoinSet;

use super::{FileKey, Hash, HashLedger, Outcome, Progress, TransferError, plan};
use crate::connection::LinkError;

/// A file under way.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Its place among the items.
    pub(super) index: usize,
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    /// Size in bytes, 0 if not known.
    pub(super) size: u64,
    /// The hash it must have at its destination.
    pub(super) hash: Hash,
    /// State of the source, where that is a local file.
    pub(super) key: Option<FileKey>,
}

impl Piece {
    /// The name under which it travels.
    pub(super) fn name(&self) -> String {
        format!("{:08}", self.index)
    }
}

/// What a batch made of one piece.
#[derive(Debug)]
pub(super) enum Settled {
    /// It landed; the state of the landed file where that is a local one.
    Done { size: u64, key: Option<FileKey> },
    /// It did not arrive, perhaps through no fault of its own.
    Again(TransferError),
    /// It cannot be moved.
    Failed(TransferError),
}

/// A batch with what became of its pieces.
pub(super) type BatchResult = Result<Vec<(Piece, Settled)>, LinkError>;

/// The outcomes of a transfer as they come in.
pub(super) struct Ledgered<'a> {
    outcomes: Vec<Option<Outcome>>,
    ledger: &'a dyn HashLedger,
    progress: &'a dyn Progress,
}

impl<'a> Ledgered<'a> {
    pub(super) fn new(
        items: usize,
        ledger: &'a dyn HashLedger,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            outcomes: vec![None; items],
            ledger,
            progress,
        }
    }

    pub(super) fn set(&mut self, index: usize, outcome: Outcome) {
        match outcome {
            Outcome::Done { size, .. } | Outcome::AlreadyThere { size, .. } => {
                self.progress.bytes(size);
            },
            Outcome::Failed(_) => {},
        }
        self.progress.files(1);
        if let Some(slot) = self.outcomes.get_mut(index) {
            *slot = Some(outcome);
        }
    }

    fn settle(&mut self, piece: &Piece, settled: Settled) {
        let outcome = match settled {
            Settled::Done { size, key } => {
                if let Some(key) = key {
                    self.ledger.put(key, piece.hash);
                }
                Outcome::Done {
                    size,
                    hash: piece.hash,
                }
            },
            Settled::Again(error) | Settled::Failed(error) => Outcome::Failed(error),
        };
        self.set(piece.index, outcome);
    }

    /// All outcomes; every index must have been set.
    pub(super) fn finish(self) -> Vec<Outcome> {
        self.outcomes.into_iter().flatten().collect()
    }
}

/// Batches of the second try.
const SECOND_TRIES: usize = 16;

/// Moves `pieces` in batches by `work`, which is told which of the `streams` it is. What comes
/// back as [`Settled::Again`] is tried once more after all others, smallest first and one batch
/// at a time, so that a file that fills the disk costs no other its place. Ends at the first
/// link error.
pub(super) async fn drive<F>(
    pieces: Vec<Piece>,
    streams: usize,
    outcomes: &mut Ledgered<'_>,
    mut work: impl FnMut(usize, Vec<Piece>) -> F,
) -> Result<(), LinkError>
where
    F: Future<Output = BatchResult> + Send + 'static,
{
    let sizes: Vec<u64> = pieces.iter().map(|piece| piece.size).collect();
    let mut pieces: Vec<Option<Piece>> = pieces.into_iter().map(Some).collect();
    let mut take = |index: usize| pieces.get_mut(index).and_then(Option::take);
    let batches: Vec<Vec<Piece>> = plan::batches(&sizes, streams)
        .into_iter()
        .map(|batch| batch.into_iter().filter_map(&mut take).collect())
        .collect();
    let mut again = Vec::new();
    wave(
        batches,
        streams,
        &mut work,
        |piece, settled| match settled {
            Settled::Again(_) => again.push(piece),
            settled => outcomes.settle(&piece, settled),
        },
    )
    .await?;
    again.sort_by_key(|piece| piece.size);
    let share = again.len().div_ceil(SECOND_TRIES).max(1);
    let batches = again.chunks(share).map(<[Piece]>::to_vec).collect();
    wave(batches, 1, &mut work, |piece, settled| {
        outcomes.settle(&piece, settled);
    })
    .await
}

/// Runs each batch once, at most `streams` at a time.
async fn wave<F>(
    batches: Vec<Vec<Piece>>,
    streams: usize,
    work: &mut impl FnMut(usize, Vec<Piece>) -> F,
    mut settle: impl FnMut(Piece, Settled),
) -> Result<(), LinkError>
where
    F: Future<Output = BatchResult> + Send + 'static,
{
    let mut queue: VecDeque<Vec<Piece>> = batches.into();
    let mut free: Vec<usize> = (0..streams.max(1)).collect();
    let mut running = JoinSet::new();
    loop {
        while !queue.is_empty()
            && let Some(stream) = free.pop()
        {
            let moving = work(stream, queue.pop_front().unwrap_or_default());
            running.spawn(async move { (stream, moving.await) });
        }
        let Some(joined) = running.join_next().await else {
            return Ok(());
        };
        let stopped = |error: tokio::task::JoinError| LinkError::Io {
            what: "a transfer stream".into(),
            source: error.into(),
        };
        let (stream, batch) = joined.map_err(stopped)?;
        free.push(stream);
        for (piece, settled) in batch? {
            settle(piece, settled);
        }
    }
}
