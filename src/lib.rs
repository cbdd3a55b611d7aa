//! Outrigger runs an observatory's pipeline at home and on somebody else's supercomputer.
//!
//! The rooms and the one rule between them (`docs/architecture.md`): a room may use only rooms
//! of the floors below it. From the ground up:
//! `durable` ← `metadata, config, state` ← `engine, connection, opihi, process` ←
//! `batch, allocator, transfer, shell, worker` ← `prepare, exec, poll, pcontrol` ← `remote, pantasks` ← `sky, remotetool` ← `cli`.

pub mod allocator;
pub mod batch;
pub mod cli;
pub mod config;
pub mod connection;
pub mod durable;
pub mod engine;
pub mod exec;
pub mod metadata;
pub mod opihi;
pub mod pantasks;
pub mod pclient;
pub mod pcontrol;
pub mod poll;
pub mod prepare;
pub mod process;
pub mod remote;
pub mod remotetool;
pub mod shell;
pub mod sitehost;
pub mod sky;
pub mod state;
pub mod transfer;
pub mod worker;
