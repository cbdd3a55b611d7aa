//! The commands of the program `pcontrol`, in the words and formats of the original
//! (spec/pantasks.md §5.2). Answers go to the log stream, complaints about the way a command is
//! written to the error stream.

use std::{io::Read as _, sync::Arc};

use super::{
    commands::{self, CommandError, job_id},
    desk::{Desk, Level, RawSink, Shared},
    finished::Finished,
    job::Request,
    limits::{LONGEST, LimitError, MOST, NICEST, whole},
    pool::{SlotId, Wish},
    waiting::Claim,
};
use crate::{
    opihi::{Args, Builtin, Fault, Flow, Interpreter, Stop},
    process::Captured,
};

type Simple = fn(&Shared, &mut Interpreter, &Args) -> Result<(), Stop>;

const COMMANDS: &[(&str, Simple)] = &[
    ("check", check),
    ("delete", delete),
    ("host", shared),
    ("hoststack", shared),
    ("job", job),
    ("jobstack", shared),
    ("kill", kill),
    ("machines", shared),
    ("parameters", shared),
    ("pulse", pulse),
    ("run", run),
    ("status", shared),
    ("stderr", output),
    ("stdout", output),
    ("stop", run),
    ("verbose", verbose),
    ("version", version),
];

/// Most bytes of an output that a variable takes.
const VARIABLE_LIMIT: u64 = 1 << 20;

/// Adds the commands to an interpreter.
pub(super) fn register(interpreter: &mut Interpreter, desk: &Shared) {
    for (name, run) in COMMANDS {
        interpreter.register(name, builtin(desk, *run));
    }
    interpreter.register_own("drain", builtin(desk, drain));
}

fn builtin(desk: &Shared, run: Simple) -> Builtin {
    let desk = desk.clone();
    Arc::new(move |interpreter, args| {
        run(&desk, interpreter, args)?;
        Ok(Flow::On)
    })
}

/// Nothing more is read until all jobs are over.
fn drain(desk: &Shared, _: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    if args.len() > 1 {
        return Err(Fault::Usage("drain").into());
    }
    desk.lock().draining = true;
    Ok(())
}

/// A command that the scheduler's `controller` knows too.
fn shared(desk: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    let words: Vec<&str> = args.all().collect();
    let done = {
        let mut desk = desk.lock();
        let desk = &mut *desk;
        let now = desk.instant();
        commands::command(&mut desk.cluster, &desk.finished, &words, now)
    };
    match done {
        Some(Ok(text)) => {
            interpreter.out(&text);
            Ok(())
        },
        Some(Err(error)) => refuse(interpreter, &error),
        None => Err(Fault::Usage("help").into()),
    }
}

/// What stands in a command's way is an answer too, for whoever reads answers.
fn refuse(interpreter: &mut Interpreter, error: &CommandError) -> Result<(), Stop> {
    match error {
        CommandError::Usage(usage) => Err(Fault::Usage(usage).into()),
        error => {
            interpreter.out(&format!("{error}\n"));
            Err(Stop::Break)
        },
    }
}

fn complain(interpreter: &mut Interpreter, text: &str) -> Result<(), Stop> {
    interpreter.err(&format!("{text}\n"));
    Err(Stop::Break)
}

fn check(desk: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    let mut words: Vec<&str> = args.all().collect();
    let before = words.len();
    words.retain(|word| *word != "-save");
    let save = words.len() < before;
    let plain: Args = words.iter().copied().collect();
    shared(desk, interpreter, &plain)?;
    if save && let [_, what, word] = words.as_slice() {
        let desk = desk.lock();
        if what.eq_ignore_ascii_case("job") {
            save_job(&desk, interpreter, word);
        } else {
            let mut slots = desk.cluster.slots();
            let of = |id: SlotId, host: &str| {
                *word == id.0.to_string() || word.eq_ignore_ascii_case(host)
            };
            if let Some((_, state)) = slots.find(|(slot, _)| of(slot.id, &slot.host)) {
                interpreter.set("HOST_STATE", state.word());
            }
        }
    }
    Ok(())
}

