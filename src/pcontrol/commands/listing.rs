//! What lists: `status`, the stacks, `machines`, `check job`.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use super::{CommandError, all, find, flag, job_id, value};
use crate::pcontrol::{
    Cluster, Slot, SlotId, SlotState, Wish,
    finished::{AnyJob, FinishedJobs},
};

pub(super) fn check_job(
    cluster: &Cluster,
    finished: &FinishedJobs,
    word: &str,
) -> Result<String, CommandError> {
    let id = job_id(word).ok_or_else(|| CommandError::JobId(word.to_owned()))?;
    let job = find(cluster, finished, id).ok_or(CommandError::NoJob)?;
    let (status, out, err, wall) = match job {
        AnyJob::Open(_) => (0, 0, 0, Duration::ZERO),
        AnyJob::Over(over) => (
            over.status(),
            over.completion.stdout.len(),
            over.completion.stderr.len(),
            over.wall(),
        ),
    };
    Ok(format!(
        "STATUS {}\nEXITST {status}\nSTDOUT {out}\nSTDERR {err}\nDTIME {:.6}\nHOSTNAME {}\n",
        job.word(),
        wall.as_secs_f64(),
        job.host().unwrap_or("NONE"),
    ))
}

/// Where a job is, or would like to be.
fn place(job: AnyJob<'_>) -> String {
    match (job.host(), &job.request().claim.wish) {
        (Some(host), _) => host.to_owned(),
        (None, Wish::Required(host) | Wish::Desired(host)) => host.clone(),
        (None, Wish::Any) => "anyhost".to_owned(),
    }
}

pub(super) fn jobstack(
    cluster: &Cluster,
    finished: &FinishedJobs,
    state: &str,
) -> Result<String, CommandError> {
    if !is_job_state(state) {
        return Err(CommandError::Word("jobstack not found".to_owned()));
    }
    let jobs = all(cluster, finished);
    let jobs: Vec<_> = jobs
        .into_iter()
        .filter(|(_, job)| is_in(*job, state))
        .collect();
    let mut text = format!("BEGIN BLOCK Njobs: {}\n", jobs.len());
    for (id, job) in jobs {
        let program = job.request().argv.first().map_or("", String::as_str);
        let place = match job.host() {
            Some(host) => format!(" {host}"),
            None => format!("({})", place(job)),
        };
        writeln!(text, "{id} {program}  {place}").unwrap_or_default();
    }
    Ok(text)
}

pub(super) fn hoststack(cluster: &Cluster, state: &str) -> Result<String, CommandError> {
    const STATES: [&str; 7] = ["all", "idle", "down", "resp", "done", "busy", "off"];
    if !STATES.iter().any(|known| known.eq_ignore_ascii_case(state)) {
        return Err(CommandError::Word("hoststack not found".to_owned()));
    }
    let meant = |slot: SlotState| {
        state.eq_ignore_ascii_case("all") || slot.word().eq_ignore_ascii_case(state)
    };
    let slots: Vec<_> = cluster.slots().filter(|(_, state)| meant(*state)).collect();
    let mut text = format!("Nhosts: {}\n", slots.len());
    for (slot, _) in slots {
        writeln!(text, "{} {}", slot.id.0, slot.host).unwrap_or_default();
    }
    Ok(text)
}

pub(super) fn machines(cluster: &Cluster) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (slot, _) in cluster.slots() {
        if !names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&slot.host))
        {
            names.push(&slot.host);
        }
    }
    let mut text = format!("Nmachines: {}\n", names.len());
    for name in names {
        let all = cluster.pool.slots_of(name).count();
        let busy = |slot: &&Slot| slot.job().is_some();
        let busy = cluster.pool.slots_of(name).filter(busy).count();
        let touched = cluster.pool.touched(name);
        writeln!(text, "{name} : {all} : {busy} : {touched}").unwrap_or_default();
    }
    text
}

const STATUS: &str = "status [-cmd TEXT] [-host TEXT] [-state STATE] [-age SECONDS] \
                      [+jobs|-nohost] [+host|-nojobs] | status -json";

pub(super) fn status(
    cluster: &Cluster,
    finished: &FinishedJobs,
    words: &[&str],
    now: Instant,
) -> Result<String, CommandError> {
    const USAGE: CommandError = CommandError::Usage(STATUS);
    let mut words = words.to_vec();
    let command = value(&mut words, "-cmd").unwrap_or_default();
    let host = value(&mut words, "-host").unwrap_or_default();
    let state = value(&mut words, "-state");
    let least = value(&mut words, "-age").map_or(Ok(0.0), str::parse);
    let least: f64 = least.map_err(|_| USAGE)?;
    let without_hosts = flag(&mut words, "-nohost") | flag(&mut words, "+jobs");
    let without_jobs = flag(&mut words, "-nojobs") | flag(&mut words, "+host");
    if !words.is_empty() || state.is_some_and(|state| !is_job_state(state)) {
        return Err(USAGE);
    }
    let mut text = String::new();
    if !without_jobs {
        let jobs = all(cluster, finished);
        writeln!(text, "job stack ALLJOBS:  {} objects", jobs.len()).unwrap_or_default();
        for (n, (id, job)) in jobs.iter().enumerate() {
            let age = job.age(now).as_secs_f64();
            let request = job.request();
            let program = request.argv.first().map_or("", String::as_str);
            let place = place(*job);
            let is_meant = program.contains(command)
                && place.contains(host)
                && age >= least
                && state.is_none_or(|state| is_in(*job, state));
            if is_meant {
                writeln!(
                    text,
                    "{n:3} {place:>9} {:>7}  {age:8.2} {}  {:2} {}",
                    job.word(),
                    SlotId(*id),
                    request.nice,
                    request.argv.join(" ")
                )
                .unwrap_or_default();
            }
        }
    }
    if !without_hosts {
        let slots: Vec<_> = cluster.slots().collect();
        writeln!(text, "host stack ALLHOSTS:  {} objects", slots.len()).unwrap_or_default();
        for (n, (slot, state)) in slots.into_iter().enumerate() {
            let why = match state {
                SlotState::Down => cluster.reason(&slot.host, now),
                _ => None,
            };
            let why = why.map_or(String::new(), |why| format!("  ({why})"));
            let (word, id) = (state.word(), slot.id);
            writeln!(text, "{n}  {}  {word:>5}  {id}{why}", slot.host).unwrap_or_default();
        }
    }
    Ok(text)
}

/// The stacks of jobs; nothing is ever in RESP, DONE or HUNG here.
fn is_job_state(word: &str) -> bool {
    const STATES: [&str; 9] = [
        "all", "pending", "busy", "resp", "done", "exit", "crash", "kill", "hung",
    ];
    STATES.iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn is_in(job: AnyJob<'_>, state: &str) -> bool {
    let word = job.word();
    ["all", word]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(state))
        || (word == "BUSY" && state.eq_ignore_ascii_case("resp"))
}
