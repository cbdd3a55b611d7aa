//! What scripts will do, told without doing it: whether they load, and what bites later.

mod definitions;
mod dry;
mod exits;
mod host;
mod toggles;
mod words;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    engine::clock::Clock,
    opihi::{self, Failure, Fault, Finding, Place, Program, Stop, Walk},
};
use definitions::Definition;
use dry::Dry;

/// Whether files load, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Whether each of them loads, in their order.
    pub loads: bool,
    /// The files that were read, with the modules they load.
    pub files: Vec<PathBuf>,
    /// What is wrong, by file and line.
    pub findings: Vec<Finding>,
}

/// Loads `files` in their order into a scheduler that does nothing, and reads them and the modules
/// they load for what bites later. `modules` are the directories of `module`.
///
/// # Errors
/// Where the process's directory cannot be told.
pub fn check(files: &[PathBuf], modules: &[PathBuf], clock: Arc<dyn Clock>) -> io::Result<Checked> {
    let mut dry = Dry::new(modules, clock)?;
    let mut findings = Vec::new();
    let mut loads = true;
    for file in files {
        match dry.load(file) {
            Ok(_) => continue,
            Err(stop) => loads = stopped(&dry, file, &stop, &mut findings),
        }
        // A session would not come to the files behind it either.
        break;
    }
    let programs = dry.interpreter.programs();
    let walks: Vec<Walk> = programs.iter().map(Walk::of).collect();
    let mut later = lints(&dry, &walks, whole(&findings));
    later.retain(|later| findings.iter().all(|stopped| stopped.place != later.place));
    let told = dry
        .told()
        .failures
        .iter()
        .map(|failure| Finding::of(failure, false))
        .collect();
    findings.extend(fresh(told, &later));
    findings.extend(later);
    let files = programs.iter().map(|program| program.file.to_path_buf());
    Ok(Checked {
        loads,
        files: files.collect(),
        findings: sorted(findings, programs),
    })
}

/// Everything that bites later. Where the load is not whole, what is missing may define the rest.
fn lints(dry: &Dry, walks: &[Walk], whole: bool) -> Vec<Finding> {
    let interpreter = &dry.interpreter;
    let mut found = opihi::check(interpreter, walks, whole);
    let all: Vec<Definition<'_>> = walks.iter().flat_map(definitions::of).collect();
    for definition in &all {
        found.extend(exits::lints(definition, &all, interpreter, walks));
        found.extend(words::lints(definition, interpreter));
    }
    if whole {
        found.extend(toggles::lints(&all, &dry.tasks()));
    }
    found
}

/// Whether all that the load needed was found.
fn whole(findings: &[Finding]) -> bool {
    !findings.iter().any(|finding| finding.missing)
}

/// What a load told of lines of which nothing else is told.
fn fresh(told: Vec<Finding>, later: &[Finding]) -> Vec<Finding> {
    let known = |finding: &Finding| later.iter().any(|later| later.place == finding.place);
    told.into_iter().filter(|finding| !known(finding)).collect()
}

/// Notes why a load stopped; whether it counts as loaded all the same.
fn stopped(dry: &Dry, file: &Path, stop: &Stop, findings: &mut Vec<Finding>) -> bool {
    let told = dry.told();
    let (failure, error) = match stop {
        Stop::Failed(failure) => ((**failure).clone(), true),
        Stop::Break => {
            let text = "`break`: nothing behind this line is loaded";
            (left(told.left.as_ref(), text), true)
        },
        Stop::Quit(code) => {
            let text = format!("the session ends here, with code {code}");
            (left(told.left.as_ref(), &text), *code != 0)
        },
    };
    let mut finding = Finding::of(&failure, error);
    finding.place = finding.place.or_else(|| {
        Some(Place {
            file: Arc::from(file),
            line: 0,
        })
    });
    match (stop, &failure.fault) {
        (_, Fault::NoCommand(_)) if finding.help.is_none() => {
            finding.help = Some("does a file that comes before this one define it?".to_owned());
        },
        (_, Fault::TooMany(_)) => {
            finding.help = Some("is this a loop that never ends?".to_owned());
        },
        (Stop::Break | Stop::Quit(_), _) if !told.last.is_empty() => {
            finding.help = Some(format!("said before: {}", told.last));
        },
        _ => {},
    }
    findings.push(finding);
    !error
}

fn left(at: Option<&(Place, String)>, message: &str) -> Failure {
    let (place, text) = at.cloned().unzip();
    Failure {
        fault: Fault::message(message),
        place,
        text: text.unwrap_or_default(),
        trace: Vec::new(),
    }
}

/// The findings in the order of the files and their lines, each once.
fn sorted(mut findings: Vec<Finding>, programs: &[Arc<Program>]) -> Vec<Finding> {
    let order = |finding: &Finding| {
        finding.spot().map(|(file, line)| {
            let known = programs.iter().position(|program| &*program.file == file);
            (known.unwrap_or(programs.len()), line)
        })
    };
    findings.sort_by_key(|finding| (order(finding), !finding.error));
    findings.dedup_by(|a, b| a.place == b.place && a.message == b.message);
    findings
}
