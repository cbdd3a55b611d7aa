//! Prepare: a new run becomes a run directory.

mod worker;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    allocation::Reckoning,
    workplace::{RemoteError, Workplace},
};
use crate::{
    batch::{Dialect, JobArray, JobRequest, dialect},
    config::{
        LoadedRecipe,
        site::{LauncherKind, Site},
    },
    prepare::{
        DryRun, PrepareError, RenderRequest, Rendered, Renderer, dry_run,
        launch::{self, Launch, Starter},
    },
    state::{
        StateError, Store,
        event::Act,
        run::{Run, RunEvent, Step},
        run_dir::{
            self,
            decision::{Allocation, FarProgram, Size},
        },
    },
};

/// What was prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Number of jobs.
    pub jobs: u64,
    /// Components whose jobs are written.
    pub components: u64,
    /// Components that could not be prepared.
    pub failed: u64,
    /// What is asked for; `None` if there are no jobs.
    pub size: Option<Size>,
}

impl fmt::Display for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(size) = self.size else {
            return write!(
                f,
                "none of its {} components could be prepared",
                self.failed
            );
        };
        write!(
            f,
            "prepared: {} jobs of {} components",
            self.jobs, self.components
        )?;
        if self.failed > 0 {
            write!(f, " ({} more could not be prepared)", self.failed)?;
        }
        write!(f, ", {size}")
    }
}

/// What prepare would write.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rehearsal {
    /// The run.
    pub run_id: i64,
    /// Its directory here, not written.
    pub run_dir: PathBuf,
    /// Number of jobs.
    pub jobs: u64,
    /// Components whose jobs would be written.
    pub components: u64,
    /// Component and reason of each that cannot be prepared; the first hundred.
    pub failures: Vec<(i64, String)>,
    /// Number of multi-prog configs.
    pub chunks: u64,
    /// Files that would go to the site.
    pub files_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Files that may come home.
    pub files_out: u64,
    /// The allocation.
    pub allocation: Allocation,
    /// Text of the batch script.
    pub job_script: String,
    /// Text of the first config.
    pub first_chunk: String,
}

impl fmt::Display for Rehearsal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "run {} would have {} jobs of {} components in {} configs; {} files ({} bytes) in, up to {} out; {}",
            self.run_id,
            self.jobs,
            self.components,
            self.chunks,
            self.files_in,
            self.bytes_in,
            self.files_out,
            self.allocation.size()
        )?;
        for (component, why) in &self.failures {
            writeln!(f, "component {component} could not be prepared: {why}")?;
        }
        writeln!(
            f,
            "--- {}/{}",
            self.run_dir.display(),
            run_dir::BATCH_SCRIPT
        )?;
        writeln!(f, "{}", self.job_script.trim_end())?;
        if self.chunks == 0 {
            return Ok(());
        }
        writeln!(
            f,
            "--- {}/{}",
            self.run_dir.display(),
            run_dir::chunk_name(0)
        )?;
        writeln!(f, "{}", self.first_chunk.trim_end())
    }
}

/// All that preparing a run needs, taken out of the workplace.
struct Preparation {
    run: Run,
    run_dir: PathBuf,
    remote_dir: PathBuf,
    site: Site,
    recipe: LoadedRecipe,
    /// What no product may overwrite.
    kept: Vec<PathBuf>,
    /// Directory of outrigger.yaml.
    home: PathBuf,
    /// This program.
    own_program: PathBuf,
    dialect: Box<dyn Dialect>,
}

impl Workplace {
    /// Renders one component of a new run into a directory of its own; several programs may do so
    /// at once, each for its own components. [`Workplace::merge`] puts them together.
    pub fn prepare_component(
        &mut self,
        run_id: i64,
        stage_id: i64,
    ) -> Result<PathBuf, RemoteError> {
        let of = self.preparation(run_id)?;
        let components = self.store.components(run_id)?;
        let component = components
            .iter()
            .find(|component| component.stage_id == stage_id)
            .ok_or(StateError::NoRow {
                what: "component of the run",
                id: stage_id,
            })?;
        make_directory(&of.run_dir)?;
        let (directory, outcome) = Renderer::new(self.request(&of), &self.store)?
            .render_component(&self.store, component)?;
        let act = Act::new(self.clock.now(), "prepare", "prepared by itself");
        self.store
            .prepared_alone(component, &directory.to_string_lossy(), &outcome, act)?;
        Ok(directory)
    }

