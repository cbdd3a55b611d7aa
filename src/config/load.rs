//! Reads `outrigger.yaml` and every stage recipe it names, and checks all of it at once.

mod files;

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{
    check::check,
    document::{KeyPath, Tree},
    problem::{Problem, sorted},
    profile,
    recipe::Recipe,
    rules::{self, Report},
    shape::{SchemaKind, Shape},
    site::{Config, Site},
    suggest::{closest, one_of},
};

/// Name of the configuration file.
pub const FILE_NAME: &str = "outrigger.yaml";

/// A configuration without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What `outrigger.yaml` says, over the profiles and defaults.
    pub config: Config,
    /// The stage recipes by the name of their stage, in the order of their files.
    pub recipes: IndexMap<String, LoadedRecipe>,
    /// Directory of `outrigger.yaml`, absolute: what its relative paths start from.
    pub root: PathBuf,
    /// The `outrigger.yaml` itself, absolute.
    pub path: PathBuf,
    /// What runs, but probably not as meant.
    pub warnings: Vec<Problem>,
    pub(super) tree: Tree,
}

/// A stage recipe and the file it stands in.
#[derive(Debug, Clone)]
pub struct LoadedRecipe {
    /// The recipe.
    pub recipe: Recipe,
    /// Its file, absolute; its `file:` sources are relative to this file's directory.
    pub path: PathBuf,
    pub(super) tree: Tree,
}

/// A name that nothing has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} `{name}`: {hint}")]
pub struct UnknownName {
    /// What was looked for: `site`, `stage` or `key`.
    pub kind: &'static str,
    /// The name asked for.
    pub name: String,
    /// What may have been meant.
    pub hint: String,
}

impl UnknownName {
    pub(super) fn new<'a>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> Self {
        let hint = match closest(name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => match one_of(known) {
                none if none.is_empty() => "none is configured".into(),
                list => format!("known: {}", list.replace(" or ", " and ")),
            },
        };
        Self {
            kind,
            name: name.to_owned(),
            hint,
        }
    }
}

impl Loaded {
    /// A site by name.
    pub fn site(&self, name: &str) -> Result<&Site, UnknownName> {
        let known = self.config.sites.keys().map(String::as_str);
        let site = self.config.sites.get(name);
        site.ok_or_else(|| UnknownName::new("site", name, known))
    }

    /// A recipe by the name of its stage or by an alias of it.
    pub fn recipe(&self, name: &str) -> Result<&LoadedRecipe, UnknownName> {
        let by_alias = || {
            let mut recipes = self.recipes.values();
            recipes.find(|recipe| recipe.recipe.alias.iter().any(|alias| alias == name))
        };
        self.recipes.get(name).or_else(by_alias).ok_or_else(|| {
            let known: Vec<&str> = self.stage_names().collect();
            UnknownName::new("stage", name, known)
        })
    }

    /// The database's file, absolute.
    pub fn state_file(&self) -> PathBuf {
        self.root.join(&self.config.state)
    }

    /// The directory of the run directories, absolute.
    pub fn runs_directory(&self) -> PathBuf {
        self.root.join(&self.config.runs)
    }

    /// An error about a value of `outrigger.yaml`; see [`Tree::problem`].
    pub fn problem(
        &self,
        path: &KeyPath,
        offset: Option<usize>,
        message: impl Into<String>,
    ) -> Problem {
        self.tree.problem(path, offset, message)
    }

    fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.recipes.values().flat_map(|loaded| {
            let aliases = loaded.recipe.alias.iter();
            std::iter::once(&loaded.recipe.stage)
                .chain(aliases)
                .map(String::as_str)
        })
    }
}

impl LoadedRecipe {
    /// Directory that the recipe's `file:` sources are relative to.
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The located document, for places of values.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// An error about the value at `path` (as `outputs[2].remote`), or about the character at
    /// byte `offset` of its text; see [`Tree::locate_in`] for how exact that is.
    pub fn problem(
        &self,
        path: &KeyPath,
        offset: Option<usize>,
        message: impl Into<String>,
    ) -> Problem {
        self.tree.problem(path, offset, message)
    }
}

/// The `outrigger.yaml` that holds in `start`: there, or in the nearest directory above.
pub fn find(start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .map(|directory| directory.join(FILE_NAME))
        .find(|file| file.is_file())
}

/// Reads and checks a configuration: `place` is the file, or a directory in or above which it
/// lies. Gives every error of `outrigger.yaml` and of all recipes at once, each located.
pub fn load(place: &Path) -> Result<Loaded, Vec<Problem>> {
    examine(place, &|_| Vec::new())
}

