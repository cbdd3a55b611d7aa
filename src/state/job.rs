//! Jobs: their states, the one function that changes them, and their table.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use rusqlite::{Row, params};
use serde::{Serialize, Serializer};

use super::{StateError, Store, event::time, store::IllegalMove};

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobState {
    /// Nothing is known of it yet.
    Waiting,
    /// It exited with 0 and every declared output is there.
    Passed,
    /// It failed; the reason says how.
    Failed,
    /// Its batch job is over and it left no final record.
    Lost,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEvent {
    /// With exit code 0 and all its outputs.
    Pass,
    /// Otherwise.
    Fail,
    /// Without a final record.
    Lose,
}

impl JobState {
    const ALL: [Self; 4] = [Self::Waiting, Self::Passed, Self::Failed, Self::Lost];

    /// The transition table of jobs. What passed stays passed; nothing else changes their state.
    ///
    /// # Errors
    /// When the move is not in the table.
    pub fn after(self, event: JobEvent) -> Result<Self, IllegalMove> {
        match (self, event) {
            (Self::Waiting, JobEvent::Pass) => Ok(Self::Passed),
            (Self::Waiting, JobEvent::Fail) => Ok(Self::Failed),
            (Self::Waiting, JobEvent::Lose) => Ok(Self::Lost),
            (state, _) => Err(IllegalMove {
                subject: "job",
                state: state.to_string(),
                event: "end again",
                mend: "a job ends once; a retry is a job of a new run",
            }),
        }
    }

    /// The state's word, as in state.db.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for JobState {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        Self::ALL
            .into_iter()
            .find(|state| state.word() == text)
            .ok_or_else(|| StateError::Corrupt(format!("job state `{text}`")))
    }
}

impl Serialize for JobState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// One command of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Job {
    /// Its number within the run, from 0.
    pub seq: u64,
    /// The component it belongs to.
    pub component_id: i64,
    /// What tells it apart within the component, stable across retries.
    pub key: String,
    /// Its state.
    pub state: JobState,
    /// Exit code, 128 + N for signal N.
    pub exit_code: Option<i32>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Node it ran on.
    pub node: Option<String>,
    /// Why it failed.
    pub reason: String,
    /// How many of its tries in this run ended by themselves and failed.
    pub failures: u32,
}

fn read(row: &Row<'_>) -> rusqlite::Result<(Job, String)> {
    let job = Job {
        seq: row.get("seq")?,
        component_id: row.get("component_id")?,
        key: row.get("key")?,
        state: JobState::Waiting,
        exit_code: row.get("exit_code")?,
        started_at: row.get::<_, Option<i64>>("started_at")?.map(time),
        ended_at: row.get::<_, Option<i64>>("ended_at")?.map(time),
        node: row.get("node")?,
        reason: row.get("reason")?,
        failures: row.get("failures")?,
    };
    Ok((job, row.get("state")?))
}

/// What prepare found out of one component, to be recorded with [`Store::prepared`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedComponent {
    /// The component.
    pub component_id: i64,
    /// Number within the run of its first job; the others follow.
    pub first_seq: u64,
    /// Keys of its jobs, in order; or why it has none.
    pub outcome: Result<Vec<String>, String>,
    /// Its directory here.
    pub path_base: String,
    /// Under which id the next stage is queued when it passes.
    pub next_id: Option<i64>,
}

impl Store {
    /// Records a prepared run in one transaction: its components' outcomes, its jobs, and its
    /// move to `pending`, or to `error:prepare` if there is no job. `components` is read as it goes. Earlier jobs of the run, left by a
    /// prepare that did not finish, are replaced.
    pub fn prepared(
        &mut self,
        run_id: i64,
        components: impl Iterator<Item = PreparedComponent>,
        act: super::event::Act<'_>,
    ) -> Result<(), StateError> {
        use super::{component, component::ComponentEvent, run};
        let transaction = self.write()?;
        transaction.execute("DELETE FROM jobs WHERE run_id = ?", [run_id])?;
        let mut total = 0_u64;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO jobs (run_id, seq, component_id, key, state) VALUES (?, ?, ?, ?, 'waiting')",
            )?;
            let mut update = transaction.prepare_cached(
                "UPDATE components SET jobs = ?, path_base = ?, next_id = ? WHERE component_id = ?",
            )?;
            for prepared in components {
                let id = prepared.component_id;
                match &prepared.outcome {
                    Ok(keys) => {
                        for (seq, key) in (prepared.first_seq..).zip(keys) {
                            insert.execute(params![run_id, seq, id, key])?;
                        }
                        let jobs = keys.len() as u64;
                        total += jobs;
                        update.execute(params![jobs, prepared.path_base, prepared.next_id, id])?;
                        component::advance(&transaction, id, ComponentEvent::Prepared, act)?;
                    },
                    Err(why) => {
                        let act = act.because(why);
                        component::advance(&transaction, id, ComponentEvent::PrepareFailed, act)?;
                    },
                }
            }
        }
        transaction.execute(
            "UPDATE runs SET jobs = ?, fault = 0 WHERE run_id = ?",
            params![total, run_id],
        )?;
        let (event, act) = match total {
            0 => {
                let why = "it has no job to run: none of its components could be prepared, or none has a job left";
                (run::RunEvent::Fail(run::Step::Prepare), act.because(why))
            },
            _ => (run::RunEvent::Prepared, act),
        };
        run::advance(&transaction, run_id, event, act)?;
        transaction.commit()?;
        Ok(())
    }

    /// The jobs of a run, in order.
    pub fn jobs(&self, run_id: i64) -> Result<Vec<Job>, StateError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT * FROM jobs WHERE run_id = ? ORDER BY seq")?;
        let rows = statement.query_map([run_id], read)?;
        rows.map(|row| {
            let (job, state) = row?;
            Ok(Job {
                state: state.parse()?,
                ..job
            })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_ends_once() {
        for event in [JobEvent::Pass, JobEvent::Fail, JobEvent::Lose] {
            let ended = JobState::Waiting.after(event).unwrap();
            assert!(ended.after(JobEvent::Pass).is_err());
        }
    }
}
