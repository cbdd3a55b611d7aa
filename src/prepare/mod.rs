//! From stage recipes to a run directory: jobs, manifest, multi-prog chunks, batch script.
//!
//! [`candidates()`] gives what a stage could bundle. [`Renderer`] turns the components of a run into
//! the files of its run directory, one by one and in parallel; [`launch`] adds the configs and the
//! batch script once the allocation is known. Nothing here talks to a site.
//!
//! What templates see, a later line over an earlier one:
//!
//! | name | what |
//! |---|---|
//! | the component's fields | its row, at top level; whole as `component` |
//! | `stage`, `stage_id`, `label`, `site`, `root`, `threads`, `run.id`, `run.dir` | the stage, the component's id, the run's label, the site's recorded name, its scratch, the cores of a job, the run and its directory on the site |
//! | the name in `jobs.for_each` | the job's row |
//! | `vars` | in their order, each as text |
//! | `inputs`, `outputs`, `input(i)`, `output(i)` | paths on the site of the rendered inputs (from the outputs on) and outputs (from the steps on); the two lists give way to fields of the row with these names |
//! | the lookups | functions, with arguments by position or by name |
//!
//! Filters besides Tera's: `local` (disk path of a name), `remote`, `from_disk`, `raw` (rules R1,
//! R2, R3 of spec/remote.md §3), `basename`, `dirname`, `pad(n)` (`%0nd`), `directive` and `ident`
//! (refuse what could not stand in a directive, or as a name of a shell variable).

mod candidates;
pub mod chunk;
mod count;
mod deal;
mod dry_run;
mod error;
pub mod launch;
mod lookup;
mod names;
mod render;
mod source;
mod template;

pub use candidates::candidates;
pub use count::job_counts;
pub use dry_run::{DryRun, dry_run};
pub use error::PrepareError;
pub use render::{RenderRequest, Rendered, Renderer, record_schema};
pub use source::{Row, SourceError};
pub use template::check_recipe;
