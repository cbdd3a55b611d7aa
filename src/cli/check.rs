//! `outrigger check`: everything wrong in the configuration, the recipes and their templates.

mod script;

use clap::Args;
use serde::Serialize;

use super::{
    Global,
    exit::{CliError, Exit},
    table::{print, print_json_keys},
};
use crate::{
    config::{
        self, ExaminedRecipe,
        document::{KeyPath, Seg},
        problem::{Look, Problem, render, sorted},
        recipe::Source,
    },
    prepare,
};

/// Find everything that is wrong in outrigger.yaml, the stages and their templates, at once.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger check
  outrigger check --json")]
pub(super) struct CheckArgs {
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    problems: Vec<Problem>,
    /// Absent if they could not be read.
    sites: Option<usize>,
    stages: Option<usize>,
}

pub(super) fn run(global: &Global, arguments: &CheckArgs) -> Result<Exit, CliError> {
    let report = examine(global);
    let errors = report.problems.iter().filter(|p| p.is_error()).count();
    if arguments.json {
        print_json_keys(&report)?;
    } else {
        print(&render(&report.problems, Look::of(&std::io::stdout())))?;
        print(&summary(&report, errors))?;
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Usage })
}

fn examine(global: &Global) -> Report {
    let found = config::examine(&global.config);
    let whole = !found.problems.iter().any(Problem::is_error);
    let (sites, stages) = match &found.config {
        Some(config) if whole => (Some(config.sites.len()), Some(found.recipes.len())),
        _ => (None, None),
    };
    let templates = found.recipes.iter().flat_map(template_problems);
    let tables = found.recipes.iter().flat_map(missing_tables);
    let scripts = script::problems(&found);
    let told = found.problems.iter().cloned();
    let problems = told.chain(templates).chain(tables).chain(scripts);
    Report {
        problems: sorted(problems.collect()),
        sites,
        stages,
    }
}

/// What is wrong in the templates of a recipe.
fn template_problems(found: &ExaminedRecipe) -> Vec<Problem> {
    prepare::check_recipe(&found.recipe)
        .into_iter()
        .filter_map(|(place, message)| found.further(&key_path(&place), message))
        .collect()
}

/// Tables that a recipe reads and that are not there: something may still make them.
fn missing_tables(found: &ExaminedRecipe) -> Vec<Problem> {
    let top = KeyPath::root();
    let recipe = &found.recipe;
    let lookups = recipe.lookups.iter().map(|(name, lookup)| {
        let at = top.key("lookups").key(name.as_str()).key("from");
        (&lookup.from, at)
    });
    let jobs = recipe.jobs.iter().filter_map(|jobs| {
        let from = jobs.from.as_ref()?;
        Some((from, top.key("jobs").key("from")))
    });
    [(&recipe.components, top.key("components"))]
        .into_iter()
        .chain(jobs)
        .chain(lookups)
        .filter_map(|(source, at)| {
            let Source::File(name) = source else {
                return None;
            };
            let file = found.file(name);
            if file.exists() {
                return None;
            }
            let problem = found.further(&at.key("file"), "there is no such file yet")?;
            let help = format!(
                "it is read when a run is defined or prepared: {}",
                file.display()
            );
            Some(problem.help(help).warning())
        })
        .collect()
}

/// `outputs[2].remote` as a path.
fn key_path(text: &str) -> KeyPath {
    text.split(['.', '['])
        .filter(|part| !part.is_empty())
        .map(segment)
        .collect()
}

fn segment(part: &str) -> Seg {
    match part.strip_suffix(']').map(str::parse) {
        Some(Ok(index)) => Seg::Index(index),
        _ => Seg::Key(part.to_owned()),
    }
}

fn summary(report: &Report, errors: usize) -> String {
    let warnings = report.problems.len() - errors;
    let found = match (errors, warnings) {
        (0, 0) => "no problems".to_owned(),
        (0, warnings) => count(warnings, "warning"),
        (errors, 0) => count(errors, "error"),
        (errors, warnings) => {
            format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
        },
    };
    match (report.sites, report.stages) {
        (Some(sites), Some(stages)) => {
            let (sites, stages) = (count(sites, "site"), count(stages, "stage"));
            format!("{sites}, {stages}: {found}\n")
        },
        _ => format!("{found}\n"),
    }
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_the_path_it_was_written_from() {
        for place in [
            "command",
            "outputs[2].remote",
            "dbinfo.values.bg",
            "pre[0][1]",
        ] {
            assert_eq!(key_path(place).to_string(), place);
        }
    }
}
