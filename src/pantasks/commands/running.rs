//! Whether the scheduler runs: `run`, `stop`, `halt`, `pulse`, `verbose` (spec/pantasks.md §2.5).

use jiff::SignedDuration;

use super::{super::scheduler::Shared, Simple};
use crate::opihi::{Args, Fault, Interpreter};

pub(super) const COMMANDS: &[(&str, Simple)] = &[
    ("run", run),
    ("stop", stop),
    ("halt", halt),
    ("verbose", verbose),
];

pub(super) const OWN: &[(&str, Simple)] = &[("pulse", pulse)];

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn run(shared: &Shared, _: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    shared.lock().run();
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn stop(shared: &Shared, _: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    shared.lock().stop();
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn halt(shared: &Shared, _: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    shared.lock().halt();
    Ok(())
}

fn verbose(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let on = match args.get(1) {
        None => !shared.lock().verbose,
        Some("on") => true,
        Some("off") => false,
        Some(_) => return Err(Fault::Usage("verbose [on|off]")),
    };
    shared.lock().verbose = on;
    if args.len() == 1 {
        interpreter.out(&format!("verbose {}\n", if on { "on" } else { "off" }));
    }
    Ok(())
}

fn pulse(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let Some(word) = args.get(1) else {
        let seconds = shared.lock().pulse.as_secs_f64();
        interpreter.out(&format!("pulse: {seconds} s\n"));
        return Ok(());
    };
    let length = word.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0);
    let length = length.and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok());
    let length = length.ok_or(Fault::Usage(
        "pulse [SECONDS]: the least time between two evaluations of the tasks",
    ))?;
    shared.lock().pulse = length;
    Ok(())
}
