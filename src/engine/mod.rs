//! The small core that every policy shares.

pub mod clock;
