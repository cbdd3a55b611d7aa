//! The batch script, from the template of its scheduler.

use std::path::{Path, PathBuf};

use tera::{Context, Tera, Value};

use super::{Launch, LaunchError};
use crate::{
    config::site::SchedulerKind,
    prepare::{
        RenderRequest,
        template::{escape, quote},
    },
    state::run_dir,
};

/// Our own templates. A file of the same name in `templates/msub/` beside outrigger.yaml is used
/// instead.
const TEMPLATES: [(&str, &str); 4] = [
    ("slurm.sh", include_str!("../../../templates/msub/slurm.sh")),
    ("moab.sh", include_str!("../../../templates/msub/moab.sh")),
    ("local.sh", include_str!("../../../templates/msub/local.sh")),
    ("body.sh", include_str!("../../../templates/msub/body.sh")),
];

/// Where a site keeps its own, beside outrigger.yaml.
const OVERRIDES: &str = "templates/msub";

/// The text of the batch script; `ranks` are those of each config.
pub(super) fn render(
    request: &RenderRequest<'_>,
    launch: &Launch<'_>,
    ranks: &[u32],
) -> Result<String, LaunchError> {
    for line in launch.directives {
        let one_line = line.starts_with('#') && !line.contains(['\n', '\r', '\0']);
        if !one_line {
            return Err(LaunchError::Directive(line.clone()));
        }
    }
    let name = match request.site.scheduler {
        SchedulerKind::Local => "local.sh",
        SchedulerKind::Slurm => "slurm.sh",
        SchedulerKind::Moab => "moab.sh",
    };
    load(request.home)?
        .render(name, &context(request, launch, ranks)?)
        .map_err(|error| wrong(name, &error))
}

/// What is wrong in the templates of batch scripts beside an outrigger.yaml in `home`: file and
/// message of each.
pub(super) fn check(home: &Path) -> Vec<(PathBuf, String)> {
    let overrides = home.join(OVERRIDES);
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(&overrides)
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        if TEMPLATES
            .iter()
            .all(|(known, _)| name.to_str() != Some(known))
        {
            let known: Vec<&str> = TEMPLATES.iter().map(|(known, _)| *known).collect();
            let message = format!("no template has this name; known: {}", known.join(", "));
            problems.push((entry.path(), message));
        }
    }
    if let Err(LaunchError::Template { template, message }) = load(home) {
        problems.push((home.join(template), message));
    }
    problems
}

/// All templates, those of the site in the place of ours.
fn load(home: &Path) -> Result<Tera, LaunchError> {
    let mut tera = Tera::new();
    tera.autoescape_on([".sh"]);
    tera.set_escape_fn(escape);
    let overrides = home.join(OVERRIDES);
    let mut texts = Vec::new();
    for (name, ours) in TEMPLATES {
        texts.push((name, text(&overrides.join(name), ours)?));
    }
    tera.add_raw_templates(texts)
        .map_err(|error| wrong(OVERRIDES, &error))?;
    Ok(tera)
}

fn wrong(name: &str, error: &tera::Error) -> LaunchError {
    let template = if name == OVERRIDES {
        name.to_owned()
    } else {
        format!("{OVERRIDES}/{name}")
    };
    LaunchError::Template {
        template,
        message: error.to_string(),
    }
}

fn text(path: &Path, ours: &str) -> Result<String, LaunchError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(ours.to_owned()),
        Err(error) => Err(LaunchError::Template {
            template: path.display().to_string(),
            message: error.to_string(),
        }),
    }
}

fn context(
    request: &RenderRequest<'_>,
    launch: &Launch<'_>,
    ranks: &[u32],
) -> Result<Context, LaunchError> {
    let mut steps = Vec::with_capacity(ranks.len());
    for (index, tasks) in ranks.iter().enumerate() {
        let argv = (launch.step)(&run_dir::chunk_name(index), *tasks);
        let words: Result<Vec<_>, String> = argv.iter().map(|word| quote(word)).collect();
        let words = words.map_err(|message| LaunchError::Template {
            template: "step".into(),
            message,
        })?;
        steps.push(words.join(" "));
    }
    let site = request.site;
    let mut context = Context::new();
    context.insert("directives", launch.directives);
    context.insert("environment", &site.environment);
    context.insert("modules", &site.modules);
    context.insert("dir", &request.remote_dir.to_string_lossy());
    context.insert("token", launch.token);
    context.insert("steps", &steps);
    context.insert_value("run_id", Value::from(request.run_id));
    Ok(context)
}
