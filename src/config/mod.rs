//! `outrigger.yaml` and the stage recipes: what they may say, and every error with file, line
//! and column.

pub mod recipe;
pub mod site;
pub mod units;
