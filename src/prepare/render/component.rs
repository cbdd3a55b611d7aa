//! Rendering one component: pure but for looking at its local inputs.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use tera::{Context, Value};

use super::{
    draft::{ComponentDraft, FileDraft, JobDraft, Jobs},
    record,
    slice::{JobText, PrecheckText, StepText},
};
use crate::{
    config::recipe::ColumnType,
    prepare::{
        names::{Names, is_below, site_path},
        source::{JobRows, Row},
        template::{INPUTS, Next, OUTPUTS, Plan, Repeat, StepPlan, Template, TemplateError},
    },
    state::{
        component::Component,
        run_dir::manifest::{FileKind, ManifestLine},
    },
};

/// How many sizes of local files one thread remembers.
const REMEMBERED: usize = 1 << 16;

/// What all threads share while a run is rendered.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) names: Arc<Names>,
    /// The site's scratch, cleaned.
    pub(super) root: String,
    /// What every template sees.
    pub(super) base: Context,
}

/// One thread's part of the work.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    rows: JobRows,
    sizes: HashMap<PathBuf, u64>,
}

/// Why a component cannot be prepared.
type Reason = String;

impl From<TemplateError> for Reason {
    fn from(error: TemplateError) -> Self {
        error.to_string()
    }
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared, rows: JobRows) -> Self {
        Self {
            shared,
            rows,
            sizes: HashMap::new(),
        }
    }

    /// Renders a component; jobs with the keys `passed` are left out.
    pub(super) fn component(&mut self, component: &Component, passed: &[String]) -> ComponentDraft {
        let mut next_id = None;
        let outcome = self.jobs(component, passed, &mut next_id);
        ComponentDraft {
            component_id: component.component_id,
            stage_id: component.stage_id,
            next_id,
            outcome,
        }
    }

    fn jobs(
        &mut self,
        component: &Component,
        passed: &[String],
        next_id: &mut Option<i64>,
    ) -> Result<Jobs, Reason> {
        let row: Row = serde_json::from_str(&component.row)
            .map_err(|e| format!("its row in state.db is not a JSON object: {e}"))?;
        let context = self.context(component, &row)?;
        let plan = &self.shared.plan;
        *next_id = match &plan.next {
            Next::None => None,
            Next::Same => Some(component.stage_id),
            Next::Keyed(template) => {
                let text = template.render(&plan.engine, &context)?;
                let id = text.trim().parse();
                Some(id.map_err(|_| format!("next.id should be an integer, but is `{text}`"))?)
            },
        };
        let rows = self.rows.of(&row)?;
        if rows.as_ref().is_some_and(Vec::is_empty) {
            return Err("it has no jobs: there are no rows for it (jobs.from)".into());
        }
        let mut gathered = Gathered::default();
        let mut keys = HashSet::new();
        for row in rows.map_or_else(|| vec![None], |rows| rows.into_iter().map(Some).collect()) {
            let mut context = context.clone();
            let key = match (&plan.for_each, row) {
                (Some((name, key)), Some(row)) => {
                    let value = Value::try_from_serializable(&row).map_err(|e| e.to_string())?;
                    context.insert_value(name.clone(), value);
                    key.render(&plan.engine, &context)?
                },
                _ => component.stage.clone(),
            };
            if key.is_empty() {
                return Err("jobs.key renders to nothing".into());
            }
            if !keys.insert(key.clone()) {
                return Err(format!("two of its jobs have the key `{key}` (jobs.key)"));
            }
            if passed.contains(&key) {
                continue;
            }
            self.job(&key, context, &mut gathered)
                .map_err(|reason| format!("job `{key}`: {reason}"))?;
        }
        Ok(gathered.jobs)
    }

    fn context(&self, component: &Component, row: &Row) -> Result<Context, Reason> {
        let whole = Value::try_from_serializable(row).map_err(|e| e.to_string())?;
        let mut context = Context::new();
        if let Some(fields) = whole.as_map() {
            for (name, value) in fields {
                if let Some(name) = name.as_str() {
                    context.insert_value(name.to_owned(), value.clone());
                }
            }
        }
        context.extend(self.shared.base.clone());
        context.insert_value("stage_id", Value::from(component.stage_id));
        context.insert_value("component", whole);
        Ok(context)
    }

    fn job(
        &mut self,
        key: &str,
        mut context: Context,
        gathered: &mut Gathered,
    ) -> Result<(), Reason> {
        let shared = self.shared;
        let plan = &shared.plan;
        for (name, template) in &plan.vars {
            let value = template.render(&plan.engine, &context)?;
            context.insert_value(name.clone(), Value::from(value));
        }
        let files = Files {
            own_inputs: !context.contains_key("inputs"),
            own_outputs: !context.contains_key("outputs"),
        };
        let inputs = self.inputs(&mut context, gathered)?;
        files.show_inputs(&mut context, &inputs, gathered);
        let (outputs, flags) = shared.outputs(&mut context)?;
        files.show_outputs(&mut context, &outputs);
        gathered.claim_outputs(&outputs)?;

        let record = match &plan.record {
            None => None,
            Some(template) => Some(shared.site_file(template, &context)?),
        };
        let mut steps = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            steps.push(shared.step(step, &mut context)?);
        }
        let precheck = shared.precheck(&context)?;
        let values = shared.values(&plan.values, &context)?;
        let values = values
            .into_iter()
            .map(|(name, _, value)| (name, value))
            .collect::<Row>();
        let text = JobText {
            root: &shared.root,
            limit: plan.limit,
            record,
            precheck,
            steps,
            outputs: outputs
                .iter()
                .zip(flags)
                .map(|(file, (required, may_be_empty))| {
                    (
                        file.line.remote.to_str().unwrap_or(""),
                        required,
                        may_be_empty,
                    )
                })
                .collect(),
        };
        let slice = text.slice()?;
        gathered.jobs.jobs.push(JobDraft {
            key: key.to_owned(),
            inputs,
            outputs,
            slice,
            values: serde_json::Value::Object(values).to_string(),
        });
        Ok(())
    }

    /// Renders the inputs of a job; gives their places among the component's.
    fn inputs(
        &mut self,
        context: &mut Context,
        gathered: &mut Gathered,
    ) -> Result<Vec<usize>, Reason> {
        let shared = self.shared;
        let engine = &shared.plan.engine;
        let mut places = Vec::with_capacity(shared.plan.inputs.len());
        for input in &shared.plan.inputs {
            shared.repeated(&input.repeat, context, &mut |context| {
                let place = input.remote.place();
                let path = input.remote.render(engine, context)?;
                let remote = site_path(&shared.root, &path).map_err(at(place))?;
                let file = match &input.local {
                    None => file(FileKind::There, None, remote, None),
                    Some(local) => {
                        if !is_below(&shared.root, &remote) {
                            return Err(outside(place, &remote, &shared.root));
                        }
                        let path = shared.home_file(local, context)?;
                        let size = self.size(&path).map_err(|e| {
                            format!("input `{}` ({}): {e}", path.display(), local.place())
                        })?;
                        file(FileKind::In, Some(path), remote, Some(size))
                    },
                };
                places.push(gathered.input(file)?);
                Ok(())
            })?;
        }
        Ok(places)
    }

    /// Size of a local file that can be read.
    fn size(&mut self, path: &Path) -> Result<u64, Reason> {
        if let Some(size) = self.sizes.get(path) {
            return Ok(*size);
        }
        let metadata = std::fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
            _ => e.to_string(),
        })?;
        if !metadata.is_file() {
            return Err("it is not a file".into());
        }
        rustix::fs::access(path, rustix::fs::Access::READ_OK)
            .map_err(|e| format!("it cannot be read: {e}"))?;
        if self.sizes.len() >= REMEMBERED {
            self.sizes.clear();
        }
        self.sizes.insert(path.to_owned(), metadata.len());
        Ok(metadata.len())
    }
}

