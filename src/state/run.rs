//! Runs: their states, the one function that changes them, and their table (design §5).

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Serialize, Serializer};

use super::{
    StateError, Store,
    event::{Act, Subject, append, time},
    store::IllegalMove,
};

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
    /// It is known that the scheduler never got the batch job.
    NotSubmitted,
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
            Self::Staged | Self::NotSubmitted => "be submitted",
            Self::Submitted => "become submitted",
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
            (Self::Active(Submitting), RunEvent::NotSubmitted) => Self::Active(Pending),
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

/// One bundle of components of one stage that goes to a site as one batch job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its number.
    pub run_id: i64,
    /// Its stage.
    pub stage: String,
    /// Its site.
    pub site: String,
    /// Its label.
    pub label: String,
    /// Its state.
    pub state: RunState,
    /// Its run directory here, relative to outrigger.yaml or absolute.
    pub path_base: String,
    /// How often it was submitted, from 1.
    pub attempt: u32,
    /// What makes its batch job's name unique: `or-<run>-<attempt>-<8 hex>`.
    pub token: String,
    /// The scheduler's name for the batch job.
    pub job_id: Option<String>,
    /// Exit code of the last failure; 0 = none.
    pub fault: i64,
    /// Why it is in this state.
    pub reason: String,
    /// Number of its jobs.
    pub jobs: u64,
    /// Jobs that passed.
    pub passed: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Components that went back to be bundled again.
    pub retried: u64,
    /// Jobs of which nothing is known.
    pub lost: u64,
    /// Polls in a row at which the scheduler did not know the batch job.
    pub unseen: u64,
    /// When it was defined.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub changed_at: Timestamp,
    /// When its batch job was last asked for.
    pub polled_at: Option<Timestamp>,
}

const COLUMNS: &str = "run_id, stage, site, label, state, path_base, attempt, token, job_id, fault,
    reason, jobs, passed, failed, retried, lost, unseen, created_at, changed_at, polled_at";

fn read(row: &Row<'_>) -> rusqlite::Result<(Run, String)> {
    let state: String = row.get("state")?;
    let run = Run {
        run_id: row.get("run_id")?,
        stage: row.get("stage")?,
        site: row.get("site")?,
        label: row.get("label")?,
        state: RunState::Active(Stage::New),
        path_base: row.get("path_base")?,
        attempt: row.get("attempt")?,
        token: row.get("token")?,
        job_id: row.get("job_id")?,
        fault: row.get("fault")?,
        reason: row.get("reason")?,
        jobs: row.get("jobs")?,
        passed: row.get("passed")?,
        failed: row.get("failed")?,
        retried: row.get("retried")?,
        lost: row.get("lost")?,
        unseen: row.get("unseen")?,
        created_at: time(row.get("created_at")?),
        changed_at: time(row.get("changed_at")?),
        polled_at: row.get::<_, Option<i64>>("polled_at")?.map(time),
    };
    Ok((run, state))
}

fn finish((run, state): (Run, String)) -> Result<Run, StateError> {
    Ok(Run {
        state: state.parse()?,
        ..run
    })
}

/// Which runs to list; every field that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// These runs only.
    pub run_ids: Vec<i64>,
    /// In one of these states.
    pub states: Vec<RunState>,
    /// Of this stage.
    pub stage: Option<String>,
    /// Of this site.
    pub site: Option<String>,
    /// With one of these labels.
    pub labels: Vec<String>,
    /// At most so many; 0 = all.
    pub limit: usize,
}

impl RunFilter {
    fn admits(&self, run: &Run) -> bool {
        (self.run_ids.is_empty() || self.run_ids.contains(&run.run_id))
            && (self.states.is_empty() || self.states.contains(&run.state))
            && self.stage.as_ref().is_none_or(|stage| *stage == run.stage)
            && self.site.as_ref().is_none_or(|site| *site == run.site)
            && (self.labels.is_empty() || self.labels.contains(&run.label))
    }
}

impl Store {
    /// One run.
    pub fn run(&self, run_id: i64) -> Result<Run, StateError> {
        get(&self.connection, run_id)
    }

