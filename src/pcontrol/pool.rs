//! Slots, and which job goes to which.

use std::fmt;

use jiff::Timestamp;
use thiserror::Error;

use super::waiting::Waiting;

/// The host that a job asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Any.
    Any,
    /// Rather this one; after 10 s any.
    Desired(String),
    /// This one alone.
    Required(String),
}

/// A slot's number, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u64);

/// What a slot does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlotState {
    /// A human took it out.
    Off,
    /// Its host cannot be reached, for this reason.
    Down(String),
    /// It waits for a job.
    Idle,
    /// It runs this job.
    Busy(u64),
}

impl SlotState {
    /// The word that listings show.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Down(_) => "DOWN",
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
    /// What it does.
    pub state: SlotState,
    /// It goes off when its job has ended.
    leaving: bool,
    /// It is no more once its job has ended.
    forgotten: bool,
}

/// A job and the slot that it goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The job.
    pub job: u64,
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

/// Slots and the jobs that wait for one.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    slots: Vec<Slot>,
    waiting: Waiting,
    last: u64,
}

impl Pool {
    /// Adds one slot on a host; `down` says why it cannot be used, if so.
    pub fn add(&mut self, host: &str, threads: u32, down: Option<String>) -> SlotId {
        self.last += 1;
        let id = SlotId(self.last);
        self.slots.push(Slot {
            id,
            host: host.to_owned(),
            threads,
            state: down.map_or(SlotState::Idle, SlotState::Down),
            leaving: false,
            forgotten: false,
        });
        id
    }

    /// Takes one slot of a host out: a busy one after its job.
    ///
    /// # Errors
    /// [`HostError::Unknown`].
    pub fn off(&mut self, host: &str) -> Result<(), HostError> {
        let order = |slot: &Slot| match slot.state {
            SlotState::Idle => 0,
            SlotState::Down(_) => 1,
            SlotState::Busy(_) if !slot.leaving => 2,
            _ => 3,
        };
        let slot = self
            .slots
            .iter_mut()
            .filter(|slot| slot.is_of(host))
            .min_by_key(|slot| order(slot));
        let slot = slot.ok_or_else(|| HostError::Unknown(host.to_owned()))?;
        match slot.state {
            SlotState::Busy(_) => slot.leaving = true,
            _ => slot.state = SlotState::Off,
        }
        Ok(())
    }

    /// Takes one slot of a host, which is OFF, back; `down` as in [`Self::add`].
    ///
    /// # Errors
    /// [`HostError`] where none is OFF.
    pub fn on(&mut self, host: &str, down: Option<String>) -> Result<(), HostError> {
        let slot = self.one(host, "OFF", |slot| {
            slot.leaving || slot.state == SlotState::Off
        })?;
        if slot.leaving {
            slot.leaving = false;
        } else {
            slot.state = down.map_or(SlotState::Idle, SlotState::Down);
        }
        Ok(())
    }

    /// Tries one slot of a host, which is DOWN, again.
    ///
    /// # Errors
    /// [`HostError`] where none is DOWN.
    pub fn retry(&mut self, host: &str, down: Option<String>) -> Result<(), HostError> {
        let slot = self.one(host, "DOWN", |slot| {
            matches!(slot.state, SlotState::Down(_))
        })?;
        slot.state = down.map_or(SlotState::Idle, SlotState::Down);
        Ok(())
    }

    /// Forgets one slot of a host, which is OFF.
    ///
    /// # Errors
    /// [`HostError`] where none is OFF.
    pub fn delete(&mut self, host: &str) -> Result<(), HostError> {
        let id = self
            .one(host, "OFF", |slot| slot.state == SlotState::Off)?
            .id;
        self.slots.retain(|slot| slot.id != id);
        Ok(())
    }

    /// Forgets all slots, busy ones once their job has ended. How many there were.
    pub fn clear(&mut self) -> usize {
        let count = self.slots.len();
        self.slots
            .retain(|slot| matches!(slot.state, SlotState::Busy(_)));
        for slot in &mut self.slots {
            slot.leaving = true;
            slot.forgotten = true;
        }
        count
    }

    /// The slots in the order they were added.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Whether a slot of that host is known.
    pub fn knows(&self, host: &str) -> bool {
        self.slots.iter().any(|slot| slot.is_of(host))
    }

    /// Whether any job waits for or sits on a slot.
    pub fn is_idle(&self) -> bool {
        let busy = |slot: &Slot| matches!(slot.state, SlotState::Busy(_));
        self.waiting.len() == 0 && !self.slots.iter().any(busy)
    }

    /// Lets a job wait for a slot. Jobs are numbered in the order of their submission.
    pub fn wait(&mut self, job: u64, wish: Wish, now: Timestamp) {
        self.waiting.insert(job, wish, now);
    }

    /// Takes a job back that waits.
    pub fn withdraw(&mut self, job: u64) -> bool {
        self.waiting.remove(job)
    }

    /// The jobs that wait and what they wish, in no order.
    pub fn waiting(&self) -> impl Iterator<Item = (u64, &Wish)> {
        self.waiting.iter()
    }

