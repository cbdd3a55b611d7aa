//! Loads over streams: who takes the next one, and what is tried again.

use std::{collections::VecDeque, future::Future, path::PathBuf, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use super::{
    FileKey, Hash, HashLedger, Outcome, Progress, TransferError,
    cut::{Cut, Missed, Rest, again},
    far,
    plan::{self, Cutting, Load, Part},
    rate::Governor,
    streams::Streams,
};
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
    /// The hash it must have at its destination, if that is known before it moves.
    pub(super) hash: Option<Hash>,
    /// State of the source, where that is a local file.
    pub(super) key: Option<FileKey>,
}

impl Piece {
    /// The name under which it travels.
    pub(super) fn name(&self) -> String {
        format!("{:08}", self.index)
    }
}

/// What a stream is given to do.
#[derive(Debug, Clone)]
pub(super) enum Job {
    /// Move whole files.
    Bundle(Vec<Piece>),
    /// Move a part of a file.
    Part(Piece, Part),
    /// Verify a file whose parts have all arrived, and rename it into place; any of its parts
    /// tells how it was cut.
    Assemble(Piece, Part),
    /// Remove what has arrived of a file that cannot land.
    Discard(Piece, Part),
}

/// What a job made of one piece.
#[derive(Debug)]
pub(super) enum Settled {
    /// It landed; the state of the landed file where that is a local one.
    Done {
        size: u64,
        hash: Hash,
        key: Option<FileKey>,
    },
    /// A part of it has arrived.
    Part,
    /// It did not arrive, perhaps through no fault of its own.
    Again(TransferError),
    /// It cannot be moved.
    Failed(TransferError),
}

/// What became of the pieces of a job.
pub(super) type BatchResult = Result<Vec<(Piece, Settled)>, LinkError>;

/// How a transfer is driven.
#[derive(Debug, Clone)]
pub(super) struct How {
    /// The site, for errors.
    pub(super) site: String,
    /// Jobs at once.
    pub(super) streams: usize,
    /// Bundles that one stream may be given at once: one lands while the next is under way.
    pub(super) ahead: usize,
    /// Most bytes of one job.
    pub(super) bundle: u64,
    /// When the link ends: no job begins that would not be done by then.
    pub(super) until: Option<Instant>,
    /// What is known of the rate.
    pub(super) governor: Arc<Governor>,
}

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
            Settled::Done { size, hash, key } => {
                for key in [key, piece.key].into_iter().flatten() {
                    self.ledger.put(key, hash);
                }
                Outcome::Done { size, hash }
            },
            // A part alone settles nothing.
            Settled::Part => return,
            Settled::Again(error) | Settled::Failed(error) => Outcome::Failed(error),
        };
        self.set(piece.index, outcome);
    }

    /// All outcomes; every index must have been set.
    pub(super) fn finish(self) -> Vec<Outcome> {
        self.outcomes.into_iter().flatten().collect()
    }
}

/// Streams that `pieces` are worth, of the `most` that there may be over `lines`.
pub(super) fn enough(pieces: &[Piece], most: usize, lines: usize) -> usize {
    let bytes = pieces.iter().map(|piece| piece.size).sum();
    plan::streams(bytes, most, lines)
}

/// Bytes of those that travel in bundles.
pub(super) fn bundled(pieces: &[Piece]) -> u64 {
    let sizes = pieces.iter().map(|piece| piece.size);
    sizes.filter(|size| *size <= plan::FEW_BYTES).sum()
}

/// Jobs that move `pieces`, in parts where `cutting` says so.
pub(super) fn jobs(
    pieces: &[Piece],
    how: &How,
    cutting: impl Fn(&Piece) -> Cutting,
) -> VecDeque<Job> {
    let files = pieces.iter().map(|piece| (piece.size, cutting(piece)));
    let files: Vec<(u64, Cutting)> = files.collect();
    let job = |load| match load {
        Load::Bundle(files) => Job::Bundle(
            files
                .into_iter()
                .filter_map(|n| pieces.get(n).cloned())
                .collect(),
        ),
        Load::Part(n, part) => match pieces.get(n) {
            Some(piece) => Job::Part(piece.clone(), part),
            None => Job::Bundle(Vec::new()),
        },
    };
    plan::loads(&files, how.streams, how.bundle)
        .into_iter()
        .map(job)
        .collect()
}

/// Pauses before what did not arrive is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(3)];

