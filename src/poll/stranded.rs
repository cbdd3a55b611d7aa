//! A run that was to begin after another one's batch job, which failed: the scheduler never lets it
//! begin, so it is given up and its components, which were not tried, are bundled again.

use super::{ACTOR, Poll, PollError, Polled, Watched, status::Asked};
use crate::{
    batch::{JobId, JobStatus},
    state::{Store, awaited, event::Act},
};

impl Poll<'_> {
    /// Gives `watched` back if its batch job has `status` since it waited for one that failed;
    /// `None` for any other run, and where that cannot be known yet. No copy of the batch script can
    /// begin any more once its token is closed, so whoever dies here leaves nothing that runs.
    pub(super) async fn stranded(
        &self,
        store: &mut Store,
        watched: &Watched,
        status: &JobStatus,
    ) -> Result<Option<Polled>, PollError> {
        let run = &watched.run;
        if !status.may_be_stranded() {
            return Ok(None);
        }
        let awaited = store.awaited(run.run_id)?;
        if awaited.is_empty() {
            return Ok(None);
        }
        match self.is_out(watched, status).await {
            Ok(true) => {},
            Ok(false) => return Ok(None),
            // Nothing is concluded of it until it can be asked for again.
            Err(_) => return Ok(Some(Polled::Unseen)),
        }
        let runs = awaited::runs(&awaited);
        let why = format!("its batch job never began: it was to begin after that of run {runs}");
        store.give_back(run.run_id, Act::new(self.clock.now(), ACTOR, &why))?;
        Ok(Some(Polled::GivenBack { why }))
    }

    /// Closes the token of a run and takes its batch job out of the queue; `false` if a copy of the
    /// batch script has begun.
    async fn is_out(&self, watched: &Watched, status: &JobStatus) -> Result<bool, Asked> {
        let closed = self.closed(watched).await?;
        let id = watched.run.job_id.as_deref();
        let id = id.and_then(|id| id.parse::<JobId>().ok());
        if let (true, Some(id), false) = (closed, id, matches!(status, JobStatus::Ended(_))) {
            self.scheduler.cancel(&id).await?;
        }
        Ok(closed)
    }
}
