//! Single jobs: `job`, `kill`, `delete`, `flush` (spec/pantasks.md §2.5; seed 002).

use super::{
    super::{
        job::{JobId, Launch, Stop},
        scheduler::Shared,
        task::{Host, Target},
        tasks::Deleted,
    },
    Simple, take_flag, take_value,
};
use crate::opihi::{Args, Fault, Interpreter};

pub(super) const COMMANDS: &[(&str, Simple)] =
    &[("kill", kill), ("delete", delete), ("flush", flush)];

pub(super) const OWN: &[(&str, Simple)] = &[("job", job)];

fn job(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    const USAGE: Fault = Fault::Usage(
        "job [-host NAME [-required]] [-priority N] [-xhost NAME]... [-nice N] [-stdout FILE] [-stderr FILE] [-block FILE] \
         [-exit MACRO] -- PROGRAM [WORD...]",
    );
    let words: Vec<&str> = args.rest().collect();
    let mut parts = words.splitn(2, |word| *word == "--");
    let (mut options, argv) = match (parts.next(), parts.next()) {
        (Some(options), Some(argv)) => (options.to_vec(), argv.to_vec()),
        (Some(argv), None) if !argv.first().is_some_and(|word| word.starts_with('-')) => {
            (Vec::new(), argv.to_vec())
        },
        _ => return Err(USAGE),
    };
    let required = take_flag(&mut options, "-required");
    let turn = super::words::take_turn(&mut options).ok_or(USAGE)?;
    let host = take_value(&mut options, "-host").unwrap_or("local");
    let nice = take_value(&mut options, "-nice").map(str::parse);
    let target = |word: Option<&str>| word.map_or(Target::Nowhere, Target::from_word);
    let stdout = target(take_value(&mut options, "-stdout"));
    let stderr = target(take_value(&mut options, "-stderr"));
    let mut block = Vec::new();
    while let Some(file) = take_value(&mut options, "-block") {
        block.push(file.into());
    }
    let exit = take_value(&mut options, "-exit").map(str::to_owned);
    let (Some(program), []) = (argv.first(), options.as_slice()) else {
        return Err(USAGE);
    };
    if let Some(name) = &exit {
        interpreter.command_name(name)?;
    }
    let launch = Launch {
        name: (*program).to_owned(),
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        options: Vec::new(),
        stdout,
        stderr,
        nice: nice.transpose().map_err(|_| USAGE)?.unwrap_or(0),
        host: Host::from_word(host, required),
        block,
        turn,
    };
    let mut scheduler = shared.lock();
    let id = scheduler.submit(None, launch);
    if let Some(name) = exit {
        scheduler.own_exits.insert(id, name);
    }
    drop(scheduler);
    interpreter.out(&format!("JobID: {}\n", id.0));
    Ok(())
}

fn kill(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let id = args.get(1).filter(|_| args.len() == 2);
    remove(shared, interpreter, id.ok_or(Fault::Usage("kill JOBID"))?)
}

fn remove(shared: &Shared, interpreter: &mut Interpreter, id: &str) -> Result<(), Fault> {
    let id = id
        .parse()
        .map_err(|_| Fault::message(format!("{id} is no job's number; `status` lists the jobs")))?;
    let mut scheduler = shared.lock();
    let said = match scheduler.end(JobId(id), Stop::Kill) {
        Ok(_) => "job removed\n",
        Err(_) => "job not found\n",
    };
    let scheduler = &mut *scheduler;
    scheduler.tasks.sweep(&scheduler.jobs);
    interpreter.out(said);
    Ok(())
}

fn delete(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let words: Vec<&str> = args.rest().collect();
    match words.as_slice() {
        [what, id] if what.eq_ignore_ascii_case("job") => remove(shared, interpreter, id),
        [what, name] if what.eq_ignore_ascii_case("task") => {
            let mut scheduler = shared.lock();
            let scheduler = &mut *scheduler;
            let deleted = scheduler.tasks.delete(name, &scheduler.jobs);
            let deleted = deleted.map_err(|error| Fault::message(error.to_string()))?;
            interpreter.out(match deleted {
                Deleted::Gone => "task removed\n",
                Deleted::Draining => "task makes no more jobs, and goes with its last one\n",
            });
            Ok(())
        },
        _ => Err(Fault::Usage("delete job JOBID | delete task NAME")),
    }
}

fn flush(shared: &Shared, interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    if args.get(1) != Some("jobs") || args.len() != 2 {
        return Err(Fault::Usage("flush jobs"));
    }
    let count = shared.lock().flush();
    interpreter.out(&format!("{count} jobs removed\n"));
    Ok(())
}