type Columns = Vec<(String, ColumnType, serde_json::Value)>;

impl Shared {
    /// Calls `body` as often as `repeat` says, with the element in the context.
    fn repeated(
        &self,
        repeat: &Repeat,
        context: &mut Context,
        body: &mut dyn FnMut(&mut Context) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let engine = &self.plan.engine;
        let wanted = |context: &Context| match &repeat.when {
            None => Ok(true),
            Some(when) => when.render(engine, context).map(|text| is_true(&text)),
        };
        let Some(each) = &repeat.each else {
            return if wanted(context)? {
                body(context)
            } else {
                Ok(())
            };
        };
        let value = engine.value(each, context)?;
        let elements =
            elements(&value).ok_or_else(|| format!("{}: `{value}` is not a list", each.place()))?;
        let hidden = context.get(&repeat.item).cloned();
        for element in elements {
            context.insert_value(repeat.item.clone(), element);
            if wanted(context)? {
                body(context)?;
            }
        }
        match hidden {
            Some(value) => context.insert_value(repeat.item.clone(), value),
            None => drop(context.remove(&repeat.item)),
        }
        Ok(())
    }

    /// The outputs of a job, and of each whether it is required and whether it may be empty.
    fn outputs(
        &self,
        context: &mut Context,
    ) -> Result<(Vec<FileDraft>, Vec<(bool, bool)>), Reason> {
        let mut outputs = Vec::with_capacity(self.plan.outputs.len());
        let mut flags = Vec::with_capacity(self.plan.outputs.len());
        for output in &self.plan.outputs {
            self.repeated(&output.repeat, context, &mut |context| {
                let remote = self.site_file(&output.remote, context)?;
                let local = match &output.local {
                    None => None,
                    Some(template) => Some(self.home_file(template, context)?),
                };
                let kind = match (local.is_some(), output.required) {
                    (true, true) => FileKind::Out,
                    (true, false) => FileKind::OutOptional,
                    (false, true) => FileKind::Keep,
                    (false, false) => FileKind::KeepOptional,
                };
                outputs.push(file(kind, local, remote, None));
                flags.push((output.required, output.may_be_empty));
                Ok(())
            })?;
        }
        Ok((outputs, flags))
    }

