//! What its jobs mean for each component of a run.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{
    super::{
        StateError,
        back_off::{self, Setback},
        component::{self, ComponentEvent, ComponentState},
        event::Act,
        queue, tries,
    },
    Import,
};

/// What the jobs of one component add up to.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Jobs that passed.
    pub(super) passed: u64,
    /// Why the first job that did not pass did not.
    pub(super) why: Option<String>,
    /// Whether a human must look before it may run again.
    pub(super) by_hand: bool,
    /// Whether a job that did not pass has failed by itself.
    pub(super) own_fault: bool,
}

impl Verdict {
    fn setback(&self) -> Setback {
        if self.own_fault {
            Setback::Own
        } else {
            Setback::Outside
        }
    }
}

/// Which components of a run are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All: the run is over.
    All,
    /// Those all of whose jobs have passed.
    Passed,
}

/// Moves each component of a run with this label on by what its jobs add up to; tells how many go
/// back to be bundled again.
pub(super) fn judge_components(
    connection: &Connection,
    import: &Import<'_>,
    (label, extent): (&str, Extent),
    act: Act<'_>,
    verdicts: &BTreeMap<i64, Verdict>,
) -> Result<u64, StateError> {
    let mut statement = connection.prepare_cached(
        "SELECT component_id, stage, stage_id, jobs, attempt, next_id FROM components
         WHERE run_id = ? AND state = 'prepared'",
    )?;
    let rows = statement.query_map([import.run_id], |row| {
        Ok((
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            row.get(4)?,
            row.get(5)?,
        ))
    })?;
    let prepared: Vec<(i64, String, i64, u64, u32, Option<i64>)> =
        rows.collect::<Result<_, _>>()?;
    let nothing = Verdict::default();
    let mut retried = 0;
    for (id, stage, stage_id, mut jobs, attempt, next_id) in prepared {
        let of = (stage.as_str(), stage_id, id);
        let (passed_before, used_up) = match attempt {
            0 | 1 => (0, 0),
            _ => tries::left_out(connection, of, import.attempts)?,
        };
        jobs += passed_before + used_up;
        let verdict = verdicts.get(&id).unwrap_or(&nothing);
        let passed = verdict.passed + passed_before;
        if extent == Extent::Passed && passed < jobs {
            continue;
        }
        let why = match &verdict.why {
            Some(why) => why.as_str(),
            None if !verdicts.contains_key(&id) => "no record of its jobs came back",
            None if passed < jobs => "what is left of it has been tried as often as it may",
            None => "all jobs passed",
        };
        let act = act.because(why);
        let judged = ComponentEvent::Judged { passed, jobs };
        match (
            component::advance(connection, id, judged, act)?,
            import.next,
        ) {
            (ComponentState::Passed, Some(next)) => {
                queue::push(
                    connection,
                    next,
                    next_id.unwrap_or(stage_id),
                    label,
                    act.now,
                )?;
            },
            (ComponentState::Failed | ComponentState::Partial, _)
                if attempt < import.attempts
                    && !verdict.by_hand
                    && tries::has_try_left(connection, of, import.attempts)? =>
            {
                component::advance(connection, id, ComponentEvent::Revert, act)?;
                back_off::set_back(connection, id, verdict.setback(), import.back_off, act.now)?;
                retried += 1;
            },
            _ => {},
        }
    }
    Ok(retried)
}
