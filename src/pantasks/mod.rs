//! The task scheduler: tasks, the jobs they make, when they may make them, and the processes on
//! this host.
//!
//! What decides is pure and knows no clock and no process: [`trange`] says when a task may run,
//! [`timers`] what is due and when to look again, [`job`] how a job moves from state to state.
//! [`local`] runs processes. [`status`] shows it all. The bodies of macros are whatever the language makes of them: a type parameter here.

pub mod exit_macro;
pub mod job;
pub mod jobs;
pub mod local;
pub mod statistics;
pub mod status;
pub mod task;
pub mod tasks;
pub mod timers;
pub mod trange;
