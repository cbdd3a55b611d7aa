//! `outrigger.yaml` and the stage recipes: what they may say, and every error with file, line
//! and column.
//!
//! [`load()`] reads and checks everything at once; [`problem::render`] draws what it found.

mod check;
pub mod document;
#[cfg(test)]
mod documented;
mod explain;
mod load;
pub mod problem;
mod profile;
pub mod recipe;
mod rules;
mod shape;
pub mod site;
mod starter;
mod suggest;
pub mod units;

pub use explain::{Explanation, Origin, explain};
pub use load::{FILE_NAME, Loaded, LoadedRecipe, UnknownName, examine, find, load};
pub use profile::{profile, profiles};
pub use shape::{SchemaKind, json_schema};
pub use starter::{StarterFile, init_files};
