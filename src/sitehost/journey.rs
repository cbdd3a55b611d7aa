//! The way of jobs to the site and of their ends back. What stands in its way, a link that is down
//! above all, only makes it wait.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{
    due::{Due, due},
    harvest::Left,
    script::{self, Parts},
    visit::Visit,
};
use crate::{
    batch::{
        self, AskError, JobRequest, Submission, SubmitError, SubmitFault,
        doubt::{Found, Unsettled},
    },
    config::{
        site::{Connection, Site},
        units::Seconds,
    },
    connection::{Host, LinkError},
    engine::clock::Clock,
    pclient::wire::Start,
    process::Outcome,
    state::{
        StateError, Store,
        bundle::{Bundle, BundleState},
        event::Act,
        site_job::{Owner, SiteJob, SiteJobEnd},
    },
};

/// Who acts, in the event log.
pub(super) const ACTOR: &str = "site-agent";
/// In so many bundles a job may be that end before it begins.
const TRIES: u32 = 3;
/// The script of a bundle.
const SCRIPT: &str = "job.sh";

/// Writes the script in `$1` from its input, whole or not at all.
const PUT: &str = r#"mkdir -p "$1" && cd "$1" && cat >job.sh.tmp && mv -f job.sh.tmp job.sh"#;

/// Why a round did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum JourneyError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("{0}")]
    Site(String),
}

/// All that the way needs.
#[derive(Debug)]
pub(super) struct Journey {
    pub(super) owner: Owner,
    pub(super) site: Site,
    /// This program on the site, for the embedded scheduler.
    pub(super) program: PathBuf,
    pub(super) store: Store,
    pub(super) clock: Box<dyn Clock>,
}

/// What a round did.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Jobs that have ended.
    pub(super) ended: Vec<u64>,
    /// Jobs that are known to have begun.
    pub(super) begun: Vec<u64>,
    /// When the next round is due at the latest; none where nothing waits.
    pub(super) next: Option<Duration>,
    /// Whether the site has jobs of ours.
    pub(super) is_busy: bool,
}

/// The end of a job, as state.db keeps it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) seconds: u64,
}

impl From<Unsettled> for JourneyError {
    fn from(unsettled: Unsettled) -> Self {
        match unsettled {
            Unsettled::Link(error) => Self::Link(error),
            Unsettled::Doubt(why) | Unsettled::Never(why) => Self::Site(why),
        }
    }
}

impl Journey {
    /// Whether the site is behind a link.
    pub(super) fn is_far(&self) -> bool {
        matches!(self.site.connection, Connection::Ssh(_))
    }

    /// Does what is due.
    ///
    /// # Errors
    /// What kept it from it. All that was done is in state.db, and the next round goes on.
    pub(super) async fn round(&mut self) -> Result<Round, JourneyError> {
        let mut round = Round::default();
        self.bundle(&mut round)?;
        let bundles = self.store.bundles(&self.owner)?;
        if bundles.is_empty() {
            return Ok(round);
        }
        let host = Host::open(&self.owner.site, &self.site).await?;
        let visit = Visit {
            scheduler: batch::scheduler(&self.site, &self.program, &host),
            host,
        };
        for bundle in bundles
            .iter()
            .filter(|b| b.state == BundleState::Submitting)
        {
            self.submit(&visit, bundle, &mut round).await?;
        }
        self.look(&visit, &mut round).await?;
        let left = self.store.bundles(&self.owner)?;
        round.is_busy = left.iter().any(|bundle| bundle.state != BundleState::Over);
        self.clear(&visit, &left).await?;
        Ok(round)
    }

    /// Bundles the jobs that have waited long enough, and ends those that nobody wants any more.
    fn bundle(&mut self, round: &mut Round) -> Result<(), JourneyError> {
        let now = self.clock.now();
        let mut waiting = Vec::new();
        let mut ends = Vec::new();
        for job in self.store.site_jobs(&self.owner)? {
            if job.ended.is_some() || job.bundle.is_some() {
                continue;
            }
            if job.killed {
                ends.push(end(job.run, Outcome::Stopped));
            } else if job.tries >= TRIES {
                let why = format!("{TRIES} batch jobs in a row ended before it began");
                ends.push(end(job.run, Outcome::Lost(why)));
            } else {
                waiting.push(job);
            }
        }
        self.record(&ends, round)?;
        loop {
            let since: Vec<Timestamp> = waiting.iter().map(|job| job.since).collect();
            let count = match due(&since, now, &self.site.pcontrol) {
                Due::Now(count) => count,
                Due::In(left) => {
                    round.next = Some(left);
                    return Ok(());
                },
                Due::Never => return Ok(()),
            };
            let runs: Vec<u64> = waiting.drain(..count).map(|job| job.run).collect();
            let why = format!("{} jobs", runs.len());
            let act = Act::new(now, ACTOR, &why);
            let own = self.site.own_directory();
            let secret = fastrand::u32(..);
            self.store
                .bundle_site_jobs(&self.owner, &runs, &own, secret, act)?;
        }
    }

