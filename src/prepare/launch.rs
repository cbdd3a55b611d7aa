//! The second half of a run directory, once the allocation is known: multi-prog configs, the
//! wrapper of a rank, the batch script and `run.yaml`.

mod script;

pub use script::{check_templates, stray_templates};

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    PrepareError, RenderRequest, Rendered,
    chunk::{self, ChunkJob, Limits},
    deal::deal,
    render::record_schema,
    template::report,
};
use crate::{
    allocator::Slots,
    config::{recipe::Next, site::Site},
    durable,
    state::run_dir::{
        self,
        decision::{Allocation, Decision, FarProgram},
        jobs::JobLine,
        shares,
    },
};

/// The wrapper of one rank.
const RUN_JOB: &str = include_str!("../../templates/srun/run-job.sh");
/// What stands between a rank and its job in a config.
const PREFIX: &str = "/bin/sh run-job.sh";

/// How a run is launched.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The run's token: `or-<run>-<attempt>-<8 hex>`.
    pub token: &'a str,
    /// The allocation that is asked for.
    pub allocation: &'a Allocation,
    /// Directive lines for the top of the batch script, whole, with their `#`.
    pub directives: &'a [String],
    /// What starts the jobs.
    pub starter: Starter<'a>,
}

/// What starts jobs inside an allocation.
#[derive(Clone, Copy)]
pub enum Starter<'a> {
    /// Configs: the command (argv) that runs one with so many ranks, while up to so many run.
    Chunks(&'a dyn Fn(&str, u32, u32) -> Vec<String>),
    /// Workers that one command (argv) starts.
    Worker {
        /// Where their program is.
        program: &'a FarProgram,
        /// The command that starts them in the batch job, or in a task of the array that it is.
        command: &'a dyn Fn(&FarProgram, Option<u32>) -> Vec<String>,
    },
}

impl std::fmt::Debug for Starter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chunks(_) => f.debug_tuple("Chunks").finish_non_exhaustive(),
            Self::Worker { program, .. } => f
                .debug_struct("Worker")
                .field("program", program)
                .finish_non_exhaustive(),
        }
    }
}

/// The steps of a batch script.
#[derive(Debug)]
struct Steps {
    /// What is to be done.
    commands: Commands,
    /// How many steps run at once.
    lanes: u32,
}

/// The command (argv) of each step, in the order in which they begin.
#[derive(Debug)]
enum Commands {
    /// Of the batch job.
    Job(Vec<Vec<String>>),
    /// Of each task of the array that the batch job is.
    Array(Vec<Vec<Vec<String>>>),
}

/// Why a batch script cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A directive that would be more than one line, or none.
    #[error("`{}` cannot be a directive of the batch script", .0.escape_debug())]
    Directive(String),
    /// A template of the batch script that cannot be used.
    #[error("{template}: {message}")]
    Template {
        /// The template's file, or name if it is ours.
        template: String,
        /// What is wrong.
        message: String,
    },
    /// A token that is not in the batch script.
    #[error(
        "{path} carries no token like {token}; cancel the run, and its components are free to be bundled again"
    )]
    Token {
        /// The batch script.
        path: PathBuf,
        /// The token.
        token: String,
    },
}