fn save_job(desk: &Desk, interpreter: &mut Interpreter, word: &str) {
    let found = job_id(word).and_then(|id| commands::find(&desk.cluster, &desk.finished, id));
    let Some(job) = found else { return };
    let over = job_id(word).and_then(|id| desk.finished.get(&id));
    let number = |of: &dyn Fn(&Finished) -> String| over.map_or("0".to_owned(), of);
    let wished = match &job.request().claim.wish {
        Wish::Any => "anyhost",
        Wish::Desired(host) | Wish::Required(host) => host,
    };
    let values = [
        ("JOB_STATUS", job.word().to_owned()),
        ("JOB_EXITST", number(&|over| over.status().to_string())),
        (
            "JOB_STDOUT_SIZE",
            number(&|over| over.completion.stdout.len().to_string()),
        ),
        (
            "JOB_STDERR_SIZE",
            number(&|over| over.completion.stderr.len().to_string()),
        ),
        (
            "JOB_DTIME",
            number(&|over| format!("{:.6}", over.wall().as_secs_f64())),
        ),
        ("JOB_HOSTNAME", wished.to_owned()),
        ("JOB_REALHOST", job.host().unwrap_or("NONE").to_owned()),
    ];
    for (name, value) in values {
        interpreter.set(name, &value);
    }
}

fn job(desk: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    const USAGE: Fault = Fault::Usage(
        "job [-host HOST | +host HOST] [-xhost HOST]... [-nice N] [-priority N] [-timeout S] \
         PROGRAM [WORD...]: -host is a wish, +host an order, -xhost a host whose disks it works \
         on; @MAX_THREADS@ becomes the host's number of threads",
    );
    let mut words = args.rest().peekable();
    let mut claim = Claim {
        wish: Wish::Any,
        touches: Vec::new(),
        priority: 0,
    };
    let mut nice = 0;
    // Options stand in front of the program: the program's own are not ours.
    while let Some(option) = words.next_if(|word| OPTIONS.contains(word)) {
        let value = words.next().ok_or(USAGE)?;
        match (option, &claim.wish) {
            ("-host" | "+host", Wish::Desired(_) | Wish::Required(_)) => {
                return complain(interpreter, "ERROR: -host and +host are incompatible");
            },
            ("-host", _) if value.eq_ignore_ascii_case("anyhost") => {},
            ("-host", _) => claim.wish = Wish::Desired(value.to_owned()),
            ("+host", _) => claim.wish = Wish::Required(value.to_owned()),
            ("-xhost", _) => claim.touches.push(value.to_owned()),
            ("-nice", _) => match whole(option, value, 0, NICEST) {
                Ok(number) => nice = number,
                Err(error) => return complain(interpreter, &format!("ERROR: {error}")),
            },
            ("-priority", _) => match whole(option, value, -MOST, MOST) {
                Ok(number) => claim.priority = number,
                Err(error) => return complain(interpreter, &format!("ERROR: {error}")),
            },
            // Taken and never used, as on the original: tasks give times that are not meant so.
            _ => {},
        }
    }
    let argv: Vec<String> = words.map(str::to_owned).collect();
    if argv.is_empty() {
        return Err(USAGE.into());
    }
    let id = desk.lock().submit(Request {
        argv,
        nice,
        block: Vec::new(),
        claim,
    });
    interpreter.out(&format!("JobID: {id}\n"));
    Ok(())
}

const OPTIONS: [&str; 6] = ["-host", "+host", "-xhost", "-nice", "-priority", "-timeout"];

fn kill(desk: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    let word = args.get(1).ok_or(Fault::Usage("kill JOBID"))?;
    let mut desk = desk.lock();
    let busy = job_id(word).filter(|id| {
        let job = desk.cluster.job(*id);
        job.is_some_and(|job| job.word() == "BUSY")
    });
    match busy {
        Some(id) => {
            desk.cluster.kill(id);
            Ok(())
        },
        None => complain(interpreter, &format!("job {word} not BUSY")),
    }
}

fn delete(desk: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    let word = args.get(1).ok_or(Fault::Usage("delete JOBID"))?;
    let Some(id) = job_id(word) else {
        return complain(interpreter, &format!("invalid job id {word}"));
    };
    let mut desk = desk.lock();
    let waits = desk.cluster.job(id).is_some_and(|job| job.place.is_none());
    let request = if waits {
        let request = desk.cluster.job(id).map(|job| job.request.clone());
        desk.deleted.insert(id);
        desk.cluster.kill(id);
        request
    } else {
        desk.finished.remove(&id).map(|job| job.request)
    };
    let Some(request) = request else {
        let text = format!("job {word} not PENDING, CRASH, EXIT");
        return complain(interpreter, &text);
    };
    let host = match &request.claim.wish {
        Wish::Any => "anyhost",
        Wish::Desired(host) | Wish::Required(host) => host,
    };
    interpreter.out(&format!(
        "deleting job  {host}  {}  {} {}\n",
        request.argv.len(),
        request.argv.join(" "),
        SlotId(id)
    ));
    Ok(())
}

