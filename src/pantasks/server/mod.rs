//! The program `pantasks_server`: a scheduler without a terminal that clients give commands to
//! (spec/pantasks.md §4).
//!
//! [`place`] says where it is found, [`frame`] what a message is, [`hello`] how the two sides
//! agree to talk, [`secret`] how they know each other over TCP, [`listen`] opens the door, `serve`
//! looks after those who come, [`program`] is the program. The client uses the first four too.

mod commands;
pub mod frame;
pub mod hello;
pub mod listen;
pub mod place;
pub mod program;
pub mod secret;
mod serve;