/// Adds configs, wrapper, batch script and `run.yaml` to what was rendered.
///
/// # Errors
/// When a job fits into no config, a directive holds a newline, a template of the batch script is
/// wrong, or the disk says no.
pub fn write(
    rendered: &Rendered,
    request: &RenderRequest<'_>,
    launch: &Launch<'_>,
) -> Result<Decision, PrepareError> {
    let dir = rendered.dir();
    remove_old_chunks(dir)?;
    let mut chunks = 0;
    let steps = match launch.starter {
        Starter::Chunks(step) => {
            let parts = write_chunks(rendered, request, launch)?;
            put(&dir.join(run_dir::WRAPPER), RUN_JOB)?;
            let all = parts.iter().flatten();
            chunks = all.clone().count() as u64;
            let widest = all.map(|chunk| chunk.ranks).max().unwrap_or(1);
            let most = parts.iter().map(Vec::len).max().unwrap_or(0);
            let lanes = lanes(request.site, launch.allocation, widest, most);
            let mut steps = parts.into_iter().map(|part| {
                let chunks = part.into_iter();
                let command = |chunk: Chunk| step(&chunk.name, chunk.ranks, lanes);
                chunks.map(command).collect()
            });
            Steps {
                commands: match launch.allocation.tasks {
                    None => Commands::Job(steps.next().unwrap_or_default()),
                    Some(_) => Commands::Array(steps.collect()),
                },
                lanes,
            }
        },
        Starter::Worker { program, command } => Steps {
            commands: match launch.allocation.tasks {
                None => Commands::Job(vec![command(program, None)]),
                Some(tasks) => {
                    write_shares(dir, tasks)?;
                    let each = (0..tasks).map(|task| vec![command(program, Some(task))]);
                    Commands::Array(each.collect())
                },
            },
            lanes: 1,
        },
    };
    let script = script::render(request, launch, &steps)?;
    put(&dir.join(run_dir::BATCH_SCRIPT), &script)?;
    let recipe = request.recipe;
    let decision = Decision {
        run_id: request.run_id,
        stage: recipe.stage.clone(),
        site: request.site_name.to_owned(),
        label: request.label.to_owned(),
        remote_dir: request.remote_dir.to_owned(),
        allocation: launch.allocation.clone(),
        components: rendered.components_ok,
        jobs: rendered.jobs,
        chunks,
        worker: match launch.starter {
            Starter::Chunks(_) => None,
            Starter::Worker { program, .. } => Some(program.clone()),
        },
        files_in: rendered.files_in,
        bytes_in: rendered.bytes_in,
        files_out: rendered.files_out,
        schema: recipe.dbinfo.as_ref().map(record_schema),
        report: report(recipe),
        next: recipe.next.as_ref().map(|next| match next {
            Next::Stage(stage) | Next::Keyed { stage, .. } => stage.clone(),
        }),
        resident: request.site.resident.clone(),
    };
    decision.write(dir)?;
    Ok(decision)
}

/// Makes the batch script of a run carry `token`, whichever token of the run it carries: a new
/// attempt is in state.db before it is in the script.
///
/// # Errors
/// When the script carries no token of the run, or the disk says no.
pub fn retoken(run_dir: &Path, token: &str) -> Result<(), PrepareError> {
    let path = run_dir.join(run_dir::BATCH_SCRIPT);
    let script = fs::read_to_string(&path).map_err(PrepareError::io(&path))?;
    if script.contains(token) {
        return Ok(());
    }
    match with_token(&script, token) {
        Some(script) => put(&path, &script),
        None => Err(LaunchError::Token {
            path,
            token: token.to_owned(),
        }
        .into()),
    }
}

/// A script with all tokens of one run replaced by another of that run, if it holds any.
fn with_token(script: &str, token: &str) -> Option<String> {
    let run = token.rsplitn(3, '-').nth(2)?;
    let begin = format!("{run}-");
    let mut pieces = script.split(&begin);
    let mut renewed = pieces.next()?.to_owned();
    let mut found = false;
    for piece in pieces {
        match after_token(piece) {
            Some(rest) => {
                found = true;
                renewed.extend([token, rest]);
            },
            None => renewed.extend([begin.as_str(), piece]),
        }
    }
    found.then_some(renewed)
}

/// What follows `<attempt>-<8 hex>` at the beginning of a text.
fn after_token(text: &str) -> Option<&str> {
    let (attempt, rest) = text.split_once('-')?;
    let (secret, rest) = rest.split_at_checked(8)?;
    let digits =
        |part: &str, test: fn(&u8) -> bool| !part.is_empty() && part.bytes().all(|b| test(&b));
    (digits(attempt, u8::is_ascii_digit) && digits(secret, u8::is_ascii_hexdigit)).then_some(rest)
}

/// How many of so many steps, the widest of so many ranks, run at once.
fn lanes(site: &Site, allocation: &Allocation, widest: u32, steps: usize) -> u32 {
    let steps = u32::try_from(steps).unwrap_or(u32::MAX).max(1);
    slots(allocation).lanes(site.lanes(), widest).min(steps)
}

/// A config that is written.
struct Chunk {
    name: String,
    ranks: u32,
}

fn slots(allocation: &Allocation) -> Slots {
    Slots {
        nodes: allocation.nodes,
        per_node: allocation.slots_per_node,
    }
}

