//! A configuration as far as it can be read, right or wrong, and everything wrong in it.

use std::path::{Path, PathBuf};

use super::{FILE_NAME, Loaded, LoadedRecipe, files, find, read_config, read_recipe, stages_of};
use crate::config::{
    document::{KeyPath, Tree},
    problem::{Problem, sorted},
    recipe::Recipe,
    rules::{self, Unsound},
    site::Config,
};

/// A configuration as far as it can be read.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Everything wrong in `outrigger.yaml` and the recipes, each located.
    pub problems: Vec<Problem>,
    /// What `outrigger.yaml` says, without what is wrong in it.
    pub config: Option<Config>,
    /// The recipes that could be read, without what is wrong in them, in the order of their files.
    pub recipes: Vec<ExaminedRecipe>,
    /// Directory of `outrigger.yaml`, absolute.
    pub root: PathBuf,
    path: PathBuf,
    document: Option<(Tree, Unsound)>,
}

/// A recipe as far as it can be read.
#[derive(Debug, Clone)]
pub struct ExaminedRecipe {
    /// The recipe, without what is wrong in it.
    pub recipe: Recipe,
    path: PathBuf,
    tree: Tree,
    unsound: Unsound,
}

/// Reads and checks a configuration: `place` is the file, or a directory in or above which it
/// lies.
pub fn examine(place: &Path) -> Examined {
    match path_of(place) {
        Ok(path) => read(path),
        Err(problem) => Examined {
            problems: vec![*problem],
            config: None,
            recipes: Vec::new(),
            root: PathBuf::new(),
            path: PathBuf::new(),
            document: None,
        },
    }
}

impl Examined {
    /// An error about a value of `outrigger.yaml`, unless one is told about it already.
    pub fn further(&self, path: &KeyPath, message: impl Into<String>) -> Option<Problem> {
        let (tree, unsound) = self.document.as_ref()?;
        (!unsound.covers(path)).then(|| tree.problem(path, None, message))
    }

    /// The configuration, if nothing is wrong in it.
    pub(super) fn loaded(self) -> Result<Loaded, Vec<Problem>> {
        let wrong = self.problems.iter().any(Problem::is_error);
        let (Some(config), Some((tree, _)), false) = (self.config, self.document, wrong) else {
            return Err(self.problems);
        };
        let recipes = self.recipes.into_iter().map(|found| {
            let ExaminedRecipe {
                recipe, path, tree, ..
            } = found;
            (recipe.stage.clone(), LoadedRecipe { recipe, path, tree })
        });
        Ok(Loaded {
            config,
            recipes: recipes.collect(),
            root: self.root,
            path: self.path,
            warnings: self.problems,
            tree,
        })
    }
}

impl ExaminedRecipe {
    /// A file that the recipe names, which may be relative to the recipe's directory.
    pub fn file(&self, name: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).join(name)
    }

    /// An error about the value at `path`, unless one is told about it already.
    pub fn further(&self, path: &KeyPath, message: impl Into<String>) -> Option<Problem> {
        // A lookup that was left out would be an unknown function everywhere, and the columns of
        // a record are judged together.
        let top = KeyPath::root();
        let lookups = top.key("lookups");
        let record = top.key("dbinfo");
        let silent = self.unsound.covers(path)
            || self.unsound.covers(&lookups)
            || (path.is_within(&record) && self.unsound.covers(&record));
        (!silent).then(|| self.tree.problem(path, None, message))
    }
}

fn path_of(place: &Path) -> Result<PathBuf, Box<Problem>> {
    let place = std::path::absolute(place)
        .map_err(|error| Problem::error(place, format!("the path cannot be used: {error}")))?;
    if !place.is_dir() {
        return Ok(place);
    }
    find(&place).ok_or_else(|| {
        let message = format!("there is no {FILE_NAME} here or above");
        let help = "make one with `outrigger init`, or name one with `--config`";
        Box::new(Problem::error(&place, message).help(help))
    })
}

fn read(path: PathBuf) -> Examined {
    let root = path.parent().unwrap_or(Path::new("/")).to_owned();
    let (document, mut problems) = read_config(&path);
    let Some((tree, config, unsound)) = document else {
        return Examined {
            problems,
            config: None,
            recipes: Vec::new(),
            root,
            path,
            document: None,
        };
    };
    // Recipes are checked even if the configuration is wrong, where it says which they are.
    let pattern = match &config {
        Some(config) => config.stages.clone(),
        None => stages_of(&tree),
    };
    let found = files::matching(&root, &pattern);
    problems.extend(found.problem.map(|message| {
        let stages = KeyPath::root().key("stages");
        tree.problem(&stages, None, message).warning()
    }));
    let mut recipes = Vec::new();
    for file in found.files {
        let (read, found) = read_recipe(&file);
        problems.extend(found);
        recipes.extend(read.map(|read| (file, read)));
    }
    problems.extend(rules::stages(recipes.iter().map(|(_, (tree, ..))| tree)));
    let recipes = recipes
        .into_iter()
        .filter_map(|(path, (tree, recipe, unsound))| {
            let recipe = recipe?;
            Some(ExaminedRecipe {
                recipe,
                path,
                tree,
                unsound,
            })
        })
        .collect();
    Examined {
        problems: sorted(problems),
        config,
        recipes,
        root,
        path,
        document: Some((tree, unsound)),
    }
}
