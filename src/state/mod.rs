//! state.db, the only truth: schema, tables with their transition functions, the event log; and
//! the files of a run directory.
//!
//! Every change of a status goes through the one pure transition function beside its table
//! ([`run::RunState::after`], [`component::ComponentState::after`], [`job::JobState::after`]),
//! in one SQLite transaction, and appends an event (design decision 1).

pub mod awaited;
pub mod back_off;
pub mod bundle;
pub mod check;
pub mod component;
mod counted;
pub mod edit;
pub mod event;
pub mod file;
pub mod hash;
pub mod import;
pub mod job;
pub mod legacy;
pub mod link;
pub mod listing;
pub mod queue;
pub mod record;
pub mod room;
pub mod run;
pub mod run_dir;
pub mod schema;
pub mod script;
pub mod site_job;
pub mod staged;
mod store;
pub mod timing;
pub mod transfer;
pub mod tries;

pub use store::{IllegalMove, StateError, Store};
