//! The task scheduler: tasks, the jobs they make, when they may make them, and the processes on
//! this host.
//!
//! What decides is pure and knows no clock and no process: [`trange`] says when a task may run.

pub mod trange;