    /// Prepares a new run from the directories of its components, the way
    /// [`Workplace::prepare`] does from the recipe alone.
    pub fn merge(&mut self, run_id: i64, progress: &dyn Fn(u64)) -> Result<Prepared, RemoteError> {
        self.claim(run_id)?;
        let merged = self.preparation(run_id).and_then(|preparation| {
            self.write_run(&preparation, |renderer, store| {
                renderer.merge(store, progress)
            })
        });
        self.release(run_id)?;
        merged
    }

    /// Prepares a new run. `progress` gets the number of components done. Whatever stops it is
    /// the run's error too.
    pub fn prepare(
        &mut self,
        run_id: i64,
        progress: &dyn Fn(u64),
    ) -> Result<Prepared, RemoteError> {
        let prepared = self.preparation(run_id).and_then(|preparation| {
            self.write_run(&preparation, |renderer, store| {
                renderer.render(store, progress)
            })
        });
        if let Err(error) = &prepared
            && error.state().is_none()
        {
            let why = error.to_string();
            let act = Act::new(self.clock.now(), "prepare", &why);
            self.store.fail(run_id, Step::Prepare, act)?;
        }
        prepared
    }

    /// What [`Workplace::prepare`] would write; leaves nothing behind.
    pub fn rehearse(
        &mut self,
        run_id: i64,
        progress: &dyn Fn(u64),
    ) -> Result<Rehearsal, RemoteError> {
        let preparation = self.preparation(run_id)?;
        let reckoning = self.reckoning(&preparation.run.stage, &preparation.run.site)?;
        let request = self.request(&preparation);
        let renderer = Renderer::new(request, &self.store)?;
        let dry: DryRun = dry_run(&renderer, &self.store, progress, |rendered, write| {
            preparation.launch(rendered, &reckoning, write)
        })?;
        Ok(Rehearsal {
            run_id,
            run_dir: preparation.run_dir,
            jobs: dry.rendered.jobs,
            components: dry.rendered.components_ok,
            failures: dry.failures,
            chunks: dry.decision.chunks,
            files_in: dry.rendered.files_in,
            bytes_in: dry.rendered.bytes_in,
            files_out: dry.rendered.files_out,
            allocation: dry.decision.allocation,
            job_script: dry.job_script,
            first_chunk: dry.first_chunk,
        })
    }

    fn preparation(&self, run_id: i64) -> Result<Preparation, RemoteError> {
        let run = self.store.run(run_id)?;
        run.state
            .after(RunEvent::Prepared)
            .map_err(StateError::from)?;
        let site = self.loaded.site(&run.site)?.clone();
        let name = run.token.rsplit('-').next().unwrap_or_default();
        let remote_dir = site
            .own_directory()
            .join(format!("{}.{run_id}.{name}", run.stage));
        Ok(Preparation {
            run_dir: self.run_dir(&run),
            remote_dir,
            dialect: dialect(&site, &self.program),
            recipe: self.loaded.recipe(&run.stage)?.clone(),
            kept: self.own_files(),
            home: self.loaded.root.clone(),
            own_program: self.program.clone(),
            run,
            site,
        })
    }

    /// What is ours, and no product may overwrite: the database, the run directories, the
    /// configuration and the recipes.
    fn own_files(&self) -> Vec<PathBuf> {
        let state = self.loaded.state_file();
        let beside = |suffix: &str| {
            let mut name = state.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name)
        };
        let mut own = vec![
            beside("-wal"),
            beside("-shm"),
            self.loaded.runs_directory(),
            self.loaded.path.clone(),
        ];
        own.extend(
            self.loaded
                .recipes
                .values()
                .map(|recipe| recipe.path.clone()),
        );
        own.push(state);
        own
    }

    fn request<'a>(&'a self, of: &'a Preparation) -> RenderRequest<'a> {
        RenderRequest {
            recipe: &of.recipe.recipe,
            recipe_dir: of.recipe.directory(),
            home: &self.loaded.root,
            kept: &of.kept,
            names: &self.loaded.config.names,
            site_name: &of.run.site,
            site: &of.site,
            run_id: of.run.run_id,
            label: &of.run.label,
            run_dir: &of.run_dir,
            remote_dir: &of.remote_dir,
        }
    }

    fn write_run(
        &mut self,
        of: &Preparation,
        render: impl FnOnce(&Renderer<'_>, &Store) -> Result<Rendered, PrepareError>,
    ) -> Result<Prepared, RemoteError> {
        make_directory(of.run_dir.parent().unwrap_or(Path::new("/")))?;
        let request = self.request(of);
        let rendered = render(&Renderer::new(request, &self.store)?, &self.store)?;
        let mut prepared = Prepared {
            jobs: rendered.jobs,
            components: rendered.components_ok,
            failed: rendered.components_failed,
            size: None,
        };
        if rendered.jobs > 0 {
            let reckoning = self.reckoning(&of.run.stage, &of.run.site)?;
            let decision = of.launch(&rendered, &reckoning, |how| {
                launch::write(&rendered, &request, how)
            })?;
            prepared.size = Some(decision.allocation.size());
        }
        sync(rendered.dir())?;
        let why = prepared.to_string();
        let act = Act::new(self.clock.now(), "prepare", &why);
        self.store
            .prepared(of.run.run_id, rendered.components()?, act)?;
        Ok(prepared)
    }
}