    /// The runs that a filter admits, oldest first.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StateError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM runs ORDER BY run_id"))?;
        let mut rows = statement.query([])?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next()? {
            let run = finish(read(row)?)?;
            if filter.admits(&run) {
                runs.push(run);
                if filter.limit > 0 && runs.len() == filter.limit {
                    break;
                }
            }
        }
        Ok(runs)
    }

    /// Moves a run through the transition function and returns its new state.
    pub fn advance(
        &mut self,
        run_id: i64,
        event: RunEvent,
        act: Act<'_>,
    ) -> Result<RunState, StateError> {
        let transaction = self.write()?;
        let state = advance(&transaction, run_id, event, act)?;
        transaction.commit()?;
        Ok(state)
    }

    /// Records the scheduler's name for the batch job, together with the move to `run`.
    pub fn submitted(&mut self, run_id: i64, job_id: &str, act: Act<'_>) -> Result<(), StateError> {
        let transaction = self.write()?;
        advance(&transaction, run_id, RunEvent::Submitted, act)?;
        transaction.execute(
            "UPDATE runs SET job_id = ?, fault = 0, unseen = 0 WHERE run_id = ?",
            params![job_id, run_id],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// Reverts a run in error. One that goes back to `pending` gets its next attempt in the same
    /// transaction: a token with `secret`, and no batch job.
    pub fn revert(
        &mut self,
        run_id: i64,
        secret: u32,
        act: Act<'_>,
    ) -> Result<RunState, StateError> {
        let transaction = self.write()?;
        let state = advance(&transaction, run_id, RunEvent::Revert, act)?;
        transaction.execute("UPDATE runs SET fault = 0 WHERE run_id = ?", [run_id])?;
        if state == RunState::Active(Stage::Pending) {
            let attempt = get(&transaction, run_id)?.attempt + 1;
            transaction.execute(
                "UPDATE runs SET attempt = ?, token = ?, job_id = NULL WHERE run_id = ?",
                params![attempt, token(run_id, attempt, secret), run_id],
            )?;
        }
        transaction.commit()?;
        Ok(state)
    }

    /// Notes the exit code of a failure that leaves the run where it is.
    pub fn set_fault(&mut self, run_id: i64, fault: i64, reason: &str) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE runs SET fault = ?, reason = ? WHERE run_id = ?",
            params![fault, reason, run_id],
        )?;
        Ok(())
    }

    /// Gives a run another label.
    pub fn set_label(
        &mut self,
        run_id: i64,
        label: &str,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let changed = self.connection.execute(
            "UPDATE runs SET label = ?, changed_at = ? WHERE run_id = ?",
            params![label, now.as_millisecond(), run_id],
        )?;
        if changed == 0 {
            Err(StateError::NoRow {
                what: "run",
                id: run_id,
            })
        } else {
            Ok(())
        }
    }

    /// Notes that the scheduler was asked, and whether it knew the batch job; gives the number
    /// of polls in a row at which it did not.
    pub fn polled(&mut self, run_id: i64, seen: bool, now: Timestamp) -> Result<u64, StateError> {
        let unseen = if seen { "0" } else { "unseen + 1" };
        Ok(self.connection.query_row(
            &format!(
                "UPDATE runs SET polled_at = ?, unseen = {unseen} WHERE run_id = ? RETURNING unseen"
            ),
            params![now.as_millisecond(), run_id],
            |row| row.get(0),
        )?)
    }

    /// Claims a run for `owner` for `seconds`; a claim of the same owner is renewed. Only the
    /// holder may work on a run, so two programs on one state.db never do the same step.
    pub fn claim(
        &mut self,
        run_id: i64,
        owner: &str,
        seconds: i64,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let now = now.as_millisecond();
        let claimed = self.connection.execute(
            "UPDATE runs SET owner = ?1, lease_end = ?2
             WHERE run_id = ?3 AND (owner IS NULL OR owner = ?1 OR lease_end <= ?4)",
            params![owner, now + seconds * 1000, run_id, now],
        )?;
        if claimed == 1 {
            return Ok(());
        }
        let held: Option<(String, i64)> = self
            .connection
            .query_row(
                "SELECT coalesce(owner, ''), coalesce(lease_end, 0) FROM runs WHERE run_id = ?",
                [run_id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        Err(match held {
            Some((owner, end)) => StateError::Held {
                run: run_id,
                owner,
                seconds: (end - now).max(0) / 1000 + 1,
            },
            None => StateError::NoRow {
                what: "run",
                id: run_id,
            },
        })
    }

    /// Who holds a claim on a run, be it over or not.
    pub fn holder(&self, run_id: i64) -> Result<Option<String>, StateError> {
        let owner = self
            .connection
            .prepare_cached("SELECT owner FROM runs WHERE run_id = ?")?
            .query_row([run_id], |row| row.get(0))
            .optional()?;
        Ok(owner.flatten())
    }

    /// Lengthens the claim that `owner` has, if it still has it.
    pub fn renew(
        &mut self,
        run_id: i64,
        owner: &str,
        seconds: i64,
        now: Timestamp,
    ) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE runs SET lease_end = max(lease_end, ?) WHERE run_id = ? AND owner = ?",
            params![now.as_millisecond() + seconds * 1000, run_id, owner],
        )?;
        Ok(())
    }

    /// Gives a claim back.
    pub fn release_claim(&mut self, run_id: i64, owner: &str) -> Result<(), StateError> {
        self.connection.execute(
            "UPDATE runs SET owner = NULL, lease_end = NULL WHERE run_id = ? AND owner = ?",
            params![run_id, owner],
        )?;
        Ok(())
    }
}

