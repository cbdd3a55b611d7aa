//! What the programs that speak the task language share: their command line, settings, streams,
//! terminal, and who talks to them.

mod feed;
pub mod front;
pub mod machine;
pub mod options;
pub mod outlet;
pub mod request;
pub mod settings;
pub mod terminal;
