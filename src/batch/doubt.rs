//! The batch job of a token that may have been submitted: it is looked for by its traces on the site
//! and by its name, again after a while, before anything is submitted another time (design decision 3).

use std::time::Duration;

use super::{
    AskError, JobId, QueryError, Scheduler, SubmitError,
    once::{self, Claim, Once, Sent},
};
use crate::connection::{Host, LinkError};

/// Waits between the looks for a job whose submission is in doubt.
const SETTLE: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// A token that may have been submitted, and whom to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doubtful<'a> {
    /// The way to the site.
    pub(crate) host: &'a Host,
    /// Its scheduler.
    pub(crate) scheduler: &'a dyn Scheduler,
    /// The token, and where its traces are.
    pub(crate) once: Once<'a>,
}

/// What is on the site under a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The batch job, and how it was found.
    Job(JobId, &'static str),
    /// Nothing: no submission was ever begun.
    Nothing,
    /// A submission that died, and no job that shows yet.
    Cut,
}

/// Why it is not known what to do about a token.
#[derive(Debug)]
pub(crate) enum Unsettled {
    /// The site could not be reached.
    Link(LinkError),
    /// It is to be asked again.
    Doubt(String),
    /// No batch job of it will ever run anything.
    Never(String),
}

impl Doubtful<'_> {
    /// The batch job that carries the token, if there is one; of a submission that died, only after it
    /// had time to show.
    pub(crate) async fn find(self) -> Result<Found, Unsettled> {
        match self.look().await? {
            Found::Cut => self.settle().await,
            found => Ok(found),
        }
    }

    /// The same, after it had time to show: a scheduler may show late what it took.
    pub(crate) async fn settle(self) -> Result<Found, Unsettled> {
        let mut found = Found::Cut;
        for wait in SETTLE {
            tokio::time::sleep(wait).await;
            found = self.look().await?;
            if matches!(found, Found::Job(..)) {
                break;
            }
        }
        Ok(found)
    }

    /// The batch job that carries the token, if there is one now. Should there be several, the first
    /// is kept and the others are cancelled; only one of them can have claimed the token.
    async fn look(self) -> Result<Found, Unsettled> {
        let doubt = |error: QueryError| Unsettled::Doubt(error.to_string());
        let answer = self.host.run(&self.once.look(), None).await?;
        let trace = once::read_look(&answer).map_err(doubt)?;
        let claimant = match trace.claim {
            Claim::Free => None,
            Claim::Taken(Some(id)) => Some(id),
            Claim::Begins => {
                return Err(Unsettled::Doubt(
                    "its batch script is just beginning".into(),
                ));
            },
            Claim::Taken(None) => {
                return Err(Unsettled::Never(
                    "its batch script died as it began, before it left a job id".into(),
                ));
            },
            Claim::Closed => {
                return Err(Unsettled::Never(
                    "its token was closed, so that no batch job of it can run".into(),
                ));
            },
        };
        let found = match self.scheduler.find(self.once.token).await {
            Ok(found) => found,
            Err(AskError::Link(error)) => return Err(error.into()),
            Err(AskError::Query(error)) => return Err(doubt(error)),
        };
        let keep = found
            .iter()
            .find(|id| Some(*id) == claimant.as_ref())
            .or_else(|| found.first())
            .cloned();
        for extra in found.iter().filter(|id| Some(*id) != keep.as_ref()) {
            match self.scheduler.cancel(extra).await {
                Err(AskError::Link(error)) => return Err(error.into()),
                // It can run no job: its token is claimed, or will be by the one that is kept.
                Ok(_) | Err(AskError::Query(_)) => {},
            }
        }
        if let Some(id) = keep {
            return Ok(Found::Job(id, "found in the queue under its token"));
        }
        if let Some(id) = claimant {
            return Ok(Found::Job(
                id,
                "it has begun, and the scheduler has forgotten it",
            ));
        }
        match trace.sent {
            Sent::Never => Ok(Found::Nothing),
            Sent::Cut => Ok(Found::Cut),
            Sent::UnderWay => Err(Unsettled::Doubt(
                "a submission of it is under way on the site; it will be asked for".into(),
            )),
            Sent::Answered(answer) => match self.scheduler.read_submission(&answer) {
                Ok(id) => Ok(Found::Job(
                    id,
                    "the scheduler said so to a driver that died",
                )),
                Err(refused @ SubmitError::Refused { .. }) => {
                    Err(Unsettled::Never(refused.to_string()))
                },
                Err(SubmitError::Doubt { .. } | SubmitError::Unasked { .. }) => Ok(Found::Cut),
            },
        }
    }
}

impl From<LinkError> for Unsettled {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}
