//! A batch site as a host of the controller: `controller host add site:NAME`.
//!
//! The controller starts this agent as it would start `pclient` on a machine, and the two say the
//! same to each other. The agent keeps all orders in state.db, bundles them by number and time into
//! batch jobs, and brings ends and outputs back. It may die at any moment: the batch jobs go on, and
//! the next one knows all that this one knew.

mod agent;
mod due;
mod fate;
mod harvest;
mod journey;
mod script;
mod visit;

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::io::AsyncWriteExt as _;

use self::{
    agent::{Agent, Parting},
    journey::{Journey, JourneyError},
};
use crate::{
    config::{self, UnknownName, problem::Problem},
    engine::clock::SystemClock,
    pclient::{
        program::{read_hello, refusal},
        streams::{self, standard_input, standard_output},
        wire::{Decoder, Hello, WireError},
    },
    state::{StateError, Store, site_job::Owner},
};

/// How long an agent waits for an earlier one of the same controller to go.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the agent is not there, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum SiteHostError {
    /// The configuration is not there, or wrong: the first thing that is.
    #[error("{0} (the scheduler was started where `outrigger check` says more)")]
    Config(Box<Problem>),
    /// There is no such site.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// state.db refuses.
    #[error(transparent)]
    State(#[from] StateError),
    /// The controller said what cannot be understood.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The system said so.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An earlier agent of the same controller does not go.
    #[error("another agent of the same controller for site {0} is still there")]
    Held(String),
    /// The controller's first line.
    #[error("{0}")]
    Hello(String),
    /// Batch jobs could not be taken out of the queue.
    #[error("jobs at the site go on, since they cannot be ended now: {0}")]
    Abandon(String),
}

/// Serves a controller on standard input and output, as the host `site:NAME`; `config` is where
/// outrigger.yaml is.
///
/// # Errors
/// Why it could not. All jobs that were taken are still known.
pub fn main(config: &Path, site: &str) -> Result<(), SiteHostError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(converse(config, site));
    // A read of standard input that still waits must not hold up the end.
    runtime.shutdown_background();
    streams::leave();
    done
}

async fn converse(config: &Path, site: &str) -> Result<(), SiteHostError> {
    let mut decoder = Decoder::default();
    let mut input = standard_input()?;
    let mut output = standard_output()?;
    let Some(hello) = read_hello(&mut input, &mut decoder).await? else {
        return Ok(());
    };
    let opened = match hello {
        Ok(hello) => open(config, site, &hello).await,
        Err(why) => Err(SiteHostError::Hello(why)),
    };
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            output.write_all(&refusal(&error.to_string())).await?;
            output.flush().await?;
            return Err(error);
        },
    };
    let clock = SystemClock;
    let mut agent = Agent {
        owner: opened.journey.owner.clone(),
        store: opened.store,
        clock: &clock,
        cores: opened.journey.site.nodes.cores,
    };
    let journey = &mut opened.journey;
    match agent::serve(&mut agent, journey, decoder, input, &mut output).await? {
        Parting::Lost => Ok(()),
        Parting::Bye => {
            let gone = journey.abandon().await;
            gone.map_err(|error| match error {
                JourneyError::State(error) => error.into(),
                error => SiteHostError::Abandon(error.to_string()),
            })?;
            Ok(agent::say_gone(&mut output).await?)
        },
    }
}

/// What an agent works with.
struct Opened {
    journey: Journey,
    store: Store,
    _place: File,
}

async fn open(config: &Path, site: &str, hello: &Hello) -> Result<Opened, SiteHostError> {
    let loaded = config::load(config).map_err(first)?;
    let settings = loaded.site(site)?.clone();
    let state = loaded.state_file();
    let store = Store::open(&state)?;
    let place = place(&state, site, &hello.controller).await?;
    let journey = Journey {
        owner: Owner {
            controller: hello.controller.clone(),
            site: site.to_owned(),
        },
        site: settings,
        program: std::env::current_exe()?,
        store: Store::open(&state)?,
        clock: Box::new(SystemClock),
    };
    Ok(Opened {
        journey,
        store,
        _place: place,
    })
}

fn first(problems: Vec<Problem>) -> SiteHostError {
    match problems.into_iter().next() {
        Some(problem) => SiteHostError::Config(Box::new(problem)),
        None => SiteHostError::Hello("the configuration cannot be read".to_owned()),
    }
}

/// The one place that a controller's agent for a site has: a lock beside state.db.
async fn place(state: &Path, site: &str, controller: &str) -> Result<File, SiteHostError> {
    let mut name = state.as_os_str().to_owned();
    name.push(format!(".{site}.{controller}.lock"));
    let path = PathBuf::from(name);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    let begin = tokio::time::Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if begin.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            },
            Err(TryLockError::WouldBlock) => return Err(SiteHostError::Held(site.to_owned())),
        }
    }
}
