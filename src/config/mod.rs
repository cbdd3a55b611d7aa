//! `outrigger.yaml` and the stage recipes: what they may say, and every error with file, line
//! and column.

pub mod document;
pub mod problem;
pub mod recipe;
pub mod site;
mod suggest;
pub mod units;
