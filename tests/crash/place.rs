//! Where the batch jobs of a life run.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A site, as a life sees it.
pub(crate) trait Place: Sync {
    /// Lines of its configuration that say what it is and where its scratch.
    fn site(&self) -> String;

    /// How many lines each file has of a directory of its scratch.
    fn lines(&self, directory: &str) -> BTreeMap<String, usize>;

    /// The names of all batch jobs that it ever had of this life.
    fn submitted(&self) -> Vec<String>;

    /// Steps that were counted there and not at home.
    fn steps(&self) -> Vec<String> {
        Vec::new()
    }

    /// Lets who comes to the step `death` there die, where it does not hear of it from who drives.
    fn let_die(&self, _death: &str) {}
}

/// The embedded scheduler of this machine.
pub(crate) struct Here {
    scratch: PathBuf,
}

impl Here {
    pub(crate) fn beside(home: &Path) -> Self {
        Self {
            scratch: home.join("scratch"),
        }
    }
}

impl Place for Here {
    fn site(&self) -> String {
        format!("scheduler: local\nscratch: {}", self.scratch.display())
    }

    fn lines(&self, directory: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        let entries = fs::read_dir(self.scratch.join(directory));
        for entry in entries.into_iter().flatten() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            counts.insert(name(&path), text.lines().count());
        }
        counts
    }

    fn submitted(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for entry in fs::read_dir(self.scratch.join(".outrigger-local/jobs")).unwrap() {
            let job = entry.unwrap().path();
            // A draft is no job: its submission died before it was one.
            if name(&job).starts_with('.') {
                continue;
            }
            if let Ok(text) = fs::read_to_string(job.join("order.json")) {
                let order: serde_json::Value = serde_json::from_str(&text).unwrap();
                names.push(order["name"].as_str().unwrap().to_owned());
            }
        }
        names
    }
}

/// The last word of a path.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}
