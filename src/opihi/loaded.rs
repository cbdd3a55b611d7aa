//! The files that were loaded, and the modules that the program itself carries.

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::source::Program;

/// What was loaded, and what can be without a file.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    modules: Vec<(&'static str, &'static str)>,
    programs: Vec<Arc<Program>>,
}

impl Loaded {
    pub(crate) fn programs(&self) -> &[Arc<Program>] {
        &self.programs
    }

    /// Takes a program in, in the place of an earlier one of the same file.
    pub(crate) fn keep(&mut self, program: &Arc<Program>) {
        let plain = |path: &Path| {
            let parts = path.components().filter(|part| *part != Component::CurDir);
            parts.collect::<PathBuf>()
        };
        let file = plain(&program.file);
        let same = |old: &&mut Arc<Program>| plain(&old.file) == file;
        match self.programs.iter_mut().find(same) {
            Some(old) => *old = Arc::clone(program),
            None => self.programs.push(Arc::clone(program)),
        }
    }

    pub(crate) fn add_module(&mut self, name: &'static str, text: &'static str) {
        self.modules.push((name, text));
    }

    /// The text of the module of that name.
    pub(crate) fn module(&self, name: &str) -> Option<(&'static str, &'static str)> {
        self.modules
            .iter()
            .find(|(known, _)| *known == name)
            .copied()
    }
}
