//! Runs: their states, the one function that changes them, and their table (design §5).

mod table;

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

pub use table::{Run, RunFilter, token};
pub(in crate::state) use table::{advance, get, insert};

use super::{StateError, store::IllegalMove};

/// A state in which a run moves on by itself. `auth` and `hold` remember one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Defined; its components are not prepared.
    New,
    /// Its run directory is written.
    Pending,
    /// Its inputs are on the way to the site.
    Staging,
    /// Its batch job is being submitted; it may or may not be in the queue.
    Submitting,
    /// Its batch job is queued or running.
    Run,
    /// Its products are on the way home.
    Returning,
    /// Its records are being imported.
    Importing,
}

/// Which of the three steps failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Writing the run directory.
    Prepare,
    /// Staging in and submitting.
    Exec,
    /// Polling, returning and importing.
    Poll,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RunState {
    /// Moving on by itself.
    Active(Stage),
    /// The link is down; goes on from the stage remembered.
    Auth(Stage),
    /// An operator holds it; goes on from the stage remembered.
    Hold(Stage),
    /// A step failed; an operator may revert it.
    Error(Step),
    /// Every job has an outcome and every record is imported.
    Full,
    /// An operator gave it up.
    Cancelled,
    /// Its files on the site are gone.
    Cleaned,
}

/// What may happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEvent {
    /// The run directory is written.
    Prepared,
    /// Stage-in begins.
    StageIn,
    /// All inputs are on the site.
    Staged,
    /// The scheduler has the batch job.
    Submitted,
    /// Jobs that have ended are imported while the batch job runs.
    Harvested,
    /// The batch job is over.
    Ended,
    /// The products are home.
    Returned,
    /// The records are imported.
    Imported,
    /// The link is down.
    LinkDown,
    /// The link is back.
    LinkUp,
    /// A step failed.
    Fail(Step),
    /// An operator wants the failed step tried again.
    Revert,
    /// An operator holds it.
    Hold,
    /// An operator lets it go on.
    Release,
    /// An operator gives it up.
    Cancel,
    /// Its files on the site are gone.
    Clean,
}

impl RunEvent {
    fn verb(self) -> &'static str {
        match self {
            Self::Prepared => "be prepared",
            Self::StageIn => "be staged in",
            Self::Staged => "be submitted",
            Self::Submitted => "become submitted",
            Self::Harvested => "be harvested while it runs",
            Self::Ended => "end",
            Self::Returned => "be returned",
            Self::Imported => "be imported",
            Self::LinkDown => "wait for a login",
            Self::LinkUp => "go on after a login",
            Self::Fail(_) => "fail",
            Self::Revert => "be reverted",
            Self::Hold => "be held",
            Self::Release => "be released",
            Self::Cancel => "be cancelled",
            Self::Clean => "be cleaned",
        }
    }
}

impl RunState {
    /// Whether nothing of it is still to be done.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Full | Self::Cancelled | Self::Cleaned)
    }

    /// The transition table of runs (design §5). Nothing else changes a run's state.
    ///
    /// # Errors
    /// When the move is not in the table.
    #[expect(
        clippy::match_same_arms,
        reason = "a table reads best with one move a line"
    )]
    pub fn after(self, event: RunEvent) -> Result<Self, IllegalMove> {
        use Stage::{Importing, New, Pending, Returning, Run, Staging, Submitting};
        let next = match (self, event) {
            (Self::Active(New), RunEvent::Prepared) => Self::Active(Pending),
            (Self::Active(Pending), RunEvent::StageIn) => Self::Active(Staging),
            (Self::Active(Staging), RunEvent::Staged) => Self::Active(Submitting),
            (Self::Active(Submitting), RunEvent::Submitted) => Self::Active(Run),
            (Self::Active(Run), RunEvent::Harvested) => Self::Active(Run),
            (Self::Active(Run), RunEvent::Ended) => Self::Active(Returning),
            (Self::Active(Returning), RunEvent::Returned) => Self::Active(Importing),
            (Self::Active(Importing), RunEvent::Imported) => Self::Full,
            (Self::Active(stage), RunEvent::LinkDown) if stage != New => Self::Auth(stage),
            (Self::Auth(stage), RunEvent::LinkUp) => Self::Active(stage),
            (Self::Active(stage), RunEvent::Fail(step)) if step == step_of(stage) => {
                Self::Error(step)
            },
            (Self::Error(Step::Prepare), RunEvent::Revert) => Self::Active(New),
            (Self::Error(Step::Exec), RunEvent::Revert) => Self::Active(Pending),
            (Self::Error(Step::Poll), RunEvent::Revert) => Self::Active(Run),
            (Self::Active(stage) | Self::Auth(stage), RunEvent::Hold) => Self::Hold(stage),
            (Self::Hold(stage), RunEvent::Release) => Self::Active(stage),
            (
                Self::Active(_) | Self::Auth(_) | Self::Hold(_) | Self::Error(_),
                RunEvent::Cancel,
            ) => Self::Cancelled,
            (Self::Full | Self::Cancelled, RunEvent::Clean) => Self::Cleaned,
            (state, event) => return Err(refuse(state, event)),
        };
        Ok(next)
    }

    /// Every state there is, for help texts and tests.
    pub fn all() -> impl Iterator<Item = Self> {
        let stages = Stage::ALL.into_iter();
        stages
            .clone()
            .map(Self::Active)
            .chain(stages.clone().map(Self::Auth))
            .chain(stages.map(Self::Hold))
            .chain([Step::Prepare, Step::Exec, Step::Poll].map(Self::Error))
            .chain([Self::Full, Self::Cancelled, Self::Cleaned])
    }
}

