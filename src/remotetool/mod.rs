//! The compat leaf `remotetool`: the old options, words and output over the new core
//! (spec/remote.md §2; design §5).
//!
//! [`parse`] turns a command line into a [`Request`], and the `render_…` functions turn rows into
//! what the original prints; neither touches a database. Between them [`main`] runs a mode over
//! the open workplace.

mod answer;
mod args;
mod define;
mod exit;
mod list;
mod moves;
mod options;
mod output;
mod program;
mod request;
mod revert;
mod update;
mod usage;
mod words;

pub use args::parse;
pub use exit::Exit;
pub use output::{
    ComponentRow, DefinedRow, DonePrepRow, Format, RunRow, render_components, render_defined,
    render_done_prep, render_pretended, render_runs,
};
pub use program::main;
pub use request::{
    Command, ComponentChange, ComponentFilter, Define, DonePrepFilter, JobId, Listing, Mode,
    Request, RunChange, RunFilter,
};
pub use usage::{Problem, UsageError};
pub use words::{ComponentWord, RunWord, UnknownWord};

#[cfg(test)]
mod tests;
