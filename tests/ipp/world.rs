//! A copy of examples/ipp in a directory of its own, with its site beside it, and what a run of
//! each stage does there.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::Timestamp;
use outrigger::{
    config::{self, Loaded, LoadedRecipe},
    metadata,
    prepare::{self, RenderRequest, Renderer, launch},
    state::{
        Store,
        back_off::BackOff,
        component::{Candidate, NewRun},
        event::Act,
        file::Product,
        import::{Counts, Import, JobOutcome},
        job::{JobEvent, PreparedComponent},
        run::RunEvent,
        run_dir::{
            self,
            decision::{Allocation, Decision},
            jobs::{self, JobLine},
            journal::{self, JobRecord, Journal},
            manifest::{self, FileKind, ManifestLine},
        },
    },
};
use serde_json::{Map, Value};

pub(crate) const LABEL: &str = "demo.lanl.t1";

/// A copy of the example, its database and its site.
pub(crate) struct World {
    dir: tempfile::TempDir,
    loaded: Loaded,
}

/// What prepare made of a stage, and what its run left.
#[derive(Debug)]
pub(crate) struct StageRun {
    pub(crate) decision: Decision,
    pub(crate) components: Vec<PreparedComponent>,
    pub(crate) jobs: Vec<JobLine>,
    pub(crate) manifest: Vec<ManifestLine>,
    pub(crate) commands: String,
    pub(crate) journal: Journal,
    pub(crate) counts: Counts,
}

