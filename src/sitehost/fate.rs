//! Whether the batch jobs of bundles are over. As with runs, silence of the scheduler proves nothing:
//! what a batch job left in its bundle's directory does.

use std::collections::BTreeMap;

use super::{
    journey::{ACTOR, Journey, JourneyError},
    visit::{Visit, job_id},
};
use crate::{
    batch::{
        JobId, JobStatus,
        once::Fence,
        trace::{self, NEVER, Proof, Trace},
    },
    state::{StateError, bundle::Bundle, event::Act},
};

/// What is known of a bundle's batch job.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It waits or runs, as far as one can tell.
    GoesOn,
    /// It is over, and why.
    Over(String),
    /// It is over, or lost, unless a copy of it still begins: its token is to be closed first.
    OverIfClosed(String),
}

impl Fate {
    /// What follows from what the scheduler says of a batch job, which it has not known for the first
    /// of two numbers of seconds and may not know for the second, and from what it left; it runs for
    /// at most `walltime` seconds.
    fn of(
        status: &JobStatus,
        (unseen, patience): (i64, i64),
        trace: &Trace,
        walltime: u64,
    ) -> Self {
        match (status, trace.proof(None, walltime)) {
            (JobStatus::Ended(ending), Proof::NotBegun) => {
                Self::OverIfClosed(format!("its batch job is over: {ending}"))
            },
            (JobStatus::Ended(ending), _) => Self::Over(format!("its batch job is over: {ending}")),
            (JobStatus::Unknown, Proof::Over(why)) => Self::Over(format!(
                "{why}; the scheduler has not known it for {unseen} s"
            )),
            (JobStatus::Unknown, Proof::NotBegun) if unseen >= patience => Self::OverIfClosed(
                format!("{NEVER}; the scheduler has not known it for {unseen} s"),
            ),
            _ => Self::GoesOn,
        }
    }
}

impl Journey {
    /// The bundles whose batch jobs are over, with the reason: no copy of their batch scripts runs or
    /// can begin any more.
    pub(super) async fn over(
        &mut self,
        visit: &Visit,
        bundles: &[Bundle],
    ) -> Result<BTreeMap<i64, String>, JourneyError> {
        let ids: Vec<JobId> = bundles.iter().filter_map(job_id).collect();
        let mut statuses = visit.scheduler.status(&ids).await?;
        let mut silent = Vec::new();
        for bundle in bundles {
            let status = job_id(bundle).and_then(|id| statuses.remove(&id));
            match status.unwrap_or(JobStatus::Unknown) {
                status @ (JobStatus::Unknown | JobStatus::Ended(_)) => {
                    silent.push((bundle, status));
                },
                _ => {
                    self.seen(bundle, true)?;
                },
            }
        }
        let asked: Vec<&Bundle> = silent.iter().map(|(bundle, _)| *bundle).collect();
        let traces = visit.traces(&asked).await?;
        let mut over = BTreeMap::new();
        for ((bundle, mut status), trace) in silent.into_iter().zip(traces) {
            if let Some(claimant) = visit.other_copy(bundle, &trace).await? {
                let why = format!("another copy runs its jobs: {claimant}");
                let act = Act::new(self.clock.now(), ACTOR, &why);
                self.store
                    .bundle_adopted(bundle.bundle_id, claimant.as_str(), act)?;
                let ids = std::slice::from_ref(&claimant);
                let found = visit.scheduler.status(ids).await?.remove(&claimant);
                status = found.unwrap_or(JobStatus::Unknown);
            }
            let unseen = self.seen(bundle, status != JobStatus::Unknown)?;
            let walltime = self.walltime().0;
            let why = match Fate::of(
                &status,
                (unseen, trace::patience(self.site.scheduler)),
                &trace,
                walltime,
            ) {
                Fate::GoesOn => continue,
                Fate::OverIfClosed(_) if visit.close(bundle).await? != Fence::Closed => continue,
                Fate::Over(why) | Fate::OverIfClosed(why) => why,
            };
            over.insert(bundle.bundle_id, why);
        }
        Ok(over)
    }

    /// Notes whether the scheduler knew a bundle's batch job; gives the seconds for which it has not.
    fn seen(&mut self, bundle: &Bundle, seen: bool) -> Result<i64, StateError> {
        let now = self.clock.now();
        self.store.bundle_polled(bundle.bundle_id, seen, now)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::batch::Ending;

    #[rstest]
    #[case::silence_after_it_began_proves_nothing("0 0 1 60 claimed 17", 9_999, "goes on")]
    #[case::its_walltime_has_passed("0 0 1 9999 claimed 17", 9_999, "over")]
    #[case::it_left_its_end("1 0 0 - claimed 17", 1, "over")]
    #[case::it_may_show_late("0 0 0 - free", 599, "goes on")]
    #[case::it_has_not_begun_for_long("0 0 0 - free", 600, "close")]
    fn what_the_scheduler_does_not_know_is_over_only_by_what_it_left(
        #[case] left: &str,
        #[case] unseen: i64,
        #[case] fate: &str,
    ) {
        assert_eq!(told(&JobStatus::Unknown, left, unseen), fate);
    }

    #[rstest]
    #[case::it_ran("1 0 0 - claimed 17", "over")]
    #[case::it_was_killed("0 0 1 60 claimed 17", "over")]
    #[case::another_copy_may_begin("0 0 0 - free", "close")]
    fn what_ended_without_a_beginning_is_closed_first(#[case] left: &str, #[case] fate: &str) {
        let ended = JobStatus::Ended(Ending::Completed);
        assert_eq!(told(&ended, left, 0), fate);
    }

    fn told(status: &JobStatus, left: &str, unseen: i64) -> &'static str {
        let traces = trace::read(&format!("or run 0 {left}\nor end 1\n"), 1).unwrap();
        match Fate::of(status, (unseen, 600), &traces[0], 3600) {
            Fate::GoesOn => "goes on",
            Fate::Over(_) => "over",
            Fate::OverIfClosed(_) => "close",
        }
    }
}
