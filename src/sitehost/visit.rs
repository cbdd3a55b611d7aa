//! What is asked of the site about bundles and their jobs.

use std::fmt::Write as _;

use super::{
    harvest::{self, Left},
    journey::JourneyError,
};
use crate::{
    batch::Scheduler,
    connection::Host,
    state::{bundle::Bundle, site_job::SiteJob},
};

/// The site in one round.
pub(super) struct Visit {
    pub(super) host: Host,
    pub(super) scheduler: Box<dyn Scheduler>,
}

impl Visit {
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
