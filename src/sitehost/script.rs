//! The batch script of a bundle: one file, which each of its workers runs too.

use std::fmt::Write as _;

use crate::{
    batch::{Dialect, DirectiveError, JobRequest},
    config::site::{SchedulerKind, Site},
    pclient::wire::Start,
};

const BODY: &str = include_str!("bundle.sh");

/// Why there can be no such script.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScriptError {
    /// The site's scheduler has no words for what is asked.
    #[error(transparent)]
    Directive(#[from] DirectiveError),
    /// A word that no shell can be given.
    #[error("a word with a NUL byte cannot go to a site")]
    Nul,
}

impl From<shlex::QuoteError> for ScriptError {
    fn from(_: shlex::QuoteError) -> Self {
        Self::Nul
    }
}

/// What the script of a bundle is made from.
pub(super) struct Parts<'a> {
    pub(super) site: &'a Site,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) request: &'a JobRequest,
    /// The bundle's directory on the site.
    pub(super) dir: &'a str,
    pub(super) jobs: &'a [Start],
}

/// The text of the script.
pub(super) fn render(parts: &Parts<'_>) -> Result<String, ScriptError> {
    let Parts {
        site,
        dialect,
        request,
        dir,
        jobs,
    } = parts;
    let mut text = String::from(match site.scheduler {
        SchedulerKind::Local => "#!/bin/sh\n",
        SchedulerKind::Slurm | SchedulerKind::Slurmrestd => "#!/bin/bash -l\n",
        SchedulerKind::Moab => "#!/bin/bash -l\n#MSUB -S /bin/bash\n",
    });
    for line in dialect.directives(request)? {
        writeln!(text, "{line}").unwrap_or_default();
    }
    let modules = site
        .modules
        .iter()
        .map(|module| format!("module load {module}"));
    let lines: Vec<String> = site.environment.iter().cloned().chain(modules).collect();
    // Workers inherit what the batch job has set up.
    if !lines.is_empty() {
        let lines = lines.join("\n");
        writeln!(text, "if [ \"${{1:-}}\" != worker ]; then\n{lines}\nfi").unwrap_or_default();
    }
    let ranks = request.nodes.saturating_mul(request.cores_per_node.max(1));
    let ranks = ranks
        .min(u32::try_from(jobs.len()).unwrap_or(u32::MAX))
        .max(1);
    let step = dialect.step_command("workers.conf", ranks, 1);
    writeln!(
        text,
        "or_dir={}\nor_token={}\nor_jobs={}\nor_ranks={ranks}\nor_step() {{ {}; }}",
        quote(dir)?,
        request.name,
        jobs.len(),
        words(&step)?
    )
    .unwrap_or_default();
    let scratch = quote(&site.scratch.to_string_lossy())?.into_owned();
    for (seq, job) in jobs.iter().enumerate() {
        let awaited = if job.block.is_empty() {
            String::new()
        } else {
            let files = words(&job.block)?;
            format!("or_await {files} || {{ : >{seq}.blocked; exit 1; }}\n")
        };
        let nice = match job.nice {
            0 => String::new(),
            nice => format!("nice -n {nice} "),
        };
        let argv = words(&job.argv)?;
        writeln!(
            text,
            "or_job_{seq}() {{\n{awaited}cd {scratch} || exit 1\nexec {nice}{argv}\n}}"
        )
        .unwrap_or_default();
    }
    text.push_str(BODY);
    Ok(text)
}

fn quote(word: &str) -> Result<std::borrow::Cow<'_, str>, shlex::QuoteError> {
    shlex::try_quote(word)
}

fn words(words: &[String]) -> Result<String, shlex::QuoteError> {
    let quoted: Result<Vec<_>, _> = words.iter().map(|word| quote(word)).collect();
    Ok(quoted?.join(" "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{batch::dialect, config::units::Seconds};

    fn script(site: &str, jobs: &[Start]) -> Result<String, ScriptError> {
        let site: Site = serde_yaml::from_str(site).unwrap();
        let request = JobRequest::new(&site, "or-1-1-00000001", 2, Seconds(60), "/s/job.out");
        render(&Parts {
            site: &site,
            dialect: dialect(&site, Path::new("/bin/outrigger")).as_ref(),
            request: &request,
            dir: "/s/outrigger/bundle.or-1-1-00000001",
            jobs,
        })
    }

    fn job(argv: &[&str]) -> Start {
        Start {
            run: 1,
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            nice: 0,
            block: Vec::new(),
        }
    }

    #[test]
    fn words_of_a_job_stay_words() {
        let text = script("{scratch: /s}", &[job(&["echo", "it's $HOME", ";reboot"])]).unwrap();
        assert!(
            text.contains("exec echo \"it's \"'$HOME' ';reboot'\n"),
            "{text}"
        );
        assert!(script("{scratch: /s}", &[job(&["a\0b"])]).is_err());
    }

    #[test]
    fn there_are_no_more_workers_than_jobs_or_cores() {
        let site = "{scratch: /s, scheduler: slurm, nodes: {cores: 4, max: 2}}";
        let jobs: Vec<Start> = (0..20).map(|_| job(&["true"])).collect();
        assert!(script(site, &jobs).unwrap().contains("or_ranks=8\n"));
        assert!(script(site, &jobs[..3]).unwrap().contains("or_ranks=3\n"));
    }
}