/// Writes the configs of each task of an array, or of the one job.
fn write_chunks(
    rendered: &Rendered,
    request: &RenderRequest<'_>,
    launch: &Launch<'_>,
) -> Result<Vec<Vec<Chunk>>, PrepareError> {
    let limits = &request.site.chunk;
    let share = slots(launch.allocation).share(request.site.lanes());
    let limits = Limits {
        max_bytes: limits.max_bytes.0,
        max_line: limits.max_line.0,
        max_tasks: limits.max_tasks.map_or(share, |most| most.min(share)),
    };
    let jobs = read_jobs(&rendered.dir().join(run_dir::JOBS))?;
    let hands = match launch.allocation.tasks {
        None => vec![jobs],
        Some(tasks) => deal(jobs, tasks),
    };
    let mut names = (0..).map(run_dir::chunk_name);
    let mut parts = Vec::with_capacity(hands.len());
    for mut jobs in hands {
        let cuts = chunk::chunks(&mut jobs, limits, PREFIX)?;
        let mut part = Vec::with_capacity(cuts.len());
        for (cut, name) in cuts.into_iter().zip(names.by_ref()) {
            let members = jobs.get(cut).unwrap_or_default();
            write_chunk(&rendered.dir().join(&name), members)?;
            let ranks = u32::try_from(members.len()).unwrap_or(u32::MAX);
            part.push(Chunk { name, ranks });
        }
        parts.push(part);
    }
    Ok(parts)
}

/// Writes which of so many tasks has which job.
fn write_shares(dir: &Path, tasks: u32) -> Result<(), PrepareError> {
    let hands = deal(read_jobs(&dir.join(run_dir::JOBS))?, tasks);
    let path = dir.join(run_dir::SHARES);
    let write = || {
        let mut out = BufWriter::new(File::create(&path)?);
        out.write_all(shares::HEADER.as_bytes())?;
        for (task, jobs) in (0..).zip(&hands) {
            for job in jobs {
                out.write_all(shares::line(job.seq, task).as_bytes())?;
            }
        }
        out.flush()
    };
    write().map_err(PrepareError::io(&path))
}

fn write_chunk(path: &Path, members: &[ChunkJob]) -> Result<(), PrepareError> {
    let file = File::create(path).map_err(PrepareError::io(path))?;
    let mut out = BufWriter::new(file);
    chunk::write(members, PREFIX, &mut out)
        .and_then(|()| out.flush())
        .map_err(PrepareError::io(path))
}

fn read_jobs(path: &Path) -> Result<Vec<ChunkJob>, PrepareError> {
    let file = File::open(path).map_err(PrepareError::io(path))?;
    let lines = BufReader::with_capacity(1 << 16, file).lines().enumerate();
    lines
        .skip(1)
        .map(|(index, line)| {
            let line = line.map_err(PrepareError::io(path))?;
            let job = JobLine::read(index + 1, &line).map_err(PrepareError::tsv(path))?;
            Ok(ChunkJob {
                seq: job.seq,
                seconds: job.seconds,
                offset: job.offset,
                length: job.length,
            })
        })
        .collect()
}

/// Configs of an earlier prepare, which may have had more of them.
fn remove_old_chunks(dir: &Path) -> Result<(), PrepareError> {
    for entry in fs::read_dir(dir).map_err(PrepareError::io(dir))? {
        let entry = entry.map_err(PrepareError::io(dir))?;
        let name = entry.file_name();
        let is_chunk = name
            .to_str()
            .and_then(|name| name.strip_prefix("chunk."))
            .is_some_and(|rest| rest.strip_suffix(".conf").is_some());
        if is_chunk {
            fs::remove_file(entry.path()).map_err(PrepareError::io(&entry.path()))?;
        }
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), PrepareError> {
    durable::write(path, text.as_bytes()).map_err(PrepareError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_gets_the_token_of_its_run_whichever_it_had() {
        let script = "#SBATCH --job-name=or-7-1-0a1b2c3d\nor_token=or-7-1-0a1b2c3d\necho or-7-x or-17-1-0a1b2c3d\n";
        assert_eq!(
            with_token(script, "or-7-2-99999999").unwrap(),
            "#SBATCH --job-name=or-7-2-99999999\nor_token=or-7-2-99999999\necho or-7-x or-17-1-0a1b2c3d\n"
        );
        assert_eq!(with_token("", "or-7-2-99999999"), None);
    }
}
