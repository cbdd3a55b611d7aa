//! Which jobs a journal has no more work for, without holding their records.

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
};

/// How far a job is, of all its attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Its latest attempt.
    pub attempt: u32,
    /// Whether its latest attempt that ended did so with 0.
    pub passed: bool,
    /// How many of its attempts failed by themselves.
    pub failures: u32,
    /// The latest attempt that ended.
    pub ended: u32,
}

/// Adds what a node's journal tells to `standings`. Lines that are cut short or not understood
/// tell nothing; [`super::read`] reports them.
///
/// # Errors
/// What reading meets.
pub fn standings(
    mut journal: impl BufRead,
    standings: &mut BTreeMap<u64, Standing>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if journal.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let Some((kind, seq, attempt, exit)) = whole(&line) else {
            continue;
        };
        let standing = standings.entry(seq).or_default();
        standing.attempt = standing.attempt.max(attempt);
        if kind == b'E' && attempt >= standing.ended {
            standing.ended = attempt;
            standing.passed = exit == "0";
        }
        if kind == b'E' {
            standing.failures += u32::from(exit.parse().is_ok_and(super::has_failed));
        }
    }
}

/// Kind, job, attempt and first field of a whole line that begins or ends a job.
fn whole(line: &[u8]) -> Option<(u8, u64, u32, &str)> {
    let kind = *line.first().filter(|kind| b"SE".contains(kind))?;
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let mut fields = text.split('\t').skip(1);
    let (seq, attempt) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((kind, seq, attempt, fields.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_attempt_that_ended_says_whether_a_job_passed() {
        let text = "S\t1\t1\t5\tn\nE\t1\t1\t3\t5\t6\tn\t-\tran\nS\t1\t2\t7\tn\nE\t1\t2\t0\t7\t8\tn\t-\tran\n\
                    noise\nS\t2\t1\t5\tn\nD\t2\t1\tx\nS\t3\t1\t5\tn\nE\t3\t1\t0";
        let mut found = BTreeMap::new();
        standings(text.as_bytes(), &mut found).unwrap();
        let seen = found.iter();
        let seen = seen.map(|(seq, s)| (*seq, s.attempt, s.passed, s.failures));
        let expected = [(1, 2, true, 1), (2, 1, false, 0), (3, 1, false, 0)];
        assert_eq!(seen.collect::<Vec<_>>(), expected);
    }
}
