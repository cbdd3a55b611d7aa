//! How long a component that failed waits before it is bundled again by itself.
//!
//! The first setback that is no fault of its own (its node, its walltime, a cancellation) costs it
//! nothing; each that repeats one of the same kind doubles the wait.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::{
    StateError, Store,
    event::{Act, Subject, append, time},
    tries,
};

/// How long a component waits after its failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackOff {
    /// After the first failure; twice as long after each further one. Zero: never.
    pub after: Duration,
    /// Never longer than this.
    pub at_most: Duration,
}

impl BackOff {
    /// How long a component waits after its `times`-th failure; not at all after the 0th.
    pub fn delay(&self, times: u32) -> Duration {
        let Some(doublings) = times.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.after.saturating_mul(factor).min(self.at_most)
    }
}

/// Why a bundle of a component left something of it undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setback {
    /// A job ended by itself and failed.
    Own,
    /// What it lacks was ended from outside, or never began.
    Outside,
}

impl Setback {
    fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Outside => "outside",
        }
    }

    /// For which failure a component waits that has met this kind of setback `met` times.
    fn times(self, met: u32) -> u32 {
        match self {
            Self::Own => met,
            Self::Outside => met.saturating_sub(1),
        }
    }
}

/// Components that wait until they may be bundled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Waiting {
    /// How many.
    pub components: u64,
    /// When the first of them is due again; `None` if there are none.
    pub due_at: Option<Timestamp>,
}

impl Extend<Self> for Waiting {
    fn extend<T: IntoIterator<Item = Self>>(&mut self, others: T) {
        for other in others {
            self.components += other.components;
            self.due_at = self.due_at.into_iter().chain(other.due_at).min();
        }
    }
}

impl FromIterator<Self> for Waiting {
    fn from_iter<T: IntoIterator<Item = Self>>(all: T) -> Self {
        let mut sum = Self::default();
        sum.extend(all);
        sum
    }
}

/// Those of a stage and label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delayed {
    /// The stage.
    pub stage: String,
    /// Label of the run they were in.
    pub label: String,
    /// They.
    pub waiting: Waiting,
}

impl Store {
    /// The components that wait at `now` until they may be bundled again, by stage and label.
    pub fn delayed(&self, now: Timestamp) -> Result<Vec<Delayed>, StateError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT c.stage, runs.label, count(*), min(c.due_at)
             FROM components AS c JOIN runs USING (run_id)
             WHERE c.due_at > ? AND c.state = 'retry' AND NOT EXISTS
                (SELECT 1 FROM components AS later WHERE later.stage = c.stage
                 AND later.stage_id = c.stage_id AND later.component_id > c.component_id)
             GROUP BY c.stage, runs.label",
        )?;
        let rows = statement.query_map([now.as_millisecond()], |row| {
            Ok(Delayed {
                stage: row.get(0)?,
                label: row.get(1)?,
                waiting: Waiting {
                    components: row.get(2)?,
                    due_at: Some(time(row.get(3)?)),
                },
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Makes components due at once, with all their tries anew: a human wants them.
    pub fn hasten(&mut self, component_ids: &[i64], act: Act<'_>) -> Result<(), StateError> {
        let transaction = self.write()?;
        for id in component_ids {
            tries::renew(&transaction, *id)?;
            append(&transaction, Subject::Component, *id, "retry", "retry", act)?;
        }
        Ok(transaction.commit()?)
    }
}

/// Notes what a bundle met, and when its component is due again.
pub(super) fn set_back(
    connection: &Connection,
    component_id: i64,
    setback: Setback,
    back_off: BackOff,
    now: Timestamp,
) -> Result<(), StateError> {
    connection
        .prepare_cached("UPDATE components SET setback = ? WHERE component_id = ?")?
        .execute(params![setback.word(), component_id])?;
    let met: u32 = connection
        .prepare_cached(
            "SELECT count(*) FROM components AS one JOIN components AS all_of
             USING (stage, stage_id) WHERE one.component_id = ? AND all_of.setback = ?",
        )?
        .query_row(params![component_id, setback.word()], |row| row.get(0))?;
    let delay = back_off.delay(setback.times(met));
    if !delay.is_zero() {
        let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        let due = now.as_millisecond().saturating_add(delay);
        let due = due.min(Timestamp::MAX.as_millisecond());
        connection
            .prepare_cached("UPDATE components SET due_at = ? WHERE component_id = ?")?
            .execute(params![due, component_id])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(after: u64, at_most: u64) -> BackOff {
        BackOff {
            after: Duration::from_secs(after),
            at_most: Duration::from_secs(at_most),
        }
    }

    #[test]
    fn it_doubles_until_it_is_as_long_as_it_may_be() {
        let back_off = seconds(60, 600);
        let delays = [0, 1, 2, 3, 4, 5, 6, 40].map(|times| back_off.delay(times).as_secs());
        assert_eq!(delays, [0, 60, 120, 240, 480, 600, 600, 600]);
    }

    #[test]
    fn what_comes_from_outside_costs_nothing_unless_it_repeats() {
        let back_off = seconds(60, 600);
        let delay = |setback: Setback, met| back_off.delay(setback.times(met)).as_secs();
        assert_eq!(
            [1, 2, 3].map(|met| delay(Setback::Own, met)),
            [60, 120, 240]
        );
        assert_eq!(
            [1, 2, 3].map(|met| delay(Setback::Outside, met)),
            [0, 60, 120]
        );
    }

    proptest! {
        #[test]
        fn it_never_shrinks_nor_exceeds_its_limit(after: u64, at_most: u64, times: u32) {
            let back_off = seconds(after, at_most);
            let (this, next) = (back_off.delay(times), back_off.delay(times.saturating_add(1)));
            prop_assert!(this <= next && next <= back_off.at_most);
        }

        #[test]
        fn it_is_the_wait_before_twice_over_below_its_limit(after in 0..1_u64 << 20, times in 1..30_u32) {
            let back_off = seconds(after, u64::MAX);
            prop_assert_eq!(back_off.delay(times + 1), back_off.delay(times) * 2);
        }
    }
}
