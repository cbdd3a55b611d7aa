//! `outrigger script check`: what task scripts will do, without doing it.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    exit::{CliError, Exit},
    table::{print, print_json_keys},
};
use crate::{
    config::problem::{Look, Problem, render},
    engine::clock::SystemClock,
    opihi::Finding,
    pantasks::check::{Checked, check},
};

/// Task scripts: what they will do.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  outrigger script check pantasks.pro chip.pro")]
pub(super) enum ScriptCommand {
    /// Tell whether task scripts load, and what in them bites later; nothing is run.
    Check(CheckArgs),
}

/// Tell whether task scripts load, and what in them bites later; nothing is run.
///
/// The files are loaded in their order into a scheduler that starts, writes and waits for nothing.
/// Exit code 0 if they load, 1 if they do not.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  outrigger script check night.pro
  outrigger script check pantasks.pro chip.pro --modules tasks    modules that night.pro loads
  outrigger script check night.pro --strict                       for a commit hook
  outrigger script check night.pro --json")]
pub(super) struct CheckArgs {
    /// The scripts, in the order they are loaded.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where `module` looks; the first file's directory unless given.
    #[arg(long, value_name = "DIR")]
    modules: Vec<PathBuf>,
    /// JSON on stdout.
    #[arg(long)]
    json: bool,
    /// Exit code 1 for warnings too.
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    verdict: &'static str,
    files: &'a [PathBuf],
    problems: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    file: Option<String>,
    line: Option<usize>,
    level: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
    text: &'a str,
}

pub(super) fn run(command: ScriptCommand) -> Result<Exit, CliError> {
    let ScriptCommand::Check(arguments) = command;
    let modules = match arguments.modules.as_slice() {
        [] => beside(&arguments.files),
        given => given.to_vec(),
    };
    let checked = check(&arguments.files, &modules, Arc::new(SystemClock))
        .map_err(|error| CliError::Failed(format!("the working directory: {error}")))?;
    if arguments.json {
        print_json_keys(report(&checked))?;
    } else {
        let problems: Vec<Problem> = checked.findings.iter().map(Finding::problem).collect();
        print(&render(&problems, Look::of(&std::io::stdout())))?;
        print(&summary(&checked))?;
    }
    let clean = checked.findings.is_empty() || !arguments.strict;
    Ok(if checked.loads && clean {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// The directory of the first file.
fn beside(files: &[PathBuf]) -> Vec<PathBuf> {
    let directory = files.first().and_then(|file| file.parent());
    directory
        .map(|directory| {
            if directory.as_os_str().is_empty() {
                PathBuf::from(".")
            } else {
                directory.to_path_buf()
            }
        })
        .into_iter()
        .collect()
}

fn report<'a>(checked: &'a Checked) -> Report<'a> {
    let row = |finding: &'a Finding| {
        let Finding {
            place,
            error,
            message,
            help,
            text,
            ..
        } = finding;
        let line = place.as_ref().map(|place| place.line);
        Row {
            file: place.as_ref().map(|place| place.file.display().to_string()),
            line: line.filter(|line| *line > 0),
            level: if *error { "error" } else { "warning" },
            message,
            help: help.as_deref(),
            text,
        }
    };
    Report {
        verdict: verdict(checked),
        files: &checked.files,
        problems: checked.findings.iter().map(row).collect(),
    }
}

fn verdict(checked: &Checked) -> &'static str {
    if checked.loads { "loads" } else { "fails" }
}

fn summary(checked: &Checked) -> String {
    let errors = checked.findings.iter().filter(|found| found.error).count();
    let warnings = checked.findings.len() - errors;
    let found = match (errors, warnings) {
        (0, 0) => "no problems".to_owned(),
        (0, warnings) => count(warnings, "warning"),
        (errors, 0) => count(errors, "error"),
        (errors, warnings) => {
            format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
        },
    };
    let does = match (checked.loads, checked.files.len()) {
        (true, 1) => "loads",
        (true, _) => "load",
        (false, 1) => "does not load",
        (false, _) => "do not load",
    };
    let files = match checked.files.len() {
        0 => "the files".to_owned(),
        n => count(n, "file"),
    };
    format!("{files} {does}: {found}\n")
}

fn count(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}
