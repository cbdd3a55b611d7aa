//! The words of a task, in its definition and in task.exec (spec/pantasks.md §3.1).

use super::{
    super::{
        scheduler::{Scheduler, Shared, Subject, zone_of},
        task::{Host, Periods, Settings, Target, Task, Turn},
        trange::Range,
    },
    Simple, take_flag, take_value,
};
use crate::opihi::{Args, Body, Fault, Interpreter};

pub(super) const COMMANDS: &[(&str, Simple)] = &[
    ("command", command),
    ("host", host),
    ("options", options),
    ("periods", periods),
    ("stdout", stdout),
    ("stderr", stderr),
    ("active", active),
    ("nice", nice),
    ("nmax", nmax),
    ("npending", npending),
    ("trange", trange),
];

/// The settings of the task that is being defined or evaluated.
fn settings<'a>(scheduler: &'a mut Scheduler, word: &str) -> Result<&'a mut Settings, Fault> {
    let id = match &mut scheduler.subject {
        Subject::Definition(task) => return Ok(&mut task.settings),
        Subject::Evaluation(id) => Some(*id),
        Subject::Nothing => None,
    };
    let task = id.and_then(|id| scheduler.tasks.get_mut(id));
    task.map(|task| &mut task.settings).ok_or_else(|| {
        Fault::message(format!(
            "{word}: there is no task here; it belongs in a task or in its task.exec"
        ))
    })
}

/// The task that is being defined.
fn definition<'a>(scheduler: &'a mut Scheduler, word: &str) -> Result<&'a mut Task<Body>, Fault> {
    match &mut scheduler.subject {
        Subject::Definition(task) => Ok(task),
        Subject::Evaluation(_) | Subject::Nothing => Err(Fault::message(format!(
            "{word}: no task is being defined here; it belongs between `task NAME` and its `end`"
        ))),
    }
}

fn command(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut words: Vec<&str> = args.rest().collect();
    let mut block = Vec::new();
    while let ["-block", file, ..] = words.as_slice() {
        block.push((*file).into());
        words.drain(..2);
    }
    if words.is_empty() {
        return Err(Fault::Usage("command [-block FILE]... PROGRAM [WORD...]"));
    }
    let mut scheduler = shared.lock();
    let settings = settings(&mut scheduler, "command")?;
    settings.block = block;
    // The words of the last evaluation make room for these.
    settings.command.truncate(words.len());
    let mut new = words.into_iter();
    for old in &mut settings.command {
        if let Some(word) = new.next() {
            old.clear();
            old.push_str(word);
        }
    }
    settings.command.extend(new.map(str::to_owned));
    Ok(())
}

fn host(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    const USAGE: Fault =
        Fault::Usage("host local|anyhost|NAME [-required] [-priority N] [-xhost NAME]...");
    let mut words: Vec<&str> = args.rest().collect();
    let required = take_flag(&mut words, "-required");
    let turn = take_turn(&mut words).ok_or(USAGE)?;
    let &[name] = words.as_slice() else {
        return Err(USAGE);
    };
    let mut scheduler = shared.lock();
    let settings = settings(&mut scheduler, "host")?;
    settings.host = Host::from_word(name, required);
    settings.turn = turn;
    Ok(())
}

/// Who goes first, from the options of a `host` or a `job`; nothing where a number is none.
pub(super) fn take_turn(words: &mut Vec<&str>) -> Option<Turn> {
    let priority = take_value(words, "-priority").map_or(Ok(0), str::parse);
    let mut touches = Vec::new();
    while let Some(host) = take_value(words, "-xhost") {
        touches.push(host.to_owned());
    }
    Some(Turn {
        priority: priority.ok()?,
        touches,
    })
}

fn options(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut scheduler = shared.lock();
    let settings = settings(&mut scheduler, "options")?;
    settings.options = args.rest().map(str::to_owned).collect();
    Ok(())
}

