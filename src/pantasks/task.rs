//! A task: what its jobs run, how often, where, and what follows.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{exit_macro::ExitMacros, job::Launch, statistics::Statistics, trange::Ranges};

/// A task's number, which stays when the task is redefined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(super) u32);

/// The time scales of a task, all in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Periods {
    /// Between two evaluations of the task.
    pub exec: f64,
    /// Between two looks at a running job's age: a timeout is noticed at a look.
    pub poll: f64,
    /// The age at which a local job is ended.
    pub timeout: f64,
    /// How long a job may wait for its start; forever unless set.
    pub pending: Option<f64>,
}

impl Default for Periods {
    /// One second each, and no limit to waiting (spec/pantasks.md §3.1).
    fn default() -> Self {
        Self {
            exec: 1.0,
            poll: 1.0,
            timeout: 1.0,
            pending: None,
        }
    }
}

/// Where a job is to run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// On this host, by the scheduler itself.
    #[default]
    Local,
    /// On any host of the controller.
    Any,
    /// On the host of that name.
    Named {
        /// The host's name.
        name: String,
        /// Whether to wait for that host rather than take another one.
        required: bool,
    },
}

impl Host {
    /// The host a script means by `word`: `local`, `anyhost` or `none` (any host of the
    /// controller) in any case, else a name.
    pub fn from_word(word: &str, required: bool) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "local" => Self::Local,
            "anyhost" | "none" => Self::Any,
            _ => Self::Named {
                name: word.to_owned(),
                required,
            },
        }
    }
}

/// Who goes first to a host of the controller.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Turn {
    /// Jobs with a higher one go first.
    pub priority: i32,
    /// Other hosts whose disks it works on: each takes only so many of these at once.
    pub touches: Vec<String>,
}

/// Where a job's output goes besides the queue of that name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Nowhere.
    #[default]
    Nowhere,
    /// Appended to a file.
    File(PathBuf),
    /// Into a variable.
    Variable(String),
}

impl Target {
    /// The file that `word` names; `NULL` in any case is nowhere.
    pub fn from_word(word: &str) -> Self {
        if word.eq_ignore_ascii_case("null") {
            Self::Nowhere
        } else {
            Self::File(word.into())
        }
    }
}

/// The settings that task.exec may change, and that stay changed (spec/pantasks.md §3.1).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// The program and its arguments; empty until there is one.
    pub command: Vec<String>,
    /// Words handed to the exit macros.
    pub options: Vec<String>,
    /// Where jobs run.
    pub host: Host,
    /// Who goes first there.
    pub turn: Turn,
    /// The time scales.
    pub periods: Periods,
    /// Where standard output goes.
    pub stdout: Target,
    /// Where standard error goes.
    pub stderr: Target,
    /// Files that must be visible before a job starts.
    pub block: Vec<PathBuf>,
}

/// One task. `B` is the language's form of a macro body.
#[derive(Debug, Clone)]
pub struct Task<B> {
    pub(super) id: TaskId,
    name: String,
    /// What task.exec may change.
    pub settings: Settings,
    /// The priority of its jobs, 0 to 20 as nice(1) counts.
    pub nice: u8,
    /// The most jobs ever; 0 is no limit.
    pub nmax: u64,
    /// The most jobs at once; 0 is no limit.
    pub npending: u64,
    /// Whether the task makes jobs.
    pub active: bool,
    /// When it may.
    pub ranges: Ranges,
    /// The task.exec macro.
    pub exec: Option<B>,
    /// Whether task.exec has a line that begins with `command`.
    pub dynamic: bool,
    /// The task.exit macros.
    pub exits: ExitMacros<B>,
    /// What its jobs came to.
    pub statistics: Statistics,
    pub(super) draining: bool,
    last: Option<Timestamp>,
    not_before: Option<Timestamp>,
}

/// A task whose evaluations make no job is not evaluated more often than this.
const SHORTEST_PAUSE: SignedDuration = SignedDuration::from_millis(10);

