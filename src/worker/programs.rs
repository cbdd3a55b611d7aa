//! Where programs are: each is looked for in `PATH` once.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The directories of `PATH`, and the programs found there.
#[derive(Debug)]
pub(super) struct Programs {
    directories: Vec<PathBuf>,
    found: Mutex<HashMap<OsString, PathBuf>>,
}

impl Programs {
    /// Programs in the directories of `path`.
    pub(super) fn new(path: &OsStr) -> Self {
        Self {
            directories: std::env::split_paths(path).collect(),
            found: Mutex::default(),
        }
    }

    /// Where the program of this name is. A name with a slash is a path already, and so is one
    /// that is found nowhere: to start it says what is wrong.
    pub(super) fn find(&self, name: &OsStr) -> PathBuf {
        if name.as_encoded_bytes().contains(&b'/') {
            return name.into();
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = found.get(name) {
            return path.clone();
        }
        let mut places = self
            .directories
            .iter()
            .map(|directory| directory.join(name));
        match places.find(|place| is_program(place)) {
            Some(place) => {
                found.insert(name.to_owned(), place.clone());
                place
            },
            None => name.into(),
        }
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_the_first_of_its_name_that_can_be_run() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        for name in ["a", "b"] {
            std::fs::create_dir(place(name)).unwrap();
            std::fs::write(place(name).join("tool"), "").unwrap();
        }
        let tool = place("b").join("tool");
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::join_paths([place("a"), place("b")]).unwrap();
        let programs = Programs::new(&path);
        for _ in 0..2 {
            assert_eq!(programs.find("tool".as_ref()), tool);
        }
        assert_eq!(programs.find("none".as_ref()), Path::new("none"));
        assert_eq!(programs.find("./tool".as_ref()), Path::new("./tool"));
    }
}
