//! The agent on a host of the controller (spec/pantasks.md §5.3).
//!
//! A controller starts `pclient` through ssh, once a machine. [`wire`] is what the two say to each
//! other; `agent` runs the jobs; `guard`, a process beside it, ends them when the agent dies or has
//! heard nothing for too long; `keep` is the agent whose jobs outlive a connection. `post` sees to
//! it that a machine has one agent of a controller at a time, and each begins by killing what its
//! predecessors left: once a controller hears [`wire::Welcome`], no job of an earlier connection
//! runs there unless it is named in it.

mod agent;
mod classic;
mod door;
mod ending;
mod guard;
mod keep;
mod mark;
pub(crate) mod outgoing;
mod post;
pub mod program;
pub(crate) mod streams;
pub mod wire;
