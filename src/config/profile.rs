//! Built-in sites to start from (spec/remote.md, recipe table). A site's own keys go over those
//! of its profile, key by key in maps; lists and scalars are replaced whole.

use super::{
    check::check,
    document::{Entry, KeyPath, Node, Tree, Value},
    problem::Problem,
    shape::{SchemaKind, Shape},
    site::Site,
    suggest::{closest, one_of},
};

/// Names and texts of the profiles.
const PROFILES: [(&str, &str); 2] = [
    ("lanl", include_str!("profiles/lanl.yaml")),
    ("uhcray", include_str!("profiles/uhcray.yaml")),
];

/// The names of the built-in profiles.
pub fn profiles() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

/// A built-in site by name; works without any `outrigger.yaml`.
pub fn profile(name: &str) -> Option<Site> {
    let tree = tree(name)?;
    let checked = check(&tree, &site_shape());
    let mut site: Site = serde_yaml::from_value(checked.value?).ok()?;
    site.profile = Some(name.to_owned());
    Some(site)
}

/// The shape of one site.
fn site_shape() -> Shape {
    match Shape::of(SchemaKind::Config)
        .field("sites")
        .map(|f| f.shape.clone())
    {
        Some(Shape::Map(site)) => *site,
        _ => Shape::Any,
    }
}

fn tree(name: &str) -> Option<Tree> {
    let (name, text) = PROFILES.iter().find(|(known, _)| *known == name)?;
    let (tree, _) = Tree::parse(*name, *text);
    let mut tree = tree?;
    mark(&mut tree.root, name);
    Some(tree)
}

/// Says of every node that it came from a profile.
fn mark(node: &mut Node, name: &'static str) {
    node.profile = Some(name);
    match &mut node.value {
        Value::Scalar(..) => {},
        Value::List(items) => items.iter_mut().for_each(|item| mark(item, name)),
        Value::Map(entries) => entries.iter_mut().for_each(|e| mark(&mut e.value, name)),
    }
}

/// Puts the profiles that the sites of an `outrigger.yaml` name under their own keys.
pub(crate) fn apply(tree: &mut Tree) -> Vec<Problem> {
    let mut unknown = Vec::new();
    let Value::Map(top) = &mut tree.root.value else {
        return Vec::new();
    };
    let sites = top.iter_mut().find(|entry| entry.key == "sites");
    let Some(Value::Map(sites)) = sites.map(|entry| &mut entry.value.value) else {
        return Vec::new();
    };
    for site in sites {
        let named = site.value.entry(&"profile".into());
        let Some(name) = named
            .and_then(|entry| entry.value.text())
            .map(str::to_owned)
        else {
            continue;
        };
        match self::tree(&name) {
            Some(base) => merge(&mut site.value, base.root),
            None if name.is_empty() => {},
            None => unknown.push((site.key.clone(), name)),
        }
    }
    unknown
        .into_iter()
        .map(|(site, name)| {
            let path = KeyPath::root().key("sites").key(site).key("profile");
            let help = match closest(&name, profiles()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", one_of(profiles()).replace(" or ", " and ")),
            };
            tree.problem(&path, None, format!("there is no profile `{name}`"))
                .help(help)
        })
        .collect()
}

/// Adds what `own` does not say itself.
fn merge(own: &mut Node, base: Node) {
    let (Value::Map(entries), Value::Map(defaults)) = (&mut own.value, base.value) else {
        return;
    };
    for default in defaults {
        match entries.iter_mut().find(|entry| entry.key == default.key) {
            Some(Entry { value, .. }) if value.is_null() => *value = default.value,
            Some(Entry { value, .. }) => merge(value, default.value),
            None => entries.push(default),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::config::{
        site::{Connection, SchedulerKind},
        units::Seconds,
    };

    #[rstest]
    #[case("lanl", SchedulerKind::Moab, 24, 1000, "LANL/Mustang")]
    #[case("uhcray", SchedulerKind::Slurm, 20, 10, "UH/Cray")]
    fn a_profile_is_a_whole_site_with_the_figures_of_the_recipe_table(
        #[case] name: &str,
        #[case] scheduler: SchedulerKind,
        #[case] cores: u32,
        #[case] max_nodes: u32,
        #[case] hostname: &str,
    ) {
        let site = profile(name).unwrap();
        assert_eq!(site.scheduler, scheduler);
        assert_eq!(
            (site.nodes.cores, site.nodes.min, site.nodes.max),
            (cores, 1, max_nodes)
        );
        assert_eq!(
            (site.walltime.min, site.walltime.max),
            (Seconds(3600), Seconds(28_800))
        );
        assert_eq!(site.hostname.as_deref(), Some(hostname));
        assert!(matches!(site.connection, Connection::Ssh(_)));
    }

    #[test]
    fn every_profile_is_free_of_problems() {
        for name in profiles() {
            let tree = tree(name).unwrap();
            assert_eq!(check(&tree, &site_shape()).problems, []);
        }
    }

    #[test]
    fn an_unknown_profile_is_none() {
        assert_eq!(profile("nersc"), None);
    }
}
