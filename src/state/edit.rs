//! What an operator may set on a row without moving it.

use jiff::Timestamp;
use rusqlite::params;

use super::{
    StateError, Store,
    event::{Act, Subject, append},
    run,
    store::IllegalMove,
};

/// What to set on a run; absent: left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunEdit {
    /// Its label.
    pub label: Option<String>,
    /// Exit code of its last failure; 0 = none.
    pub fault: Option<i64>,
    /// The scheduler's name for its batch job.
    pub job_id: Option<String>,
}

/// What to set on components; absent: left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComponentEdit {
    /// Their directory here.
    pub path_base: Option<String>,
    /// Number of their jobs.
    pub jobs: Option<u64>,
}

impl Store {
    /// Sets columns of a run and notes it in its story; tells whether anything is different now.
    ///
    /// # Errors
    /// A batch job for a run that was not submitted.
    pub fn edit_run(
        &mut self,
        run_id: i64,
        edit: &RunEdit,
        act: Act<'_>,
    ) -> Result<bool, StateError> {
        let transaction = self.write()?;
        let run = run::get(&transaction, run_id)?;
        let mut what = Vec::new();
        if let Some(label) = edit.label.as_ref().filter(|label| **label != run.label) {
            what.push(format!("label {label}"));
        }
        if let Some(fault) = edit.fault.filter(|fault| *fault != run.fault) {
            what.push(format!("fault {fault}"));
        }
        if edit.job_id.is_some() && edit.job_id != run.job_id {
            if run.job_id.is_none() {
                return Err(StateError::Illegal(IllegalMove {
                    subject: "run",
                    state: run.state.to_string(),
                    event: "have a batch job",
                    mend: "only a run that was submitted has one",
                }));
            }
            what.push(format!(
                "job {}",
                edit.job_id.as_deref().unwrap_or_default()
            ));
        }
        if what.is_empty() {
            return Ok(false);
        }
        transaction.execute(
            "UPDATE runs SET label = coalesce(?, label), fault = coalesce(?, fault),
                job_id = coalesce(?, job_id), changed_at = ? WHERE run_id = ?",
            params![
                edit.label,
                edit.fault,
                edit.job_id,
                act.now.as_millisecond(),
                run_id
            ],
        )?;
        let state = run.state.to_string();
        let why = format!("{}: {}", act.why, what.join(", "));
        append(
            &transaction,
            Subject::Run,
            run_id,
            &state,
            &state,
            act.because(&why),
        )?;
        transaction.commit()?;
        Ok(true)
    }

    /// Notes that a run was asked for now; tells whether there is such a run.
    pub fn note_poll(&mut self, run_id: i64, now: Timestamp) -> Result<bool, StateError> {
        let changed = self.connection.execute(
            "UPDATE runs SET polled_at = ? WHERE run_id = ?",
            params![now.as_millisecond(), run_id],
        )?;
        Ok(changed > 0)
    }

    /// Sets columns of components, all in one transaction; tells how many are different now.
    ///
    /// # Errors
    /// Another number of jobs for a component whose jobs are written.
    pub fn edit_components(
        &mut self,
        component_ids: &[i64],
        edit: &ComponentEdit,
    ) -> Result<usize, StateError> {
        let transaction = self.write()?;
        let mut changed = 0;
        {
            let mut written = transaction.prepare_cached(
                "SELECT state, (SELECT count(*) FROM jobs WHERE jobs.component_id = c.component_id)
                 FROM components c WHERE component_id = ?",
            )?;
            let mut update = transaction.prepare_cached(
                "UPDATE components SET path_base = coalesce(?1, path_base), jobs = coalesce(?2, jobs)
                 WHERE component_id = ?3
                   AND (path_base <> coalesce(?1, path_base) OR jobs <> coalesce(?2, jobs))",
            )?;
            for id in component_ids {
                let (state, written): (String, u64) =
                    written.query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
                if written > 0 && edit.jobs.is_some_and(|jobs| jobs != written) {
                    return Err(StateError::Illegal(IllegalMove {
                        subject: "component",
                        state,
                        event: "have another number of jobs",
                        mend: "its jobs are written",
                    }));
                }
                changed += update.execute(params![edit.path_base, edit.jobs, id])?;
            }
        }
        transaction.commit()?;
        Ok(changed)
    }
}
