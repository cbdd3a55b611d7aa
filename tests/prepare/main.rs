//! Preparing runs from recipes against a real state.db, and running what was prepared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that fails should say so at once"
)]

mod bench;
#[path = "../fifo/mod.rs"]
mod fifo;
mod launching;
mod rendering;
mod running;
