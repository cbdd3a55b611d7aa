//! Two programs of ours that talk over a stream: [`frame`] says what a message is, [`hello`] how
//! the two sides agree to talk, [`secret`] how they know each other where anybody may come.

pub mod frame;
pub mod hello;
pub mod secret;
