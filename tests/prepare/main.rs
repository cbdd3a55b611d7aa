//! Preparing runs from recipes against a real state.db, and running what was prepared.

mod bench;
mod rendering;
mod running;
