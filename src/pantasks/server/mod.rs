//! The program `pantasks_server`: a scheduler without a terminal that clients give commands to
//! (spec/pantasks.md §4).
//!
//! [`place`] says where it is found, [`reply`] what a request is answered, [`listen`] opens the
//! door, `serve` looks after those who come, [`program`] is the program. The client uses the first
//! three too, and both talk as [`crate::connection::talk`] says.

mod commands;
pub mod listen;
pub mod place;
pub mod program;
pub mod reply;
mod serve;

use crate::connection::talk::hello::Protocol;

/// What a server and its clients speak.
pub const PROTOCOL: Protocol = Protocol {
    name: "outrigger-pantasks",
    version: "1",
    no_secret: "name its file with PANTASKS_SERVER_SECRET",
};
