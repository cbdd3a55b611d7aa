//! What is wrong with the batch script of each site: its directives and its templates.

use std::path::Path;

use crate::{
    batch::{self, DirectiveError, JobRequest},
    config::{Examined, document::KeyPath, problem::Problem, site::Site},
    prepare::launch::{LaunchError, check_templates, stray_templates},
    state::run_dir,
};

pub(super) fn problems(found: &Examined) -> Vec<Problem> {
    let Some(config) = &found.config else {
        return Vec::new();
    };
    let names: Vec<&str> = config.sites.keys().map(String::as_str).collect();
    let stray = stray_templates(&found.root, &names).into_iter();
    let stray = stray.map(|(file, message)| Problem::error(file, message));
    config
        .sites
        .iter()
        .flat_map(|(name, site)| {
            let at = KeyPath::root().key("sites").key(name.as_str());
            let mut problems: Vec<Problem> = directives(site)
                .into_iter()
                .filter_map(|error| {
                    let key = match error.key() {
                        "output" => "scratch",
                        key => key,
                    };
                    found.further(&at.key(key), error.to_string())
                })
                .collect();
            problems.extend(templates(found, name, site));
            problems
        })
        .chain(stray)
        .collect()
}

/// Everything that the site's scheduler would not be asked for as it stands.
fn directives(site: &Site) -> Vec<DirectiveError> {
    let dialect = batch::dialect(site, Path::new("outrigger"));
    let output = site.scratch.join(run_dir::BATCH_OUTPUT);
    let (nodes, walltime) = (site.nodes.min, site.walltime.min);
    let mut request = JobRequest::new(site, "or-1-1-00000000", nodes, walltime, output);
    let mut errors = Vec::new();
    // The scheduler tells one error at a time: what it is about is left out of the next request.
    while let Err(error) = dialect.directives(&request) {
        let key = error.key();
        errors.push(error);
        match key {
            "account" => request.account = None,
            "queue" => request.queue = None,
            "qos" => request.qos = None,
            "partition" => request.partition = None,
            "reservation" => request.reservation = None,
            "constraint" => request.constraint = None,
            "directives" => request.directives.clear(),
            "output" => request.output = "/output".into(),
            _ => break,
        }
        if errors.len() > 8 {
            break;
        }
    }
    errors
}

fn templates(found: &Examined, name: &str, site: &Site) -> Option<Problem> {
    match check_templates(&found.root, name, site).err()? {
        LaunchError::Template { template, message } => Some(Problem::error(template, message)),
        error => Some(Problem::error(&found.root, error.to_string())),
    }
}
