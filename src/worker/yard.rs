//! What a node runs and what it runs next, shared by the threads that run it and the one that
//! talks to the coordinator.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use rustix::event::{EventfdFlags, eventfd};

use super::{
    message::Given,
    room::{Need, Room},
};

/// Tells a job to end: readable once it is to.
#[derive(Debug)]
pub(super) struct Stop(OwnedFd);

impl Stop {
    /// Not to end yet.
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC)?))
    }

    /// The descriptor that is readable then.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn order(&self) {
        // Its counter has room for more orders than there will be.
        rustix::io::write(&self.0, &1_u64.to_ne_bytes()).unwrap_or_default();
    }
}

/// The orders of a node: what waits, in its order, and what is under way.
#[derive(Debug)]
pub(super) struct Yard {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug)]
struct State {
    room: Room,
    queue: VecDeque<Given>,
    going: BTreeMap<u64, (u32, Arc<Stop>)>,
    closed: bool,
}

impl Yard {
    /// Nothing to do yet.
    pub(super) fn new(whole: Need) -> Self {
        Self {
            state: Mutex::new(State {
                room: Room::new(whole),
                queue: VecDeque::new(),
                going: BTreeMap::new(),
                closed: false,
            }),
            news: Condvar::new(),
        }
    }

    /// Takes orders. They begin one after the other, each as soon as there is room.
    pub(super) fn add(&self, orders: Vec<Given>) {
        self.lock().queue.extend(orders);
        self.news.notify_all();
    }

    /// Waits for the next order that has room, which `stop` can end from now on; `None` once there
    /// will be none.
    pub(super) fn next(&self, stop: &Arc<Stop>) -> Option<Given> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(next) = state.queue.front().copied()
                && state.room.take(next.need)
            {
                state.queue.pop_front();
                let under_way = (next.attempt, Arc::clone(stop));
                state.going.insert(next.seq, under_way);
                return Some(next);
            }
            state = self
                .news
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// An order is done; its room is free.
    pub(super) fn done(&self, given: &Given) {
        let mut state = self.lock();
        state.going.remove(&given.seq);
        state.room.give_back(given.need);
        let may_begin = !state.queue.is_empty();
        drop(state);
        if may_begin {
            self.news.notify_all();
        }
    }

    /// Forgets the orders that have not begun.
    pub(super) fn forget(&self) {
        self.lock().queue.clear();
    }

    /// Job and attempt of each order that is under way.
    pub(super) fn going(&self) -> Vec<(u64, u32)> {
        let state = self.lock();
        state
            .going
            .iter()
            .map(|(seq, (attempt, _))| (*seq, *attempt))
            .collect()
    }

    /// Ends these attempts, if they are under way, and forgets them if they have not begun.
    pub(super) fn end(&self, attempts: &[(u64, u32)]) {
        let mut state = self.lock();
        state
            .queue
            .retain(|given| !attempts.contains(&(given.seq, given.attempt)));
        for (seq, attempt) in attempts {
            if let Some((_, stop)) = state.going.get(seq).filter(|(going, _)| going == attempt) {
                stop.order();
            }
        }
    }

    /// Begins nothing more; with `end`, what is under way is ended.
    pub(super) fn close(&self, end: bool) {
        let mut state = self.lock();
        state.closed = true;
        state.queue.clear();
        if end {
            for (_, stop) in state.going.values() {
                stop.order();
            }
        }
        self.news.notify_all();
    }

    /// Whether nothing is under way or waits.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.going.is_empty() && state.queue.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
