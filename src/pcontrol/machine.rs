//! A machine and the one connection to its agent.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{fence::Fence, settings::Settings};

/// How a machine stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// There is no connection.
    Closed {
        /// How often in a row it could not be opened.
        failures: u32,
        /// When it is tried again.
        retry: Instant,
        /// Why there is none.
        why: String,
    },
    /// A connection is being opened.
    Opening {
        /// How often in a row that has failed before.
        failures: u32,
    },
    /// The agent answers.
    Up {
        /// Since when.
        since: Instant,
        /// When it was heard last.
        heard: Instant,
        /// It is overdue.
        silent: bool,
    },
    /// The agent was told to go.
    Leaving {
        /// When that takes too long.
        until: Instant,
    },
}

/// A machine.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    /// Its name, as it was added first.
    pub(super) name: String,
    /// Its jobs live on while there is no connection.
    pub(super) keep: bool,
    /// Whether they shall, from the next connection on that it has no jobs for.
    pub(super) wanted_keep: bool,
    /// What its agent was told when it was connected.
    pub(super) agreed: Fence,
    pub(super) link: Link,
    /// The number of the last connection.
    pub(super) connection: u64,
    /// The jobs that were given to it and have not ended.
    pub(super) jobs: BTreeSet<u64>,
    /// The runs whose ends were told here and may not be forgotten there yet.
    pub(super) untaken: BTreeSet<u64>,
    /// The machine and account that answered last.
    pub(super) account: Option<String>,
    /// From then on none of its jobs can run any more, though nothing is heard of it. With `keep`
    /// there is no such time.
    pub(super) fence: Option<Instant>,
    /// Its agent is to end, with the jobs that live on while there is no connection: as soon as
    /// there is one.
    pub(super) dismissed: bool,
    /// How often in a row the agent was lost soon after it had answered.
    pub(super) brief: u32,
    /// Words for `status`: how many processors it has, which version.
    pub(super) about: String,
}

/// How long an agent that was told to go may take.
const FAREWELL: Duration = Duration::from_secs(10);

/// An agent that is lost soon after it has answered is looked for at once so often in a row.
const FREE: u32 = 3;

impl Machine {
    pub(super) fn new(name: &str, keep: bool, agreed: Fence, now: Instant) -> Self {
        Self {
            name: name.to_owned(),
            keep,
            wanted_keep: keep,
            agreed,
            link: Link::Closed {
                failures: 0,
                retry: now,
                why: "not connected yet".to_owned(),
            },
            connection: 0,
            jobs: BTreeSet::new(),
            untaken: BTreeSet::new(),
            account: None,
            fence: None,
            dismissed: false,
            brief: 0,
            about: String::new(),
        }
    }

    /// Whether it takes jobs.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up { silent: false, .. })
    }

    /// Why it takes none.
    pub(super) fn reason(&self, now: Instant) -> String {
        match &self.link {
            Link::Closed { retry, why, .. } => {
                match retry.saturating_duration_since(now).as_secs() {
                    0 => why.clone(),
                    left => format!("{why}; it is tried again in {left} s"),
                }
            },
            Link::Opening { .. } => "being connected".to_owned(),
            Link::Up { silent: false, .. } => "up".to_owned(),
            Link::Up { heard, .. } => {
                let silence = now.saturating_duration_since(*heard).as_secs();
                format!("its agent has been silent for {silence} s")
            },
            Link::Leaving { .. } => "being disconnected".to_owned(),
        }
    }

    /// The agent was heard: nothing that it does can be older than this.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Link::Up { heard, silent, .. } = &mut self.link {
            *heard = now;
            *silent = false;
        }
        self.fence = (!self.keep).then(|| now + self.agreed.here());
    }

    /// There is no connection any more, or none came about.
    pub(super) fn lost(&mut self, settings: &Settings, why: String, now: Instant) {
        let (failures, pause) = match self.link {
            // What was there may well be there again at once, unless it never lasts.
            Link::Up { since, .. } => {
                let lasted = now.saturating_duration_since(since) >= settings.retry;
                self.brief = if lasted { 0 } else { self.brief + 1 };
                let pause = match self.brief.checked_sub(FREE) {
                    None | Some(0) => Duration::ZERO,
                    Some(more) => settings.pause_after(more - 1),
                };
                (0, pause)
            },
            Link::Leaving { .. } => (0, Duration::ZERO),
            Link::Opening { failures } | Link::Closed { failures, .. } => {
                (failures + 1, settings.pause_after(failures))
            },
        };
        self.link = Link::Closed {
            failures,
            retry: now + pause,
            why,
        };
    }

    /// The agent was told to go.
    pub(super) fn leave(&mut self, now: Instant) {
        self.link = Link::Leaving {
            until: now + FAREWELL,
        };
    }

    /// When [`super::Controller::tick`] has to look at it though nothing happens.
    pub(super) fn next(&self, settings: &Settings) -> Option<Instant> {
        let fence = self.fence.filter(|_| !self.jobs.is_empty());
        let link = match self.link {
            Link::Closed { retry, .. } => Some(retry),
            Link::Opening { .. } => None,
            Link::Up {
                since,
                heard,
                silent,
            } => {
                let overdue = if silent {
                    heard + self.agreed.here()
                } else {
                    heard + self.agreed.overdue()
                };
                let aged = since + settings.connect_time;
                Some(if self.jobs.is_empty() && !silent {
                    overdue.min(aged)
                } else {
                    overdue
                })
            },
            Link::Leaving { until } => Some(until),
        };
        [fence, link].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_never_lasts_is_looked_for_less_and_less_often() {
        let settings = Settings::default();
        let mut now = Instant::now();
        let mut machine = Machine::new("po01", false, Fence(settings.fence), now);
        let mut pauses = |lasts: Duration| {
            machine.link = Link::Up {
                since: now,
                heard: now,
                silent: false,
            };
            now += lasts;
            machine.lost(&settings, "it ended".to_owned(), now);
            match machine.link {
                Link::Closed { retry, .. } => retry.duration_since(now).as_secs(),
                _ => panic!("it is lost"),
            }
        };
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(30));
        let found: Vec<u64> = [short; 6].map(&mut pauses).to_vec();
        assert_eq!(found, [0, 0, 0, 10, 20, 40]);
        assert_eq!([long, short].map(pauses), [0, 0]);
    }
}
