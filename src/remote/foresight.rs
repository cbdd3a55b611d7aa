//! When requests would begin, asked of a site's scheduler by one command.

use super::workplace::{RemoteError, Workplace};
use crate::{
    allocator::Allocation,
    batch::{Foresight, JobRequest},
    connection::Host,
    state::run_dir,
};

/// The name under which the scheduler is asked; nothing is queued under it.
const NAME: &str = "outrigger-asks";

impl Workplace {
    /// When a run of each allocation would begin at a site if it were submitted now.
    ///
    /// # Errors
    /// The link is down, or the scheduler cannot be asked or understood.
    pub async fn foresee(
        &self,
        site_name: &str,
        allocations: &[Allocation],
    ) -> Result<Vec<Foresight>, RemoteError> {
        let site = self.loaded.site(site_name)?;
        let output = site.own_directory().join(run_dir::BATCH_OUTPUT);
        let requests: Vec<JobRequest> = allocations
            .iter()
            .map(|of| JobRequest::new(site, NAME, of.nodes, of.walltime, &output))
            .collect();
        let host = Host::open(site_name, site).await?;
        let told = self.scheduler(site, &host).foresee(&requests).await;
        told.map_err(RemoteError::from)
    }
}
