//! Slots, and which job goes to which.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    time::{Duration, Instant},
};

use thiserror::Error;

use super::waiting::{Claim, Waiting, key};

/// The host that a job asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Any.
    Any,
    /// Rather this one; after a while any.
    Desired(String),
    /// This one alone.
    Required(String),
}

/// A slot's number, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u64);

/// What a slot does (seed 000, figure 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// A human took it out.
    Off,
    /// Its host cannot be reached.
    Down,
    /// It waits for a job.
    Idle,
    /// It runs this job.
    Busy(u64),
}

impl SlotState {
    /// The word that listings show.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Down => "DOWN",
            Self::Idle => "IDLE",
            Self::Busy(_) => "BUSY",
        }
    }
}

/// One job's place on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its number.
    pub id: SlotId,
    /// The host's name, as it was added.
    pub host: String,
    /// What `@MAX_THREADS@` stands for in commands that run here.
    pub threads: u32,
    /// The host's name as names are compared.
    key: Box<str>,
    /// A human wants it in; a busy one that is not goes off after its job.
    on: bool,
    /// It is no more once its job has ended.
    forgotten: bool,
    job: Option<u64>,
    /// The hosts whose disks its job works on from here.
    touches: Vec<Box<str>>,
}

/// A job and the slot that it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The job.
    pub job: u64,
    /// The slot.
    pub slot: SlotId,
    /// The slot's host.
    pub host: String,
    /// What `@MAX_THREADS@` stands for there.
    pub threads: u32,
}

/// What cannot be done to a host.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HostError {
    /// No slot of that host.
    #[error("host {0} not found")]
    Unknown(String),
    /// The host is in another state than the command needs.
    #[error("host {host} is not {wanted}")]
    Not {
        /// The host.
        host: String,
        /// The state it would have to be in.
        wanted: &'static str,
    },
}

/// How patient jobs and hosts are with each other (spec/pantasks.md §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Affinity {
    /// A job that only wishes for a host takes any other one after so long.
    pub wanthost_wait: Duration,
    /// A host on whose disks so many jobs work from elsewhere gets none, and no more of those
    /// either: jobs that run elsewhere though they wished for it, and those that name it with
    /// `-xhost`.
    pub unwanted_host_jobs: usize,
}

impl Default for Affinity {
    fn default() -> Self {
        Self {
            wanthost_wait: Duration::from_secs(10),
            unwanted_host_jobs: 5,
        }
    }
}

/// Slots and the jobs that wait for one.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// How patient they are.
    pub affinity: Affinity,
    slots: BTreeMap<SlotId, Slot>,
    /// The slots of each host, in the order they were added.
    of_hosts: HashMap<Box<str>, Vec<SlotId>>,
    /// The hosts that can be reached.
    up: HashSet<Box<str>>,
    idle: BTreeSet<SlotId>,
    /// The slots of jobs.
    seated: HashMap<u64, SlotId>,
    /// How many jobs work on a host's disks from elsewhere, where any do.
    touched: HashMap<Box<str>, usize>,
    waiting: Waiting,
    last: u64,
}

impl Pool {
    /// Adds one slot on a host, which takes jobs as soon as the host is [up](Self::set_up).
    pub fn add(&mut self, host: &str, threads: u32) -> SlotId {
        self.last += 1;
        let id = SlotId(self.last);
        let slot = Slot {
            id,
            host: host.to_owned(),
            threads,
            key: key(host),
            on: true,
            forgotten: false,
            job: None,
            touches: Vec::new(),
        };
        self.slots.insert(id, slot);
        self.of_hosts.entry(key(host)).or_default().push(id);
        self.index(id);
        id
    }

    /// Whether a host can be reached now.
    pub fn set_up(&mut self, host: &str, up: bool) {
        let host = key(host);
        let changed = if up {
            self.up.insert(host.clone())
        } else {
            self.up.remove(&host)
        };
        if changed {
            for id in self.ids(&host) {
                self.index(id);
            }
        }
    }

