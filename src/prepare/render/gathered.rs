//! What has been rendered of a component, and what must not be there twice.

use std::path::Path;

use tera::{Context, Value};

use super::{
    draft::{DigestMap, DigestSet, FileDraft, Jobs},
    evaluate::Reason,
};
use crate::{
    prepare::template::{INPUTS, OUTPUTS},
    state::run_dir::manifest::ManifestLine,
};

/// What has been rendered of a component so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) jobs: Jobs,
    inputs: DigestMap<usize>,
    outputs: DigestSet,
    homes: DigestSet,
    /// Where the inputs lie here.
    sources: DigestSet,
}

impl Gathered {
    /// The place of an input, which is new or the same as before.
    pub(super) fn input(&mut self, file: FileDraft) -> Result<usize, Reason> {
        if let Some(&place) = self.inputs.get(&file.place)
            && let Some(known) = self.jobs.inputs.get(place)
        {
            return if known.home == file.home {
                Ok(place)
            } else {
                Err(two_homes(&file.line, known.line.local.as_deref()))
            };
        }
        if let (Some(home), Some(path)) = (file.home, &file.line.local) {
            if self.homes.contains(&home) {
                return Err(overwritten(path));
            }
            self.sources.insert(home);
        }
        let place = self.jobs.inputs.len();
        self.inputs.insert(file.place, place);
        self.jobs.inputs.push(file);
        Ok(place)
    }

    pub(super) fn claim_outputs(&mut self, outputs: &[FileDraft]) -> Result<(), Reason> {
        for file in outputs {
            if !self.outputs.insert(file.place) {
                return Err(written_twice(&file.line.remote));
            }
            if let (Some(home), Some(path)) = (file.home, &file.line.local) {
                if self.sources.contains(&home) {
                    return Err(overwritten(path));
                }
                if !self.homes.insert(home) {
                    return Err(written_twice(path));
                }
            }
        }
        Ok(())
    }
}

/// Whether the lists `inputs` and `outputs` are ours to show, or fields of the component's row.
pub(super) struct Files {
    own_inputs: bool,
    own_outputs: bool,
}

impl Files {
    pub(super) fn of(context: &Context) -> Self {
        Self {
            own_inputs: !context.contains_key("inputs"),
            own_outputs: !context.contains_key("outputs"),
        }
    }

    pub(super) fn inputs(&self, context: &mut Context, places: &[usize], gathered: &Gathered) {
        let files = places
            .iter()
            .filter_map(|place| gathered.jobs.inputs.get(*place));
        let list = path_list(files);
        if self.own_inputs {
            context.insert_value("inputs", list.clone());
        }
        context.insert_value(INPUTS, list);
    }

    pub(super) fn outputs(&self, context: &mut Context, outputs: &[FileDraft]) {
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

fn overwritten(path: &Path) -> Reason {
    format!(
        "`{}` is an input, and a product would overwrite it",
        path.display()
    )
}

pub(super) fn written_twice(path: &Path) -> Reason {
    format!(
        "`{}` would be written by two jobs, or twice",
        path.display()
    )
}
