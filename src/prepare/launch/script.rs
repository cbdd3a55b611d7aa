//! The batch script, from the template of its scheduler.

use std::path::{Path, PathBuf};

use tera::{Context, Tera, Value};

use super::{Commands, Launch, LaunchError, Steps};
use crate::{
    config::site::{LauncherKind, SchedulerKind, Site},
    prepare::{
        RenderRequest,
        template::{escape, quote},
    },
};

/// Where templates of one's own lie, beside outrigger.yaml.
const OVERRIDES: &str = "templates/msub";

/// What the templates of all schedulers have in common.
const BODY: &str = "body.sh";

/// Our own templates. A file of the same name beside outrigger.yaml is used instead: in
/// `templates/msub/SITE/`, else in `templates/msub/`.
const TEMPLATES: [(&str, &str); 4] = [
    ("slurm.sh", include_str!("../../../templates/msub/slurm.sh")),
    ("moab.sh", include_str!("../../../templates/msub/moab.sh")),
    ("local.sh", include_str!("../../../templates/msub/local.sh")),
    (BODY, include_str!("../../../templates/msub/body.sh")),
];

/// The text of the batch script.
pub(super) fn render(
    request: &RenderRequest<'_>,
    launch: &Launch<'_>,
    steps: &Steps,
) -> Result<String, LaunchError> {
    for line in launch.directives {
        let one_line = line.starts_with('#') && !line.contains(['\n', '\r', '\0']);
        if !one_line {
            return Err(LaunchError::Directive(line.clone()));
        }
    }
    let values = Values {
        directives: launch.directives,
        remote_dir: request.remote_dir,
        token: launch.token,
        run_id: request.run_id,
        steps,
    };
    fill(request.home, request.site_name, request.site, &values)
}

/// Whether the templates of the batch script of a site can be used, ours or those in
/// `templates/msub/` of `home`, the directory of `outrigger.yaml`.
///
/// # Errors
/// The first thing that is wrong in them.
pub fn check_templates(home: &Path, site_name: &str, site: &Site) -> Result<(), LaunchError> {
    let lanes = match site.launcher {
        LauncherKind::Chunks => site.lanes(),
        LauncherKind::Worker => 1,
    };
    let steps = vec![vec!["step".to_owned()]];
    let commands = match &site.array {
        Some(_) => Commands::Array(vec![steps.clone(), steps]),
        None => Commands::Job(steps),
    };
    let values = Values {
        directives: &[],
        remote_dir: &site.scratch,
        token: "or-1-1-00000000",
        run_id: 1,
        steps: &Steps { commands, lanes },
    };
    fill(home, site_name, site, &values).map(drop)
}

/// What lies in `templates/msub/` of `home`, or in a directory of one of `sites` there, and is used
/// for nothing: file and what is wrong with it.
pub fn stray_templates(home: &Path, sites: &[&str]) -> Vec<(PathBuf, String)> {
    let overrides = home.join(OVERRIDES);
    let own = sites.iter().map(|site| overrides.join(site));
    let directories: Vec<PathBuf> = std::iter::once(overrides.clone()).chain(own).collect();
    let known: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
    let entries = directories.iter().flat_map(std::fs::read_dir).flatten();
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let template = path.file_name().and_then(|name| name.to_str());
            !directories.contains(path) && !template.is_some_and(|name| known.contains(&name))
        })
        .map(|path| {
            let message = format!(
                "no template and no site has this name; templates are {}",
                known.join(", ")
            );
            (path, message)
        })
        .collect()
}

/// What the templates see of one run.
struct Values<'a> {
    directives: &'a [String],
    remote_dir: &'a Path,
    token: &'a str,
    run_id: i64,
    steps: &'a Steps,
}