    /// Takes one slot of a host out: a busy one after its job.
    ///
    /// # Errors
    /// [`HostError::Unknown`].
    pub fn off(&mut self, host: &str) -> Result<(), HostError> {
        let order = |id: &SlotId| match self.slots.get(id) {
            Some(slot) if slot.on => u8::from(slot.job.is_some()),
            _ => 2,
        };
        let id = self.ids(host).into_iter().min_by_key(order);
        let id = id.ok_or_else(|| HostError::Unknown(host.to_owned()))?;
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.on = false;
        }
        self.index(id);
        Ok(())
    }

    /// Takes one slot of a host, which is OFF or goes off, back.
    ///
    /// # Errors
    /// [`HostError`] where none is OFF.
    pub fn on(&mut self, host: &str) -> Result<(), HostError> {
        let slot = self.one(host, "OFF", |slot| !slot.on && !slot.forgotten)?;
        slot.on = true;
        let id = slot.id;
        self.index(id);
        Ok(())
    }

    /// Whether the slots of a host that are not OFF are DOWN.
    ///
    /// # Errors
    /// [`HostError`] where none is.
    pub fn is_down(&mut self, host: &str) -> Result<(), HostError> {
        let up = self.up.contains(&key(host));
        self.one(host, "DOWN", |slot| slot.on && !up).map(drop)
    }

    /// Forgets one slot of a host, which is OFF.
    ///
    /// # Errors
    /// [`HostError`] where none is OFF.
    pub fn delete(&mut self, host: &str) -> Result<(), HostError> {
        let is_off = |slot: &Slot| !slot.on && slot.job.is_none();
        let id = self.one(host, "OFF", is_off)?.id;
        self.forget(id);
        Ok(())
    }

    /// Forgets all slots, busy ones once their job is released. How many there were.
    pub fn clear(&mut self) -> usize {
        let count = self.slots.len();
        let mut free = Vec::new();
        for slot in self.slots.values_mut() {
            slot.on = false;
            slot.forgotten = true;
            free.extend(slot.job.is_none().then_some(slot.id));
        }
        for id in free {
            self.forget(id);
        }
        count
    }

    /// The slots in the order they were added.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values().filter(|slot| !slot.forgotten)
    }

    /// The slots of one host.
    pub fn slots_of(&self, host: &str) -> impl Iterator<Item = &Slot> + use<'_> {
        let ids = self.of_hosts.get(&key(host)).into_iter().flatten();
        ids.filter_map(|id| self.slots.get(id))
            .filter(|slot| !slot.forgotten)
    }

    /// What a slot does.
    pub fn state(&self, slot: &Slot) -> SlotState {
        let up = self.up.contains(&slot.key);
        match (slot.job, slot.on, up) {
            (None, false, _) => SlotState::Off,
            (_, _, false) => SlotState::Down,
            (Some(job), _, true) => SlotState::Busy(job),
            (None, true, true) => SlotState::Idle,
        }
    }

    /// Whether a slot of that host is known.
    pub fn knows(&self, host: &str) -> bool {
        self.slots_of(host).next().is_some()
    }

    /// Whether a human wants any slot of that host.
    pub fn wants(&self, host: &str) -> bool {
        self.slots_of(host).any(|slot| slot.on)
    }

    /// Lets a job wait for a slot. Jobs are numbered in the order of their submission.
    pub fn wait(&mut self, job: u64, claim: Claim, now: Instant) {
        self.waiting.insert(job, claim, now);
    }

    /// Takes a job back that waits.
    pub fn withdraw(&mut self, job: u64) -> bool {
        self.waiting.remove(job).is_some()
    }

    /// Seats waiting jobs on idle slots.
    pub fn assign(&mut self, now: Instant) -> Vec<Seat> {
        let mut seats = Vec::new();
        let Affinity {
            wanthost_wait,
            unwanted_host_jobs,
        } = self.affinity;
        // What one slot does not get though it is for any, the next ones do not get either.
        let mut any_left = true;
        let idle: Vec<SlotId> = match self.waiting.len() {
            0 => Vec::new(),
            _ => self.idle.iter().copied().collect(),
        };
        for id in idle {
            let Some(slot) = self.slots.get_mut(&id) else {
                continue;
            };
            let touched = &self.touched;
            let is_full = |host: &str| {
                let count = touched.get(host).copied().unwrap_or(0);
                count >= unwanted_host_jobs
            };
            if is_full(&slot.key) {
                continue;
            }
            let mut taken = self.waiting.take_own(&slot.key, &is_full);
            if taken.is_none() && any_left {
                taken = self.waiting.take_any(now, wanthost_wait, &is_full);
                any_left = taken.is_some();
            }
            let Some((job, claim)) = taken else {
                continue;
            };
            slot.job = Some(job);
            slot.touches = touches(&claim, &slot.host);
            for host in &slot.touches {
                *self.touched.entry(host.clone()).or_default() += 1;
            }
            self.idle.remove(&id);
            self.seated.insert(job, id);
            seats.push(Seat {
                job,
                slot: id,
                host: slot.host.clone(),
                threads: slot.threads,
            });
            if self.waiting.len() == 0 {
                break;
            }
        }
        seats
    }

    /// Whether a job has a slot.
    pub fn is_seated(&self, job: u64) -> bool {
        self.seated.contains_key(&job)
    }

    /// Seats a job that runs already, on a slot of its host if one is free. Whether it was.
    pub fn reseat(&mut self, job: u64, host: &str) -> bool {
        let free = |slot: &Slot| slot.job.is_none() && !slot.forgotten;
        let Some(slot) = self.find(host, free) else {
            return false;
        };
        slot.job = Some(job);
        let id = slot.id;
        self.seated.insert(job, id);
        self.index(id);
        true
    }

    /// When [`Self::assign`] may seat a job though nothing happens.
    pub fn next_look(&self, now: Instant) -> Option<Instant> {
        if self.idle.is_empty() {
            return None;
        }
        self.waiting
            .next_surrender(now, self.affinity.wanthost_wait)
    }

    /// The job has ended, or has to be run again: its slot is idle, or off.
    pub fn release(&mut self, job: u64) {
        let Some(id) = self.seated.remove(&job) else {
            return;
        };
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        slot.job = None;
        let forgotten = slot.forgotten;
        for host in std::mem::take(&mut slot.touches) {
            if let Some(count) = self.touched.get_mut(&host) {
                *count = count.saturating_sub(1);
            }
        }
        if forgotten {
            self.forget(id);
        } else {
            self.index(id);
        }
    }

    /// How many jobs work on a host's disks from elsewhere.
    pub fn touched(&self, host: &str) -> usize {
        self.touched.get(&key(host)).copied().unwrap_or(0)
    }

    /// Notes whether the slot is idle.
    fn index(&mut self, id: SlotId) {
        let slot = self.slots.get(&id);
        if slot.is_some_and(|slot| self.state(slot) == SlotState::Idle) {
            self.idle.insert(id);
        } else {
            self.idle.remove(&id);
        }
    }

    fn forget(&mut self, id: SlotId) {
        self.idle.remove(&id);
        let Some(Slot { key, .. }) = self.slots.remove(&id) else {
            return;
        };
        if let Some(ids) = self.of_hosts.get_mut(&key) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.of_hosts.remove(&key);
            }
        }
    }

    /// All slots of a host, also those that are forgotten.
    fn ids(&self, host: &str) -> Vec<SlotId> {
        self.of_hosts.get(&key(host)).cloned().unwrap_or_default()
    }

    /// The first slot of a host that fits.
    fn find(&mut self, host: &str, fits: impl Fn(&Slot) -> bool) -> Option<&mut Slot> {
        let mut ids = self.ids(host).into_iter();
        let id = ids.find(|id| self.slots.get(id).is_some_and(&fits))?;
        self.slots.get_mut(&id)
    }

    fn one(
        &mut self,
        host: &str,
        wanted: &'static str,
        fits: impl Fn(&Slot) -> bool,
    ) -> Result<&mut Slot, HostError> {
        if !self.knows(host) {
            return Err(HostError::Unknown(host.to_owned()));
        }
        self.find(host, fits).ok_or_else(|| HostError::Not {
            host: host.to_owned(),
            wanted,
        })
    }
}

/// The hosts whose disks a job works on from `host`.
fn touches(claim: &Claim, host: &str) -> Vec<Box<str>> {
    let wished = match &claim.wish {
        Wish::Desired(wished) if !wished.eq_ignore_ascii_case(host) => Some(wished),
        _ => None,
    };
    claim
        .touches
        .iter()
        .chain(wished)
        .map(|host| key(host))
        .collect()
}

impl Slot {
    /// The job that it has, also while its host is down.
    pub fn job(&self) -> Option<u64> {
        self.job
    }
}

impl fmt::Display for SlotId {
    /// Four numbers with dots between, each of 16 bits, in hexadecimal (spec/pantasks.md §5.2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32| (self.0 >> shift) & 0xffff;
        write!(
            f,
            "{:x}.{:x}.{:x}.{:x}",
            part(48),
            part(32),
            part(16),
            part(0)
        )
    }
}

#[cfg(test)]
mod tests;
