//! Slurm through its REST daemon, `slurmrestd`.
//!
//! What it can be asked for is what the controller still remembers (`MinJobAge`): accounting is
//! not asked.

mod api;
mod client;
mod job;
mod read;
mod token;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use reqwest::Method;
use serde_json::Value;
use tokio::sync::OnceCell;

use self::{
    api::Api,
    client::Client,
    read::{Envelope, Reply},
};
use super::{
    Ask, AskError, Cancelled, Dialect, DirectiveError, JobId, JobRequest, JobStatus, QueryError,
    Scheduler, Slurm, Submission, SubmitError, SubmitFault, Version,
};
use crate::{
    config::site::{Rest, Site},
    connection::{Host, LinkError, Output, PROBE_LIMIT},
    durable,
};

/// More jobs than this are asked for by one list of all jobs there are.
const FEW: usize = 16;

/// Why the daemon gave no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestError {
    /// No connection, or none that lasted until the answer.
    #[error("slurmrestd at {at} cannot be reached: {message}")]
    Unreachable {
        /// Its socket or URL.
        at: String,
        /// What was said.
        message: String,
        /// Whether the request was not even sent.
        unsent: bool,
    },
    /// There is no token, or the daemon does not accept it.
    #[error(
        "slurmrestd wants a valid token: {message}; renew what `rest.token_file` or `rest.token_command` gives"
    )]
    Token {
        /// What was said.
        message: String,
    },
    /// It speaks no version of the API that we know, or not the one that is wanted.
    #[error("slurmrestd offers API {offered}, and {wanted} is spoken here; see `rest.version`")]
    Api {
        /// What it offers.
        offered: String,
        /// What is spoken.
        wanted: String,
    },
    /// An HTTP status that says no, without a reason of Slurm's.
    #[error("slurmrestd answered with HTTP status {status}: {message}")]
    Status {
        /// The status.
        status: u16,
        /// The beginning of what came with it.
        message: String,
    },
    /// An answer that is not the JSON it should be.
    #[error("slurmrestd's answer cannot be read: {message}")]
    NotJson {
        /// What is wrong, and the beginning of it.
        message: String,
    },
    /// An answer over the limit.
    #[error("slurmrestd's answer is over {most} bytes")]
    TooLarge {
        /// The limit.
        most: usize,
    },
    /// Slurm said no.
    #[error("{message} (error {number})")]
    Said {
        /// Slurm's error number.
        number: i64,
        /// Its words.
        message: String,
    },
}

/// Slurm behind its REST daemon. The API's version is asked for once.
#[derive(Debug)]
pub struct SlurmRestd {
    rest: Rest,
    host: Host,
    client: OnceCell<Client>,
    api: OnceCell<Api>,
}

impl SlurmRestd {
    /// The daemon of `site`. Where the site is behind a link, a socket of its is reached over
    /// `host`.
    pub fn new(site: &Site, host: Host) -> Self {
        Self {
            rest: site.rest.clone().unwrap_or_default(),
            host,
            client: OnceCell::new(),
            api: OnceCell::new(),
        }
    }

    async fn client(&self) -> Result<&Client, Trouble> {
        self.client
            .get_or_try_init(|| async {
                let socket = match &self.rest.socket {
                    Some(socket) => Some(self.host.forwarded(socket).await?),
                    None => None,
                };
                Ok(Client::new(&self.rest, socket).await?)
            })
            .await
    }

    async fn api(&self) -> Result<&Api, Trouble> {
        self.api
            .get_or_try_init(|| async {
                let answer = self
                    .client()
                    .await?
                    .ask(Method::GET, "/openapi", None)
                    .await?;
                Ok(Api::choose(
                    &answer.openapi()?,
                    self.rest.version.as_deref(),
                )?)
            })
            .await
    }

