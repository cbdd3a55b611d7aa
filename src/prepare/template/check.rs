//! Whether a recipe's templates can be compiled, without any data.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::plan::Plan;
use crate::{
    config::recipe::{Recipe, Source},
    prepare::{lookup::Lookup, names::Names},
};

/// Key path (such as `outputs[2].remote`) and message of everything that is wrong with a recipe's
/// templates: syntax, unknown filters and functions, columns that `dbinfo` does not declare, names
/// that templates cannot use.
pub fn check_recipe(recipe: &Recipe) -> Vec<(String, String)> {
    let names = Arc::new(Names::new(BTreeMap::new(), "/".into(), "/".into()));
    let mut problems = Plan::compile(recipe, &names, BTreeMap::new())
        .err()
        .unwrap_or_default();
    for (name, lookup) in &recipe.lookups {
        problems.extend(Lookup::check(name, lookup, &names));
    }
    if let Some(jobs) = &recipe.jobs {
        let read_once = matches!(jobs.from, Some(Source::File(_) | Source::Command(_)));
        if read_once && jobs.by.is_none() {
            let message = "name the field by which rows of a file or command belong to a component";
            problems.push(("jobs.by".into(), message.into()));
        }
    }
    let mut seen = BTreeSet::new();
    problems.retain(|problem| seen.insert(problem.clone()));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str) -> String {
        let value: serde_json::Value = serde_yaml::from_str(yaml).unwrap();
        let recipe: Recipe = serde_json::from_value(value).unwrap();
        check_recipe(&recipe)
            .iter()
            .map(|(place, message)| format!("{place}: {message}"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_good_recipe_has_no_problems() {
        let found = check(
            "
stage: chip
components: {sql: SELECT 1 AS stage_id}
jobs: {for_each: imfile, key: '{{ imfile.class_id }}'}
lookups:
  detrend:
    from: {file: d.csv}
    params: [type, of]
    match: {type: '{{ type }}', filter: '{{ of.filter | upper }}'}
    valid: {at: '{{ of.time }}', from: begin, until: end}
    value: path
inputs: [{local: \"{{ detrend('FLAT', imfile) }}\", remote: 'cal/{{ imfile.x | pad(3) }}'}]
command: [run, '{{ input(0) }}', {args: ['-x', '{{ item }}'], each: 'imfile.list'}]
post: [{sh: 'echo {{ output(0) }}'}]
outputs: [{remote: '{{ input(0) | basename }}'}]
",
        );
        assert_eq!(found, "");
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let found = check(
            "
stage: chip
components: {sql: SELECT 1 AS stage_id}
jobs: {for_each: im-file, from: {file: x.csv}, key: '{{ a }'}
lookups:
  input:
    from: {file: d.csv}
    params: [type]
    match: {type: '{{ type | shout }}'}
    value: path
vars: {out: '{{ nope(1) }}'}
inputs: [{remote: x, each: '1 +'}]
command: [run, '{{ input(0, 1) }}']
post: [{sh: '{% if %}'}]
dbinfo:
  table: runs
  key: []
  columns: {a: integer}
  values: {b: '1'}
",
        );
        insta::assert_snapshot!(found, @r"
        lookups.input: `input` is a function already; choose another name
        jobs.for_each: `im-file` cannot be a name in templates: use letters, digits and `_`
        jobs.key: Found `}` but expected }}. at column 6 of `{{ a }`
        vars.out: there is no function or lookup `nope`, in `{{ nope(1) }}`
        inputs[0].each: Found `)` but expected one of: integer, float, string, bool, ident, `-`, `not`, `<`, `{`, `[` or `(` in `1 +`
        command[1]: `input` takes 1 argument (type), in `{{ input(0, 1) }}`
        post[0].sh: Found `%}` but expected one of: integer, float, string, bool, ident, `-`, `not`, `<`, `{`, `[` or `(` at column 7 of `{% if %}`
        dbinfo: `runs` cannot be the name of a table or column: use letters, digits and `_`, and none of outrigger's own tables
        dbinfo.values.b: `b` is not among dbinfo.columns
        lookups.input.match.type: Unknown filter `shout` in `{{ type | shout }}`
        jobs.by: name the field by which rows of a file or command belong to a component
        ");
    }
}
