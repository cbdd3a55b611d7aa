//! The order of stages: along their chains of `next`.

use indexmap::IndexMap;

use crate::config::{
    LoadedRecipe,
    recipe::{Next, Recipe},
};

/// Names of the stages, each before the one that it queues; chains in the order of the recipes. A
/// circle of stages begins with the one whose recipe comes first.
pub(super) fn stages(recipes: &IndexMap<String, LoadedRecipe>) -> Vec<String> {
    let links: Vec<(&str, Option<&str>)> = recipes
        .iter()
        .map(|(name, loaded)| (name.as_str(), next(&loaded.recipe)))
        .collect();
    along(&links)
}

fn next(recipe: &Recipe) -> Option<&str> {
    recipe.next.as_ref().map(|next| match next {
        Next::Stage(stage) | Next::Keyed { stage, .. } => stage.as_str(),
    })
}

fn along(links: &[(&str, Option<&str>)]) -> Vec<String> {
    let follows = |name: &str| {
        links
            .iter()
            .any(|(from, to)| *to == Some(name) && *from != name)
    };
    let firsts = links.iter().filter(|(name, _)| !follows(name));
    let mut order: Vec<String> = Vec::new();
    for (first, _) in firsts.chain(links) {
        let mut at = Some(*first);
        while let Some(name) = at.filter(|name| !order.iter().any(|known| known == name)) {
            let Some((_, to)) = links.iter().find(|(known, _)| *known == name) else {
                break;
            };
            order.push(name.to_owned());
            at = *to;
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_stand_in_the_order_of_their_chain() {
        let links = [
            ("camera", Some("warp")),
            ("chip", Some("camera")),
            ("dark", None),
            ("stack", None),
            ("warp", Some("stack")),
        ];
        assert_eq!(along(&links), ["chip", "camera", "warp", "stack", "dark"]);
    }

    #[test]
    fn a_circle_and_an_unknown_stage_end_the_walk() {
        let links = [("a", Some("b")), ("b", Some("a")), ("c", Some("nowhere"))];
        assert_eq!(along(&links), ["c", "a", "b"]);
    }
}
