//! Jobs that wait for a slot, by what they ask for.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::Wish;

/// What is needed to seat a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The host that it asks for.
    pub wish: Wish,
    /// Other hosts whose disks it works on (`-xhost`).
    pub touches: Vec<String>,
    /// Jobs with a higher one go first; 0 unless told.
    pub priority: i32,
}

/// Where a job stands in a line: the highest priority first, then the oldest. Numbers are given in
/// the order of submission.
type Turn = (Reverse<i32>, u64);

/// The waiting jobs.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    jobs: HashMap<u64, (Claim, Instant)>,
    any: Lines,
    required: HashMap<Box<str>, Lines>,
    desired: HashMap<Box<str>, Lines>,
    /// The jobs of `desired` by the time they began to wait.
    patience: BTreeSet<(Instant, u64)>,
}

/// Jobs of one wish: a line for each set of hosts that they touch besides, so that a line whose
/// hosts have enough is passed over as a whole.
#[derive(Debug, Clone, Default)]
struct Lines(Vec<(Vec<Box<str>>, BTreeSet<Turn>)>);

/// Says whether a host has as many jobs of others on its disks as it may have.
pub(super) type IsFull<'a> = &'a dyn Fn(&str) -> bool;

impl Waiting {
    pub(super) fn insert(&mut self, job: u64, claim: Claim, since: Instant) {
        self.remove(job);
        let turn = (Reverse(claim.priority), job);
        let lines = match &claim.wish {
            Wish::Any => &mut self.any,
            Wish::Required(host) => self.required.entry(key(host)).or_default(),
            Wish::Desired(host) => {
                self.patience.insert((since, job));
                self.desired.entry(key(host)).or_default()
            },
        };
        lines.insert(&claim.touches, turn);
        self.jobs.insert(job, (claim, since));
    }

    pub(super) fn remove(&mut self, job: u64) -> Option<Claim> {
        let (claim, since) = self.jobs.remove(&job)?;
        let turn = (Reverse(claim.priority), job);
        let forget = |table: &mut HashMap<Box<str>, Lines>, host: &str| {
            let host = key(host);
            if let Some(lines) = table.get_mut(&host) {
                lines.remove(&claim.touches, turn);
                if lines.0.is_empty() {
                    table.remove(&host);
                }
            }
        };
        match &claim.wish {
            Wish::Any => self.any.remove(&claim.touches, turn),
            Wish::Required(host) => forget(&mut self.required, host),
            Wish::Desired(host) => {
                forget(&mut self.desired, host);
                self.patience.remove(&(since, job));
            },
        }
        Some(claim)
    }

    /// The job for an idle slot of `host`, by its key: one that requires it, or one that wishes
    /// for it. Where there is none, [`Self::take_any`] may have one (spec/pantasks.md §5.2).
    pub(super) fn take_own(&mut self, host: &str, is_full: IsFull<'_>) -> Option<(u64, Claim)> {
        let first = |table: &HashMap<Box<str>, Lines>| table.get(host)?.first(is_full);
        let (_, job) = first(&self.required).or_else(|| first(&self.desired))?;
        Some((job, self.remove(job)?))
    }

    /// The job for an idle slot of any host: one that asks for none, and last one that wished for
    /// another host for longer than `patience`.
    pub(super) fn take_any(
        &mut self,
        now: Instant,
        patience: Duration,
        is_full: IsFull<'_>,
    ) -> Option<(u64, Claim)> {
        let first = self.any.first(is_full).map(|(_, job)| job);
        let job = first.or_else(|| self.out_of_patience(now, patience, is_full))?;
        Some((job, self.remove(job)?))
    }

    /// The first of the jobs that no longer insist on their host.
    fn out_of_patience(
        &self,
        now: Instant,
        patience: Duration,
        is_full: IsFull<'_>,
    ) -> Option<u64> {
        let is_old = |since: Instant| now.saturating_duration_since(since) >= patience;
        self.patience.first().filter(|(since, _)| is_old(*since))?;
        let lines = self.desired.iter().filter(|(host, _)| !is_full(host));
        let first = lines.filter_map(|(_, lines)| lines.first(is_full));
        let old = first.filter(|(_, job)| {
            let waits = self.jobs.get(job);
            waits.is_some_and(|(_, since)| is_old(*since))
        });
        old.min().map(|(_, job)| job)
    }

    /// When the first wish for a host is given up that has not been yet.
    pub(super) fn next_surrender(&self, now: Instant, patience: Duration) -> Option<Instant> {
        let given_up = now.checked_sub(patience).map(|since| (since, u64::MAX));
        let first = match given_up {
            Some(given_up) => self.patience.range(given_up..).next(),
            None => self.patience.first(),
        };
        first.and_then(|(since, _)| since.checked_add(patience))
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }
}

impl Lines {
    fn insert(&mut self, touches: &[String], turn: Turn) {
        let hosts: Vec<Box<str>> = touches.iter().map(|host| key(host)).collect();
        match self.0.iter_mut().find(|(known, _)| *known == hosts) {
            Some((_, line)) => drop(line.insert(turn)),
            None => self.0.push((hosts, BTreeSet::from([turn]))),
        }
    }

    fn remove(&mut self, touches: &[String], turn: Turn) {
        let hosts: Vec<Box<str>> = touches.iter().map(|host| key(host)).collect();
        if let Some(at) = self.0.iter().position(|(known, _)| *known == hosts)
            && let Some((_, line)) = self.0.get_mut(at)
        {
            line.remove(&turn);
            if line.is_empty() {
                self.0.swap_remove(at);
            }
        }
    }

    fn first(&self, is_full: IsFull<'_>) -> Option<Turn> {
        let free = |hosts: &[Box<str>]| !hosts.iter().any(|host| is_full(host));
        let lines = self.0.iter().filter(|(hosts, _)| free(hosts));
        lines.filter_map(|(_, line)| line.first().copied()).min()
    }
}

/// Host names are compared without regard to case.
pub(super) fn key(host: &str) -> Box<str> {
    host.to_ascii_lowercase().into()
}
