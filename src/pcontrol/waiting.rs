//! Jobs that wait for a slot, by what they ask for.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::Wish;

/// A job that only wishes for a host takes any other one after so long (spec/pantasks.md §5.2).
pub(super) const DESIRED_FOR: SignedDuration = SignedDuration::from_secs(10);

/// The waiting jobs. Numbers are given in the order of submission, so the least is the oldest.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    jobs: HashMap<u64, (Wish, Timestamp)>,
    any: BTreeSet<u64>,
    required: HashMap<Box<str>, BTreeSet<u64>>,
    desired: HashMap<Box<str>, BTreeSet<u64>>,
    /// The jobs of `desired` by the time they began to wait.
    patience: BTreeSet<(Timestamp, u64)>,
}

impl Waiting {
    pub(super) fn insert(&mut self, job: u64, wish: Wish, since: Timestamp) {
        self.remove(job);
        match &wish {
            Wish::Any => {
                self.any.insert(job);
            },
            Wish::Required(host) => {
                self.required.entry(key(host)).or_default().insert(job);
            },
            Wish::Desired(host) => {
                self.desired.entry(key(host)).or_default().insert(job);
                self.patience.insert((since, job));
            },
        }
        self.jobs.insert(job, (wish, since));
    }

    pub(super) fn remove(&mut self, job: u64) -> bool {
        let Some((wish, since)) = self.jobs.remove(&job) else {
            return false;
        };
        let forget = |table: &mut HashMap<Box<str>, BTreeSet<u64>>, host: &str| {
            let host = key(host);
            if let Some(jobs) = table.get_mut(&host) {
                jobs.remove(&job);
                if jobs.is_empty() {
                    table.remove(&host);
                }
            }
        };
        match &wish {
            Wish::Any => drop(self.any.remove(&job)),
            Wish::Required(host) => forget(&mut self.required, host),
            Wish::Desired(host) => {
                forget(&mut self.desired, host);
                self.patience.remove(&(since, job));
            },
        }
        true
    }

    /// The job for an idle slot of `host`: one that requires it, one that wishes for it, one that
    /// asks for none, and last one that wished for another host long enough.
    pub(super) fn take(&mut self, host: &str, now: Timestamp) -> Option<u64> {
        let host = key(host);
        let first = |jobs: Option<&BTreeSet<u64>>| jobs.and_then(|jobs| jobs.first().copied());
        let job = first(self.required.get(&host))
            .or_else(|| first(self.desired.get(&host)))
            .or_else(|| first(Some(&self.any)))
            .or_else(|| {
                let (since, job) = *self.patience.first()?;
                (now.duration_since(since) >= DESIRED_FOR).then_some(job)
            })?;
        self.remove(job);
        Some(job)
    }

    /// When the first wish for a host is given up.
    pub(super) fn next_surrender(&self) -> Option<Timestamp> {
        let (since, _) = self.patience.first()?;
        since.checked_add(DESIRED_FOR).ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Wish)> {
        self.jobs.iter().map(|(job, (wish, _))| (*job, wish))
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }
}

/// Host names are compared without regard to case.
fn key(host: &str) -> Box<str> {
    host.to_ascii_lowercase().into()
}
