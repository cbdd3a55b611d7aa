//! `outrigger check`: everything wrong in the configuration, the recipes and their templates.

use clap::Args;
use serde::Serialize;

use super::{
    Global,
    exit::{CliError, Exit},
    table::{print, print_json_keys},
};
use crate::{
    config::{
        self, Loaded, LoadedRecipe,
        document::{KeyPath, Seg},
        problem::{Look, Problem, render},
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
    match config::examine(&global.config, &template_problems) {
        Ok(loaded) => {
            let mut problems = loaded.warnings.clone();
            problems.extend(script_problems(&loaded));
            Report {
                problems,
                sites: Some(loaded.config.sites.len()),
                stages: Some(loaded.recipes.len()),
            }
        },
        Err(problems) => Report {
            problems,
            sites: None,
            stages: None,
        },
    }
}

/// What is wrong in the site's own templates of batch scripts.
fn script_problems(loaded: &Loaded) -> Vec<Problem> {
    prepare::launch::check_templates(&loaded.root)
        .into_iter()
        .map(|(file, message)| Problem::error(file, message))
        .collect()
}

/// What is wrong in the templates of a recipe.
fn template_problems(recipe: &LoadedRecipe) -> Vec<Problem> {
    prepare::check_recipe(&recipe.recipe)
        .into_iter()
        .map(|(place, message)| recipe.problem(&key_path(&place), None, message))
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
