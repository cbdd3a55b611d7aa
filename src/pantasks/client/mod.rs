//! The program `pantasks_client`: an interpreter of its own that sends to the server what it does
//! not know itself (spec/pantasks.md §4).

mod link;
pub mod program;
