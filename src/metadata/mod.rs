//! psLib metadata-config text: reader and writer.
//!
//! The text in which the IPP's database tools print their rows and its programs leave their
//! statistics (spec/remote.md §2; spec/pantasks.md §6, `ipptool2book`):
//!
//! ```text
//! remoteRun MULTI
//!
//! remoteRun  METADATA
//!    remote_id        S64       17
//!    state            STR       pending
//! END
//! ```
//!
//! A line is `NAME TYPE VALUE [# comment]`. `NAME METADATA` opens a block that `END` closes, and
//! `NAME MULTI` declares that `NAME` may stand more than once at its level. `@NAME TYPE v v …` is
//! a vector. `TYPE` templates and the `UPDATE` and `RESET` directives are refused by name.

mod error;
mod float;
mod line;
mod reader;
mod record;
mod value;
mod writer;

pub use error::{Fault, MetadataError};
pub use reader::{Rows, read, rows};
pub use record::{Document, Entry, Node, Record};
pub use value::{NullKind, NumberKind, TimeScale, Value, Vector};
pub use writer::{write, write_multi, write_simple};

#[cfg(test)]
mod tests;
