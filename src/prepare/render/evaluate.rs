//! Evaluating a job's parts of a recipe over its context; nothing here looks at a disk.

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use tera::{Context, Value};

use super::{
    draft::FileDraft,
    record,
    slice::{PrecheckText, StepText},
};
use crate::{
    config::recipe::ColumnType,
    prepare::{
        names::{Names, is_below, site_path},
        template::{Plan, Repeat, StepPlan, Template, TemplateError},
    },
    state::run_dir::manifest::{FileKind, ManifestLine},
};

/// What all threads share while a run is rendered.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) names: Arc<Names>,
    /// The site's scratch, cleaned.
    pub(super) root: String,
    /// What every template sees.
    pub(super) base: Context,
    /// What no product may overwrite.
    pub(super) kept: Vec<PathBuf>,
}

/// The outputs of a job.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) files: Vec<FileDraft>,
    /// Of each whether it is required and whether it may be empty.
    pub(super) flags: Vec<(bool, bool)>,
}

/// Why a component cannot be prepared.
pub(super) type Reason = String;

impl From<TemplateError> for Reason {
    fn from(error: TemplateError) -> Self {
        error.to_string()
    }
}

type Columns = Vec<(String, ColumnType, serde_json::Value)>;

impl Shared {
    /// Calls `body` as often as `repeat` says, with the element in the context.
    pub(super) fn repeated(
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

    /// The outputs of a job.
    pub(super) fn outputs(&self, context: &mut Context) -> Result<Outputs, Reason> {
        let mut found = Outputs {
            files: Vec::with_capacity(self.plan.outputs.len()),
            flags: Vec::with_capacity(self.plan.outputs.len()),
        };
        for output in &self.plan.outputs {
            self.repeated(&output.repeat, context, &mut |context| {
                let remote = self.site_file(&output.remote, context)?;
                let local = match &output.local {
                    None => None,
                    Some(template) => {
                        let path = self.home_file(template, context)?;
                        self.spare(&path).map_err(at(template.place()))?;
                        Some(path)
                    },
                };
                let kind = match (local.is_some(), output.required) {
                    (true, true) => FileKind::Out,
                    (true, false) => FileKind::OutOptional,
                    (false, true) => FileKind::Keep,
                    (false, false) => FileKind::KeepOptional,
                };
                found.files.push(file(kind, local, remote, None));
                found.flags.push((output.required, output.may_be_empty));
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Refuses a product that would overwrite what is Outrigger's own.
    fn spare(&self, path: &Path) -> Result<(), Reason> {
        let clean = plain(path);
        if self.kept.iter().any(|kept| clean.starts_with(kept)) {
            return Err(format!("`{}` is Outrigger's own", path.display()));
        }
        Ok(())
    }

    /// A path that the job writes: below the scratch.
    pub(super) fn site_file(
        &self,
        template: &Template,
        context: &Context,
    ) -> Result<String, Reason> {
        let path = template.render(&self.plan.engine, context)?;
        let clean = site_path(&self.root, &path).map_err(at(template.place()))?;
        if is_below(&self.root, &clean) {
            Ok(clean)
        } else {
            Err(outside(template.place(), &clean, &self.root))
        }
    }

    /// A path here.
    pub(super) fn home_file(
        &self,
        template: &Template,
        context: &Context,
    ) -> Result<PathBuf, Reason> {
        let path = template.render(&self.plan.engine, context)?;
        if path.is_empty() {
            let place = template.place();
            return Err(format!(
                "{place} renders to nothing; give the file a `when` if it is not always there"
            ));
        }
        self.names.local(&path).map_err(at(template.place()))
    }

    pub(super) fn step(&self, step: &StepPlan, context: &mut Context) -> Result<StepText, Reason> {
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

    pub(super) fn precheck(&self, context: &Context) -> Result<Option<PrecheckText>, Reason> {
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

    /// Expected seconds of a job, whole and at least one.
    pub(super) fn seconds(&self, context: &Context) -> Result<u64, Reason> {
        let Some(template) = &self.plan.seconds else {
            return Ok(self.plan.usual_seconds);
        };
        let text = template.render(&self.plan.engine, context)?;
        whole_seconds(&text).map_err(at(template.place()))
    }

    pub(super) fn values(
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

/// A number of seconds, rounded up to a whole one.
fn whole_seconds(text: &str) -> Result<u64, Reason> {
    let number = text.trim().parse::<f64>().ok();
    let Some(number) = number.filter(|number| (0.0..1e15).contains(number)) else {
        return Err(format!("should be a number of seconds, but is `{text}`"));
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in the range that was looked at"
    )]
    Ok((number.ceil() as u64).max(1))
}

/// A path without `.` and `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {},
            part => clean.push(part),
        }
    }
    clean
}

pub(super) fn outside(place: &str, path: &str, root: &str) -> Reason {
    format!("{place}: `{path}` is outside the site's scratch {root}")
}

pub(super) fn at(place: &str) -> impl Fn(String) -> Reason + '_ {
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

pub(super) fn file(
    kind: FileKind,
    local: Option<PathBuf>,
    remote: String,
    size: Option<u64>,
) -> FileDraft {
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