/// Does all `jobs` by `work`, which is told which of the streams it is. What comes back as
/// [`Settled::Again`] is tried again after all others, with a growing pause, and of a file in parts
/// only what has not arrived; what found no space, smallest first and one at a time, so that a file
/// that fills the disk costs no other its place.
///
/// # Errors
/// The first link error; [`LinkError::Ending`] if jobs were left undone since the link ends.
pub(super) async fn drive<F>(
    jobs: VecDeque<Job>,
    how: &How,
    outcomes: &mut Ledgered<'_>,
    mut work: impl FnMut(usize, Job) -> F,
) -> Result<(), LinkError>
where
    F: Future<Output = BatchResult> + Send + 'static,
{
    let all = || Streams::new(how.streams, how.ahead);
    let mut missed = wave(jobs, how, all(), outcomes, &mut work).await?;
    for pause in PAUSES {
        if missed.is_empty() {
            break;
        }
        tokio::time::sleep(pause).await;
        let is_full = |one: &Missed| matches!(one.error, TransferError::NoSpace { .. });
        let (full, others): (Vec<_>, Vec<_>) = missed.into_iter().partition(is_full);
        missed = wave(again(others, how), how, all(), outcomes, &mut work).await?;
        let mut full: Vec<Piece> = full.into_iter().map(|one| one.piece).collect();
        full.sort_by_key(|piece| piece.size);
        let alone = full
            .into_iter()
            .map(|piece| Job::Bundle(vec![piece]))
            .collect();
        for one in wave(alone, how, Streams::new(1, 1), outcomes, &mut work).await? {
            outcomes.set(one.piece.index, Outcome::Failed(one.error));
        }
    }
    for one in missed {
        outcomes.set(one.piece.index, Outcome::Failed(one.error));
    }
    Ok(())
}

/// Does each job once, on the streams of `busy`; what may be tried again comes back.
async fn wave<F>(
    mut queue: VecDeque<Job>,
    how: &How,
    mut busy: Streams,
    outcomes: &mut Ledgered<'_>,
    work: &mut impl FnMut(usize, Job) -> F,
) -> Result<Vec<Missed>, LinkError>
where
    F: Future<Output = BatchResult> + Send + 'static,
{
    let mut cut = Cut::of(&queue);
    let mut missed = Vec::new();
    let mut held = false;
    let mut running = JoinSet::new();
    loop {
        while !held && let Some(job) = queue.pop_front() {
            if let Job::Part(piece, _) = &job
                && cut.has_lost(piece)
            {
                continue;
            }
            let alone = !matches!(job, Job::Bundle(_));
            let Some(stream) = busy.take(alone) else {
                queue.push_front(job);
                break;
            };
            if how.is_too_late(&job) {
                held = true;
                busy.give_back(stream);
                queue.push_front(job);
                break;
            }
            let part = match &job {
                Job::Part(_, part) | Job::Assemble(_, part) | Job::Discard(_, part) => Some(*part),
                Job::Bundle(_) => None,
            };
            let moving = work(stream, job);
            running.spawn(async move { (stream, part, moving.await) });
        }
        let Some(joined) = running.join_next().await else {
            for (piece, part) in cut.useless() {
                work(0, Job::Discard(piece, part)).await?;
            }
            if held {
                return Err(how.ending(&queue));
            }
            missed.extend(cut.rest(how.bundle));
            return Ok(missed);
        };
        let (stream, part, done) = joined.map_err(far::stopped("a transfer stream"))?;
        busy.give_back(stream);
        for (piece, settled) in done? {
            match (settled, part) {
                (Settled::Part, Some(part)) => {
                    if cut.arrived(&piece, part) {
                        queue.push_front(Job::Assemble(piece, part));
                    }
                },
                (_, Some(_)) if cut.has_lost(&piece) => {},
                (Settled::Again(error), Some(part)) => cut.missed(piece, part, error),
                (Settled::Again(error), None) => missed.push(Missed {
                    piece,
                    error,
                    rest: Rest::Whole,
                }),
                (settled, part) => {
                    if let (Settled::Failed(_), Some(part)) = (&settled, part) {
                        cut.lose(&piece, part);
                    }
                    outcomes.settle(&piece, settled);
                },
            }
        }
    }
}

impl How {
    /// Whether the job would not be done before the link ends.
    fn is_too_late(&self, job: &Job) -> bool {
        let Some(until) = self.until else {
            return false;
        };
        let streams = u32::try_from(self.streams).unwrap_or(1).max(1);
        // At the measured rate of all streams, one alone takes as many times longer.
        let takes = self.governor.time_for(job.bytes()).unwrap_or_default() * streams;
        Instant::now() + takes >= until
    }

    fn ending(&self, queue: &VecDeque<Job>) -> LinkError {
        let bytes = queue.iter().map(Job::bytes).sum();
        LinkError::Ending {
            site: self.site.clone(),
            bytes,
            takes: self.governor.time_for(bytes),
        }
    }
}

impl Job {
    fn bytes(&self) -> u64 {
        match self {
            Self::Bundle(pieces) => pieces.iter().map(|piece| piece.size).sum(),
            Self::Part(_, part) => part.bytes,
            Self::Assemble(..) | Self::Discard(..) => 0,
        }
    }
}
