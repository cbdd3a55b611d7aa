//! The files that `outrigger init` writes: a configuration for this host and a stage that works.

use std::path::Path;

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StarterFile {
    /// Where, relative to the new configuration's directory.
    pub path: &'static str,
    /// Its text.
    pub text: String,
}

/// The files of a new configuration in `root` (absolute): `outrigger.yaml` with one site, this
/// host, that works under `root/scratch`; the stage `hello`; its components and inputs.
pub fn init_files(root: &Path) -> Vec<StarterFile> {
    let scratch = root.join("scratch");
    // A YAML double-quoted scalar is a superset of a JSON string.
    let scratch = serde_json::Value::from(scratch.to_string_lossy()).to_string();
    let file = |path, text: &str| StarterFile {
        path,
        text: text.to_owned(),
    };
    vec![
        StarterFile {
            path: super::FILE_NAME,
            text: include_str!("starter/outrigger.yaml").replace("@SCRATCH@", &scratch),
        },
        file("stages/hello.yaml", include_str!("starter/hello.yaml")),
        file("stages/hello.csv", include_str!("starter/hello.csv")),
        file("greetings/world.txt", "Hello, world.\n"),
        file("greetings/sky.txt", "Hello, sky: clear tonight.\n"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{load, problem};

    fn written() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in init_files(directory.path()) {
            let path = directory.path().join(file.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file.text).unwrap();
        }
        directory
    }

    #[test]
    fn what_init_writes_passes_the_check_without_a_warning() {
        let directory = written();
        let loaded = load(directory.path())
            .map_err(|problems| problem::render(&problems, problem::Look::Plain))
            .unwrap();
        assert_eq!(loaded.warnings, []);
        assert_eq!(loaded.recipe("hello").unwrap().recipe.stage, "hello");
        let scratch = &loaded.site("local").unwrap().scratch;
        assert_eq!(*scratch, directory.path().join("scratch"));
    }

    #[test]
    fn every_key_that_is_commented_out_would_pass_too() {
        let directory = written();
        let file = directory.path().join("outrigger.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let uncommented: String = text
            .lines()
            .map(|line| match line.split_once("#~ ") {
                Some((indent, rest)) => format!("{indent}{rest}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        assert!(uncommented.lines().count() > 40);
        std::fs::write(&file, uncommented).unwrap();
        load(directory.path())
            .map_err(|problems| problem::render(&problems, problem::Look::Plain))
            .unwrap();
    }
}