    /// A path that the job writes: below the scratch.
    fn site_file(&self, template: &Template, context: &Context) -> Result<String, Reason> {
        let path = template.render(&self.plan.engine, context)?;
        let clean = site_path(&self.root, &path).map_err(at(template.place()))?;
        if is_below(&self.root, &clean) {
            Ok(clean)
        } else {
            Err(outside(template.place(), &clean, &self.root))
        }
    }

    /// A path here.
    fn home_file(&self, template: &Template, context: &Context) -> Result<PathBuf, Reason> {
        let path = template.render(&self.plan.engine, context)?;
        if path.is_empty() {
            let place = template.place();
            return Err(format!(
                "{place} renders to nothing; give the file a `when` if it is not always there"
            ));
        }
        self.names.local(&path).map_err(at(template.place()))
    }

    fn step(&self, step: &StepPlan, context: &mut Context) -> Result<StepText, Reason> {
        let engine = &self.plan.engine;
        match step {
            StepPlan::Shell(template) => Ok(StepText::Shell(template.render(engine, context)?)),
            StepPlan::Argv(groups) => {
                let mut arguments = Vec::with_capacity(groups.len());
                for (templates, repeat) in groups {
                    self.repeated(repeat, context, &mut |context| {
                        for template in templates {
                            arguments.push(template.render(engine, context)?);
                        }
                        Ok(())
                    })?;
                }
                Ok(StepText::Argv(arguments))
            },
        }
    }

    fn precheck(&self, context: &Context) -> Result<Option<PrecheckText>, Reason> {
        let Some(plan) = &self.plan.precheck else {
            return Ok(None);
        };
        let mut files = Vec::with_capacity(plan.files.len());
        for template in &plan.files {
            let path = template.render(&self.plan.engine, context)?;
            files.push(site_path(&self.root, &path).map_err(at(template.place()))?);
        }
        let otherwise = self.values(&plan.otherwise, context)?;
        let otherwise = if otherwise.is_empty() {
            Vec::new()
        } else {
            record::lines(plan.format, &otherwise).map_err(at("precheck.otherwise"))?
        };
        Ok(Some(PrecheckText { files, otherwise }))
    }

