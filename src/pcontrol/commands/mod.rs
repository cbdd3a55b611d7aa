//! The commands that `pcontrol` and the scheduler's `controller …` share (spec/pantasks.md §5.2,
//! §5.4): words in, text out.

mod host;
mod listing;
mod parameters;

use std::time::Instant;

use thiserror::Error;

pub(super) use self::parameters::SHORTEST_FENCE;
use self::{
    host::{check_host, check_slot, host},
    listing::{check_job, hoststack, jobstack, machines, status},
    parameters::parameters,
};
use super::{
    Cluster, HostError,
    finished::{AnyJob, FinishedJobs},
    limits::LimitError,
};

/// A command that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// It is written otherwise.
    #[error("USAGE: {0}")]
    Usage(&'static str),
    /// A host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// No such job.
    #[error("job not found")]
    NoJob,
    /// No such slot.
    #[error("host not found")]
    NoSlot,
    /// Not a job's number.
    #[error("invalid job id {0}")]
    JobId(String),
    /// A word that means nothing here.
    #[error("{0}")]
    Word(String),
}

impl From<LimitError> for CommandError {
    fn from(error: LimitError) -> Self {
        Self::Word(error.to_string())
    }
}

const CHECK: &str = "check job ID | check host ID|NAME";
const JOBSTACK: &str = "jobstack all|pending|busy|resp|done|exit|crash|kill|hung";
const HOSTSTACK: &str = "hoststack all|idle|down|resp|done|busy|off";

/// Does a command that needs nothing but hosts and jobs; nothing where it is none of these.
pub fn command(
    cluster: &mut Cluster,
    finished: &FinishedJobs,
    words: &[&str],
    now: Instant,
) -> Option<Result<String, CommandError>> {
    Some(match words {
        ["host", words @ ..] => host(cluster, words, now),
        ["check", what, name] if what.eq_ignore_ascii_case("host") => match name.parse() {
            Ok(id) => check_slot(cluster, id),
            Err(_) => check_host(cluster, name, now),
        },
        ["check", what, id] if what.eq_ignore_ascii_case("job") => check_job(cluster, finished, id),
        ["check", ..] => Err(CommandError::Usage(CHECK)),
        ["jobstack", state] => jobstack(cluster, finished, state),
        ["jobstack", ..] => Err(CommandError::Usage(JOBSTACK)),
        ["hoststack", state] => hoststack(cluster, state),
        ["hoststack", ..] => Err(CommandError::Usage(HOSTSTACK)),
        ["machines"] => Ok(machines(cluster)),
        ["machines", ..] => Err(CommandError::Usage("machines")),
        ["parameters", words @ ..] => parameters(cluster, words),
        ["status", "-json"] => Ok(super::report::json(cluster, finished, now)),
        ["status", words @ ..] => status(cluster, finished, words, now),
        _ => return None,
    })
}

/// The job that `word` names: a number, or four hexadecimal parts with dots between.
pub fn job_id(word: &str) -> Option<u64> {
    if word.contains('.') {
        let mut id = 0_u64;
        let mut parts = 0;
        for part in word.split('.') {
            let part = u16::from_str_radix(part, 16).ok()?;
            id = (id << 16) | u64::from(part);
            parts += 1;
        }
        return (parts == 4).then_some(id);
    }
    word.parse().ok()
}

/// A job, over or not.
pub fn find<'a>(cluster: &'a Cluster, finished: &'a FinishedJobs, id: u64) -> Option<AnyJob<'a>> {
    let open = cluster.job(id).map(AnyJob::Open);
    open.or_else(|| finished.get(&id).map(AnyJob::Over))
}

/// All jobs in the order of their submission.
pub(super) fn all<'a>(cluster: &'a Cluster, finished: &'a FinishedJobs) -> Vec<(u64, AnyJob<'a>)> {
    let open = cluster.jobs().map(|(id, job)| (id, AnyJob::Open(job)));
    let over = finished.iter().map(|(id, job)| (*id, AnyJob::Over(job)));
    let mut jobs: Vec<_> = open.chain(over).collect();
    jobs.sort_unstable_by_key(|(id, _)| *id);
    jobs
}

/// The value behind `option` in `words`, both taken out.
pub(super) fn value<'a>(words: &mut Vec<&'a str>, option: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == option)?;
    let value = *words.get(at + 1)?;
    words.drain(at..at + 2);
    Some(value)
}

/// Whether `option` is among `words`; it is taken out.
fn flag(words: &mut Vec<&str>, option: &str) -> bool {
    let before = words.len();
    words.retain(|word| *word != option);
    words.len() < before
}