fn output(desk: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    let mut words: Vec<&str> = args.all().collect();
    let variable = commands::value(&mut words, "-var").map(str::to_owned);
    let [name, word] = words.as_slice() else {
        let name = words.first().copied().unwrap_or_default();
        interpreter.err(&format!("USAGE: {name} (JobID) [-var name]\n"));
        interpreter.out("STATUS -1\n");
        return Err(Stop::Break);
    };
    let mut desk = desk.lock();
    let Desk { finished, raw, .. } = &mut *desk;
    let Some(job) = job_id(word).and_then(|id| finished.get(&id)) else {
        interpreter.err("job not found in EXIT or CRASH\n");
        match variable {
            Some(variable) => interpreter.set(&variable, "NULL"),
            None => interpreter.out("STATUS -2\n"),
        }
        return Err(Stop::Break);
    };
    let completion = &job.completion;
    let captured = match *name {
        "stderr" => &completion.stderr,
        _ => &completion.stdout,
    };
    let read = match variable {
        Some(variable) => into_variable(interpreter, &variable, captured),
        None => copy(captured, raw),
    };
    if let Err(error) = read {
        interpreter.err(&format!("{name} of job {word}: {error}\n"));
        return Err(Stop::Break);
    }
    if words.len() == args.len() {
        interpreter.out("STATUS 0\n");
    }
    Ok(())
}

fn into_variable(
    interpreter: &mut Interpreter,
    variable: &str,
    captured: &Captured,
) -> std::io::Result<()> {
    let mut text = Vec::new();
    captured
        .reader()
        .take(VARIABLE_LIMIT)
        .read_to_end(&mut text)?;
    interpreter.set(variable, &String::from_utf8_lossy(&text));
    if captured.len() > VARIABLE_LIMIT {
        interpreter.err(&format!(
            "{} bytes: ${variable} has the first {VARIABLE_LIMIT}\n",
            captured.len()
        ));
    }
    Ok(())
}

fn copy(captured: &Captured, raw: &mut RawSink) -> std::io::Result<()> {
    let mut reader = captured.reader();
    let mut bytes = vec![0; 64 << 10];
    loop {
        let read = reader.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        raw(bytes.get(..read).unwrap_or_default());
    }
}

fn run(desk: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    let words: Vec<&str> = args.all().collect();
    let level = match words.as_slice() {
        ["stop"] => Level::None,
        ["run"] => Level::All,
        ["run", word] => match word.to_ascii_lowercase().as_str() {
            "all" => Level::All,
            "reap" => Level::Reap,
            "host" | "hosts" => Level::Hosts,
            "none" => Level::None,
            _ => {
                return complain(
                    interpreter,
                    &format!("  unknown run level {word}\n{LEVELS}"),
                );
            },
        },
        ["stop", ..] => return Err(Fault::Usage("stop").into()),
        _ => return complain(interpreter, &format!("USAGE: run [level]\n{LEVELS}")),
    };
    desk.lock().level = level;
    Ok(())
}

const LEVELS: &str = "  allowed levels:
  all (default) : manage machines, spawn jobs, harvest jobs
  reap          : manage machines, harvest jobs
  hosts         : manage machines, not jobs
  none          : all stop";

fn verbose(desk: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    let mut desk = desk.lock();
    let word = args.get(1).map(str::to_ascii_uppercase);
    desk.verbose = match word.as_deref() {
        None => {
            let word = if desk.verbose { "ON" } else { "OFF" };
            interpreter.err(&format!("verbose mode {word}\n"));
            return Ok(());
        },
        Some("ON") => true,
        Some("OFF") => false,
        Some("TOGGLE") => !desk.verbose,
        Some(_) => return Err(Fault::Usage("verbose (on/off/toggle)").into()),
    };
    Ok(())
}

/// There is nothing that pulses: the controller acts when something happens.
fn pulse(_: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Stop> {
    let word = args.get(1).ok_or(Fault::Usage("pulse (microseconds)"))?;
    match whole("pulse", word, 0, LONGEST.as_micros()) {
        Ok(_) => Ok(()),
        Err(LimitError::Other(..)) => Err(Fault::Usage("pulse (microseconds)").into()),
        Err(error) => complain(interpreter, &format!("ERROR: {error}")),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn version(_: &Shared, interpreter: &mut Interpreter, _: &Args) -> Result<(), Stop> {
    interpreter.out(concat!(
        "pcontrol of Outrigger ",
        env!("CARGO_PKG_VERSION"),
        "\n"
    ));
    Ok(())
}