impl Preparation {
    /// The allocation of the run: one request, within the site's limits.
    fn allocate(
        &self,
        rendered: &Rendered,
        reckoning: &Reckoning,
    ) -> Result<Allocation, RemoteError> {
        let jobs = rendered.jobs.max(1);
        let given = reckoning.allocate(jobs, true)?;
        if given.runs > 1 {
            return Err(RemoteError::Site(format!(
                "its {} jobs need {} requests of {}, at most {} jobs each: define smaller bundles with --limit",
                rendered.jobs, given.runs, self.run.site, given.capacity_jobs
            )));
        }
        Ok(Allocation {
            formula: format!("{:?}", given.formula).to_lowercase(),
            tasks: given.tasks,
            nodes: given.nodes,
            slots_per_node: reckoning.slots_per_node(),
            walltime: given.walltime.0,
            fill: given.fill,
            notes: given.notes,
        })
    }

    fn directives(&self, allocation: &Allocation) -> Result<Vec<String>, RemoteError> {
        let mut request = JobRequest::new(
            &self.site,
            &self.run.token,
            allocation.nodes,
            crate::config::units::Seconds(allocation.walltime),
            self.remote_dir.join(run_dir::BATCH_OUTPUT),
        );
        request.array = JobArray::of(&self.site, allocation.tasks);
        self.dialect
            .directives(&request)
            .map_err(|error| RemoteError::Site(error.to_string()))
    }

    /// Where the workers' program is; `None` where configs are launched.
    fn workers(&self) -> Result<Option<FarProgram>, RemoteError> {
        match self.site.launcher {
            LauncherKind::Chunks => Ok(None),
            LauncherKind::Worker => {
                worker::program(&self.site, &self.home, &self.own_program).map(Some)
            },
        }
    }

    /// Decides how the run is launched, and has that written.
    fn launch<T>(
        &self,
        rendered: &Rendered,
        reckoning: &Reckoning,
        write: impl FnOnce(&Launch<'_>) -> Result<T, PrepareError>,
    ) -> Result<T, RemoteError> {
        let allocation = self.allocate(rendered, reckoning)?;
        let directives = self.directives(&allocation)?;
        let step = |conf: &str, tasks, lanes| self.dialect.step_command(conf, tasks, lanes);
        let command = |program: &FarProgram, task| {
            let command = worker::command(&self.site, program, &allocation, task);
            self.dialect.spread(allocation.nodes, &command)
        };
        let workers = self.workers()?;
        let starter = match &workers {
            None => Starter::Chunks(&step),
            Some(program) => Starter::Worker {
                program,
                command: &command,
            },
        };
        Ok(write(&Launch {
            token: &self.run.token,
            allocation: &allocation,
            directives: &directives,
            starter,
        })?)
    }
}

/// Brings a run directory to the disk before state.db says that it is there.
fn sync(directory: &Path) -> Result<(), PrepareError> {
    let failed = |error: std::io::Error| PrepareError::Io {
        path: directory.to_owned(),
        error,
    };
    let open = std::fs::File::open(directory).map_err(failed)?;
    rustix::fs::syncfs(&open).map_err(|error| failed(error.into()))
}

fn make_directory(directory: &Path) -> Result<(), PrepareError> {
    std::fs::create_dir_all(directory).map_err(|error| PrepareError::Io {
        path: directory.to_owned(),
        error,
    })
}
