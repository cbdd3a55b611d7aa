//! `controller …`: the pool of hosts (spec/pantasks.md §5.2, §5.4).
//!
//! This machine's own names take jobs at once. Other hosts are listed as DOWN, with the reason:
//! jobs that need them wait.

use std::fmt::Write as _;

use super::{
    super::{
        job::{JobId, State},
        scheduler::{Scheduler, Shared},
    },
    Simple, take_value,
};
use crate::{
    opihi::{Args, Fault, Interpreter},
    pcontrol::{HostError, SlotState, Wish},
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[("controller", controller)];

const USAGE: Fault = Fault::Usage(
    "controller host add|on|retry|check|off|delete NAME [-threads N] | exit true | status | \
     jobstack STATE | hoststack STATE | machines | check job ID | check host NAME | run | stop | \
     verbose | version | output | pulse",
);

fn controller(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut words: Vec<&str> = args.rest().collect();
    let threads = take_value(&mut words, "-threads");
    let mut scheduler = shared.lock();
    let text = match words.as_slice() {
        ["host", action, name] => host(&mut scheduler, action, name, threads)?,
        ["check", "host", name] => host(&mut scheduler, "check", name, None)?,
        ["check", "job", id] => check_job(&scheduler, id)?,
        // The jobs that run stay as they are: the controller is no process of its own to kill.
        ["exit", ..] => {
            let removed = scheduler.clear_hosts();
            format!("controller stopped, {removed} hosts removed\n")
        },
        ["status", ..] => status(&scheduler),
        ["jobstack", state] => jobstack(&scheduler, state),
        ["hoststack", state] => hoststack(&scheduler, state),
        ["machines"] => machines(&scheduler),
        ["run"] => {
            scheduler.standing.controller = true;
            String::new()
        },
        ["stop"] => {
            scheduler.standing.controller = false;
            String::new()
        },
        ["version"] => format!("pcontrol of Outrigger {}\n", env!("CARGO_PKG_VERSION")),
        ["verbose" | "output" | "pulse" | "parameters", ..] => String::new(),
        _ => return Err(USAGE),
    };
    drop(scheduler);
    interpreter.out(&text);
    Ok(())
}

fn host(
    scheduler: &mut Scheduler,
    action: &str,
    name: &str,
    threads: Option<&str>,
) -> Result<String, Fault> {
    let down = unreachable(name);
    let note = down
        .as_ref()
        .map_or(String::new(), |why| format!("host {name} is DOWN: {why}\n"));
    let failed = |error: HostError| Fault::message(error.to_string());
    match action {
        "add" => {
            let threads = threads.map_or(Ok(0), str::parse);
            let threads = threads.map_err(|_| Fault::message("-threads takes a number"))?;
            let id = scheduler.pool.add(name, threads, down);
            return Ok(format!("HostID: {id}\n{note}"));
        },
        "on" => scheduler.pool.on(name, down).map_err(failed)?,
        "retry" => scheduler.pool.retry(name, down).map_err(failed)?,
        "off" => scheduler.pool.off(name).map_err(failed)?,
        "delete" => scheduler.pool.delete(name).map_err(failed)?,
        "check" => {
            let slots = scheduler.pool.slots();
            let of = slots.filter(|slot| slot.host.eq_ignore_ascii_case(name));
            let text: String = of
                .map(|slot| format!("host {name} is {}\n", slot.state.word()))
                .collect();
            if text.is_empty() {
                return Err(failed(HostError::Unknown(name.to_owned())));
            }
            return Ok(text);
        },
        _ => return Err(USAGE),
    }
    Ok(note)
}

/// Why jobs cannot be brought to a host; nothing where it is this machine.
fn unreachable(name: &str) -> Option<String> {
    let uname = rustix::system::uname();
    let own = uname.nodename().to_string_lossy();
    let short = own.split('.').next().unwrap_or_default();
    let here = ["localhost", "127.0.0.1", &own, short];
    (!here.iter().any(|known| known.eq_ignore_ascii_case(name))).then(|| {
        format!("only this machine ({own}) takes jobs of the controller so far; they wait")
    })
}

fn check_job(scheduler: &Scheduler, id: &str) -> Result<String, Fault> {
    let unknown = || Fault::message(format!("job {id} not found"));
    let number = id.parse().map_err(|_| unknown())?;
    let job = scheduler.jobs.get(JobId(number)).ok_or_else(unknown)?;
    let host = match &job.state {
        State::Busy { host, .. } => host,
        _ => "NONE",
    };
    Ok(format!("STATUS {}\nHOSTNAME {host}\n", job.state.word()))
}

/// A job as the stacks show it: its number, state, host or wish, and program.
fn job_line(scheduler: &Scheduler, id: u64) -> Option<(&'static str, String)> {
    let job = scheduler.jobs.get(JobId(id))?;
    let place = match &job.state {
        State::Busy { host, .. } => host.clone(),
        _ => match scheduler.pool.waiting().find(|(job, _)| *job == id) {
            Some((_, Wish::Required(host) | Wish::Desired(host))) => format!("({host})"),
            _ => "(any)".to_owned(),
        },
    };
    let program = job.launch.argv.first().map_or("", String::as_str);
    Some((job.state.word(), format!("{id} {program}   {place}")))
}

/// The numbers of the jobs that the controller has.
fn jobs(scheduler: &Scheduler) -> Vec<u64> {
    let seated = scheduler.pool.slots().filter_map(|slot| match slot.state {
        SlotState::Busy(job) => Some(job),
        _ => None,
    });
    let mut all: Vec<u64> = scheduler.pool.waiting().map(|(job, _)| job).collect();
    all.extend(seated);
    all.sort_unstable();
    all
}

fn jobstack(scheduler: &Scheduler, state: &str) -> String {
    let lines: Vec<String> = jobs(scheduler)
        .into_iter()
        .filter_map(|id| job_line(scheduler, id))
        .filter(|(word, _)| state.eq_ignore_ascii_case("all") || word.eq_ignore_ascii_case(state))
        .map(|(_, line)| line)
        .collect();
    let mut text = format!("Njobs: {}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn hoststack(scheduler: &Scheduler, state: &str) -> String {
    let slots: Vec<_> = scheduler
        .pool
        .slots()
        .filter(|slot| {
            state.eq_ignore_ascii_case("all") || slot.state.word().eq_ignore_ascii_case(state)
        })
        .collect();
    let mut text = format!("Nhosts: {}\n", slots.len());
    for slot in slots {
        writeln!(text, "{} {}", slot.id, slot.host).unwrap_or_default();
    }
    text
}

fn machines(scheduler: &Scheduler) -> String {
    let mut names: Vec<&str> = Vec::new();
    for slot in scheduler.pool.slots() {
        if !names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&slot.host))
        {
            names.push(&slot.host);
        }
    }
    let mut text = format!("Nmachines: {}\n", names.len());
    for name in names {
        let of = |slot: &&crate::pcontrol::Slot| slot.host.eq_ignore_ascii_case(name);
        let all = scheduler.pool.slots().filter(of).count();
        let busy = scheduler
            .pool
            .slots()
            .filter(of)
            .filter(|slot| matches!(slot.state, SlotState::Busy(_)))
            .count();
        let want = scheduler
            .pool
            .waiting()
            .filter(|(_, wish)| match wish {
                Wish::Required(host) | Wish::Desired(host) => host.eq_ignore_ascii_case(name),
                Wish::Any => false,
            })
            .count();
        writeln!(text, "{name} : {all} : {busy} : {want}").unwrap_or_default();
    }
    text
}

