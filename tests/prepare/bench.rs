//! A workbench: a home directory with state.db and files, and a scratch directory as the site.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use outrigger::{
    config::{recipe::Recipe, site::Site},
    prepare::{
        RenderRequest, Rendered, Renderer, candidates, launch,
        launch::{Launch, Starter},
    },
    state::{
        Store,
        back_off::BackOff,
        component::NewRun,
        event::Act,
        import::{Import, JobOutcome},
        job::JobEvent,
        run::RunEvent,
        run_dir::{
            self,
            decision::{Allocation, FarProgram},
            jobs::{self, JobLine},
            manifest::{self, FileKind, ManifestLine},
        },
    },
};

/// The token of the runs here.
pub(crate) const TOKEN: &str = "or-1-1-0badcafe";

pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) recipe: Recipe,
    pub(crate) site: Site,
    pub(crate) store: Store,
    pub(crate) run_id: i64,
}

impl Bench {
    /// A bench with these files in its home and a run over all components of the recipe.
    pub(crate) fn new(recipe: &str, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let scratch = dir.path().join("the scratch");
        fs::create_dir(&scratch).unwrap();
        let site = serde_json::json!({"scratch": scratch, "hostname": "Lab/Cluster", "chunk": {"lanes": 1}});
        let store = Store::create(&dir.path().join("state.db")).unwrap();
        let mut bench = Self {
            recipe: recipe_of(recipe),
            site: serde_json::from_value(site).unwrap(),
            store,
            run_id: 0,
            dir,
        };
        bench.define();
        bench
    }

    /// Bundles all candidates that are free into a new run.
    pub(crate) fn define(&mut self) {
        let mut found = Vec::new();
        let reader = self.store.reader().unwrap();
        candidates(&self.recipe, self.dir.path(), &reader, "survey", &mut |c| {
            if self
                .store
                .is_free(&self.recipe.stage, c.stage_id, act().now)?
            {
                found.push(c);
            }
            Ok(())
        })
        .unwrap();
        let new = NewRun {
            stage: &self.recipe.stage,
            site: "lab",
            label: "survey",
            base: "runs",
            secret: 7,
        };
        let defined = self.store.define(new, &found, act()).unwrap();
        self.run_id = defined.expect("there are candidates");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn scratch(&self) -> &Path {
        &self.site.scratch
    }

    /// Where the run is on the site.
    pub(crate) fn remote_dir(&self) -> PathBuf {
        self.scratch().join("runs/run 1")
    }

    /// Where the run is here.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path(&format!("runs/remote.{}", self.run_id))
    }

    pub(crate) fn with<T>(
        &self,
        run_dir: &Path,
        work: impl FnOnce(Renderer<'_>, RenderRequest<'_>) -> T,
    ) -> T {
        let names = serde_json::json!({"neb": {"root": self.path("neb")}});
        let names: BTreeMap<_, _> = serde_json::from_value(names).unwrap();
        let remote_dir = self.remote_dir();
        let request = RenderRequest {
            recipe: &self.recipe,
            recipe_dir: self.dir.path(),
            home: self.dir.path(),
            kept: &[],
            names: &names,
            site_name: "lab",
            site: &self.site,
            run_id: self.run_id,
            label: "survey",
            run_dir,
            remote_dir: &remote_dir,
        };
        work(Renderer::new(request, &self.store).unwrap(), request)
    }

    /// Renders the run.
    pub(crate) fn render(&self) -> Rendered {
        self.with(&self.run_dir(), |renderer, _| {
            renderer.render(&self.store, &|_| {}).unwrap()
        })
    }

    /// What became of each component: its keys, or why it failed, with the bench's own directory
    /// left out.
    pub(crate) fn outcomes(&self, rendered: &Rendered) -> Vec<Result<String, String>> {
        let home = self.dir.path().to_string_lossy().into_owned();
        rendered
            .components()
            .unwrap()
            .map(|component| match component.outcome {
                Ok(keys) => Ok(keys.join(" ")),
                Err(reason) => Err(reason.replace(&home, "HOME")),
            })
            .collect()
    }

    pub(crate) fn jobs(&self) -> Vec<JobLine> {
        jobs::read(&self.text(run_dir::JOBS)).unwrap()
    }

