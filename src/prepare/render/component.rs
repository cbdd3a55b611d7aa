//! Rendering one component: pure but for looking at its local inputs.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use tera::{Context, Value};

use super::{
    draft::{ComponentDraft, JobDraft, Jobs},
    evaluate::{Outputs, Reason, Shared, at, file, outside},
    gathered::{Files, Gathered},
    slice::JobText,
};
use crate::{
    prepare::{
        names::{is_below, site_path},
        source::{JobRows, Row},
        template::Next,
    },
    state::{component::Component, run_dir::manifest::FileKind, tries::Earlier},
};

/// How many sizes of local files one thread remembers.
const REMEMBERED: usize = 1 << 16;

/// One thread's part of the work.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    rows: JobRows,
    sizes: HashMap<PathBuf, u64>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared, rows: JobRows) -> Self {
        Self {
            shared,
            rows,
            sizes: HashMap::new(),
        }
    }

    /// Renders a component; jobs that are not due any more are left out.
    pub(super) fn component(&mut self, component: &Component, earlier: &Earlier) -> ComponentDraft {
        let mut next_id = None;
        let outcome = self.jobs(component, earlier, &mut next_id);
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
        earlier: &Earlier,
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
            if !earlier.is_due(&key) {
                continue;
            }
            self.job(&key, earlier.failures(&key), context, &mut gathered)
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
        failures: u32,
        mut context: Context,
        gathered: &mut Gathered,
    ) -> Result<(), Reason> {
        let shared = self.shared;
        let plan = &shared.plan;
        for (name, template) in &plan.vars {
            let value = template.render(&plan.engine, &context)?;
            context.insert_value(name.clone(), Value::from(value));
        }
        let shown = Files::of(&context);
        let inputs = self.inputs(&mut context, gathered)?;
        shown.inputs(&mut context, &inputs, gathered);
        let Outputs { files, flags } = shared.outputs(&mut context)?;
        shown.outputs(&mut context, &files);
        gathered.claim_outputs(&files)?;

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
            outputs: files
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
        let seconds = shared.seconds(&context)?;
        gathered.jobs.jobs.push(JobDraft {
            key: key.to_owned(),
            inputs,
            outputs: files,
            slice,
            seconds,
            values: serde_json::Value::Object(values).to_string(),
            failures,
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
