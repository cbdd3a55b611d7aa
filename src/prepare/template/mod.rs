//! Tera templates of a recipe: compiled once, rendered for every job.
//!
//! Functions of ours take their arguments by position too ([`positional`]); plain templates such
//! as `raw/{{ imfile.name }}` are rendered without Tera's machine ([`text`]).

mod check;
mod engine;
mod filters;
mod plan;
pub(super) mod positional;
mod text;

pub use check::check_recipe;
pub(crate) use engine::{Compiler, Engine, INPUTS, OUTPUTS, TemplateError, escape, quote};
pub(crate) use plan::{Next, Plan, Repeat, StepPlan, report};
pub(crate) use text::{Template, Words, scalar_text};
