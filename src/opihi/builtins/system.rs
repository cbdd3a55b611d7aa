//! Commands of the machine and of time (spec/pantasks.md §2.2).

use std::time::Duration;

use super::{
    super::{
        error::{Fault, Flow, Outcome},
        interpreter::Interpreter,
        number::{self, Number},
        words::Args,
    },
    Simple,
    options::Options,
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[
    ("exec", run),
    ("date", date),
    ("sleep", sleep),
    ("usleep", usleep),
];

/// Runs a command of the shell; what fails there fails here.
pub(crate) fn exec(
    interpreter: &mut Interpreter,
    command: &str,
    timeout: Option<Duration>,
) -> Outcome {
    let ran = interpreter.host.exec(command, timeout);
    let ran = ran.map_err(|error| Fault::message(format!("cannot run `{command}`: {error}")))?;
    interpreter.set("EXECSTATUS", &ran.code.to_string());
    if !ran.stdout.is_empty() {
        interpreter.out(&String::from_utf8_lossy(&ran.stdout));
    }
    if ran.code == 0 {
        Ok(Flow::On)
    } else {
        let text = format!("exit status of command {}: {command}", ran.code);
        Err(Fault::message(text).into())
    }
}

fn run(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut words: Vec<&str> = args.rest().collect();
    let mut timeout = None;
    if let ["-timeout", seconds, ..] = words.as_slice() {
        timeout = Some(duration(seconds)?);
        words.drain(..2);
    }
    if words.is_empty() {
        return Err(Fault::Usage("exec [-timeout SECONDS] COMMAND..."));
    }
    match exec(interpreter, &words.join(" "), timeout) {
        Err(super::super::error::Stop::Failed(failure)) => Err(failure.fault),
        _ => Ok(()),
    }
}

fn duration(text: &str) -> Result<Duration, Fault> {
    number::parse(text)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.real()).ok())
        .ok_or_else(|| Fault::message(format!("{text} is no time in seconds")))
}

fn date(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let reference = options.value("-reftime");
    let seconds = options.flag("-seconds");
    let now = interpreter.host.now();
    let text = if seconds || reference.is_some() {
        let from = match reference {
            Some(text) => number::parse(text)
                .ok_or_else(|| Fault::message(format!("{text} is no time in seconds")))?
                .real(),
            None => 0.0,
        };
        Number::Real(now.as_duration().as_secs_f64() - from).print()
    } else {
        let zoned = now.to_zoned(interpreter.host.zone());
        zoned.strftime("%a %b %e %H:%M:%S %Y").to_string()
    };
    match variable {
        Some(variable) => interpreter.set(variable, &text),
        None => interpreter.out(&format!("{text}\n")),
    }
    Ok(())
}

fn sleep(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let time = duration(args.get(1).ok_or(Fault::Usage("sleep SECONDS"))?)?;
    interpreter.host.pause(time);
    Ok(())
}

fn usleep(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let time = duration(args.get(1).ok_or(Fault::Usage("usleep MICROSECONDS"))?)?;
    interpreter.host.pause(time / 1_000_000);
    Ok(())
}