    pub(crate) fn manifest(&self) -> Vec<ManifestLine> {
        manifest::read(&self.text(run_dir::MANIFEST)).unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.run_dir().join(name)).unwrap()
    }

    /// The manifest as `kind local → remote`, with home and scratch left out.
    pub(crate) fn files(&self) -> Vec<String> {
        let scratch = self.scratch().to_string_lossy().into_owned() + "/";
        let home = self.dir.path().to_string_lossy().into_owned() + "/";
        self.manifest()
            .iter()
            .map(|line| {
                let local = line
                    .local
                    .as_ref()
                    .map(|path| path.to_string_lossy().replace(&home, ""));
                let remote = line.remote.to_string_lossy().replace(&scratch, "");
                format!(
                    "{:?} {} -> {remote}",
                    line.kind,
                    local.unwrap_or("-".into())
                )
            })
            .collect()
    }

    /// The commands of a job, with the scratch left out.
    pub(crate) fn commands(&self, seq: usize) -> String {
        let job = &self.jobs()[seq];
        let all = fs::read(self.run_dir().join(run_dir::COMMANDS)).unwrap();
        let (from, length) = (job.offset as usize, job.length as usize);
        let slice = String::from_utf8(all[from..from + length].to_vec()).unwrap();
        slice.replace(&*self.scratch().to_string_lossy(), "SCRATCH")
    }

    /// Takes the run to its end, with only the job of this key passed.
    pub(crate) fn pass_only(&mut self, key: &str) {
        let run = self.run_id;
        for event in [
            RunEvent::StageIn,
            RunEvent::Staged,
            RunEvent::Submitted,
            RunEvent::Ended,
            RunEvent::Returned,
        ] {
            self.store.advance(run, event, act()).unwrap();
        }
        let outcomes: Vec<JobOutcome> = self
            .store
            .jobs(run)
            .unwrap()
            .iter()
            .map(|job| JobOutcome {
                failures: 0,
                seq: job.seq,
                event: if job.key == key {
                    JobEvent::Pass
                } else {
                    JobEvent::Fail
                },
                exit_code: None,
                started_at: None,
                ended_at: None,
                node: None,
                memory: None,
                effort: None,
                reason: String::new(),
                by_hand: false,
                record: None,
            })
            .collect();
        let import = Import {
            run_id: run,
            schema: None,
            next: None,
            attempts: 1,
            back_off: BackOff::default(),
        };
        self.store.import(&import, &outcomes, &[], act()).unwrap();
    }

    /// Adds the batch script and all else; a step runs each line of its config, one by one.
    pub(crate) fn launch(&self, rendered: &Rendered) {
        self.launch_as(rendered, &allocation());
    }

    /// The same, with an allocation of its own.
    pub(crate) fn launch_as(&self, rendered: &Rendered, allocation: &Allocation) {
        let step = |conf: &str, _: u32, _: u32| {
            let each = "while read -r rank command; do eval \"$command\"; done <\"$1\"";
            ["/bin/sh", "-c", each, "step", conf]
                .map(str::to_owned)
                .to_vec()
        };
        let starter = Starter::Chunks(&step);
        self.write_launch(rendered, allocation, &["#PRAGMA one".to_owned()], starter);
    }

    /// The same, where workers are started by `outrigger worker run`, for a task with its number.
    pub(crate) fn launch_workers(&self, rendered: &Rendered, allocation: &Allocation) {
        let program = FarProgram {
            remote: "/bin/outrigger".into(),
            sent: None,
        };
        let command = |_: &FarProgram, task: Option<u32>| {
            let words = ["/bin/outrigger", "worker", "run"].map(str::to_owned);
            let task = task.map(|task| format!("--task={task}"));
            words.into_iter().chain(task).collect()
        };
        let starter = Starter::Worker {
            program: &program,
            command: &command,
        };
        self.write_launch(rendered, allocation, &[], starter);
    }

    pub(crate) fn launch_with(
        &self,
        rendered: &Rendered,
        directives: &[String],
        step: &dyn Fn(&str, u32, u32) -> Vec<String>,
    ) {
        self.write_launch(rendered, &allocation(), directives, Starter::Chunks(step));
    }

    fn write_launch(
        &self,
        rendered: &Rendered,
        allocation: &Allocation,
        directives: &[String],
        starter: Starter<'_>,
    ) {
        self.with(&self.run_dir(), |_, request| {
            let launch = Launch {
                token: TOKEN,
                allocation,
                directives,
                starter,
            };
            launch::write(rendered, &request, &launch).unwrap();
        });
    }

    /// Does what exec does: puts the inputs and the run directory on the site.
    pub(crate) fn stage_in(&self) {
        for line in self.manifest() {
            if line.kind == FileKind::In {
                fs::create_dir_all(line.remote.parent().unwrap()).unwrap();
                fs::copy(line.local.unwrap(), &line.remote).unwrap();
            }
        }
        fs::create_dir_all(self.remote_dir()).unwrap();
        for entry in fs::read_dir(self.run_dir()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), self.remote_dir().join(entry.file_name())).unwrap();
            }
        }
    }
}

/// A recipe written in YAML.
pub(crate) fn recipe_of(yaml: &str) -> Recipe {
    let yaml = serde_yaml::Deserializer::from_str(yaml);
    serde_yaml::with::singleton_map_recursive::deserialize(yaml).unwrap()
}

pub(crate) fn act() -> Act<'static> {
    Act::new(Timestamp::UNIX_EPOCH, "test", "")
}

pub(crate) fn allocation() -> Allocation {
    Allocation {
        formula: "bounded".into(),
        nodes: 2,
        tasks: None,
        slots_per_node: 2,
        walltime: 3600,
        fill: 0.8,
        notes: Vec::new(),
    }
}