impl<B> Task<B> {
    pub(super) fn new(id: TaskId, name: &str, periods: Periods) -> Self {
        Self {
            id,
            name: name.to_owned(),
            settings: Settings {
                periods,
                ..Settings::default()
            },
            nice: 0,
            nmax: 0,
            npending: 0,
            active: true,
            ranges: Ranges::default(),
            exec: None,
            dynamic: false,
            exits: ExitMacros::default(),
            statistics: Statistics::default(),
            draining: false,
            last: None,
            not_before: None,
        }
    }

    /// The task's number.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The task's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the task was deleted and only waits for its last jobs.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether there is, or may come, something to run.
    pub fn has_command(&self) -> bool {
        !self.settings.command.is_empty() || self.dynamic
    }

    /// The timer lets the task be evaluated from then on, with the exec period of now.
    pub fn ready_at(&self) -> Timestamp {
        let timer = self.last.map_or(Timestamp::MIN, |last| {
            after(last, self.settings.periods.exec)
        });
        self.not_before.map_or(timer, |pause| timer.max(pause))
    }

    /// Restarts the timer for an evaluation at `now`, before task.exec runs. `jitter` from −0.25
    /// to 0.25 spreads tasks of equal periods.
    pub fn evaluated(&mut self, now: Timestamp, jitter: f64) {
        self.last = Some(after(now, self.settings.periods.exec * jitter));
        self.not_before = None;
    }

    /// The evaluation at `now` made no job.
    pub fn skipped(&mut self, now: Timestamp) {
        self.statistics.skipped += 1;
        self.not_before = now.checked_add(SHORTEST_PAUSE).ok();
    }

    /// The scheduler runs again: the next evaluation comes after `fraction`, 0 to 1, of the exec
    /// period.
    pub fn restarted(&mut self, now: Timestamp, fraction: f64) {
        self.last = Some(after(now, self.settings.periods.exec * (fraction - 1.0)));
        self.not_before = None;
    }

    /// What a job submitted at `now` runs, counted as submitted. `None` without a command.
    pub fn launch(&mut self, now: Timestamp) -> Option<Launch> {
        if self.settings.command.is_empty() {
            return None;
        }
        self.statistics.submitted += 1;
        self.ranges.count(now);
        let settings = &self.settings;
        Some(Launch {
            name: self.name.clone(),
            argv: settings.command.clone(),
            options: settings.options.clone(),
            stdout: settings.stdout.clone(),
            stderr: settings.stderr.clone(),
            nice: self.nice,
            host: settings.host.clone(),
            block: settings.block.clone(),
            turn: settings.turn.clone(),
        })
    }
}

/// The moment `seconds` after `at`; what no timestamp can hold is the last or first one.
pub(super) fn after(at: Timestamp, seconds: f64) -> Timestamp {
    let limit = if seconds > 0.0 {
        Timestamp::MAX
    } else {
        Timestamp::MIN
    };
    if seconds.is_nan() {
        return at;
    }
    SignedDuration::try_from_secs_f64(seconds)
        .ok()
        .and_then(|length| at.checked_add(length).ok())
        .unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("local", Host::Local)]
    #[case("LOCAL", Host::Local)]
    #[case("anyhost", Host::Any)]
    #[case("NONE", Host::Any)]
    #[case("po01", Host::Named { name: "po01".into(), required: true })]
    fn a_host_word_means(#[case] word: &str, #[case] host: Host) {
        assert_eq!(Host::from_word(word, true), host);
    }

    #[rstest]
    #[case("Null", Target::Nowhere)]
    #[case("out.log", Target::File("out.log".into()))]
    fn an_output_word_means(#[case] word: &str, #[case] target: Target) {
        assert_eq!(Target::from_word(word), target);
    }

    proptest! {
        #[test]
        fn no_period_breaks_the_arithmetic_of_time(seconds in any::<f64>()) {
            let now = Timestamp::UNIX_EPOCH;
            let then = after(now, seconds);
            prop_assert!(seconds.is_nan() || (then >= now) == (seconds >= 0.0) || seconds.abs() < 1e-8);
        }
    }
}