    /// Seats waiting jobs on idle slots.
    pub fn assign(&mut self, now: Timestamp) -> Vec<Seat> {
        let mut seats = Vec::new();
        if self.waiting.len() == 0 {
            return seats;
        }
        for slot in &mut self.slots {
            if slot.state != SlotState::Idle {
                continue;
            }
            if let Some(job) = self.waiting.take(&slot.host, now) {
                slot.state = SlotState::Busy(job);
                seats.push(Seat {
                    job,
                    host: slot.host.clone(),
                    threads: slot.threads,
                });
            }
        }
        seats
    }

    /// When [`Self::assign`] may seat a job though nothing happens.
    pub fn next_look(&self) -> Option<Timestamp> {
        let idle = self.slots.iter().any(|slot| slot.state == SlotState::Idle);
        idle.then(|| self.waiting.next_surrender()).flatten()
    }

    /// The job has ended: its slot is idle again, or off.
    pub fn release(&mut self, job: u64) {
        let busy = SlotState::Busy(job);
        self.slots
            .retain(|slot| !(slot.forgotten && slot.state == busy));
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.state == busy) {
            slot.state = if slot.leaving {
                SlotState::Off
            } else {
                SlotState::Idle
            };
            slot.leaving = false;
        }
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
        self.slots
            .iter_mut()
            .find(|slot| slot.is_of(host) && fits(slot))
            .ok_or_else(|| HostError::Not {
                host: host.to_owned(),
                wanted,
            })
    }
}

impl Slot {
    fn is_of(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
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
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn wish(word: &str) -> Wish {
        match word.split_at(1) {
            ("=", host) => Wish::Required(host.to_owned()),
            ("~", host) => Wish::Desired(host.to_owned()),
            _ => Wish::Any,
        }
    }

    /// One slot on `po1`, jobs that waited since 0 s with these wishes.
    #[rstest]
    #[case::required_here_first(&["*", "~po1", "=po1"], 0, Some(3))]
    #[case::then_desired_here(&["*", "~po1", "~po2"], 0, Some(2))]
    #[case::then_any(&["~po2", "*", "=po2"], 60, Some(2))]
    #[case::desired_elsewhere_not_before_10_s(&["~po2"], 9, None)]
    #[case::desired_elsewhere_after_10_s(&["=po2", "~po2"], 10, Some(2))]
    #[case::required_elsewhere_never(&["=po2"], 100_000, None)]
    #[case::first_in_first_out(&["*", "*"], 0, Some(1))]
    #[case::names_in_any_case(&["=PO1"], 0, Some(1))]
    fn an_idle_slot_takes(#[case] wishes: &[&str], #[case] now: i64, #[case] taken: Option<u64>) {
        let mut pool = Pool::default();
        pool.add("po1", 1, None);
        for (job, word) in (1..).zip(wishes) {
            pool.wait(job, wish(word), at(0));
        }
        let seats: Vec<u64> = pool.assign(at(now)).iter().map(|seat| seat.job).collect();
        assert_eq!(seats, Vec::from_iter(taken));
    }

    #[test]
    fn a_slot_that_goes_off_ends_its_job_first() {
        let mut pool = Pool::default();
        pool.add("po1", 1, None);
        pool.wait(1, Wish::Any, at(0));
        assert_eq!(pool.assign(at(0)).len(), 1);
        pool.off("po1").unwrap();
        assert_eq!(pool.slots().next().unwrap().state, SlotState::Busy(1));
        pool.release(1);
        assert_eq!(pool.slots().next().unwrap().state, SlotState::Off);
        pool.delete("po1").unwrap();
        assert_eq!(pool.delete("po1"), Err(HostError::Unknown("po1".into())));
    }

    #[test]
    fn a_host_that_cannot_be_reached_takes_no_job() {
        let mut pool = Pool::default();
        pool.add("po1", 1, Some("no way there".into()));
        pool.wait(1, Wish::Any, at(0));
        assert_eq!(pool.assign(at(99)), []);
        assert_eq!(pool.next_look(), None);
        pool.retry("po1", None).unwrap();
        assert_eq!(pool.assign(at(99)).len(), 1);
    }

    proptest! {
        #[test]
        fn a_job_sits_on_one_slot_and_a_required_host_is_kept(
            slots in prop::collection::vec(0..3u8, 0..6),
            wishes in prop::collection::vec((0..3u8, 0..3u8), 0..30),
            now in 0..30i64,
        ) {
            let mut pool = Pool::default();
            for host in slots {
                pool.add(&format!("po{host}"), 1, None);
            }
            for (job, (kind, host)) in (1..).zip(&wishes) {
                let host = format!("po{host}");
                let wish = [Wish::Any, Wish::Desired(host.clone()), Wish::Required(host)][*kind as usize].clone();
                pool.wait(job, wish, at(0));
            }
            let mut seen = std::collections::BTreeSet::new();
            loop {
                let seats = pool.assign(at(now));
                if seats.is_empty() {
                    break;
                }
                for seat in seats {
                    prop_assert!(seen.insert(seat.job));
                    let (kind, host) = wishes[usize::try_from(seat.job).unwrap() - 1];
                    if kind == 2 {
                        prop_assert_eq!(&seat.host, &format!("po{host}"));
                    }
                    pool.release(seat.job);
                }
            }
        }
    }
}
