//! The typed record of a job: its schema, and the values known beforehand.

use serde_json::{Map, Number, Value};

use crate::{
    config::recipe::{ColumnType, Dbinfo, RecordFormat},
    state::record::{ColumnKind, RecordSchema},
};

/// The table that a stage's records go to.
pub fn record_schema(dbinfo: &Dbinfo) -> RecordSchema {
    let kind = |column: &ColumnType| match column {
        ColumnType::Integer => ColumnKind::Integer,
        ColumnType::Real => ColumnKind::Real,
        ColumnType::Text => ColumnKind::Text,
    };
    RecordSchema {
        table: dbinfo.table.clone(),
        key: dbinfo.key.clone(),
        columns: dbinfo
            .columns
            .iter()
            .map(|(name, column)| (name.clone(), kind(column)))
            .collect(),
        optional: dbinfo.optional.clone(),
    }
}

/// A rendered value as its column's type; nothing if it is empty.
pub(super) fn typed(kind: ColumnType, text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    match kind {
        ColumnType::Text => Ok(text.into()),
        _ if trimmed.is_empty() => Ok(Value::Null),
        ColumnType::Integer => trimmed
            .parse::<i64>()
            .map(Value::from)
            .map_err(|_| format!("should be an integer, but is `{text}`")),
        ColumnType::Real => match trimmed.parse::<f64>() {
            Ok(number) if number.is_nan() => Ok(Value::Null),
            Ok(number) => Number::from_f64(number)
                .map(Value::Number)
                .ok_or_else(|| format!("should be a finite number, but is `{text}`")),
            Err(_) => Err(format!("should be a number, but is `{text}`")),
        },
    }
}

/// A record as the lines of a job's record file.
pub(super) fn lines(
    format: RecordFormat,
    values: &[(String, ColumnType, Value)],
) -> Result<Vec<String>, String> {
    let plain = |value: &Value| match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let lines: Vec<String> = match format {
        RecordFormat::Json => {
            let object: Map<String, Value> = values
                .iter()
                .map(|(name, _, value)| (name.clone(), value.clone()))
                .collect();
            vec![Value::Object(object).to_string()]
        },
        RecordFormat::Lines => values
            .iter()
            .map(|(name, _, value)| format!("{name} {}", plain(value)))
            .collect(),
        RecordFormat::Metadata => values
            .iter()
            .map(|(name, kind, value)| {
                let word = match kind {
                    ColumnType::Integer => "S64",
                    ColumnType::Real => "F64",
                    ColumnType::Text => "STR",
                };
                format!("{name} {word} {}", plain(value))
            })
            .collect(),
    };
    match lines.iter().find(|line| line.contains(['\n', '\r', '\0'])) {
        Some(line) => Err(format!("`{}` is not one line", line.escape_debug())),
        None => Ok(lines),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(ColumnType::Integer, " 17 ", Ok(json!(17)))]
    #[case(ColumnType::Integer, "", Ok(Value::Null))]
    #[case(ColumnType::Integer, "1.5", Err("should be an integer, but is `1.5`"))]
    #[case(ColumnType::Real, "-1e-05", Ok(json!(-1e-5)))]
    #[case(ColumnType::Real, "nan", Ok(Value::Null))]
    #[case(
        ColumnType::Real,
        "inf",
        Err("should be a finite number, but is `inf`")
    )]
    #[case(ColumnType::Text, "a b", Ok(json!("a b")))]
    fn values_take_the_type_of_their_column(
        #[case] kind: ColumnType,
        #[case] text: &str,
        #[case] value: Result<Value, &str>,
    ) {
        assert_eq!(
            typed(kind, text).as_ref().map_err(String::as_str),
            value.as_ref().map_err(|e| *e)
        );
    }

    #[test]
    fn a_record_is_written_in_the_jobs_own_format() {
        let values = [
            ("quality".to_owned(), ColumnType::Integer, json!(4242)),
            ("note".to_owned(), ColumnType::Text, json!("a b")),
        ];
        let of = |format| lines(format, &values).unwrap().join("|");
        assert_eq!(of(RecordFormat::Json), r#"{"note":"a b","quality":4242}"#);
        assert_eq!(of(RecordFormat::Lines), "quality 4242|note a b");
        assert_eq!(of(RecordFormat::Metadata), "quality S64 4242|note STR a b");
        let broken = [("note".to_owned(), ColumnType::Text, json!("a\nb"))];
        assert!(lines(RecordFormat::Lines, &broken).is_err());
    }
}