    /// Submits the batch job of a bundle, once. It may have been submitted before.
    async fn submit(
        &mut self,
        visit: &Visit,
        bundle: &Bundle,
        round: &mut Round,
    ) -> Result<(), JourneyError> {
        let dir = bundle.remote_dir.to_string_lossy().into_owned();
        let jobs = self.jobs_of(bundle)?;
        let anew = match visit.doubtful(bundle).find().await {
            Ok(Found::Job(id, how)) => return self.submitted(bundle, id.as_str(), how),
            Ok(Found::Nothing) => false,
            Ok(Found::Cut) => true,
            Err(Unsettled::Never(why)) => return self.give_up(bundle, &jobs, &why, round),
            Err(unsettled) => return Err(unsettled.into()),
        };
        let request = self.request(bundle);
        let text = match self.text(&request, &dir, &jobs) {
            Ok(text) => text,
            Err(why) => return self.give_up(bundle, &jobs, &why, round),
        };
        let put = visit
            .host
            .script_fed(PUT, &[dir.as_bytes()], Some(text.as_bytes()))
            .await?;
        if !put.ok() {
            let why = put.err().trim().to_owned();
            return Err(JourneyError::Site(format!(
                "{dir} cannot be written: {why}"
            )));
        }
        let copy = tempfile::NamedTempFile::new().and_then(|file| {
            std::fs::write(file.path(), &text)?;
            Ok(file)
        });
        let copy =
            copy.map_err(|error| JourneyError::Site(format!("a copy of {SCRIPT}: {error}")))?;
        let job = Submission {
            script: &bundle.remote_dir.join(SCRIPT),
            copy: copy.path(),
            request: &request,
            anew,
            after: &[],
        };
        match visit.scheduler.submit(job).await {
            Ok(id) => self.submitted(bundle, id.as_str(), "submitted"),
            Err(SubmitFault::Link(error)) => Err(error.into()),
            Err(SubmitFault::Said(SubmitError::Refused { message })) => {
                let why = format!("the scheduler of the site refused its batch job: {message}");
                self.give_up(bundle, &jobs, &why, round)
            },
            Err(SubmitFault::Said(unasked @ SubmitError::Unasked { .. })) => {
                Err(JourneyError::Site(unasked.to_string()))
            },
            Err(SubmitFault::Said(doubt @ SubmitError::Doubt { .. })) => {
                match visit.doubtful(bundle).settle().await {
                    Ok(Found::Job(id, how)) => self.submitted(bundle, id.as_str(), how),
                    Ok(Found::Nothing | Found::Cut) => Err(JourneyError::Site(doubt.to_string())),
                    Err(unsettled) => Err(unsettled.into()),
                }
            },
        }
    }

    fn submitted(&mut self, bundle: &Bundle, id: &str, how: &str) -> Result<(), JourneyError> {
        let why = format!("{how}: {id}");
        let act = Act::new(self.clock.now(), ACTOR, &why);
        Ok(self.store.bundle_submitted(bundle.bundle_id, id, act)?)
    }

    /// No batch job takes the jobs of a bundle: that is their end.
    fn give_up(
        &mut self,
        bundle: &Bundle,
        jobs: &[SiteJob],
        why: &str,
        round: &mut Round,
    ) -> Result<(), JourneyError> {
        let ends: Vec<SiteJobEnd> = jobs
            .iter()
            .map(|job| end(job.run, Outcome::NotStarted(why.to_owned())))
            .collect();
        let act = Act::new(self.clock.now(), ACTOR, why);
        self.store
            .bundle_over(&self.owner, bundle.bundle_id, &ends, &[], act)?;
        round.ended.extend(jobs.iter().map(|job| job.run));
        Ok(())
    }

    fn request(&self, bundle: &Bundle) -> JobRequest {
        let settings = &self.site.pcontrol;
        let nodes = settings.nodes.unwrap_or(self.site.nodes.min);
        let output = bundle.remote_dir.join("job.out");
        JobRequest::new(&self.site, &bundle.token, nodes, self.walltime(), output)
    }

    /// How long a batch job may run.
    pub(super) fn walltime(&self) -> Seconds {
        let own = self.site.pcontrol.walltime;
        own.unwrap_or(self.site.walltime.max)
    }

    fn text(&self, request: &JobRequest, dir: &str, jobs: &[SiteJob]) -> Result<String, String> {
        let starts: Result<Vec<Start>, _> = jobs
            .iter()
            .map(|job| serde_json::from_str(&job.start))
            .collect();
        let starts = starts.map_err(|error| format!("its order cannot be read: {error}"))?;
        let dialect = batch::dialect(&self.site, &self.program);
        let parts = Parts {
            site: &self.site,
            dialect: dialect.as_ref(),
            request,
            dir,
            jobs: &starts,
        };
        script::render(&parts).map_err(|error| error.to_string())
    }

    /// The jobs of a bundle by their places.
    fn jobs_of(&self, bundle: &Bundle) -> Result<Vec<SiteJob>, StateError> {
        let jobs = self.store.site_jobs(&self.owner)?.into_iter();
        let mut jobs: Vec<SiteJob> = jobs
            .filter(|job| job.bundle.is_some_and(|(id, _)| id == bundle.bundle_id))
            .collect();
        jobs.sort_by_key(|job| job.bundle);
        Ok(jobs)
    }

