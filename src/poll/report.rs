//! A job's record: what prepare knew joined with what the job wrote.

use serde_json::{Map, Value};

use crate::{
    metadata,
    state::run_dir::{decision::Report, journal::JobRecord},
};

/// The record of a job as a JSON object, `None` if the stage reports nothing.
///
/// # Errors
/// When what the job wrote cannot be read; the text tells what and why.
pub(super) fn record(
    report: Report,
    values: &str,
    job: &JobRecord,
) -> Result<Option<Map<String, Value>>, String> {
    let mut record: Map<String, Value> = serde_json::from_str(values)
        .map_err(|error| format!("the values that prepare wrote cannot be read: {error}"))?;
    let wrote = match report {
        Report::None | Report::Legacy => return Ok(None),
        _ if job.record.trim().is_empty() => Map::new(),
        Report::Json => serde_json::from_str(&job.record)
            .map_err(|error| format!("its dbinfo is not a JSON object: {error}"))?,
        Report::Metadata => from_metadata(&job.record)?,
        Report::Lines => from_lines(&job.record),
    };
    record.extend(wrote);
    Ok(Some(record))
}

/// All fields of the blocks of a psLib metadata text; a later one of the same name wins.
fn from_metadata(text: &str) -> Result<Map<String, Value>, String> {
    metadata::read(text)
        .map(|document| document.to_flat_json())
        .map_err(|error| format!("its dbinfo is not metadata text: {error}"))
}

/// `name value` or `name=value` lines; `#` begins a comment.
fn from_lines(text: &str) -> Map<String, Value> {
    text.lines()
        .map(|line| {
            line.split_once('#')
                .map_or(line, |(before, _)| before)
                .trim()
        })
        .filter_map(|line| line.split_once(|c: char| c == '=' || c.is_whitespace()))
        .map(|(name, value)| {
            (
                name.trim().to_owned(),
                Value::from(value.trim_start_matches('=').trim()),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrote(text: &str) -> JobRecord {
        JobRecord {
            record: text.into(),
            ..JobRecord::default()
        }
    }

    #[test]
    fn what_the_job_wrote_is_joined_with_what_was_known() {
        let record = record(
            Report::Lines,
            r#"{"exp_id":7}"#,
            &wrote("bg = 8.5 # mean\nn 3\n"),
        );
        let record = Value::Object(record.unwrap().unwrap());
        assert_eq!(
            record,
            serde_json::json!({"exp_id": 7, "bg": "8.5", "n": "3"})
        );
    }

    #[test]
    fn a_record_that_cannot_be_read_fails_with_its_place() {
        let error = record(Report::Json, "{}", &wrote("{\"bg\": }")).unwrap_err();
        assert!(error.contains("line 1 column"), "{error}");
    }
}
