//! Rows of a query over state.db, on a connection that cannot write.

use rusqlite::{Connection, Statement, ToSql, types::ValueRef};
use serde_json::{Number, Value};

use super::{Row, SourceError, Visit};
use crate::prepare::PrepareError;

/// A query that is ready to be asked, also repeatedly.
#[derive(Debug)]
pub(super) struct Query<'c> {
    sql: String,
    statement: Statement<'c>,
    columns: Vec<String>,
    parameters: Vec<Option<String>>,
}

impl<'c> Query<'c> {
    /// Compiles `sql`, which must be one SELECT.
    pub(super) fn new(reader: &'c Connection, sql: &str) -> Result<Self, SourceError> {
        let wrong = |message: String| SourceError::Sql {
            sql: sql.trim().to_owned(),
            message,
        };
        if !starts_as_select(sql) {
            return Err(wrong("a source must be one SELECT".into()));
        }
        let statement = reader.prepare(sql).map_err(|e| match e {
            rusqlite::Error::MultipleStatement => {
                wrong("a source must be one SELECT, not several statements".into())
            },
            other => wrong(other.to_string()),
        })?;
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(wrong("a source must be one SELECT".into()));
        }
        let columns: Vec<String> = statement
            .column_names()
            .into_iter()
            .map(str::to_owned)
            .collect();
        let parameters = (1..=statement.parameter_count())
            .map(|index| statement.parameter_name(index).map(str::to_owned))
            .collect();
        Ok(Self {
            sql: sql.trim().to_owned(),
            statement,
            columns,
            parameters,
        })
    }

    /// Calls `visit` with each row. `:label` and the fields of `parent` are bound by name.
    pub(super) fn each(
        &mut self,
        label: &str,
        parent: Option<&Row>,
        visit: Visit<'_>,
    ) -> Result<(), PrepareError> {
        let sql = &self.sql;
        let wrong = |message: String| SourceError::Sql {
            sql: sql.clone(),
            message,
        };
        for (index, name) in (1..).zip(&self.parameters) {
            let value = match name
                .as_deref()
                .map(|name| (name, name.get(1..).unwrap_or("")))
            {
                Some((_, "label")) => Box::new(label.to_owned()) as Box<dyn ToSql>,
                Some((name, field)) => match parent.and_then(|row| row.get(field)) {
                    Some(value) => scalar(value).ok_or_else(|| {
                        wrong(format!("the field for `{name}` is a list or an object"))
                    })?,
                    None => return Err(wrong(unknown_parameter(name, parent)).into()),
                },
                None => return Err(wrong("name the parameters, as in `:label`".into()).into()),
            };
            self.statement
                .raw_bind_parameter(index, value)
                .map_err(|e| wrong(e.to_string()))?;
        }
        let mut rows = self.statement.raw_query();
        let mut number = 0;
        while let Some(cells) = rows.next().map_err(|e| wrong(e.to_string()))? {
            number += 1;
            let mut row = Row::new();
            for (index, column) in self.columns.iter().enumerate() {
                let cell = cells.get_ref(index).map_err(|e| wrong(e.to_string()))?;
                let value = json(cell)
                    .ok_or_else(|| wrong(format!("row {number}: `{column}` is not UTF-8 text")))?;
                row.insert(column.clone(), value);
            }
            visit(number, row)?;
        }
        Ok(())
    }
}

fn unknown_parameter(name: &str, parent: Option<&Row>) -> String {
    match parent {
        Some(row) => {
            let fields: Vec<&str> = row.keys().map(String::as_str).collect();
            format!(
                "`{name}` is neither `:label` nor a field of the component ({})",
                fields.join(", ")
            )
        },
        None => format!("`{name}` is not known here; only `:label` is"),
    }
}

fn starts_as_select(sql: &str) -> bool {
    let mut rest = sql.trim_start();
    loop {
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, after)| after)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, after)| after)
        } else {
            break;
        }
        .trim_start();
    }
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    ["select", "with", "values"].contains(&word.to_ascii_lowercase().as_str())
}

/// A JSON scalar as a SQL value; `None` for lists and objects.
pub(super) fn scalar(value: &Value) -> Option<Box<dyn ToSql>> {
    Some(match value {
        Value::Null => Box::new(rusqlite::types::Null),
        Value::Bool(b) => Box::new(*b),
        Value::Number(n) => match n.as_i64() {
            Some(i) => Box::new(i),
            None => Box::new(n.as_f64()?),
        },
        Value::String(s) => Box::new(s.clone()),
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// A SQL value as JSON; `None` for bytes that are not UTF-8.
fn json(cell: ValueRef<'_>) -> Option<Value> {
    Some(match cell {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(i) => Value::from(i),
        ValueRef::Real(r) => Number::from_f64(r).map_or(Value::Null, Value::Number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Value::from(std::str::from_utf8(bytes).ok()?)
        },
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn rows(sql: &str, parent: Option<&Row>) -> Result<Vec<Value>, String> {
        let connection = Connection::open_in_memory().unwrap();
        let mut found = Vec::new();
        let mut query = Query::new(&connection, sql).map_err(|e| e.to_string())?;
        query
            .each("survey", parent, &mut |_, row| {
                found.push(Value::Object(row));
                Ok(())
            })
            .map_err(|e| e.to_string())?;
        Ok(found)
    }

    #[test]
    fn label_and_fields_of_the_component_are_bound() {
        let parent = serde_json::json!({"exp_id": 7, "note": null, "extra": []});
        let found = rows(
            "SELECT :label AS label, :exp_id + 1 AS next, :note AS note, 1.5 AS x",
            parent.as_object(),
        );
        assert_eq!(
            found.unwrap(),
            [serde_json::json!({"label": "survey", "next": 8, "note": null, "x": 1.5})]
        );
    }

    #[rstest]
    #[case("DELETE FROM runs")]
    #[case("SELECT 1; SELECT 2")]
    #[case("PRAGMA user_version")]
    #[case("ATTACH 'x' AS y")]
    #[case("")]
    #[case("SELECT :nope")]
    #[case("SELECT ?")]
    #[case("SELECT FROM")]
    fn anything_but_one_select_is_refused_with_its_text(#[case] sql: &str) {
        let error = rows(sql, None).unwrap_err();
        assert!(error.ends_with(&format!("in the query: {sql}")), "{error}");
    }

    #[test]
    fn comments_before_the_select_are_fine() {
        assert_eq!(
            rows("-- all\n/* of */ SELECT 1 AS a;", None).unwrap().len(),
            1
        );
    }
}