fn act(actor: &'static str) -> Act<'static> {
    Act::new(Timestamp::UNIX_EPOCH, actor, "a test")
}

impl World {
    pub(crate) fn new() -> Self {
        Self::edited(&[])
    }

    /// A copy in which texts of files are replaced: file, old text, new text.
    pub(crate) fn edited(edits: &[(&str, &str, &str)]) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let example = dir.path().join("ipp");
        copy(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ipp"),
            &example,
        );
        let scratch = dir.path().join("scratch");
        let here = scratch.to_str().unwrap();
        let mut edits = edits.to_vec();
        edits.push(("outrigger.yaml", "/tmp/outrigger-ipp", here));
        for (file, old, new) in edits {
            let file = example.join(file);
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.contains(old), "{} has no `{old}`", file.display());
            fs::write(&file, text.replace(old, new)).unwrap();
        }
        let setup = Command::new("/bin/sh")
            .arg(example.join("setup"))
            .arg(&scratch)
            .status();
        assert!(setup.unwrap().success());
        let loaded = config::load(&example).unwrap_or_else(|problems| panic!("{problems:?}"));
        Store::create(&loaded.state_file()).unwrap();
        Self { dir, loaded }
    }

    /// The example's directory.
    pub(crate) fn home(&self) -> &Path {
        &self.loaded.root
    }

    /// The site's scratch.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.dir.path().join("scratch")
    }

    pub(crate) fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    fn store(&self) -> Store {
        Store::open(&self.loaded.state_file()).unwrap()
    }

    /// Defines a run of all that the stage offers, and prepares it.
    pub(crate) fn prepare(&self, stage: &str) -> StageRun {
        let mut store = self.store();
        let recipe = self.loaded.recipe(stage).unwrap();
        let run_id = define(&mut store, recipe);
        let run = store.run(run_id).unwrap();
        let run_dir = self.loaded.runs_directory().join(stage);
        let remote_dir = self.scratch().join("runs").join(stage);
        let request = RenderRequest {
            recipe: &recipe.recipe,
            recipe_dir: recipe.directory(),
            home: &self.loaded.root,
            kept: &[],
            names: &self.loaded.config.names,
            site_name: "here",
            site: self.loaded.site("here").unwrap(),
            run_id,
            label: LABEL,
            run_dir: &run_dir,
            remote_dir: &remote_dir,
        };
        let rendered = Renderer::new(request, &store)
            .unwrap()
            .render(&store, &|_| ())
            .unwrap();
        let components: Vec<PreparedComponent> = rendered.components().unwrap().collect();
        store
            .prepared(run_id, components.iter().cloned(), act("prepare"))
            .unwrap();
        let allocation = Allocation {
            formula: "bounded".into(),
            nodes: 1,
            tasks: None,
            slots_per_node: 4,
            walltime: 3600,
            fill: 1.0,
            notes: Vec::new(),
        };
        // One rank after the other.
        let step = |config: &str, _ranks: u32, _lanes: u32| {
            let script = "while read -r _ command; do $command || exit; done < \"$0\"";
            ["/bin/sh", "-c", script, config]
                .map(str::to_owned)
                .to_vec()
        };
        let launch = launch::Launch {
            token: &run.token,
            allocation: &allocation,
            directives: &[],
            starter: launch::Starter::Chunks(&step),
        };
        let decision = launch::write(&rendered, &request, &launch).unwrap();
        let read = |name: &str| fs::read_to_string(run_dir.join(name)).unwrap();
        StageRun {
            decision,
            components,
            jobs: jobs::read(&read(run_dir::JOBS)).unwrap(),
            manifest: manifest::read(&read(run_dir::MANIFEST)).unwrap(),
            commands: read(run_dir::COMMANDS),
            journal: Journal::default(),
            counts: Counts::default(),
        }
    }

    /// Prepares a stage, sends its inputs, runs its batch script on the site, brings the outputs
    /// home and imports the records.
    pub(crate) fn run(&self, stage: &str) -> StageRun {
        let mut run = self.prepare(stage);
        let remote_dir = run.decision.remote_dir.clone();
        copy(&self.loaded.runs_directory().join(stage), &remote_dir);
        for line in &run.manifest {
            match (line.kind, &line.local) {
                (FileKind::In, Some(local)) => copy_file(local, &line.remote),
                (FileKind::There, _) => assert!(line.remote.is_file(), "{}", line.remote.display()),
                _ => {},
            }
        }
        let output = Command::new("/bin/sh")
            .arg(remote_dir.join(run_dir::BATCH_SCRIPT))
            .env("IPP_BIN", self.home().join("bin"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{stage}: {}",
            String::from_utf8_lossy(&output.stderr)
        );

        let mut bytes = Vec::new();
        for entry in fs::read_dir(&remote_dir).unwrap() {
            let path = entry.unwrap().path();
            if path
                .file_name()
                .and_then(OsStr::to_str)
                .unwrap()
                .starts_with("journal.")
            {
                bytes.extend(fs::read(&path).unwrap());
            }
        }
        run.journal = journal::read(&bytes);
        assert_eq!(run.journal.bad, []);
        run.counts = self.import(&run);
        run
    }

    fn import(&self, run: &StageRun) -> Counts {
        let run_id = run.decision.run_id;
        let mut products = Vec::new();
        for (seq, record) in &run.journal.jobs {
            for output in &record.outputs {
                let line = &run.manifest[usize::try_from(output.id).unwrap()];
                if let Some(local) = &line.local {
                    copy_file(&line.remote, local);
                    products.push(Product {
                        seq: *seq,
                        path: local.clone(),
                        remote: line.remote.clone(),
                        size: output.size,
                        hash: output.hash.clone(),
                    });
                }
            }
        }
        let outcomes: Vec<JobOutcome> = run
            .jobs
            .iter()
            .filter_map(|job| Some(outcome(job, run.journal.jobs.get(&job.seq)?)))
            .collect();
        let mut store = self.store();
        for event in [RunEvent::StageIn, RunEvent::Staged] {
            store.advance(run_id, event, act("exec")).unwrap();
        }
        store.submitted(run_id, "1", act("exec")).unwrap();
        for event in [RunEvent::Ended, RunEvent::Returned] {
            store.advance(run_id, event, act("poll")).unwrap();
        }
        let import = Import {
            run_id,
            schema: run.decision.schema.as_ref(),
            next: run.decision.next.as_deref(),
            attempts: 1,
            back_off: BackOff::default(),
        };
        store
            .import(&import, &outcomes, &products, act("poll"))
            .unwrap()
    }

    /// The rows of a table that records went to.
    pub(crate) fn rows(&self, table: &str) -> Vec<Map<String, Value>> {
        let reader = self.store().reader().unwrap();
        let mut statement = reader
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3"))
            .unwrap();
        let names: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let mut rows = statement.query([]).unwrap();
        let mut found = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let cell = |index| match row.get_ref(index).unwrap() {
                rusqlite::types::ValueRef::Integer(i) => Value::from(i),
                rusqlite::types::ValueRef::Real(r) => Value::from(r),
                rusqlite::types::ValueRef::Text(t) => Value::from(std::str::from_utf8(t).unwrap()),
                _ => Value::Null,
            };
            found.push(names.iter().cloned().zip((0..).map(cell)).collect());
        }
        found
    }
}

impl StageRun {
    /// A job by its component and key; without a key, the component's only job.
    pub(crate) fn job(&self, stage_id: i64, key: &str) -> &JobLine {
        let mut jobs = self.jobs.iter();
        jobs.find(|job| job.stage_id == stage_id && (key.is_empty() || job.key == key))
            .unwrap_or_else(|| panic!("no job {stage_id} {key}"))
    }