/// The step to which work in a stage belongs.
fn step_of(stage: Stage) -> Step {
    match stage {
        Stage::New => Step::Prepare,
        Stage::Pending | Stage::Staging | Stage::Submitting => Step::Exec,
        Stage::Run | Stage::Returning | Stage::Importing => Step::Poll,
    }
}

fn refuse(state: RunState, event: RunEvent) -> IllegalMove {
    let mend = match (state, event) {
        (RunState::Full | RunState::Cancelled | RunState::Cleaned, _) => {
            "it is over; failed components go into a new run after `outrigger remote revert`"
        },
        (_, RunEvent::Revert) => "only a run in error can be reverted",
        (_, RunEvent::Release) => "only a held run can be released",
        (_, RunEvent::LinkUp) => "only a run in auth waits for a login",
        (_, RunEvent::Clean) => "only a run that is full or cancelled can be cleaned",
        (RunState::Error(_), _) => "revert it first: `outrigger remote revert RUN`",
        (RunState::Hold(_), _) => "release it first: `outrigger remote release RUN`",
        _ => "it is not at that step; see `outrigger remote show RUN`",
    };
    IllegalMove {
        subject: "run",
        state: state.to_string(),
        event: event.verb(),
        mend,
    }
}

impl Stage {
    const ALL: [Self; 7] = [
        Self::New,
        Self::Pending,
        Self::Staging,
        Self::Submitting,
        Self::Run,
        Self::Returning,
        Self::Importing,
    ];

    /// The state's word, as in state.db.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Staging => "staging",
            Self::Submitting => "submitting",
            Self::Run => "run",
            Self::Returning => "returning",
            Self::Importing => "importing",
        }
    }
}

impl Step {
    /// The step's word, as in state.db.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Exec => "exec",
            Self::Poll => "poll",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Active(stage) => f.write_str(stage.word()),
            Self::Auth(stage) => write!(f, "auth:{}", stage.word()),
            Self::Hold(stage) => write!(f, "hold:{}", stage.word()),
            Self::Error(step) => write!(f, "error:{}", step.word()),
            Self::Full => f.write_str("full"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Cleaned => f.write_str("cleaned"),
        }
    }
}

impl FromStr for RunState {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        Self::all()
            .find(|state| state.to_string() == text)
            .ok_or_else(|| StateError::Corrupt(format!("run state `{text}`")))
    }
}

impl Serialize for RunState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [RunEvent; 18] = [
        RunEvent::Prepared,
        RunEvent::StageIn,
        RunEvent::Staged,
        RunEvent::Submitted,
        RunEvent::Ended,
        RunEvent::Returned,
        RunEvent::Imported,
        RunEvent::LinkDown,
        RunEvent::LinkUp,
        RunEvent::Fail(Step::Prepare),
        RunEvent::Fail(Step::Exec),
        RunEvent::Fail(Step::Poll),
        RunEvent::Revert,
        RunEvent::Hold,
        RunEvent::Release,
        RunEvent::Cancel,
        RunEvent::Clean,
        RunEvent::Harvested,
    ];

    fn from(state: &str, event: RunEvent) -> String {
        let state: RunState = state.parse().unwrap();
        state
            .after(event)
            .map_or_else(|e| e.to_string(), |s| s.to_string())
    }

    #[test]
    fn the_undisturbed_life_ends_full() {
        let mut state = RunState::Active(Stage::New);
        for event in EVENTS.into_iter().take(7) {
            state = state.after(event).unwrap();
        }
        assert_eq!(state, RunState::Full);
    }

    #[test]
    fn a_lost_link_is_remembered_and_left_again() {
        for word in [
            "pending",
            "staging",
            "submitting",
            "run",
            "returning",
            "importing",
        ] {
            let auth = from(word, RunEvent::LinkDown);
            assert_eq!(auth, format!("auth:{word}"));
            assert_eq!(from(&auth, RunEvent::LinkUp), word);
        }
    }

    #[test]
    fn a_failed_poll_never_leads_back_to_a_submission() {
        let mut seen = vec![RunState::Error(Step::Poll)];
        let mut at = 0;
        while let Some(state) = seen.get(at).copied() {
            for next in EVENTS.into_iter().filter_map(|e| state.after(e).ok()) {
                if !seen.contains(&next) {
                    seen.push(next);
                }
            }
            at += 1;
        }
        assert!(!seen.contains(&RunState::Active(Stage::Submitting)));
        assert!(!seen.contains(&RunState::Active(Stage::Pending)));
    }

    #[test]
    fn an_illegal_move_says_what_to_do() {
        insta::assert_snapshot!(from("full", RunEvent::StageIn), @"run in state `full` cannot be staged in: it is over; failed components go into a new run after `outrigger remote revert`");
        insta::assert_snapshot!(from("error:exec", RunEvent::StageIn), @"run in state `error:exec` cannot be staged in: revert it first: `outrigger remote revert RUN`");
    }

    #[test]
    fn every_state_reads_back_from_its_word() {
        for state in RunState::all() {
            assert_eq!(state.to_string().parse::<RunState>().unwrap(), state);
        }
    }

    #[test]
    fn a_run_that_is_over_stays_over() {
        for event in EVENTS {
            assert!(RunState::Cleaned.after(event).is_err());
        }
    }
}
