//! The pool of hosts that jobs of the scheduler go to (spec/pantasks.md §5).
//!
//! [`Pool`] is pure: it knows slots and waiting jobs and says which job goes where. Whoever owns
//! it starts the jobs and says when they end.

mod pool;
mod waiting;

pub use pool::{HostError, Pool, Seat, Slot, SlotId, SlotState, Wish};