/// [`load()`] with a further look at each recipe that has no mistake of this room's knowledge,
/// even if other files have.
pub fn examine(
    place: &Path,
    look: &dyn Fn(&LoadedRecipe) -> Vec<Problem>,
) -> Result<Loaded, Vec<Problem>> {
    let place = std::path::absolute(place).map_err(|error| {
        vec![Problem::error(
            place,
            format!("the path cannot be used: {error}"),
        )]
    })?;
    let path = if place.is_dir() {
        find(&place).ok_or_else(|| {
            let message = format!("there is no {FILE_NAME} here or above");
            let help = "make one with `outrigger init`, or name one with `--config`";
            vec![Problem::error(&place, message).help(help)]
        })?
    } else {
        place
    };
    let root = path.parent().unwrap_or(Path::new("/")).to_owned();
    let (config, mut problems) = read_config(&path);
    // Recipes are checked even if the configuration is wrong, where it says which they are.
    let pattern = match &config {
        Some((_, Some(config))) => config.stages.clone(),
        Some((tree, None)) => stages_of(tree),
        None => return Err(problems),
    };
    let found = files::matching(&root, &pattern);
    problems.extend(found.problem.map(|message| {
        match &config {
            Some((tree, _)) => tree
                .problem(&KeyPath::root().key("stages"), None, message)
                .warning(),
            None => Problem::error(&path, message),
        }
    }));
    let (mut trees, mut recipes) = (Vec::new(), Vec::new());
    for file in found.files {
        let (read, found) = read_recipe(&file);
        let sound = !found.iter().any(Problem::is_error);
        problems.extend(found);
        let Some((tree, recipe)) = read else { continue };
        trees.push(tree.clone());
        if let Some(recipe) = recipe {
            let loaded = LoadedRecipe {
                recipe,
                path: file,
                tree,
            };
            if sound {
                problems.extend(look(&loaded));
            }
            recipes.push(loaded);
        }
    }
    problems.extend(rules::stages(trees.iter()));
    let problems = sorted(problems);
    if problems.iter().any(Problem::is_error) {
        return Err(problems);
    }
    let Some((tree, Some(config))) = config else {
        return Err(problems);
    };
    let recipes = recipes
        .into_iter()
        .map(|loaded: LoadedRecipe| (loaded.recipe.stage.clone(), loaded))
        .collect();
    Ok(Loaded {
        config,
        recipes,
        root,
        path,
        warnings: problems,
        tree,
    })
}

/// A document as far as it could be read, and everything wrong in it.
type Read<T> = (Option<(Tree, Option<T>)>, Vec<Problem>);

fn read_config(path: &Path) -> Read<Config> {
    match files::text(path) {
        Ok(text) => parse_config(files::label(path), text),
        Err(problem) => (None, vec![*problem]),
    }
}

fn read_recipe(path: &Path) -> Read<Recipe> {
    match files::text(path) {
        Ok(text) => parse_recipe(files::label(path), text),
        Err(problem) => (None, vec![*problem]),
    }
}

/// Reads the text of an `outrigger.yaml`.
pub(super) fn parse_config(file: PathBuf, text: String) -> Read<Config> {
    let (tree, mut problems) = Tree::parse(file, text);
    let Some(mut tree) = tree else {
        return (None, problems);
    };
    problems.extend(profile::apply(&mut tree));
    let config = parse(&tree, SchemaKind::Config, rules::config, &mut problems);
    (Some((tree, config)), problems)
}

/// Reads the text of a recipe.
pub(super) fn parse_recipe(file: PathBuf, text: String) -> Read<Recipe> {
    let (tree, mut problems) = Tree::parse(file, text);
    let Some(tree) = tree else {
        return (None, problems);
    };
    let recipe = parse(&tree, SchemaKind::Recipe, rules::recipe, &mut problems);
    (Some((tree, recipe)), problems)
}

fn parse<T: serde::de::DeserializeOwned>(
    tree: &Tree,
    kind: SchemaKind,
    rules: impl FnOnce(&T, &mut Report<'_>),
    problems: &mut Vec<Problem>,
) -> Option<T> {
    let checked = check(tree, &Shape::of(kind));
    problems.extend(checked.problems);
    let value = match serde_yaml::from_value::<T>(checked.value?) {
        Ok(value) => value,
        Err(error) => {
            problems.push(tree.problem(&KeyPath::root(), None, error.to_string()));
            return None;
        },
    };
    let mut report = Report::new(tree, &checked.bad);
    rules(&value, &mut report);
    problems.extend(report.into_problems());
    Some(value)
}

/// What a wrong `outrigger.yaml` says of its recipes, else the default.
fn stages_of(tree: &Tree) -> String {
    let node = tree.get(&KeyPath::root().key("stages"));
    let text = node
        .filter(|node| !node.is_null())
        .and_then(|node| node.text());
    text.unwrap_or("stages/*.yaml").to_owned()
}

#[cfg(test)]
mod tests;
