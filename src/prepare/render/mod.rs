//! From the components of a run to the files of its run directory: jobs, manifest, commands.

mod component;
mod components;
mod draft;
mod evaluate;
mod fragment;
mod gathered;
mod parallel;
mod record;
mod slice;
mod writer;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use tera::{Context, Value};

pub use self::record::record_schema;
use self::{
    components::Outcomes,
    evaluate::{Shared, plain},
    writer::{RunWriter, Totals},
};
use super::{
    PrepareError,
    lookup::Lookup,
    names::{Names, site_path},
    source::{Ask, JobRowsPlan},
    template::Plan,
};
use crate::{
    config::{
        recipe::Recipe,
        site::{NameScheme, Site},
    },
    state::{Store, job::PreparedComponent},
};

/// What is to be rendered.
#[derive(Debug, Clone, Copy)]
pub struct RenderRequest<'a> {
    /// The stage's recipe.
    pub recipe: &'a Recipe,
    /// Directory of the recipe: its `file:` sources are relative to it.
    pub recipe_dir: &'a Path,
    /// Directory of outrigger.yaml: local paths are relative to it.
    pub home: &'a Path,
    /// Files and directories here that no product may overwrite: absolute.
    pub kept: &'a [PathBuf],
    /// Naming rules of outrigger.yaml.
    pub names: &'a BTreeMap<String, NameScheme>,
    /// The site's key in outrigger.yaml.
    pub site_name: &'a str,
    /// The site.
    pub site: &'a Site,
    /// The run.
    pub run_id: i64,
    /// The run's label.
    pub label: &'a str,
    /// The run's directory here: absolute.
    pub run_dir: &'a Path,
    /// The run's directory on the site: absolute.
    pub remote_dir: &'a Path,
}

/// Renders the components of one run: its recipe is compiled, its tables are loaded.
#[derive(Debug)]
pub struct Renderer<'a> {
    request: RenderRequest<'a>,
    shared: Shared,
    rows: JobRowsPlan,
    threads: usize,
}

/// What was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Number of jobs.
    pub jobs: u64,
    /// Components whose jobs are written.
    pub components_ok: u64,
    /// Components that could not be prepared.
    pub components_failed: u64,
    /// Expected seconds of all jobs together.
    pub seconds_total: u64,
    /// Expected seconds of the longest job.
    pub seconds_max: u64,
    /// Cores that a job uses.
    pub threads: u32,
    /// Files that go to the site.
    pub files_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Files that may come home.
    pub files_out: u64,
    /// Where the files are.
    dir: PathBuf,
    /// What is recorded as the run's directory.
    run_dir: PathBuf,
}