    /// Asks for all batch jobs at once, and takes what their jobs have left.
    async fn look(&mut self, visit: &Visit, round: &mut Round) -> Result<(), JourneyError> {
        let bundles = self.store.bundles(&self.owner)?.into_iter();
        let bundles: Vec<Bundle> = bundles.filter(|b| b.state == BundleState::Run).collect();
        if bundles.is_empty() {
            return Ok(());
        }
        let over = self.over(visit, &bundles).await?;
        let mut asked = Vec::new();
        for bundle in &bundles {
            let jobs = self.jobs_of(bundle)?.into_iter();
            let jobs = jobs.filter(|job| job.ended.is_none());
            asked.extend(jobs.map(|job| (bundle, job)));
        }
        visit.tell_of_kills(&asked).await?;
        loop {
            let left = visit.harvest(&asked).await?;
            let mut rest = Vec::new();
            let mut ends = Vec::new();
            for ((bundle, job), left) in asked.into_iter().zip(left) {
                match left {
                    Left::Ended(ended) => ends.push(SiteJobEnd {
                        run: job.run,
                        ended: json(ended.outcome, ended.seconds),
                        stdout: ended.stdout,
                        stderr: ended.stderr,
                    }),
                    left => rest.push((bundle, job, left)),
                }
            }
            let more = !ends.is_empty() && !over.is_empty();
            self.record(&ends, round)?;
            if !more {
                return self.finish(rest, &over, round);
            }
            // One load may not have brought all: what is over is asked until nothing new comes.
            asked = rest
                .into_iter()
                .map(|(bundle, job, _)| (bundle, job))
                .collect();
        }
    }

    /// Closes the bundles that are over, with what became of the jobs that left no end.
    fn finish(
        &mut self,
        rest: Vec<(&Bundle, SiteJob, Left)>,
        over: &BTreeMap<i64, String>,
        round: &mut Round,
    ) -> Result<(), JourneyError> {
        let mut lost: BTreeMap<i64, (Vec<SiteJobEnd>, Vec<u64>)> = over
            .keys()
            .map(|id| (*id, (Vec::new(), Vec::new())))
            .collect();
        for (bundle, job, left) in rest {
            match (over.get(&bundle.bundle_id), lost.get_mut(&bundle.bundle_id)) {
                (Some(_), Some((_, free))) if left == Left::Free => free.push(job.run),
                (Some(why), Some((ends, _))) => {
                    ends.push(end(job.run, Outcome::Lost(why.clone())));
                },
                _ if left == Left::Begun => round.begun.push(job.run),
                _ => {},
            }
        }
        for (bundle_id, (ends, free)) in lost {
            if !free.is_empty() {
                round.next = Some(Duration::ZERO);
            }
            let why = over.get(&bundle_id).map(String::as_str).unwrap_or_default();
            let act = Act::new(self.clock.now(), ACTOR, why);
            self.store
                .bundle_over(&self.owner, bundle_id, &ends, &free, act)?;
            round.ended.extend(ends.iter().map(|end| end.run));
        }
        Ok(())
    }

    fn record(&mut self, ends: &[SiteJobEnd], round: &mut Round) -> Result<(), JourneyError> {
        self.store.site_jobs_ended(&self.owner, ends)?;
        round.ended.extend(ends.iter().map(|end| end.run));
        Ok(())
    }

    /// Removes the directories of bundles that are over.
    async fn clear(&mut self, visit: &Visit, bundles: &[Bundle]) -> Result<(), JourneyError> {
        for bundle in bundles.iter().filter(|b| b.state == BundleState::Over) {
            visit.remove(bundle).await?;
            self.store.forget_bundle(bundle.bundle_id)?;
        }
        Ok(())
    }

    /// Takes all batch jobs out of the queue or ends them, and forgets all jobs.
    ///
    /// # Errors
    /// What kept it from that; then all of it is still known.
    pub(super) async fn abandon(&mut self) -> Result<(), JourneyError> {
        let bundles = self.store.bundles(&self.owner)?;
        if !bundles.is_empty() {
            let host = Host::open(&self.owner.site, &self.site).await?;
            let visit = Visit {
                scheduler: batch::scheduler(&self.site, &self.program, &host),
                host,
            };
            for bundle in &bundles {
                if bundle.state != BundleState::Over {
                    visit.end(bundle).await?;
                }
            }
        }
        Ok(self.store.forget_site_jobs(&self.owner)?)
    }
}

fn end(run: u64, outcome: Outcome) -> SiteJobEnd {
    SiteJobEnd {
        run,
        ended: json(outcome, 0),
        stdout: Vec::new(),
        stderr: Vec::new(),
    }
}

fn json(outcome: Outcome, seconds: u64) -> String {
    // Plain data with text keys always has a JSON form.
    serde_json::to_string(&End { outcome, seconds }).unwrap_or_default()
}