pub(super) fn get(connection: &Connection, run_id: i64) -> Result<Run, StateError> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE run_id = ?"))?
        .query_row([run_id], read)
        .optional()?
        .map(finish)
        .transpose()?
        .ok_or(StateError::NoRow {
            what: "run",
            id: run_id,
        })
}

/// Inserts a new run; its `path_base` gets `/remote_<stage>.<run_id>` added (spec/remote.md §0).
pub(super) fn insert(
    connection: &Connection,
    stage: &str,
    site: &str,
    label: &str,
    base: &str,
    secret: u32,
    act: Act<'_>,
) -> Result<i64, StateError> {
    let now = act.now.as_millisecond();
    let first = RunState::Active(Stage::New).to_string();
    connection
        .prepare_cached(
            "INSERT INTO runs (stage, site, label, state, path_base, token, reason, created_at, changed_at)
             VALUES (?, ?, ?, ?, '', '?' || hex(randomblob(8)), ?, ?, ?)",
        )?
        .execute(params![stage, site, label, first, act.why, now, now])?;
    let run_id = connection.last_insert_rowid();
    connection.execute(
        "UPDATE runs SET path_base = ?, token = ? WHERE run_id = ?",
        params![
            format!("{base}/remote_{stage}.{run_id}"),
            token(run_id, 1, secret),
            run_id
        ],
    )?;
    append(connection, Subject::Run, run_id, "", &first, act)?;
    Ok(run_id)
}

/// The batch job's name: `or-<run>-<attempt>-<8 hex>` (design decision 3).
pub fn token(run_id: i64, attempt: u32, secret: u32) -> String {
    format!("or-{run_id}-{attempt}-{secret:08x}")
}

pub(super) fn advance(
    connection: &Connection,
    run_id: i64,
    event: RunEvent,
    act: Act<'_>,
) -> Result<RunState, StateError> {
    let run = get(connection, run_id)?;
    let next = run.state.after(event)?;
    connection
        .prepare_cached("UPDATE runs SET state = ?, reason = ?, changed_at = ? WHERE run_id = ?")?
        .execute(params![
            next.to_string(),
            act.why,
            act.now.as_millisecond(),
            run_id
        ])?;
    append(
        connection,
        Subject::Run,
        run_id,
        &run.state.to_string(),
        &next.to_string(),
        act,
    )?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [RunEvent; 18] = [
        RunEvent::Prepared,
        RunEvent::StageIn,
        RunEvent::Staged,
        RunEvent::Submitted,
        RunEvent::NotSubmitted,
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
        for event in EVENTS
            .into_iter()
            .take(8)
            .filter(|e| *e != RunEvent::NotSubmitted)
        {
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