fn fill(
    home: &Path,
    site_name: &str,
    site: &Site,
    values: &Values<'_>,
) -> Result<String, LaunchError> {
    let name = match site.scheduler {
        SchedulerKind::Local => "local.sh",
        SchedulerKind::Slurm | SchedulerKind::Slurmrestd => "slurm.sh",
        SchedulerKind::Moab => "moab.sh",
    };
    let mut tera = Tera::new();
    tera.autoescape_on([".sh"]);
    tera.set_escape_fn(escape);
    let mut texts = Vec::new();
    let mut files = Vec::new();
    for (each, ours) in TEMPLATES {
        if each != name && each != BODY {
            continue;
        }
        let (file, text) = text(home, site_name, each, ours)?;
        files.push((each, file));
        texts.push((each, text));
    }
    does_its_part(&texts, &files, values.steps)?;
    let wrong = |error: tera::Error| {
        let message = error.to_string();
        let place = |each: &str| message.contains(&format!("--> {each}:"));
        let file = files.iter().find(|(each, _)| place(each));
        let file = file.or_else(|| files.iter().find(|(each, _)| *each == name));
        LaunchError::Template {
            template: file.map_or_else(|| name.to_owned(), |(_, file)| file.clone()),
            message: message
                .strip_prefix("error: ")
                .unwrap_or(&message)
                .trim_end()
                .to_owned(),
        }
    };
    tera.add_raw_templates(texts).map_err(wrong)?;
    tera.render(name, &context(site, values)?).map_err(wrong)
}

/// Refuses a template that would run narrow steps one after the other, where several of them are to
/// run at once: most of the allocation would be idle. And one whose array's tasks would each do the
/// work of all.
fn does_its_part(
    texts: &[(&str, String)],
    files: &[(&str, String)],
    steps: &Steps,
) -> Result<(), LaunchError> {
    let names = |word: &str| texts.iter().find(|(_, text)| text.contains(word));
    let wrong = |each: &str, message: String| {
        let file = files.iter().find(|(name, _)| *name == each);
        Err(LaunchError::Template {
            template: file.map_or_else(|| each.to_owned(), |(_, file)| file.clone()),
            message,
        })
    };
    let Some((each, _)) = names("steps") else {
        return Ok(());
    };
    if matches!(steps.commands, Commands::Array(_)) && names("tasks").is_none() {
        return wrong(
            each,
            "it says nothing of `tasks`, the lists of steps of an array's tasks: let each task run its own (as our body.sh does), or leave the site's `array` out".to_owned(),
        );
    }
    let lanes = steps.lanes;
    if lanes == 1 || names("lanes").is_some() {
        return Ok(());
    }
    wrong(
        each,
        format!(
            "it says nothing of `lanes`, so it would run one step after the other, each on a part of the slots: run {lanes} at once, or set `chunk: {{lanes: 1}}`"
        ),
    )
}

/// The file and text of a template: the site's own, that of all sites, or ours.
fn text(
    home: &Path,
    site_name: &str,
    name: &str,
    ours: &str,
) -> Result<(String, String), LaunchError> {
    let overrides = home.join(OVERRIDES);
    for path in [overrides.join(site_name).join(name), overrides.join(name)] {
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok((path.display().to_string(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {},
            Err(error) => {
                return Err(LaunchError::Template {
                    template: path.display().to_string(),
                    message: error.to_string(),
                });
            },
        }
    }
    Ok((format!("{OVERRIDES}/{name}"), ours.to_owned()))
}

fn context(site: &Site, values: &Values<'_>) -> Result<Context, LaunchError> {
    let mut context = Context::new();
    context.insert("directives", values.directives);
    context.insert("environment", &site.environment);
    context.insert("modules", &site.modules);
    context.insert("dir", &values.remote_dir.to_string_lossy());
    context.insert("token", values.token);
    // A template may ask for either.
    let (mut steps, mut tasks) = (Vec::new(), Vec::new());
    match &values.steps.commands {
        Commands::Job(commands) => steps = quoted(commands)?,
        Commands::Array(of_tasks) => {
            tasks = of_tasks
                .iter()
                .map(|commands| quoted(commands))
                .collect::<Result<_, _>>()?;
        },
    }
    context.insert("steps", &steps);
    context.insert("tasks", &tasks);
    context.insert("lanes", &values.steps.lanes);
    context.insert_value("run_id", Value::from(values.run_id));
    Ok(context)
}

/// Commands as lines of a shell script.
fn quoted(commands: &[Vec<String>]) -> Result<Vec<String>, LaunchError> {
    let line = |argv: &Vec<String>| {
        let words: Result<Vec<_>, String> = argv.iter().map(|word| quote(word)).collect();
        words.map(|words| words.join(" "))
    };
    commands
        .iter()
        .map(|argv| {
            line(argv).map_err(|message| LaunchError::Template {
                template: "step".into(),
                message,
            })
        })
        .collect()
}
