//! Commands of the machine and of time (spec/pantasks.md §2.2).

use std::{io::ErrorKind, time::Duration};

use super::{
    super::{
        error::Fault,
        host::Ran,
        interpreter::Interpreter,
        number::{Number, leading_real},
        words::Args,
    },
    Entry, answer_aside,
    options::Options,
};

pub(super) const COMMANDS: &[Entry] = &[
    (
        "exec",
        "exec [-timeout SECONDS] COMMAND...",
        "runs a command of the shell; fails where it does",
        exec,
    ),
    (
        "!",
        "! [-timeout SECONDS] COMMAND...",
        "runs a command of the shell; fails where it does",
        exec,
    ),
    (
        "date",
        "date [-seconds] [-reftime SECONDS] [-var VARIABLE]",
        "tells the time, or the seconds since 1970 or since a time in such seconds",
        date,
    ),
    ("sleep", "sleep SECONDS", "waits", |interpreter, args| {
        let time = duration(args.get(1).ok_or(Fault::MISUSED)?)?;
        interpreter.host.pause(time);
        Ok(())
    }),
    (
        "usleep",
        "usleep MICROSECONDS",
        "waits",
        |interpreter, args| {
            let time = duration(args.get(1).ok_or(Fault::MISUSED)?)?;
            interpreter.host.pause(time / 1_000_000);
            Ok(())
        },
    ),
];

/// What a command of the shell printed; an exit code that is not 0 is told.
pub(crate) fn capture(interpreter: &mut Interpreter, command: &str) -> Result<Ran, Fault> {
    let ran = interpreter.host.capture(command);
    let ran = ran.map_err(|error| Fault::message(format!("cannot run `{command}`: {error}")))?;
    if ran.code != 0 {
        let code = ran.code;
        interpreter.err(&format!("warning: exit status of command {code}\n"));
    }
    Ok(ran)
}

/// The lines of an output that have something on them, without the blanks before it.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.split('\n').map(str::trim_ascii_start);
    lines.filter(|line| !line.is_empty())
}

fn exec(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let timeout = options.value("-timeout").map(leading_real);
    let timeout = match timeout.filter(|seconds| *seconds > 0.0) {
        Some(seconds) => Some(seconds_of(seconds)?),
        None => None,
    };
    if options.words().is_empty() {
        return Err(Fault::MISUSED);
    }
    let command = options.words().join(" ");
    let ran = match interpreter.host.exec(&command, timeout) {
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            return Err(Fault::message(format!("timeout on {command}")));
        },
        ran => ran.map_err(|error| Fault::message(format!("cannot run `{command}`: {error}")))?,
    };
    if !ran.stdout.is_empty() {
        interpreter.out(&String::from_utf8_lossy(&ran.stdout));
    }
    if ran.code == 0 {
        Ok(())
    } else {
        let text = format!("exit status of command {}: {command}", ran.code);
        Err(Fault::message(text))
    }
}

fn seconds_of(seconds: f64) -> Result<Duration, Fault> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| Fault::message(format!("{seconds} is no time in seconds")))
}

fn duration(text: &str) -> Result<Duration, Fault> {
    seconds_of(leading_real(text).max(0.0))
}

fn date(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let seconds = options.flag("-seconds");
    let reference = options.value("-reftime").map_or(0.0, leading_real);
    let variable = options.value("-var");
    if !options.words().is_empty() {
        return Err(Fault::MISUSED);
    }
    let now = interpreter.host.now();
    let text = if seconds {
        Number::Real(now.as_duration().as_secs_f64() - reference).print()
    } else {
        let zoned = now.to_zoned(interpreter.host.zone());
        zoned.strftime("%a %b %e %H:%M:%S %Y").to_string()
    };
    answer_aside(interpreter, variable, &text);
    Ok(())
}
