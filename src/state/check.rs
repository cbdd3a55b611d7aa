//! `outrigger db check`: does state.db still hold what it promises?

use serde::Serialize;

use super::{StateError, Store, component::ComponentState, job::JobState, run::RunState};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The invariant.
    pub rule: String,
    /// Where it is broken.
    pub found: String,
}

/// Rules as queries that give one text for each violation.
const RULES: [(&str, &str); 9] = [
    (
        "a run that was submitted has the name that the scheduler gave its batch job",
        "SELECT 'run ' || run_id FROM runs WHERE job_id IS NULL AND state IN ('run', 'returning', 'importing', 'full')",
    ),
    (
        "a full run has no job without an outcome",
        "SELECT 'run ' || run_id || ' job ' || seq FROM jobs JOIN runs USING (run_id)
         WHERE runs.state = 'full' AND jobs.state = 'waiting'",
    ),
    (
        "a full run has no component without an outcome",
        "SELECT 'component ' || component_id FROM components JOIN runs USING (run_id)
         WHERE runs.state = 'full' AND components.state IN ('new', 'prepared')",
    ),
    (
        "no component waits for a cancelled run",
        "SELECT 'component ' || component_id FROM components JOIN runs USING (run_id)
         WHERE runs.state = 'cancelled' AND components.state IN ('new', 'prepared')",
    ),
    (
        "a passed component has only passed jobs",
        "SELECT 'component ' || component_id || ' job ' || seq FROM components
         JOIN jobs USING (component_id)
         WHERE components.state = 'passed' AND jobs.state <> 'passed'",
    ),
    (
        "the counts of a full run are those of its jobs",
        "SELECT 'run ' || run_id FROM runs r WHERE state = 'full' AND
           (passed, failed, lost) <> (SELECT count(*) FILTER (WHERE state = 'passed'),
              count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'lost')
              FROM jobs WHERE run_id = r.run_id)",
    ),
    (
        "a component is in at most one bundle at a time",
        "SELECT stage || ' ' || stage_id FROM components WHERE state <> 'retry'
         GROUP BY stage, stage_id HAVING count(*) > 1",
    ),
    (
        "a result belongs to a passed job",
        "SELECT 'run ' || run_id || ' job ' || seq FROM results LEFT JOIN jobs USING (run_id, seq)
         WHERE jobs.state IS NOT 'passed'",
    ),
    (
        "the last event of a run tells its state",
        "SELECT 'run ' || run_id FROM runs WHERE state <> (SELECT after FROM events
         WHERE subject = 'run' AND subject_id = run_id ORDER BY event_id DESC LIMIT 1)",
    ),
];

impl Store {
    /// Verifies SQLite's own structure, foreign keys, every stored state word, and the invariants
    /// between the tables. An empty answer means that all hold.
    pub fn check(&self) -> Result<Vec<Violation>, StateError> {
        let mut violations = Vec::new();
        let mut ask = |rule: &str, sql: &str| -> Result<(), StateError> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let found: String = row.get(0)?;
                if found != "ok" {
                    violations.push(Violation {
                        rule: rule.to_owned(),
                        found,
                    });
                }
            }
            Ok(())
        };
        ask("SQLite finds its file sound", "PRAGMA integrity_check(20)")?;
        ask(
            "references point to rows that are there",
            "SELECT \"table\" || ' row ' || coalesce(rowid, '?') FROM pragma_foreign_key_check",
        )?;
        for (rule, sql) in RULES {
            ask(rule, sql)?;
        }
        self.check_words(&mut violations)?;
        Ok(violations)
    }

    fn check_words(&self, violations: &mut Vec<Violation>) -> Result<(), StateError> {
        for table in ["runs", "components", "jobs"] {
            let mut statement = self
                .connection
                .prepare(&format!("SELECT DISTINCT state FROM {table}"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let word: String = row.get(0)?;
                let is_known = match table {
                    "runs" => word.parse::<RunState>().is_ok(),
                    "components" => word.parse::<ComponentState>().is_ok(),
                    _ => word.parse::<JobState>().is_ok(),
                };
                if !is_known {
                    let found = format!("{table}: `{word}`");
                    violations.push(Violation {
                        rule: "every state is a known one".into(),
                        found,
                    });
                }
            }
        }
        Ok(())
    }
}