fn periods(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    const USAGE: Fault = Fault::Usage("periods [-exec S] [-poll S] [-timeout S] [-pending S|none]");
    let mut words: Vec<&str> = args.rest().collect();
    let seconds = |word: &str| match word.parse::<f64>() {
        Ok(value) if value >= 0.0 => Ok(value),
        _ => Err(Fault::message(format!(
            "periods: `{word}` is no time in seconds"
        ))),
    };
    let exec = take_value(&mut words, "-exec").map(seconds).transpose()?;
    let poll = take_value(&mut words, "-poll").map(seconds).transpose()?;
    let timeout = take_value(&mut words, "-timeout")
        .map(seconds)
        .transpose()?;
    let pending = take_value(&mut words, "-pending");
    let pending = match pending {
        Some("none") => Some(None),
        Some(word) => Some(Some(seconds(word)?)),
        None => None,
    };
    if !words.is_empty() || args.len() < 2 {
        return Err(USAGE);
    }
    let mut scheduler = shared.lock();
    let target: &mut Periods = match scheduler.subject {
        Subject::Nothing => &mut scheduler.tasks.default_periods,
        _ => &mut settings(&mut scheduler, "periods")?.periods,
    };
    target.exec = exec.unwrap_or(target.exec);
    target.poll = poll.unwrap_or(target.poll);
    target.timeout = timeout.unwrap_or(target.timeout);
    target.pending = pending.unwrap_or(target.pending);
    Ok(())
}

fn target(args: &Args) -> Option<Target> {
    match args.rest().collect::<Vec<_>>().as_slice() {
        ["-var", name] => Some(Target::Variable((*name).to_owned())),
        [file] => Some(Target::from_word(file)),
        _ => None,
    }
}

fn stdout(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let target = target(args).ok_or(Fault::Usage("stdout FILE|NULL|-var VARIABLE"))?;
    settings(&mut shared.lock(), "stdout")?.stdout = target;
    Ok(())
}

fn stderr(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let target = target(args).ok_or(Fault::Usage("stderr FILE|NULL|-var VARIABLE"))?;
    settings(&mut shared.lock(), "stderr")?.stderr = target;
    Ok(())
}

fn one(args: &Args) -> Option<&str> {
    args.get(1).filter(|_| args.len() == 2)
}

fn active(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    const USAGE: Fault = Fault::Usage("active true|false");
    let active = match one(args).map(str::to_ascii_lowercase).as_deref() {
        Some("true") => true,
        Some("false") => false,
        _ => return Err(USAGE),
    };
    definition(&mut shared.lock(), "active")?.active = active;
    Ok(())
}

fn nice(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let level = one(args).and_then(|word| word.parse().ok());
    let level = level.filter(|level| *level <= 20);
    let level = level.ok_or(Fault::Usage("nice LEVEL, from 0 to 20"))?;
    definition(&mut shared.lock(), "nice")?.nice = level;
    Ok(())
}

fn nmax(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let count = one(args).and_then(|word| word.parse().ok());
    let count = count.ok_or(Fault::Usage("nmax JOBS, in all; 0 for no limit"))?;
    definition(&mut shared.lock(), "nmax")?.nmax = count;
    Ok(())
}

fn npending(shared: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let count = one(args).and_then(|word| word.parse().ok());
    let count = count.ok_or(Fault::Usage("npending JOBS, at once; 0 for no limit"))?;
    definition(&mut shared.lock(), "npending")?.npending = count;
    Ok(())
}

fn trange(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let words: Vec<&str> = args.rest().collect();
    let zone = interpreter.get("TIMEZONE").map(str::to_owned);
    let zone = zone.or_else(|| interpreter.host().environment("PANTASKS_TIMEZONE"));
    let mut scheduler = shared.lock();
    let ranges = &mut definition(&mut scheduler, "trange")?.ranges;
    if words == ["-reset"] {
        ranges.reset();
        return Ok(());
    }
    let range = zone_of(zone.as_deref()).and_then(|zone| Range::parse(&words, &zone));
    ranges.add(range.map_err(|error| Fault::message(error.to_string()))?);
    Ok(())
}
