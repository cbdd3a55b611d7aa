//! Reads what `sbatch --test-only` says.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::{
    batch::{Foresight, QueryError, answer::sections},
    connection::Output,
};

/// When each of `count` requests would begin: the answer of `foresee.sh`.
pub(super) fn begins(answer: &Output, count: usize) -> Result<Vec<Foresight>, QueryError> {
    let text = answer.out();
    let told: Vec<Foresight> = sections(&text, answer)?
        .iter()
        .map(|section| {
            let begin = section.lines.iter().find_map(|line| begin(line));
            begin.map_or_else(|| Foresight::Unknown(section.said()), Foresight::At)
        })
        .collect();
    if told.len() == count {
        return Ok(told);
    }
    Err(QueryError::Unreadable {
        message: format!("{} answers to {count} questions", told.len()),
    })
}

/// The time in `sbatch: Job 7 to start at 2026-11-28T12:00:00 using …`, which is UTC.
fn begin(line: &str) -> Option<Timestamp> {
    let (_, rest) = line.split_once(" to start at ")?;
    let word = rest.split_ascii_whitespace().next()?;
    if let Ok(seconds) = word.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    let civil: DateTime = word.parse().ok()?;
    civil
        .to_zoned(TimeZone::UTC)
        .map(|zoned| zoned.timestamp())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> Output {
        Output {
            code: 0,
            stdout: text.into(),
            stderr: Vec::new(),
        }
    }

    const TOLD: &str = "@outrigger run sbatch
sbatch: Job 7 to start at 2026-11-28T12:00:00 using 48 processors on nodes node[01-02] in partition standard

@outrigger exit 0
@outrigger run sbatch
allocation failure: Requested node configuration is not available

@outrigger exit 1
@outrigger end
";

    #[test]
    fn what_slurm_foresees_is_read_and_what_it_refuses_is_told_in_its_words() {
        let told = begins(&output(TOLD), 2).unwrap();
        let noon = "2026-11-28T12:00:00Z".parse().unwrap();
        assert_eq!(told[0], Foresight::At(noon));
        let Foresight::Unknown(why) = &told[1] else {
            panic!("{told:?}")
        };
        assert!(why.contains("configuration is not available"), "{why}");
    }

    #[test]
    fn an_answer_that_is_cut_off_or_too_short_foresees_nothing() {
        assert!(begins(&output(TOLD), 3).is_err());
        let cut = TOLD.strip_suffix("@outrigger end\n").unwrap();
        assert!(begins(&output(cut), 2).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s).*") {
            let _either = begins(&output(&text), 1);
            let _begin = begin(&text);
        }
    }
}
