//! The task scheduler: tasks, the jobs they make, when they may make them, and the processes on
//! this host.
//!
//! What decides is pure and knows no clock and no process: [`trange`] says when a task may run,
//! [`timers`] what is due and when to look again, [`job`] how a job moves from state to state.
//! [`crate::process`] runs processes. [`status`] shows it all. In all of these the body of a macro is a type
//! parameter.
//!
//! `commands` joins them to the language, [`session`] turns the scheduler over, [`drive`] is the
//! loop around it that sleeps until something is due or happens.

pub mod check;
pub mod client;
mod commands;
pub mod drive;
pub mod exit_macro;
mod harvest;
mod hosts;
pub mod job;
pub mod jobs;
mod persist;
pub mod program;
mod report;
pub mod scheduler;
pub mod server;
pub mod session;
pub mod statistics;
pub mod status;
pub mod task;
pub mod tasks;
pub mod timers;
pub mod trange;