    fn values(
        &self,
        columns: &[(String, ColumnType, Template)],
        context: &Context,
    ) -> Result<Columns, Reason> {
        columns
            .iter()
            .map(|(name, kind, template)| {
                let text = template.render(&self.plan.engine, context)?;
                let value = record::typed(*kind, &text).map_err(at(template.place()))?;
                Ok((name.clone(), *kind, value))
            })
            .collect()
    }
}

/// What has been rendered of a component so far.
#[derive(Debug, Default)]
struct Gathered {
    jobs: Jobs,
    inputs: HashMap<u128, usize>,
    outputs: HashSet<u128>,
    homes: HashSet<u128>,
}

impl Gathered {
    /// The place of an input, which is new or the same as before.
    fn input(&mut self, file: FileDraft) -> Result<usize, Reason> {
        if let Some(&place) = self.inputs.get(&file.place)
            && let Some(known) = self.jobs.inputs.get(place)
        {
            return if known.home == file.home {
                Ok(place)
            } else {
                Err(two_homes(&file.line, known.line.local.as_deref()))
            };
        }
        let place = self.jobs.inputs.len();
        self.inputs.insert(file.place, place);
        self.jobs.inputs.push(file);
        Ok(place)
    }

    fn claim_outputs(&mut self, outputs: &[FileDraft]) -> Result<(), Reason> {
        for file in outputs {
            if !self.outputs.insert(file.place) {
                return Err(written_twice(&file.line.remote));
            }
            if let (Some(home), Some(path)) = (file.home, &file.line.local)
                && !self.homes.insert(home)
            {
                return Err(written_twice(path));
            }
        }
        Ok(())
    }
}

/// Whether the lists `inputs` and `outputs` are ours to show, or fields of the component's row.
struct Files {
    own_inputs: bool,
    own_outputs: bool,
}

impl Files {
    fn show_inputs(&self, context: &mut Context, places: &[usize], gathered: &Gathered) {
        let files = places
            .iter()
            .filter_map(|place| gathered.jobs.inputs.get(*place));
        let list = path_list(files);
        if self.own_inputs {
            context.insert_value("inputs", list.clone());
        }
        context.insert_value(INPUTS, list);
    }

    fn show_outputs(&self, context: &mut Context, outputs: &[FileDraft]) {
        let list = path_list(outputs.iter());
        if self.own_outputs {
            context.insert_value("outputs", list.clone());
        }
        context.insert_value(OUTPUTS, list);
    }
}

fn path_list<'f>(files: impl Iterator<Item = &'f FileDraft>) -> Value {
    let paths = files.map(|file| Value::from(file.line.remote.to_str().unwrap_or("")));
    Value::from(paths.collect::<Vec<Value>>())
}

pub(super) fn two_homes(file: &ManifestLine, other: Option<&Path>) -> Reason {
    let name = |path: Option<&Path>| {
        path.map_or_else(
            || "a file left there by an earlier stage".to_owned(),
            |path| format!("`{}`", path.display()),
        )
    };
    format!(
        "`{}` on the site would be both {} and {}",
        file.remote.display(),
        name(other),
        name(file.local.as_deref())
    )
}

pub(super) fn written_twice(path: &Path) -> Reason {
    format!(
        "`{}` would be written by two jobs, or twice",
        path.display()
    )
}

fn outside(place: &str, path: &str, root: &str) -> Reason {
    format!("{place}: `{path}` is outside the site's scratch {root}")
}

fn at(place: &str) -> impl Fn(String) -> Reason + '_ {
    move |message| format!("{place}: {message}")
}

fn is_true(text: &str) -> bool {
    !matches!(text.trim(), "" | "false" | "0")
}

/// The elements of a list, or of a text that holds one.
fn elements(value: &Value) -> Option<Vec<Value>> {
    if let Some(list) = value.as_array() {
        return Some(list.to_vec());
    }
    let text = value.as_str()?;
    let list = crate::prepare::source::list(&serde_json::Value::from(text))?;
    list.iter()
        .map(|element| Value::try_from_serializable(element).ok())
        .collect()
}

fn file(kind: FileKind, local: Option<PathBuf>, remote: String, size: Option<u64>) -> FileDraft {
    FileDraft::new(ManifestLine {
        id: 0,
        kind,
        job: 0,
        local,
        remote: remote.into(),
        size,
        hash: None,
    })
}
