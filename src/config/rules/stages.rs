//! Rules between recipes: each name once, and `next` names a stage that is there.

use std::collections::HashMap;

use crate::config::{
    document::{KeyPath, Seg, Tree},
    problem::Problem,
    suggest::{closest, one_of},
};

/// Checks the recipes together. It reads the trees, so a recipe with problems of its own takes
/// part.
pub(crate) fn stages<'a>(trees: impl IntoIterator<Item = &'a Tree>) -> Vec<Problem> {
    let trees: Vec<&Tree> = trees.into_iter().collect();
    let mut owners: HashMap<&str, String> = HashMap::new();
    let mut problems = Vec::new();
    for tree in &trees {
        for (name, path) in names(tree) {
            let span = tree.locate(&path);
            let here = format!("{}:{}", tree.file.display(), span.line);
            if let Some(first) = owners.get(name) {
                let message = format!("the stage name `{name}` is taken");
                let problem = tree.problem(&path, None, message);
                problems.push(problem.help(format!("it was given in {first} already")));
            } else {
                owners.insert(name, here);
            }
        }
    }
    for tree in &trees {
        let Some((next, path)) = next(tree) else {
            continue;
        };
        if owners.contains_key(next) {
            continue;
        }
        let mut known: Vec<&str> = owners.keys().copied().collect();
        known.sort_unstable();
        let help = match closest(next, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the stages are {}", one_of(known).replace(" or ", " and ")),
        };
        let problem = tree.problem(&path, None, format!("there is no stage `{next}`"));
        problems.push(problem.help(help));
    }
    problems
}

/// The name and the aliases of a recipe.
fn names(tree: &Tree) -> impl Iterator<Item = (&str, KeyPath)> {
    let top = KeyPath::root();
    let count = match tree.get(&top.key("alias")).map(|node| &node.value) {
        Some(crate::config::document::Value::List(items)) => items.len(),
        _ => 0,
    };
    let aliases = (0..count).map({
        let top = top.clone();
        move |index| top.key("alias").index(index)
    });
    std::iter::once(top.key("stage"))
        .chain(aliases)
        .filter_map(|path| {
            let text = tree.get(&path)?.text()?;
            (!text.is_empty()).then_some((text, path))
        })
}

/// The stage that `next` names.
fn next(tree: &Tree) -> Option<(&str, KeyPath)> {
    let path: KeyPath = std::iter::once(Seg::from("next")).collect();
    let node = tree.get(&path).filter(|node| !node.is_null())?;
    if let Some(text) = node.text() {
        return Some((text, path));
    }
    let path = path.key("stage");
    let text = tree.get(&path)?.text()?;
    Some((text, path))
}
