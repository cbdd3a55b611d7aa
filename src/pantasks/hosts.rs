//! What follows from the controller's hosts: what happened there, and how they are left at the end.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::{
    job::JobId,
    persist::Saving,
    session::{Quit, Session},
};
use crate::pcontrol::Happening;

/// Most bytes of messages of the controller that nobody has read.
const MESSAGES: usize = 64 << 10;

/// How long the agents on the hosts may take to end their jobs when the scheduler ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long a scheduler that ends tries to save what it keeps.
const LAST_SAVE: Duration = Duration::from_secs(10);

/// Between two tries.
const BREATH: Duration = Duration::from_millis(200);

impl Session {
    /// Deals with what has happened to the controller's hosts and their jobs.
    pub(super) fn happened(&mut self) -> Result<(), Quit> {
        loop {
            let happening = {
                let mut scheduler = self.shared.lock();
                if !scheduler.standing.harvest || !scheduler.restored.is_empty() {
                    return Ok(());
                }
                scheduler.cluster.next_happening()
            };
            match happening {
                None => return Ok(()),
                // It counts as running since it was given to its host.
                Some(Happening::Started { .. }) => {},
                Some(Happening::Ended {
                    job,
                    host,
                    completion,
                    ..
                }) => {
                    let quit = self.ended(JobId(job), &completion);
                    // Its end was dealt with, even if its macro ends the scheduler.
                    if let Some(host) = host {
                        let mut scheduler = self.shared.lock();
                        let now = scheduler.instant();
                        scheduler.cluster.taken(&host, completion.id, now);
                    }
                    quit?;
                },
                Some(Happening::Requeued { job, host, why }) => {
                    let ended = self.shared.lock().requeued(JobId(job));
                    match ended {
                        Some(ended) => self.over(&ended, None)?,
                        None => self.outlet.err(&format!(
                            "job {job} was lost with host {host} and is run again: {why}\n"
                        )),
                    }
                },
                Some(Happening::Told(text)) => self.note(&text),
            }
        }
    }

    /// Keeps a message of the controller for `controller output`.
    fn note(&mut self, text: &str) {
        let mut scheduler = self.shared.lock();
        if scheduler.verbose {
            self.outlet.err(&format!("{text}\n"));
        }
        scheduler.messages.push_str(text);
        scheduler.messages.push('\n');
        let surplus = scheduler.messages.len().saturating_sub(MESSAGES);
        if let Some((end, _)) = scheduler
            .messages
            .match_indices('\n')
            .find(|(at, _)| *at >= surplus)
            && surplus > 0
        {
            scheduler.messages.drain(..=end);
        }
    }

    /// Ends the processes of all jobs and waits until they are gone.
    pub async fn shut_down(&mut self) {
        let keeps = self.save_at_last().await;
        {
            let mut scheduler = self.shared.lock();
            if keeps {
                // Those on other hosts are there when the scheduler is back.
                scheduler.stop_here();
            } else {
                scheduler.flush();
            }
        }
        while self.shared.lock().processes() > 0 && self.here.recv().await.is_some() {}
        self.dismiss_hosts(!keeps);
        // Agents that do not say that they are gone see the connection close.
        drop(timeout(FAREWELL, self.hosts_gone()).await);
        self.shared.lock().cluster.disconnect();
    }

    /// Whether this session keeps its jobs on other hosts.
    async fn save_at_last(&mut self) -> bool {
        let since = self.shared.lock().instant();
        loop {
            let now: Instant = {
                let mut scheduler = self.shared.lock();
                match self.persist.save(&mut self.interpreter, &mut scheduler) {
                    Saving::Off => return false,
                    Saving::Done => return true,
                    Saving::Failed => scheduler.instant(),
                }
            };
            if now.saturating_duration_since(since) >= LAST_SAVE {
                // What was not stored is not to happen: the jobs of which state.db does not know.
                self.shared.lock().cluster.drop_held();
                self.outlet.err(
                    "persist: what happened last could not be saved: jobs that were submitted \
                     since are lost, and ends that were dealt with since are dealt with again\n",
                );
                return true;
            }
            sleep(BREATH).await;
        }
    }

    fn dismiss_hosts(&self, kept_too: bool) {
        let mut scheduler = self.shared.lock();
        let now = scheduler.instant();
        scheduler.cluster.dismiss(kept_too, now);
    }

    async fn hosts_gone(&mut self) {
        while self.shared.lock().cluster.is_connected()
            && let Some(report) = self.there.recv().await
        {
            let mut scheduler = self.shared.lock();
            let now = scheduler.instant();
            scheduler.cluster.take(report, now);
            scheduler.cluster.perform();
        }
    }
}
