//! The program: reads its command line, opens the workplace, runs a mode, prints.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use super::{
    answer::{Answer, Failure},
    args::parse,
    define,
    exit::Exit,
    list,
    request::{Command, Mode, Request},
    revert, update,
};
use crate::{
    config::{
        self,
        problem::{Look, render},
    },
    remote::Workplace,
    state::Store,
};

/// Runs `remotetool` with its arguments. `place` is outrigger.yaml, or a directory in or below
/// its own.
pub fn main(place: &Path, arguments: &[OsString]) -> ExitCode {
    let words = arguments
        .iter()
        .map(|word| word.to_string_lossy().into_owned());
    let done = match parse(words) {
        Ok(Request::Help(usage)) => Ok(Answer::of(usage)),
        Ok(Request::Run(command)) => run(place, &command),
        Err(error) => Err(Failure {
            exit: error.exit(),
            text: error.to_string(),
        }),
    };
    ExitCode::from(finish(done).code())
}

fn finish(done: Result<Answer, Failure>) -> Exit {
    match done {
        Ok(answer) => {
            for note in &answer.notes {
                drop(writeln!(io::stderr(), "{note}"));
            }
            let mut out = io::stdout().lock();
            match out
                .write_all(answer.out.as_bytes())
                .and_then(|()| out.flush())
            {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Sys,
                _ => Exit::Ok,
            }
        },
        Err(failure) => {
            drop(writeln!(io::stderr(), "{}", failure.text.trim_end()));
            failure.exit
        },
    }
}

fn run(place: &Path, command: &Command) -> Result<Answer, Failure> {
    if let Mode::DropComponent { .. } = command.mode {
        return Err(Failure::new(
            "do you really want to drop a component? -dropcomponent is disabled: \
             -revertcomponent frees it to be bundled again",
        ));
    }
    let mut workplace = open(place, command.dbname.as_deref())?;
    execute(&mut workplace, &command.mode)
}

/// The database is that of the configuration, unless -dbname names a file.
fn open(place: &Path, dbname: Option<&str>) -> Result<Workplace, Failure> {
    let loaded = config::load(place).map_err(|problems| Failure {
        text: render(&problems, Look::of(&io::stderr())),
        exit: Exit::Config,
    })?;
    let state = match dbname.map(Path::new).filter(|path| path.is_file()) {
        Some(file) => file.to_owned(),
        None => loaded.state_file(),
    };
    let store = Store::open(&state)?;
    let program = std::env::current_exe().map_err(|error| Failure {
        text: format!("cannot tell where this program is: {error}"),
        exit: Exit::Sys,
    })?;
    Ok(Workplace::new(loaded, store, program))
}

/// Runs a mode.
fn execute(workplace: &mut Workplace, mode: &Mode) -> Result<Answer, Failure> {
    match mode {
        Mode::DefineByQuery(define) => define::run(workplace, define),
        Mode::ListRun(filter, listing) => list::runs(workplace, filter, *listing),
        Mode::ListComponent(filter, listing) => list::components(workplace, filter, *listing),
        Mode::DonePrep(filter, listing) => list::done_prep(workplace, filter, *listing),
        Mode::UpdateRun { remote_id, change } => update::run(workplace, *remote_id, change),
        Mode::UpdatePoll { remote_id } => update::poll(workplace, *remote_id),
        Mode::UpdateComponent {
            remote_id,
            stage_id,
            state,
            change,
        } => update::components(workplace, *remote_id, *stage_id, *state, change),
        Mode::RevertRun {
            remote_id,
            labels,
            fault,
        } => revert::runs(workplace, *remote_id, labels, *fault),
        Mode::RevertAuth { remote_id, labels } => revert::auth(workplace, *remote_id, labels),
        Mode::RevertComponent {
            remote_id,
            stage_id,
        } => revert::components(workplace, *remote_id, *stage_id),
        Mode::DropComponent { .. } => Ok(Answer::default()),
    }
}
