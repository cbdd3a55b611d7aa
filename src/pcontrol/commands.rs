//! The commands that `pcontrol` and the scheduler's `controller …` share (spec/pantasks.md §5.2,
//! §5.4): words in, text out.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{
    cluster::Cluster,
    finished::{AnyJob, FinishedJobs},
    pool::{HostError, SlotId, SlotState, Wish},
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

const HOST: &str =
    "host add|on|off|retry|check|delete NAME [-threads N] [-count N] [-keep|-fence] [-all]";
const CHECK: &str = "check job ID | check host ID|NAME";
const JOBSTACK: &str = "jobstack all|pending|busy|resp|done|exit|crash|kill|hung";
const HOSTSTACK: &str = "hoststack all|idle|down|resp|done|busy|off";
const PARAMETERS: &str = "parameters [NAME [= VALUE]]: connect_time (s), wanthost_wait (s), \
                          unwanted_host_jobs, fence (s), keep (0 or 1), retry (s), losses";

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

fn host(cluster: &mut Cluster, words: &[&str], now: Instant) -> Result<String, CommandError> {
    let mut words = words.to_vec();
    let number = |word: Option<&str>, option: &str| match word.map(str::parse::<u32>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(CommandError::Word(format!("{option} takes a number"))),
    };
    let threads = number(value(&mut words, "-threads"), "-threads")?.unwrap_or(0);
    let count = number(value(&mut words, "-count"), "-count")?.unwrap_or(1);
    let keep = match (flag(&mut words, "-keep"), flag(&mut words, "-fence")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    };
    let every = flag(&mut words, "-all");
    let [action, name] = words.as_slice() else {
        return Err(CommandError::Usage(HOST));
    };
    if name.starts_with('-') || name.is_empty() {
        // ssh would take it for an option.
        return Err(CommandError::Word(format!("{name} is no host's name")));
    }
    match *action {
        "add" => {
            let ids = (0..count).map(|_| cluster.add(name, threads, keep, now));
            let lines = ids.map(|id| format!("HostID: {}\n", id.0));
            return Ok(lines.collect());
        },
        "check" => return check_host(cluster, name, now),
        "on" | "off" | "retry" | "delete" => {},
        _ => return Err(CommandError::Usage(HOST)),
    }
    let mut once = || match *action {
        "on" => cluster.on(name, now),
        "off" => cluster.off(name, now),
        "retry" => cluster.retry(name, now),
        _ => cluster.delete(name, now),
    };
    once()?;
    if every && *action != "retry" {
        let slots = cluster.pool.slots_of(name).count();
        for _ in 0..slots {
            let again = match *action {
                "on" => cluster.on(name, now),
                "off" => cluster.off(name, now),
                _ => cluster.delete(name, now),
            };
            if again.is_err() {
                break;
            }
        }
    }
    Ok(String::new())
}

fn check_host(cluster: &Cluster, name: &str, now: Instant) -> Result<String, CommandError> {
    let mut text = String::new();
    for slot in cluster.pool.slots_of(name) {
        let state = cluster.pool.state(slot);
        write!(text, "host {name} is {}", state.word()).unwrap_or_default();
        if state == SlotState::Down
            && let Some(why) = cluster.reason(name, now)
        {
            write!(text, " ({why})").unwrap_or_default();
        }
        text.push('\n');
    }
    if text.is_empty() {
        return Err(HostError::Unknown(name.to_owned()).into());
    }
    Ok(text)
}

fn check_slot(cluster: &Cluster, id: u64) -> Result<String, CommandError> {
    let mut slots = cluster.slots();
    let found = slots.find(|(slot, _)| slot.id.0 == id);
    let (_, state) = found.ok_or(CommandError::NoSlot)?;
    Ok(format!("host {}\n", state.word()))
}

fn check_job(
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

fn jobstack(
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

fn hoststack(cluster: &Cluster, state: &str) -> Result<String, CommandError> {
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

fn machines(cluster: &Cluster) -> String {
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
        let busy = |slot: &&super::Slot| slot.job().is_some();
        let busy = cluster.pool.slots_of(name).filter(busy).count();
        let touched = cluster.pool.touched(name);
        writeln!(text, "{name} : {all} : {busy} : {touched}").unwrap_or_default();
    }
    text
}

fn parameters(cluster: &mut Cluster, words: &[&str]) -> Result<String, CommandError> {
    const NAMES: [&str; 7] = [
        "connect_time",
        "wanthost_wait",
        "unwanted_host_jobs",
        "fence",
        "keep",
        "retry",
        "losses",
    ];
    let name = |word: &str| {
        let mut names = NAMES.iter().filter(|name| name.starts_with(word));
        match (names.next(), names.next()) {
            (Some(name), None) => Ok(*name),
            _ => Err(CommandError::Usage(PARAMETERS)),
        }
    };
    let shown = match words {
        [] => NAMES.to_vec(),
        [word] => vec![name(word)?],
        [word, "=", value] | [word, value] => {
            let name = name(word)?;
            set(cluster, name, value)?;
            return Ok(String::new());
        },
        _ => return Err(CommandError::Usage(PARAMETERS)),
    };
    let settings = &cluster.settings;
    let affinity = &cluster.pool.affinity;
    let lines = shown.into_iter().map(|name| {
        let seconds = |time: Duration| format!("{:.6}", time.as_secs_f64());
        let (title, value) = match name {
            "connect_time" => ("Max Connect Time", seconds(settings.connect_time)),
            "wanthost_wait" => ("Max WantHost Wait", seconds(affinity.wanthost_wait)),
            "unwanted_host_jobs" => (
                "Max Unwanted Host Jobs",
                affinity.unwanted_host_jobs.to_string(),
            ),
            "fence" => ("Fence", seconds(settings.fence)),
            "keep" => ("Keep Jobs", u8::from(settings.keep).to_string()),
            "retry" => ("First Retry", seconds(settings.retry)),
            _ => ("Max Losses", settings.losses.to_string()),
        };
        format!("{title} : {value}\n")
    });
    Ok(lines.collect())
}

fn set(cluster: &mut Cluster, name: &str, value: &str) -> Result<(), CommandError> {
    let wrong = || CommandError::Word(format!("{name} cannot be {value}"));
    let number: f64 = value.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(number).map_err(|_| wrong())?;
    let whole: u32 = value.parse().unwrap_or(u32::MAX);
    let settings = &mut cluster.settings;
    match name {
        "connect_time" => settings.connect_time = time,
        "wanthost_wait" => cluster.pool.affinity.wanthost_wait = time,
        "unwanted_host_jobs" => {
            cluster.pool.affinity.unwanted_host_jobs = value.parse().map_err(|_| wrong())?;
        },
        "fence" if time >= SHORTEST_FENCE => settings.fence = time,
        "keep" if whole <= 1 => settings.keep = whole == 1,
        "retry" if !time.is_zero() => settings.retry = time,
        "losses" if (1..u32::MAX).contains(&whole) => settings.losses = whole,
        _ => return Err(wrong()),
    }
    Ok(())
}

/// A busy machine may be silent for some time.
const SHORTEST_FENCE: Duration = Duration::from_millis(200);

const STATUS: &str = "status [-cmd TEXT] [-host TEXT] [-state STATE] [-age SECONDS] \
                      [+jobs|-nohost] [+host|-nojobs] | status -json";

fn status(
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
