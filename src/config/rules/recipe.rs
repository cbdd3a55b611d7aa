//! Rules of one stage recipe.

mod dbinfo;

use std::collections::HashMap;

use super::{
    Report,
    names::{is_identifier, is_label, template_key, template_name},
};
use crate::config::{
    document::KeyPath,
    recipe::{Arg, Cost, Jobs, Lookup, Output, Recipe, Source, Step},
    units::Seconds,
};

/// Checks a whole recipe.
pub(crate) fn recipe(recipe: &Recipe, report: &mut Report<'_>) {
    let top = KeyPath::root();
    stage_name(report, &recipe.stage, &top.key("stage"));
    for (index, alias) in recipe.alias.iter().enumerate() {
        stage_name(report, alias, &top.key("alias").index(index));
    }
    source(report, &recipe.components, &top.key("components"));
    if let Some(jobs) = &recipe.jobs {
        self::jobs(report, jobs, &top.key("jobs"));
    }
    for (name, table) in &recipe.lookups {
        lookup(report, name, table, &top.key("lookups").key(name.as_str()));
    }
    for name in recipe.vars.keys() {
        template_key(report, name, &top.key("vars").key(name.as_str()));
    }
    for (index, input) in recipe.inputs.iter().enumerate() {
        let path = top.key("inputs").index(index);
        repeat(report, input.each.as_deref(), input.item.as_deref(), &path);
    }
    for (index, output) in recipe.outputs.iter().enumerate() {
        let path = top.key("outputs").index(index);
        repeat(
            report,
            output.each.as_deref(),
            output.item.as_deref(),
            &path,
        );
    }
    distinct_outputs(report, &recipe.outputs, &top.key("outputs"));
    steps(report, recipe, &top);
    cost(report, &recipe.cost, &top.key("cost"));
    dbinfo::check(report, recipe, &top);
}

fn stage_name(report: &mut Report<'_>, name: &str, path: &KeyPath) {
    report.require(
        is_label(name),
        path,
        format!("`{name}` cannot be the name of a stage"),
        "use letters, digits, `_`, `-` and `.`, and begin with a letter or digit",
    );
}

fn source(report: &mut Report<'_>, source: &Source, path: &KeyPath) {
    match source {
        Source::Sql(query) => report.require(
            !query.trim().is_empty(),
            &path.key("sql"),
            "the query is empty",
            "",
        ),
        Source::File(file) => {
            let known = ["csv", "jsonl", "json", "mdc", "md"];
            let extension = file.extension().and_then(|e| e.to_str()).unwrap_or("");
            report.require(
                known.contains(&extension),
                &path.key("file"),
                format!("`{}` is of no known kind", file.display()),
                "a table is a .csv, .jsonl, .json, .mdc or .md file",
            );
        },
        Source::Command(argv) => report.require(
            !argv.is_empty(),
            &path.key("command"),
            "the command names no program",
            "",
        ),
    }
}

fn jobs(report: &mut Report<'_>, jobs: &Jobs, path: &KeyPath) {
    template_name(report, &jobs.for_each, &path.key("for_each"));
    if let Some(from) = &jobs.from {
        source(report, from, &path.key("from"));
    }
    let table = matches!(jobs.from, Some(Source::File(_) | Source::Command(_)));
    report.require_key(
        jobs.by.is_none() || table,
        &path.key("by"),
        "`by` needs `from` with a `file` or a `command`",
        "a query selects by `:field`; a list in the component's row needs no selection",
    );
    report.require(
        !jobs.key.trim().is_empty(),
        &path.key("key"),
        "`key` is empty",
        "it tells the jobs of a component apart",
    );
}

fn lookup(report: &mut Report<'_>, name: &str, lookup: &Lookup, path: &KeyPath) {
    template_key(report, name, path);
    source(report, &lookup.from, &path.key("from"));
    for (index, param) in lookup.params.iter().enumerate() {
        let at = path.key("params").index(index);
        report.require(
            is_identifier(param),
            &at,
            format!("`{param}` cannot be a name in templates"),
            "use letters, digits and `_`, and begin with a letter",
        );
        let twice = lookup
            .params
            .iter()
            .take(index)
            .any(|before| before == param);
        report.require(!twice, &at, format!("`{param}` is given twice"), "");
    }
}

/// `each` and `as` belong together.
fn repeat(report: &mut Report<'_>, each: Option<&str>, item: Option<&str>, path: &KeyPath) {
    if let Some(item) = item {
        template_name(report, item, &path.key("as"));
        report.require_key(
            each.is_some(),
            &path.key("as"),
            "`as` needs `each`",
            "`as` names the elements of the list that `each` gives",
        );
    }
    if let Some(each) = each {
        let at = path.key("each");
        report.require(!each.trim().is_empty(), &at, "`each` is empty", "");
        report.require(
            !each.contains("{{"),
            &at,
            "`each` is an expression, without braces",
            "write `imfile.parts`, not `\"{{ imfile.parts }}\"`",
        );
    }
}

fn distinct_outputs(report: &mut Report<'_>, outputs: &[Output], path: &KeyPath) {
    let mut seen: HashMap<&str, (usize, bool)> = HashMap::new();
    for (index, output) in outputs.iter().enumerate() {
        let conditional = output.when.is_some();
        match seen.get(output.remote.as_str()) {
            Some((first, other)) if !(conditional && *other) => report.require(
                false,
                &path.index(index).key("remote"),
                format!("outputs {first} and {index} are the same file"),
                "remove one, or give each a `when` that excludes the other",
            ),
            Some(_) => {},
            None => {
                seen.insert(&output.remote, (index, conditional));
            },
        }
    }
}

fn steps(report: &mut Report<'_>, recipe: &Recipe, top: &KeyPath) {
    for (key, steps) in [("pre", &recipe.pre), ("post", &recipe.post)] {
        for (index, step) in steps.iter().enumerate() {
            self::step(report, step, &top.key(key).index(index));
        }
    }
    step(report, &recipe.command, &top.key("command"));
}

fn step(report: &mut Report<'_>, step: &Step, path: &KeyPath) {
    let args = match step {
        Step::Argv(args) => args,
        Step::Shell { sh } => {
            let empty = sh.trim().is_empty();
            report.require(!empty, &path.key("sh"), "the shell line is empty", "");
            return;
        },
    };
    report.require(!args.is_empty(), path, "a step without a program", "");
    for (index, arg) in args.iter().enumerate() {
        let at = path.index(index);
        match arg {
            Arg::One(program) => report.require(
                index > 0 || !program.trim().is_empty(),
                &at,
                "the program's name is empty",
                "",
            ),
            Arg::Group(group) => {
                report.require(
                    index > 0,
                    &at,
                    "the first element is the program",
                    "optional arguments come after it",
                );
                report.require(
                    !group.args.is_empty(),
                    &at.key("args"),
                    "`args` is empty",
                    "",
                );
                repeat(report, group.each.as_deref(), group.item.as_deref(), &at);
            },
        }
    }
}

fn cost(report: &mut Report<'_>, cost: &Cost, path: &KeyPath) {
    report.require(
        cost.threads > 0,
        &path.key("threads"),
        "`threads` must be at least 1",
        "",
    );
    report.require(
        cost.seconds > Seconds(0),
        &path.key("seconds"),
        "`seconds` must be more than nothing",
        "the allocation is computed from it",
    );
    report.require(
        cost.limit.is_none_or(|limit| limit >= cost.seconds),
        &path.key("limit"),
        "`limit` is less than the expected `seconds`",
        "most jobs would be killed",
    );
}