    /// Its inputs and outputs, as lines of kind, rule and name.
    pub(crate) fn files(&self, job: &JobLine, world: &World) -> String {
        let inputs = job
            .inputs
            .iter()
            .map(|id| &self.manifest[usize::try_from(*id).unwrap()]);
        let own = |line: &&ManifestLine| line.job == job.seq && line.kind.is_output();
        let outputs = self.manifest.iter().filter(own);
        inputs
            .chain(outputs)
            .map(|line| describe(line, world))
            .collect()
    }

    /// The arguments of its step that begins with `program`.
    pub(crate) fn argv(&self, job: &JobLine, program: &str) -> Vec<String> {
        let start = usize::try_from(job.offset).unwrap();
        let end = start + usize::try_from(job.length).unwrap();
        let slice = self.commands.get(start..end).unwrap();
        let line = slice
            .lines()
            .find(|line| {
                line.starts_with(program) || line.starts_with(&format!("/bin/sh -c '{program}"))
            })
            .unwrap_or_else(|| panic!("no step of {program} in\n{slice}"));
        let mut words = shlex::split(line.strip_suffix(" || return").unwrap_or(line)).unwrap();
        if words[0] == "/bin/sh" {
            words = shlex::split(&words[2]).unwrap();
        }
        words
    }
}

/// A line of the manifest in short; see the module `tables`.
fn describe(line: &ManifestLine, world: &World) -> String {
    let kind = match line.kind {
        FileKind::In => "in",
        FileKind::There => "there",
        FileKind::Out => "out",
        FileKind::OutOptional => "out?",
        FileKind::Keep => "keep",
        FileKind::KeepOptional => "keep?",
    };
    let scratch = world.scratch();
    let remote = line.remote.strip_prefix(&scratch).unwrap();
    let (rule, name) = match &line.local {
        None => ("", remote),
        Some(local) => {
            let below = local.strip_prefix(world.home()).unwrap();
            let key = below.strip_prefix("home").unwrap_or(below);
            let landing = Path::new("tmp").join(local.strip_prefix("/").unwrap());
            match remote {
                remote if remote == landing => ("R3", key),
                remote if remote == key && below != key => ("R1", key),
                remote if remote == key => ("", key),
                remote => panic!("{} is {}", local.display(), remote.display()),
            }
        },
    };
    format!("{kind:<5} {rule:<3} {}\n", name.display())
}

fn define(store: &mut Store, recipe: &LoadedRecipe) -> i64 {
    let reader = store.reader().unwrap();
    let found = RefCell::new(Vec::<Candidate>::new());
    prepare::candidates(
        &recipe.recipe,
        recipe.directory(),
        &reader,
        LABEL,
        &mut |candidate| {
            found.borrow_mut().push(candidate);
            Ok(())
        },
    )
    .unwrap();
    let new = NewRun {
        stage: &recipe.recipe.stage,
        site: "here",
        label: LABEL,
        base: "runs",
        secret: 7,
    };
    let candidates = found.into_inner();
    let run = store.define(new, &candidates, act("define")).unwrap();
    run.unwrap_or_else(|| panic!("{} offers nothing", recipe.recipe.stage))
}

/// The evidence of a job, with its record: what was known beforehand, and what it wrote.
fn outcome(job: &JobLine, record: &JobRecord) -> JobOutcome {
    let end = record.end.clone().unwrap();
    let mut object: Map<String, Value> = serde_json::from_str(&job.values).unwrap();
    let document = metadata::read(&record.record).unwrap_or_default();
    for (name, value) in document.values() {
        let json = match (value.as_i64(), value.as_f64(), value.as_str()) {
            (Some(integer), ..) => Value::from(integer),
            (_, Some(real), _) => Value::from(real),
            (_, _, Some(text)) => Value::from(text),
            _ => Value::Null,
        };
        object.insert(name.to_owned(), json);
    }
    JobOutcome {
        failures: record.failures,
        seq: job.seq,
        event: if end.exit_code == 0 {
            JobEvent::Pass
        } else {
            JobEvent::Fail
        },
        exit_code: Some(end.exit_code),
        started_at: None,
        ended_at: None,
        node: Some(end.node),
        memory: None,
        effort: None,
        reason: record.message.clone(),
        by_hand: false,
        record: Some(object),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if ["home", "runs"]
            .iter()
            .any(|made| entry.file_name() == *made)
        {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn copy_file(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

/// Every file below a directory with its text, by its path from there.
pub(crate) fn texts(dir: &Path) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut ways = vec![dir.to_owned()];
    while let Some(way) = ways.pop() {
        for entry in fs::read_dir(&way).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ways.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// Runs of stages by name.
pub(crate) type Runs = BTreeMap<&'static str, StageRun>;
