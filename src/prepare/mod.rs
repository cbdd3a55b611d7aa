//! From stage recipes to a run directory: jobs, manifest, multi-prog chunks, batch script.
//!
//! [`candidates`] gives what a stage could bundle. [`Renderer`] turns the components of a run into
//! the files of its run directory, one by one and in parallel; [`launch`] adds the configs and the
//! batch script once the allocation is known. Nothing here talks to a site.

mod candidates;
pub mod chunk;
mod dry_run;
mod error;
pub mod launch;
mod lookup;
mod names;
mod render;
mod source;
mod template;

pub use candidates::candidates;
pub use dry_run::{DryRun, dry_run};
pub use error::PrepareError;
pub use render::{RenderRequest, Rendered, Renderer, record_schema};
pub use source::{Row, SourceError};
pub use template::check_recipe;
