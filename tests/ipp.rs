//! The seven stages of the IPP, held against the tables of their specification: inputs, outputs,
//! commands and records, and a run of all seven with stand-ins for the IPP's programs.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

mod asked;
#[path = "ipp/commands.rs"]
mod commands;
#[path = "ipp/groups.rs"]
mod groups;
#[path = "ipp/program.rs"]
mod program;
#[path = "ipp/records.rs"]
mod records;
#[path = "ipp/survey.rs"]
mod survey;
#[path = "ipp/tables.rs"]
mod tables;
#[path = "ipp/variants.rs"]
mod variants;
#[path = "ipp/world.rs"]
mod world;
