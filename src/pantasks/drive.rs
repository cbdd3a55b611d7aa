//! The loop of a scheduler: it sleeps until something is due, a job ends, or somebody asks for
//! something. There is no tick.

use std::time::Duration;

use tokio::{runtime::Runtime, sync::mpsc};

use super::session::{Quit, Session};
use crate::shell::request::{Answer, Request, Words};

/// Turns the session over until it is told to end; the code it was told.
pub fn drive(
    session: &mut Session,
    runtime: &Runtime,
    requests: &mut mpsc::UnboundedReceiver<Request>,
) -> i32 {
    let Err(Quit(code)) = turn(session, runtime, requests);
    // A process that is left behind would be nobody's.
    runtime.block_on(session.shut_down());
    code
}

fn turn(
    session: &mut Session,
    runtime: &Runtime,
    requests: &mut mpsc::UnboundedReceiver<Request>,
) -> Result<std::convert::Infallible, Quit> {
    loop {
        session.harvest()?;
        while let Ok(request) = requests.try_recv() {
            serve(session, request)?;
        }
        let wake = session.cycle()?;
        let now = session.scheduler().lock().now();
        let pause = wake.map(|at| {
            let left = at.duration_since(now);
            Duration::try_from(left).unwrap_or(Duration::ZERO)
        });
        if pause.is_some_and(|pause| pause.is_zero()) {
            continue;
        }
        let event = runtime.block_on(async {
            tokio::select! {
                biased;
                request = requests.recv() => Event::Asked(request),
                report = session.reported() => Event::Reported(report),
                () = sleep(pause) => Event::Due,
            }
        });
        match event {
            Event::Asked(Some(request)) => serve(session, request)?,
            // Nobody can ask for anything any more.
            Event::Asked(None) => return Err(Quit(0)),
            Event::Reported(Some(report)) => session.take(report)?,
            Event::Reported(None) | Event::Due => {},
        }
    }
}

enum Event {
    Asked(Option<Request>),
    Reported(Option<super::session::Report>),
    Due,
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

fn serve(session: &mut Session, request: Request) -> Result<(), Quit> {
    match request {
        Request::Typed { name, text, done } => {
            let worked = session.run_text(&name, &text)?;
            // Whoever asked may have gone; what was asked is done all the same.
            done.send(worked).unwrap_or_default();
        },
        Request::Client { text, done } => {
            session.outlet().capture();
            let worked = session.run_line("client".as_ref(), &text);
            let said = session.outlet().release();
            let answer = Answer {
                worked: worked.unwrap_or(true),
                said,
            };
            drop(done.send(answer));
            worked?;
        },
        Request::Words(done) => drop(done.send(words(session))),
        Request::Quit(code) => return Err(Quit(code)),
    }
    Ok(())
}

fn words(session: &mut Session) -> Words {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    let tasks = {
        let scheduler = session.scheduler().lock();
        owned(
            scheduler
                .tasks
                .iter()
                .map(super::task::Task::name)
                .collect(),
        )
    };
    let interpreter = session.interpreter();
    let variables = interpreter.variables();
    Words {
        commands: owned(interpreter.command_names().collect()),
        tasks,
        books: owned(interpreter.books().iter().map(|(name, _)| name).collect()),
        variables: owned(variables.into_iter().map(|(name, _)| name).collect()),
    }
}
