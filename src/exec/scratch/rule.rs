//! The rule of cleaning: which runs' files may go from scratch, and in which order. Pure.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    path::{Component, Path, PathBuf},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    config::site::Site,
    state::{
        run::{Run, RunState},
        staged::{Staged, StagedKind},
    },
};

/// What cleaning a run would remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The run.
    pub run_id: i64,
    /// Its state; only one that is over is ever cleaned.
    pub state: RunState,
    /// When it was over.
    pub ended_at: Timestamp,
    /// Bytes that go with it.
    pub bytes: u64,
    /// Its directory on the site, if nothing is in it that must stay.
    pub directory: Option<PathBuf>,
    /// Files that it was the last to use; those in its directory are not among them.
    pub files: Vec<PathBuf>,
}

impl Candidate {
    /// Nothing of `run`.
    pub(crate) fn nothing(run: &Run) -> Self {
        Self {
            run_id: run.run_id,
            state: run.state,
            ended_at: run.changed_at,
            bytes: 0,
            directory: None,
            files: Vec::new(),
        }
    }
}

/// What may go from scratch, and what may not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sorted {
    /// The runs that are over and have something there that may go, the one that was over first
    /// before the others.
    pub candidates: Vec<Candidate>,
    /// Files that must stay.
    pub staying: BTreeSet<PathBuf>,
}

impl Sorted {
    /// A file in `directory` that must stay.
    pub fn stays_in(&self, directory: &Path) -> Option<&Path> {
        first_in(&self.staying, directory)
    }
}

/// What decides what must stay.
#[derive(Debug)]
pub(crate) struct Keep<'a> {
    /// The site, whose scratch bounds what may go and whose `resident` paths stay.
    pub(crate) site: &'a Site,
    /// Paths on the site in the manifests of runs that are not over.
    pub(crate) needed: &'a BTreeSet<PathBuf>,
    /// Products of which the copy here has been looked at.
    pub(crate) at_home: &'a BTreeSet<PathBuf>,
}

fn candidate(
    run: &Run,
    rows: &[&Staged],
    staying: &BTreeSet<&Path>,
    keep: &Keep<'_>,
) -> Option<Candidate> {
    let own = keep.site.own_directory();
    let directory = rows
        .iter()
        .filter(|row| row.kind == StagedKind::Directory)
        .find(|row| {
            let path = row.remote.as_path();
            is_run_directory(path, &own)
                && !keep.is_resident(path)
                && first_in(staying, path).is_none()
        });
    let within = |row: &Staged| directory.is_some_and(|dir| row.remote.starts_with(&dir.remote));
    let goes = |row: &&&Staged| within(row) || keep.lets_go(row);
    let files = rows.iter().filter(|row| keep.lets_go(row) && !within(row));
    let files: Vec<PathBuf> = files.map(|row| row.remote.clone()).collect();
    let directory = directory.map(|row| row.remote.clone());
    let bytes = rows
        .iter()
        .filter(goes)
        .fold(0_u64, |sum, row| sum.saturating_add(row.size));
    (directory.is_some() || !files.is_empty()).then_some(Candidate {
        run_id: run.run_id,
        state: run.state,
        ended_at: run.changed_at,
        bytes,
        directory,
        files,
    })
}

/// The first of `paths` that is `directory` or in it. Paths are in the order of their parts, so
/// all of these follow one another.
fn first_in<'p, P: Ord + Borrow<Path>>(
    paths: &'p BTreeSet<P>,
    directory: &Path,
) -> Option<&'p Path> {
    let from = (Bound::Included(directory), Bound::Unbounded);
    let next = paths.range::<Path, _>(from).next()?.borrow();
    next.starts_with(directory).then_some(next)
}

/// The fewest of `candidates`, from the first on, that free `over` bytes; nothing if all of them
/// do not.
pub(crate) fn enough(candidates: &[Candidate], over: u64) -> Option<&[Candidate]> {
    let mut freed = 0_u64;
    let mut count = 0;
    for candidate in candidates {
        if freed >= over {
            break;
        }
        freed = freed.saturating_add(candidate.bytes);
        count += 1;
    }
    (freed >= over).then(|| candidates.get(..count)).flatten()
}

/// Whether a directory is one that we made for a run: directly below our `own` in scratch.
pub(crate) fn is_run_directory(directory: &Path, own: &Path) -> bool {
    directory.parent() == Some(own) && is_plain(directory)
}

fn is_plain(path: &Path) -> bool {
    path.components().all(|part| part != Component::ParentDir)
}

impl Keep<'_> {
    /// Sorts out what is on scratch.
    ///
    /// Stays: what a run that is not over names in its manifest, what is resident, what is outside
    /// the scratch, what the jobs wrote and is not here too, and a directory with any of these in
    /// it.
    pub(crate) fn sort_out(&self, ledger: &[Staged], runs: &[Run]) -> Sorted {
        let staying: BTreeSet<&Path> = ledger
            .iter()
            .filter(|row| row.kind != StagedKind::Directory && !self.lets_go(row))
            .map(|row| row.remote.as_path())
            .chain(self.needed.iter().map(PathBuf::as_path))
            .collect();
        let mut rows: BTreeMap<i64, Vec<&Staged>> = BTreeMap::new();
        for row in ledger {
            rows.entry(row.run_id).or_default().push(row);
        }
        let mut candidates: Vec<Candidate> = runs
            .iter()
            .filter(|run| run.state.is_over())
            .filter_map(|run| candidate(run, rows.get(&run.run_id)?, &staying, self))
            .filter(|found| found.bytes > 0)
            .collect();
        candidates.sort_by_key(|found| (found.ended_at, found.run_id));
        Sorted {
            candidates,
            staying: staying.into_iter().map(Path::to_owned).collect(),
        }
    }

    /// Whether a file, not a directory, may go.
    fn lets_go(&self, row: &Staged) -> bool {
        let path = row.remote.as_path();
        let replaceable = match row.kind {
            StagedKind::Input => true,
            StagedKind::Product => self.at_home.contains(path),
            StagedKind::Kept | StagedKind::Directory => false,
        };
        replaceable
            && path != self.site.scratch
            && path.starts_with(&self.site.scratch)
            && is_plain(path)
            && !self.needed.contains(path)
            && !self.is_resident(path)
    }

    fn is_resident(&self, path: &Path) -> bool {
        let mut resident = self.site.resident.iter();
        resident.any(|kept| path.starts_with(kept) || kept.starts_with(path))
    }
}

#[cfg(test)]
mod tests;
