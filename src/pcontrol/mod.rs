//! The controller of the hosts that jobs go to (spec/pantasks.md §5).
//!
//! [`Controller`] is pure: slots ([`Pool`]), jobs, machines and what follows from what happens.
//! [`Cluster`] does what it decides: it keeps one connection to each machine, whatever the number
//! of its slots, and has an agent (`pclient`) behind it.

mod cluster;
pub mod commands;
mod controller;
mod desk;
mod fence;
pub mod finished;
mod job;
mod limits;
mod link;
mod machine;
mod meanwhile;
mod pool;
pub mod program;
mod prompt;
mod report;
mod session;
mod settings;
pub mod setup;
mod waiting;

pub use cluster::{Cluster, Way};
pub use controller::{Controller, Effect, Happening, News, Resumed};
pub use job::{Job, Place, Request};
pub use link::Report;
pub use pool::{Affinity, HostError, Pool, Seat, Slot, SlotId, SlotState, Wish};
pub use settings::Settings;
pub use waiting::Claim;