impl<'a> Renderer<'a> {
    /// Compiles the recipe and loads its lookup tables.
    ///
    /// # Errors
    /// When a template is wrong, or a table or the jobs' file cannot be read.
    pub fn new(request: RenderRequest<'a>, store: &Store) -> Result<Self, PrepareError> {
        let recipe = request.recipe;
        let wrong = |problems| PrepareError::Recipe {
            stage: recipe.stage.clone(),
            problems,
        };
        let root = scratch(request.site)
            .map_err(|message| wrong(vec![("scratch of the site".into(), message)]))?;
        let names = Arc::new(Names::new(
            request.names.clone(),
            request.home.to_owned(),
            root.clone(),
        ));
        let problems = super::check_recipe(recipe);
        if !problems.is_empty() {
            return Err(wrong(problems));
        }
        let reader = store.reader()?;
        let mut tables = BTreeMap::new();
        for (name, lookup) in &recipe.lookups {
            let ask = Ask {
                source: &lookup.from,
                dir: request.recipe_dir,
                stage: &recipe.stage,
                label: request.label,
            };
            let table = Lookup::load(name, lookup, &ask, &reader, &names)?;
            tables.insert(name.clone(), table);
        }
        let plan = Plan::compile(recipe, &names, tables).map_err(wrong)?;
        let rows = JobRowsPlan::new(recipe, request.recipe_dir, request.label, &reader)?;
        let base = base(&request, &root);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            shared: Shared {
                plan,
                names,
                root,
                base,
                kept: request.kept.iter().map(|path| plain(path)).collect(),
            },
            request,
            rows,
            threads,
        })
    }

    /// Uses this many threads; the files do not depend on it.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Renders all components of the run that are `new` into its directory. Memory does not grow
    /// with their number, but for some 50 bytes a file. `progress` gets the number of components
    /// done. A component that cannot be prepared does not stop the others.
    ///
    /// # Errors
    /// When state.db or the run directory fails.
    pub fn render(&self, store: &Store, progress: &dyn Fn(u64)) -> Result<Rendered, PrepareError> {
        self.render_into(self.request.run_dir, store, progress)
    }

    /// Renders into another directory than the run's own.
    pub(super) fn render_into(
        &self,
        dir: &Path,
        store: &Store,
        progress: &dyn Fn(u64),
    ) -> Result<Rendered, PrepareError> {
        let totals = fragment::replace(dir, |temporary| {
            let mut writer = RunWriter::create(temporary, self.request.recipe.cost.clone())?;
            parallel::render(self, store, &mut writer, progress)?;
            writer.finish()
        })?;
        Ok(self.rendered(dir, totals))
    }

    fn rendered(&self, dir: &Path, totals: Totals) -> Rendered {
        let cost = &self.request.recipe.cost;
        Rendered {
            jobs: totals.jobs,
            components_ok: totals.components_ok,
            components_failed: totals.components_failed,
            seconds_total: totals.seconds,
            seconds_max: totals.seconds_max,
            threads: cost.threads,
            files_in: totals.files_in,
            bytes_in: totals.bytes_in,
            files_out: totals.files_out,
            dir: dir.to_owned(),
            run_dir: self.request.run_dir.to_owned(),
        }
    }

    /// What is being rendered.
    pub(super) fn request(&self) -> &RenderRequest<'a> {
        &self.request
    }
}

impl Rendered {
    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What became of each component, for [`Store::prepared`]; read back as it goes.
    ///
    /// # Errors
    /// When the files are not what was written. They are read through once beforehand, so that
    /// nothing is recorded in part.
    pub fn components(
        &self,
    ) -> Result<impl Iterator<Item = PreparedComponent> + use<>, PrepareError> {
        let mut check = Outcomes::open(&self.dir, &self.run_dir)?;
        while check.next()?.is_some() {}
        let mut outcomes = Outcomes::open(&self.dir, &self.run_dir)?;
        Ok(std::iter::from_fn(move || outcomes.next().ok().flatten()))
    }
}

/// The site's scratch, cleaned.
fn scratch(site: &Site) -> Result<String, String> {
    let text = site.scratch.to_string_lossy();
    if text.starts_with('/') {
        site_path("/", &text)
    } else {
        Err(format!("`{text}` is not absolute"))
    }
}

/// What every template of a run sees.
fn base(request: &RenderRequest<'_>, root: &str) -> Context {
    let site = request
        .site
        .hostname
        .as_deref()
        .unwrap_or(request.site_name);
    let mut run = tera::Map::new();
    run.insert("id".into(), Value::from(request.run_id));
    let dir = request.remote_dir.to_string_lossy();
    run.insert("dir".into(), Value::from(dir));
    let vars: tera::Map = request
        .site
        .vars
        .iter()
        .map(|(name, value)| (name.clone().into(), Value::from(value.as_str())))
        .collect();
    let mut base = Context::new();
    for (name, value) in [
        ("stage", Value::from(request.recipe.stage.as_str())),
        ("label", Value::from(request.label)),
        ("site", Value::from(site)),
        ("site_vars", Value::from(vars)),
        ("root", Value::from(root)),
        ("threads", Value::from(request.recipe.cost.threads)),
        ("run", Value::from(run)),
    ] {
        base.insert_value(name, value);
    }
    base
}

/// The directory of one component's fragment; also what is recorded as its directory.
fn fragment_dir(run_dir: &Path, stage_id: i64) -> PathBuf {
    run_dir.join(format!("stage_{stage_id}"))
}
