//! The compat leaf `remotetool`: the old options, words and output over the new core
//! (spec/remote.md §2; design §5).
//!
//! This is its pure half: [`parse`] turns a command line into a [`Request`], and the `render_…`
//! functions turn rows into what the original prints. Neither touches a database.

mod args;
mod exit;
mod options;
mod output;
mod request;
mod usage;
mod words;

pub use args::parse;
pub use exit::Exit;
pub use output::{
    ComponentRow, DefinedRow, DonePrepRow, Format, RunRow, render_components, render_defined,
    render_done_prep, render_pretended, render_runs,
};
pub use request::{
    Command, ComponentChange, ComponentFilter, Define, DonePrepFilter, JobId, Listing, Mode,
    Request, RunChange, RunFilter,
};
pub use usage::{Problem, UsageError};
pub use words::{ComponentWord, RunWord, UnknownWord};

#[cfg(test)]
mod tests;
