//! An open workplace: the configuration, state.db, and who we are in it.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;

use super::lease;
use crate::{
    allocator::AllocationError,
    batch::{AskError, QueryError, Scheduler, scheduler},
    config::{
        Loaded, UnknownName,
        site::{Connection, Site},
    },
    connection::{Host, LinkError},
    engine::clock::{Clock, SystemClock},
    exec::{ExecError, scratch::ScratchError},
    poll::PollError,
    prepare::PrepareError,
    state::{StateError, Store, run::Run, run_dir},
};

/// Seconds for which a run is claimed. It counts only for holders on other hosts: here one that
/// is gone frees it at once, and one that lives keeps it.
const LEASE: i64 = 3600;

/// An open workplace.
#[derive(Debug)]
pub struct Workplace {
    /// The configuration.
    pub loaded: Loaded,
    /// state.db.
    pub store: Store,
    /// The time.
    pub clock: Box<dyn Clock>,
    /// This program's own path, for the embedded scheduler.
    pub program: PathBuf,
    /// Runs that wait for a newer link than this one, by when it was opened.
    pub(super) held: BTreeMap<i64, Option<Timestamp>>,
    owner: String,
}

/// Why something could not be done with runs.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// state.db refuses.
    #[error(transparent)]
    State(#[from] StateError),
    /// No such site or stage.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// The link is down.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// No request fits.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// Prepare failed.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Exec stopped.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Scratch could not be looked at or cleaned.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// Poll stopped.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// A run directory cannot be read.
    #[error(transparent)]
    Decision(#[from] run_dir::decision::DecisionError),
    /// A label that cannot be part of a path.
    #[error("`{0}` cannot be a label: use letters, digits, `.`, `_` and `-`")]
    Label(String),
    /// There is no site to go to.
    #[error("outrigger.yaml names no site; add one under `sites:`")]
    NoSite,
    /// The scheduler could not be asked.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Something that the site said no to.
    #[error("{0}")]
    Site(String),
}

impl From<AskError> for RemoteError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Link(error) => Self::Link(error),
            AskError::Query(error) => Self::Query(error),
        }
    }
}

impl RemoteError {
    /// What state.db said, if it was state.db, at whichever step.
    pub fn state(&self) -> Option<&StateError> {
        match self {
            Self::State(error)
            | Self::Prepare(PrepareError::State(error))
            | Self::Exec(ExecError::State(error))
            | Self::Scratch(ScratchError::State(error))
            | Self::Poll(PollError::State(error)) => Some(error),
            _ => None,
        }
    }
}

impl Workplace {
    /// Opens a workplace.
    pub fn new(loaded: Loaded, store: Store, program: PathBuf) -> Self {
        let clock = Box::new(SystemClock);
        Self {
            loaded,
            store,
            clock,
            program,
            held: BTreeMap::new(),
            owner: lease::own_name(),
        }
    }

    /// The site of that name, or the first one.
    pub fn site_name<'a>(&'a self, name: Option<&'a str>) -> Result<&'a str, RemoteError> {
        match name {
            Some(name) => self
                .loaded
                .site(name)
                .map(|_| name)
                .map_err(RemoteError::from),
            None => self
                .loaded
                .config
                .sites
                .keys()
                .next()
                .map(String::as_str)
                .ok_or(RemoteError::NoSite),
        }
    }

    /// The whole name of a stage, if one is given.
    ///
    /// # Errors
    /// There is no such stage.
    pub fn stage_name(&self, name: Option<&str>) -> Result<Option<String>, RemoteError> {
        let stage = name.map(|name| self.loaded.recipe(name)).transpose()?;
        Ok(stage.map(|stage| stage.recipe.stage.clone()))
    }

    /// Where a run's directory is here. A run whose base is a URI has it below `runs`.
    pub fn run_dir(&self, run: &Run) -> PathBuf {
        let runs = self.loaded.runs_directory();
        run_dir::place(&self.loaded.root, &runs, &run.path_base)
    }

    /// The program of ours that may be sent to a site.
    pub(super) fn sent_program(&self, site: &Site) -> PathBuf {
        site.sent_program(&self.loaded.root, &self.program)
    }

    /// The scheduler of a site, asked over `host`.
    pub fn scheduler(&self, site: &Site, host: &Host) -> Box<dyn Scheduler> {
        scheduler(site, &self.program, host)
    }

    /// Claims a run for this program. A holder that has died on this host does not count; one
    /// that lives here keeps its claim however long its step takes.
    pub(super) fn claim(&mut self, run_id: i64) -> Result<(), StateError> {
        let now = self.clock.now();
        match self.store.holder(run_id)? {
            Some(owner) if owner == self.owner => {},
            Some(owner) if lease::is_gone(&owner) => self.store.release_claim(run_id, &owner)?,
            Some(owner) if lease::is_here(&owner) => {
                self.store.renew(run_id, &owner, LEASE, now)?;
            },
            _ => {},
        }
        self.store.claim(run_id, &self.owner, LEASE, now)
    }

    /// Gives a claim back.
    pub(super) fn release(&mut self, run_id: i64) -> Result<(), StateError> {
        self.store.release_claim(run_id, &self.owner)
    }
}

/// Whether a site needs a login that a human makes.
pub(super) fn needs_login(site: &Site) -> bool {
    matches!(site.connection, Connection::Ssh(_))
}