fn status(scheduler: &Scheduler) -> String {
    let jobs = jobs(scheduler);
    let mut text = format!("job stack ALLJOBS:  {} objects\n", jobs.len());
    for (n, id) in jobs.iter().enumerate() {
        let Some(job) = scheduler.jobs.get(JobId(*id)) else {
            continue;
        };
        let age = scheduler.now().duration_since(job.submitted).as_secs_f64();
        let host = match &job.state {
            State::Busy { host, .. } => host.as_str(),
            _ => "(any)",
        };
        let (count, argv) = (job.launch.argv.len(), job.launch.argv.join(" "));
        writeln!(
            text,
            "{n:3} {host:>9} {:>7}  {age:8.2} {id} {count:2} {argv}",
            job.state.word()
        )
        .unwrap_or_default();
    }
    let slots: Vec<_> = scheduler.pool.slots().collect();
    writeln!(text, "host stack ALLHOSTS:  {} objects", slots.len()).unwrap_or_default();
    for (n, slot) in slots.iter().enumerate() {
        let why = match &slot.state {
            SlotState::Down(why) => format!("  ({why})"),
            _ => String::new(),
        };
        writeln!(
            text,
            "{n}  {}  {:>5}  {}{why}",
            slot.host,
            slot.state.word(),
            slot.id
        )
        .unwrap_or_default();
    }
    text
}

/// The jobs on the controller's hosts (`status -c`).
pub(super) fn remote_jobs(scheduler: &Scheduler) -> String {
    format!(
        " jobs currently running remotely:\n{}",
        jobstack(scheduler, "BUSY")
    )
}
