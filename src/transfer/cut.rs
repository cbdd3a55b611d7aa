//! Files that go in parts: what has arrived of each, and what goes again.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::{
    TransferError,
    drive::{How, Job, Piece, jobs},
    plan::{self, Cutting, Part},
};

/// A file that did not arrive and may be tried again.
#[derive(Debug)]
pub(super) struct Missed {
    pub(super) piece: Piece,
    pub(super) error: TransferError,
    pub(super) rest: Rest,
}

/// What has to go of a file that is tried again.
#[derive(Debug)]
pub(super) enum Rest {
    Whole,
    /// These parts; the others have arrived.
    Parts(Vec<Part>),
}

/// Files that are moved in parts.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Parts that have not arrived, by file.
    lacking: HashMap<usize, Vec<Part>>,
    /// Files some of whose parts did not arrive, and why.
    missed: BTreeMap<usize, (Piece, TransferError)>,
    /// Files given up for this wave.
    lost: HashSet<usize>,
    /// Files of which nothing that has arrived is of use.
    useless: Vec<(Piece, Part)>,
}

impl Cut {
    /// Of the parts that are to go.
    pub(super) fn of(queue: &VecDeque<Job>) -> Self {
        let mut lacking: HashMap<usize, Vec<Part>> = HashMap::new();
        for job in queue {
            if let Job::Part(piece, part) = job {
                lacking.entry(piece.index).or_default().push(*part);
            }
        }
        Self {
            lacking,
            ..Self::default()
        }
    }

    /// Whether `part` was the last of its file that had not arrived.
    pub(super) fn arrived(&mut self, piece: &Piece, part: Part) -> bool {
        let lacking = self.lacking.entry(piece.index).or_default();
        lacking.retain(|one| *one != part);
        lacking.is_empty() && !self.lost.contains(&piece.index)
    }

    /// Whether the file is given up for this wave.
    pub(super) fn has_lost(&self, piece: &Piece) -> bool {
        self.lost.contains(&piece.index)
    }

    /// A part did not arrive. Its other parts go on; but where there is no space for one, there is none for all.
    pub(super) fn missed(&mut self, piece: Piece, part: Part, error: TransferError) {
        if matches!(error, TransferError::NoSpace { .. }) {
            self.lose(&piece, part);
            self.missed.insert(piece.index, (piece, error));
        } else {
            self.missed.entry(piece.index).or_insert((piece, error));
        }
    }

    /// Files whose parts are of no use any more, each with one of them, once.
    pub(super) fn useless(&mut self) -> Vec<(Piece, Part)> {
        std::mem::take(&mut self.useless)
    }

    /// Gives a file up for this wave: the first end of a file for good is the one that counts.
    pub(super) fn lose(&mut self, piece: &Piece, part: Part) {
        self.missed.remove(&piece.index);
        self.lost.insert(piece.index);
        self.useless.push((piece.clone(), part));
    }

    /// What is tried again. Where all parts had arrived and yet were not the file, all go anew.
    pub(super) fn rest(mut self, bundle: u64) -> Vec<Missed> {
        let missed = |(index, (piece, error)): (usize, (Piece, TransferError))| {
            let lacking = self.lacking.remove(&index).unwrap_or_default();
            let rest = if self.lost.contains(&index) {
                Rest::Whole
            } else if lacking.is_empty() {
                Rest::Parts(plan::parts(piece.size, bundle).collect())
            } else {
                Rest::Parts(lacking)
            };
            Missed { piece, error, rest }
        };
        self.missed.into_iter().map(missed).collect()
    }
}

/// `jobs` without the parts that an earlier transfer has brought, as `arrived` says.
pub(super) fn go_on(jobs: VecDeque<Job>, arrived: impl Fn(&Piece, &Part) -> bool) -> VecDeque<Job> {
    let mut left: HashMap<usize, u64> = HashMap::new();
    let mut rest = VecDeque::new();
    for job in jobs {
        let Job::Part(piece, part) = &job else {
            rest.push_back(job);
            continue;
        };
        let left = left.entry(piece.index).or_insert(part.of);
        if !arrived(piece, part) {
            rest.push_back(job);
            continue;
        }
        *left -= 1;
        if *left == 0 {
            rest.push_front(Job::Assemble(piece.clone(), *part));
        }
    }
    rest
}

/// Jobs that move what was missed.
pub(super) fn again(missed: Vec<Missed>, how: &How) -> VecDeque<Job> {
    let mut queue = VecDeque::new();
    let mut whole = Vec::new();
    for Missed { piece, rest, .. } in missed {
        match rest {
            Rest::Whole => whole.push(piece),
            Rest::Parts(parts) => {
                queue.extend(parts.into_iter().map(|part| Job::Part(piece.clone(), part)));
            },
        }
    }
    queue.extend(jobs(&whole, how, |_| Cutting::Never));
    queue
}