    /// What the daemon says to one request below `/slurm/<version>/`.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Trouble> {
        let path = format!("/slurm/{}/{path}", self.api().await?.version());
        Ok(self.client().await?.ask(method, &path, body).await?)
    }

    /// [`Self::ask`], with the link looked at where the daemon cannot be reached over it.
    async fn told(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Envelope, Trouble> {
        let asked = match self.ask(method, path, body).await {
            Ok(reply) => reply.envelope(),
            Err(Trouble::Rest(error)) => Err(error),
            Err(trouble) => return Err(trouble),
        };
        match asked {
            Err(RestError::Unreachable { .. }) if self.rest.socket.is_some() => {
                self.host.probe(PROBE_LIMIT).await?;
                Ok(asked?)
            },
            asked => Ok(asked?),
        }
    }

    /// The rows that tell of `ids`.
    async fn rows(&self, ids: &[JobId]) -> Result<Vec<read::Job>, Trouble> {
        let whole: BTreeSet<&str> = ids
            .iter()
            .map(|id| id.array().unwrap_or(id.as_str()))
            .collect();
        if whole.len() > FEW {
            return Ok(self.told(Method::GET, "jobs", None).await?.jobs);
        }
        let mut rows = Vec::new();
        for id in whole {
            match self.told(Method::GET, &format!("job/{id}"), None).await {
                Ok(envelope) => rows.extend(envelope.jobs),
                Err(Trouble::Rest(error)) if error.is_unknown_job() => {},
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(rows)
    }

    async fn queue(&self, job: Submission<'_>) -> Result<JobId, SubmitFault> {
        let script =
            tokio::fs::read_to_string(job.copy)
                .await
                .map_err(|error| SubmitError::Unasked {
                    message: format!("{}: {error}", job.copy.display()),
                })?;
        let api = self.api().await.map_err(Trouble::before_submission)?;
        let body = job::body(api.wording(), &script, &job, &self.rest.properties);
        durable::step("slurmrestd job/submit");
        let asked = self.told(Method::POST, "job/submit", Some(&body)).await;
        Ok(asked.map_err(Trouble::at_submission)?.submitted()?)
    }
}

impl Scheduler for SlurmRestd {
    fn submit<'a>(&'a self, job: Submission<'a>) -> Ask<'a, Result<JobId, SubmitFault>> {
        Box::pin(self.queue(job))
    }

    fn read_submission(&self, answer: &Output) -> Result<JobId, SubmitError> {
        let message = answer.err();
        Err(SubmitError::Doubt { message })
    }

    fn find<'a>(&'a self, name: &'a str) -> Ask<'a, Result<Vec<JobId>, AskError>> {
        Box::pin(async move {
            let envelope = self.told(Method::GET, "jobs", None).await?;
            Ok(read::named(&envelope.jobs, name))
        })
    }

    fn status<'a>(
        &'a self,
        ids: &'a [JobId],
    ) -> Ask<'a, Result<BTreeMap<JobId, JobStatus>, AskError>> {
        Box::pin(async move { Ok(read::statuses(&self.rows(ids).await?, ids)) })
    }

    fn cancel<'a>(&'a self, id: &'a JobId) -> Ask<'a, Result<Cancelled, AskError>> {
        Box::pin(async move {
            match self.told(Method::DELETE, &format!("job/{id}"), None).await {
                Ok(_) => Ok(Cancelled::Asked),
                Err(Trouble::Rest(error)) if error.is_over() => Ok(Cancelled::Gone),
                Err(trouble) => Err(trouble.into()),
            }
        })
    }

    fn version(&self) -> Ask<'_, Result<Version, AskError>> {
        Box::pin(async move {
            let envelope = self.told(Method::GET, "ping", None).await?;
            let version = envelope.version(self.api().await?.version());
            Ok(version.map_err(Trouble::from)?)
        })
    }
}

/// What the batch scripts of such a site say: what those of Slurm say, as a note for whoever
/// reads them. The daemon takes no directives from a script.
#[derive(Debug, Clone)]
pub(super) struct Script(Slurm);

impl Script {
    pub(super) fn new(path: Option<&Path>) -> Self {
        Self(Slurm::new(path))
    }
}

impl Dialect for Script {
    fn directives(&self, request: &JobRequest) -> Result<Vec<String>, DirectiveError> {
        if !request.directives.is_empty() {
            return Err(DirectiveError::NoWord {
                key: "directives",
                scheduler: "slurmrestd",
                instead: "`rest.properties`",
            });
        }
        self.0.directives(request)
    }

    fn step_command(&self, conf: &str, tasks: u32, lanes: u32) -> Vec<String> {
        self.0.step_command(conf, tasks, lanes)
    }

    fn spread(&self, nodes: u32, command: &[String]) -> Vec<String> {
        self.0.spread(nodes, command)
    }
}

/// What may stand between us and an answer.
#[derive(Debug)]
enum Trouble {
    Link(LinkError),
    Rest(RestError),
}

impl Trouble {
    /// As long as the submission was not sent.
    fn before_submission(self) -> SubmitFault {
        match self {
            Self::Link(error) => error.into(),
            Self::Rest(error) => SubmitError::Unasked {
                message: error.to_string(),
            }
            .into(),
        }
    }

    /// For what came of the submission itself.
    fn at_submission(self) -> SubmitFault {
        match self {
            Self::Link(error) => error.into(),
            Self::Rest(error) => error.at_submission().into(),
        }
    }
}

impl RestError {
    /// What it says about a submission.
    fn at_submission(&self) -> SubmitError {
        let message = self.to_string();
        match self {
            Self::Unreachable { unsent: true, .. } | Self::Token { .. } => {
                SubmitError::Unasked { message }
            },
            Self::Said { number, .. } if read::is_refusal(*number, &message) => {
                SubmitError::Refused { message }
            },
            _ => SubmitError::Doubt { message },
        }
    }

    /// Whether Slurm does not know the job that was asked for.
    fn is_unknown_job(&self) -> bool {
        matches!(self, Self::Said { number, .. } if *number == read::INVALID_JOB_ID)
    }

    /// Whether the job that was to be ended is over already.
    fn is_over(&self) -> bool {
        let over = |number| number == read::ALREADY_DONE;
        self.is_unknown_job() || matches!(self, Self::Said { number, .. } if over(*number))
    }
}

impl From<LinkError> for Trouble {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<RestError> for Trouble {
    fn from(error: RestError) -> Self {
        Self::Rest(error)
    }
}

impl From<Trouble> for AskError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Link(error) => Self::Link(error),
            Trouble::Rest(error) => Self::Query(QueryError::Rest(error)),
        }
    }
}
