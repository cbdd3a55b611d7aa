//! The loop of a scheduler: it sleeps until something is due, a job ends, or somebody asks for
//! something. There is no tick.

use std::{path::PathBuf, time::Duration};

use tokio::{
    runtime::Runtime,
    sync::{mpsc, oneshot},
};

use super::{
    outlet::Captured,
    session::{Quit, Session},
};

/// What is asked of a session from outside.
#[derive(Debug)]
pub enum Request {
    /// Run this text; its output goes to the session's own streams.
    Typed {
        /// What stands where a file would, in errors.
        name: PathBuf,
        /// The text: one or more lines.
        text: String,
        /// Told when it is done, whether it worked.
        done: oneshot::Sender<bool>,
    },
    /// Run this command for a client, who gets the output.
    Client {
        /// One command whose words are done: nothing in it is expanded again.
        text: String,
        /// The answer.
        done: oneshot::Sender<Answer>,
    },
    /// The words that a typed word may be completed to.
    Words(oneshot::Sender<Words>),
    /// End, with this code.
    Quit(i32),
}

/// What came of a client's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it worked.
    pub worked: bool,
    /// What it wrote.
    pub said: Captured,
}

/// Names that a line may begin with or contain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Commands and macros.
    pub commands: Vec<String>,
    /// Tasks.
    pub tasks: Vec<String>,
    /// Books.
    pub books: Vec<String>,
    /// Variables, without their `$`.
    pub variables: Vec<String>,
}

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
    Reported(Option<super::local::Report>),
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
