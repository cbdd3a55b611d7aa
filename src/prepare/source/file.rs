//! Rows of a file, read one by one where its format allows.

use std::{fs::File, io::BufReader, path::Path};

use serde_json::{Number, Value};

use super::{
    Row, SourceError, Visit,
    lines::{self, Stop},
};
use crate::prepare::PrepareError;

/// Calls `visit` with each row; the file's name says how it is written.
pub(super) fn each(path: &Path, visit: Visit<'_>) -> Result<(), PrepareError> {
    let wrong = |message: String| SourceError::File {
        path: path.to_owned(),
        message,
    };
    let file = File::open(path).map_err(|e| wrong(e.to_string()))?;
    let text = BufReader::with_capacity(1 << 16, file);
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let result = match extension.to_ascii_lowercase().as_str() {
        "csv" => csv(text, visit),
        "jsonl" | "ndjson" => lines::json_lines(text, visit),
        "json" => lines::any(text, visit),
        "mdc" | "md" | "config" => lines::records(text, visit),
        _ => Err(Stop::Text(
            "name it .csv, .jsonl, .json or .mdc, so that its format is known".into(),
        )),
    };
    result.map_err(|stop| match stop {
        Stop::Text(message) => wrong(message).into(),
        Stop::Visitor(error) => error,
    })
}

fn csv(text: impl std::io::Read, visit: Visit<'_>) -> Result<(), Stop> {
    let wrong = |error: csv::Error| Stop::Text(error.to_string());
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .from_reader(text);
    let names: Vec<String> = reader
        .headers()
        .map_err(wrong)?
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').to_owned())
        .collect();
    let mut record = csv::StringRecord::new();
    let mut number = 0;
    while reader.read_record(&mut record).map_err(wrong)? {
        number += 1;
        let row: Row = names
            .iter()
            .zip(&record)
            .map(|(name, cell)| (name.clone(), typed(cell)))
            .collect();
        visit(number, row).map_err(Stop::Visitor)?;
    }
    Ok(())
}

/// A CSV cell: a number if it is plainly one, else text. What would not read back the same, such
/// as `007`, stays text, since it is a name.
fn typed(cell: &str) -> Value {
    if let Ok(integer) = cell.parse::<i64>() {
        let same = integer.to_string() == cell;
        return if same { integer.into() } else { cell.into() };
    }
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let starts_as_number = matches!(
        digits.as_bytes(),
        [b'0', b'.', ..] | [b'1'..=b'9', ..] | [b'.', b'0'..=b'9', ..]
    );
    if starts_as_number
        && cell.bytes().any(|b| b == b'.')
        && let Some(number) = cell.parse().ok().and_then(Number::from_f64)
    {
        return Value::Number(number);
    }
    cell.into()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("17", json!(17))]
    #[case("-3", json!(-3))]
    #[case("1.50", json!(1.5))]
    #[case("-2.5e-05", json!(-2.5e-5))]
    #[case("007", json!("007"))]
    #[case("+5", json!("+5"))]
    #[case("1e5", json!("1e5"))]
    #[case("nan", json!("nan"))]
    #[case("", json!(""))]
    #[case("2010-01-01", json!("2010-01-01"))]
    #[case("99999999999999999999", json!("99999999999999999999"))]
    fn cells_are_numbers_only_if_plainly_so(#[case] cell: &str, #[case] value: Value) {
        assert_eq!(typed(cell), value);
    }

    fn rows(name: &str, text: &[u8]) -> Result<Vec<Value>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mut found = Vec::new();
        each(&path, &mut |_, row| {
            found.push(Value::Object(row));
            Ok(())
        })
        .map_err(|e| e.to_string().replace(&*dir.path().to_string_lossy(), "DIR"))?;
        Ok(found)
    }

    #[rstest]
    #[case("a.csv", "id,name\n1,\"x, y\"\n")]
    #[case("a.jsonl", "{\"id\": 1, \"name\": \"x, y\"}\n\n")]
    #[case("a.json", "[{\"id\": 1, \"name\": \"x, y\"}]")]
    #[case(
        "a.mdc",
        "row MULTI\n\nrow METADATA\n  id S32 1\n  name STR x, y\nEND\n"
    )]
    fn every_format_gives_the_same_row(#[case] name: &str, #[case] text: &str) {
        assert_eq!(
            rows(name, text.as_bytes()).unwrap(),
            [json!({"id": 1, "name": "x, y"})]
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_file_and_place() {
        insta::assert_snapshot!(rows("a.csv", b"id,name\n1,x\n2\n").unwrap_err(), @"DIR/a.csv: CSV error: record 2 (line: 3, byte: 12): found record with 1 fields, but the previous record has 2 fields");
        insta::assert_snapshot!(rows("a.jsonl", b"{}\n7\n").unwrap_err(), @"DIR/a.jsonl: line 2: not a JSON object: invalid type: integer `7`, expected a map at line 1 column 1");
        insta::assert_snapshot!(rows("a.txt", b"").unwrap_err(), @"DIR/a.txt: name it .csv, .jsonl, .json or .mdc, so that its format is known");
        assert!(rows("a.csv", b"id\n\xff\n").unwrap_err().contains("UTF-8"));
    }
}
