//! The opihi task language (spec/pantasks.md §1, §2, §6; docs/language.md).
//!
//! An [`Interpreter`] runs scripts line by line. A line's meaning is textual: variables are
//! replaced in its text, then the text is split into words. To be fast all the same, each line is
//! taken apart once (`compiled`), and only where a value would change how the text is read is the
//! text itself expanded anew (`expand`). What the language needs of the program around it is a
//! [`Host`]; that program adds its own commands with [`Interpreter::register`] and
//! [`Interpreter::register_block`].

mod assignment;
mod book;
mod brackets;
mod builtins;
mod check;
mod commands;
mod compiled;
mod control;
mod error;
mod expand;
mod expr;
mod host;
mod interpreter;
mod loaded;
mod macros;
mod number;
mod queue;
mod rows;
mod running;
mod source;
mod streams;
mod template;
mod variables;
mod words;

#[cfg(test)]
mod tests;

pub use book::{Book, Books, Page};
pub use check::{Call, Finding, Role, Spot, Walk, Within, calls, check};
pub use commands::{BlockBuiltin, Builtin};
pub use error::{Failure, Fault, Flow, Outcome, Place, Stop};
pub use host::{Host, Ran, SystemHost};
pub use interpreter::Interpreter;
pub use queue::Queues;
pub use source::{Body, Cursor, Line, Program, is_end};
pub use words::Args;
