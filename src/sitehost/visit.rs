//! What is asked of the site about bundles and their jobs.

use std::fmt::Write as _;

use super::{
    harvest::{self, Left},
    journey::JourneyError,
};
use crate::{
    batch::{
        AskError, JobId, Scheduler,
        doubt::Doubtful,
        once::{self, Fence, Once},
        trace::{self, Trace},
    },
    connection::Host,
    state::{bundle::Bundle, site_job::SiteJob},
};

/// The site in one round.
pub(super) struct Visit {
    pub(super) host: Host,
    pub(super) scheduler: Box<dyn Scheduler>,
}

impl Visit {
    /// The token of a bundle, as one that may have been submitted.
    pub(super) fn doubtful<'v>(&'v self, bundle: &'v Bundle) -> Doubtful<'v> {
        Doubtful {
            host: &self.host,
            scheduler: self.scheduler.as_ref(),
            once: once_of(bundle),
        }
    }

    /// What the batch scripts of bundles have left.
    pub(super) async fn traces(&self, bundles: &[&Bundle]) -> Result<Vec<Trace>, JourneyError> {
        let dirs: Vec<_> = bundles
            .iter()
            .map(|b| b.remote_dir.to_string_lossy())
            .collect();
        let places = dirs.iter().zip(bundles);
        let jobs: Vec<_> = places
            .map(|(dir, b)| (dir.as_ref(), b.token.as_str(), None))
            .collect();
        trace::ask(&self.host, &jobs)
            .await?
            .map_err(JourneyError::Site)
    }

    /// The batch job that claimed a bundle and left no end, should it be another copy than the one we
    /// know of: that one runs the jobs.
    pub(super) async fn other_copy(
        &self,
        bundle: &Bundle,
        trace: &Trace,
    ) -> Result<Option<JobId>, JourneyError> {
        let Some(claimant) = trace.other_copy(job_id(bundle).as_ref(), None) else {
            return Ok(None);
        };
        let copies = self.scheduler.find(&bundle.token).await?;
        Ok(copies.contains(claimant).then(|| claimant.clone()))
    }

    /// Takes the claim of a bundle's token, so that no copy of its batch script can begin any more.
    pub(super) async fn close(&self, bundle: &Bundle) -> Result<Fence, JourneyError> {
        let answer = self.host.run(&once_of(bundle).fence(), None).await?;
        Ok(once::read_fence(&answer).map_err(AskError::from)?)
    }

    /// Ends the batch job of a bundle. A submission on its way may still arrive: then it must find
    /// nothing to do.
    pub(super) async fn end(&self, bundle: &Bundle) -> Result<(), JourneyError> {
        let fence = self.close(bundle).await?;
        let mut ids = self.scheduler.find(&bundle.token).await?;
        if let (Fence::Begun(Some(id)), true) = (fence, ids.is_empty()) {
            ids.push(id);
        }
        for id in ids {
            self.scheduler.cancel(&id).await?;
        }
        Ok(())
    }

    /// Lets the workers know of jobs that nobody wants any more.
    pub(super) async fn tell_of_kills(
        &self,
        asked: &[(&Bundle, SiteJob)],
    ) -> Result<(), JourneyError> {
        let killed = asked.iter().filter(|(_, job)| job.killed);
        let list: String = killed
            .filter_map(|(bundle, job)| {
                let (_, seq) = job.bundle?;
                Some(format!("{}/kill.{seq}\n", bundle.remote_dir.display()))
            })
            .collect();
        if !list.is_empty() {
            const TOUCH: &str = r#"while IFS= read -r file; do : >"$file"; done"#;
            self.host
                .script_fed(TOUCH, &[], Some(list.as_bytes()))
                .await?;
        }
        Ok(())
    }

    pub(super) async fn harvest(
        &self,
        asked: &[(&Bundle, SiteJob)],
    ) -> Result<Vec<Left>, JourneyError> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let mut list = String::new();
        for (bundle, job) in asked {
            let seq = job.bundle.map_or(0, |(_, seq)| seq);
            writeln!(list, "{}\t{seq}", bundle.remote_dir.display()).unwrap_or_default();
        }
        let limits = [harvest::MOST, harvest::LOAD].map(|limit| limit.to_string());
        let limits: Vec<&[u8]> = limits.iter().map(String::as_bytes).collect();
        let answer = self
            .host
            .script_fed(harvest::SCRIPT, &limits, Some(list.as_bytes()))
            .await?;
        harvest::read(&answer.stdout, asked.len()).map_err(JourneyError::Site)
    }

    pub(super) async fn remove(&self, bundle: &Bundle) -> Result<(), JourneyError> {
        let argv = ["rm", "-rf", "--", &bundle.remote_dir.to_string_lossy()].map(str::to_owned);
        self.host.run(&argv, None).await?;
        Ok(())
    }
}

/// The batch job of a bundle, once the scheduler has one.
pub(super) fn job_id(bundle: &Bundle) -> Option<JobId> {
    bundle.job_id.as_ref()?.parse().ok()
}

fn once_of(bundle: &Bundle) -> Once<'_> {
    Once {
        dir: &bundle.remote_dir,
        token: &bundle.token,
    }
}
