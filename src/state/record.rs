//! Typed records that finished jobs return (dbinfo): checked against the recipe's columns and
//! written to a table of their own.

use indexmap::IndexMap;
use rusqlite::{Connection, ToSql, params_from_iter, types::ToSqlOutput};
use serde::{Deserialize, Serialize};

use super::{StateError, Store, schema::RESERVED};

/// SQLite column types a record may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// 64-bit signed integer.
    Integer,
    /// Double.
    Real,
    /// UTF-8 text.
    Text,
}

impl ColumnKind {
    fn sql(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
        }
    }
}

/// The table that a stage's records go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordSchema {
    /// Name of the table.
    pub table: String,
    /// Columns that identify a record.
    pub key: Vec<String>,
    /// All columns with their types.
    pub columns: IndexMap<String, ColumnKind>,
    /// Columns that may be missing.
    pub optional: Vec<String>,
}

/// One cell of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// An integer.
    Integer(i64),
    /// A double; never NaN (that is stored as no value).
    Real(f64),
    /// A text.
    Text(String),
}

/// A record that fits its schema: one cell a column, in the schema's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Record(Vec<Cell>);

/// Why a record does not fit its table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A column that the recipe does not declare.
    #[error("dbinfo has the column `{column}`, which the recipe's dbinfo.columns does not declare")]
    UnknownColumn {
        /// The column.
        column: String,
    },
    /// A column without a value.
    #[error(
        "dbinfo lacks the column `{column}`; if it may be missing, list it under dbinfo.optional"
    )]
    Missing {
        /// The column.
        column: String,
    },
    /// A value of another type.
    #[error("dbinfo column `{column}` should be {kind}, but is `{value}`")]
    Type {
        /// The column.
        column: String,
        /// The declared type.
        kind: &'static str,
        /// What came.
        value: String,
    },
    /// A name that cannot be a table or column of state.db.
    #[error(
        "`{0}` cannot be the name of a table or column: use letters, digits and `_`, and none of outrigger's own tables"
    )]
    Name(String),
    /// The table exists with another shape.
    #[error(
        "table `{table}` is there already with another {what}; rename dbinfo.table, or migrate the table by hand"
    )]
    Shape {
        /// The table.
        table: String,
        /// What differs.
        what: String,
    },
}

impl RecordSchema {
    /// Checks names, so that a schema can be put into SQL.
    pub fn check(&self) -> Result<(), RecordError> {
        let reserved = |name: &str| {
            let lower = name.to_ascii_lowercase();
            RESERVED.contains(&lower.as_str()) || lower.starts_with("sqlite_")
        };
        if !is_identifier(&self.table) || reserved(&self.table) {
            return Err(RecordError::Name(self.table.clone()));
        }
        if let Some(bad) = self.columns.keys().find(|name| !is_identifier(name)) {
            return Err(RecordError::Name(bad.clone()));
        }
        match self
            .key
            .iter()
            .chain(&self.optional)
            .find(|name| !self.columns.contains_key(*name))
        {
            Some(column) => Err(RecordError::UnknownColumn {
                column: column.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Fits a JSON object to the columns. Numbers written as text are read where a number is
    /// declared, since many programs print only text.
    pub fn fit(
        &self,
        object: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Record, RecordError> {
        if let Some(column) = object.keys().find(|name| !self.columns.contains_key(*name)) {
            return Err(RecordError::UnknownColumn {
                column: column.clone(),
            });
        }
        let cells = self.columns.iter().map(|(name, kind)| {
            let value = object.get(name).unwrap_or(&serde_json::Value::Null);
            match cell(*kind, value) {
                Some(Cell::Null) if !self.optional.contains(name) => Err(RecordError::Missing {
                    column: name.clone(),
                }),
                Some(cell) => Ok(cell),
                None => Err(RecordError::Type {
                    column: name.clone(),
                    kind: kind.sql(),
                    value: value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned),
                }),
            }
        });
        cells.collect::<Result<_, _>>().map(Record)
    }
}

/// A JSON value as a cell; `None` if it is of another type.
fn cell(kind: ColumnKind, value: &serde_json::Value) -> Option<Cell> {
    use serde_json::Value;
    let text = match value {
        Value::Null => return Some(Cell::Null),
        Value::String(text) => text.trim(),
        _ => "",
    };
    match kind {
        ColumnKind::Integer => match value {
            Value::Bool(b) => Some(Cell::Integer(i64::from(*b))),
            Value::Number(n) => n.as_i64().map(Cell::Integer),
            _ if is_null(text) => Some(Cell::Null),
            _ => text.parse().ok().map(Cell::Integer),
        },
        ColumnKind::Real => {
            let number = match value {
                Value::Number(n) => n.as_f64()?,
                Value::String(_) if is_null(text) => return Some(Cell::Null),
                Value::String(_) => text.parse().ok()?,
                _ => return None,
            };
            Some(if number.is_nan() {
                Cell::Null
            } else {
                Cell::Real(number)
            })
        },
        ColumnKind::Text => match value {
            Value::String(text) => Some(Cell::Text(text.clone())),
            Value::Number(_) | Value::Bool(_) => Some(Cell::Text(value.to_string())),
            _ => None,
        },
    }
}

/// psLib prints a missing value as `NULL`.
fn is_null(text: &str) -> bool {
    text.is_empty() || text == "NULL"
}

/// Whether a name is safe in SQL as it is.
pub fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.len() <= 64
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Null => rusqlite::types::Null.to_sql(),
            Self::Integer(i) => i.to_sql(),
            Self::Real(r) => r.to_sql(),
            Self::Text(t) => t.to_sql(),
        }
    }
}

impl Store {
    /// Makes the tables of `schemas` where they are absent, so that queries may name them before
    /// the first record is there.
    pub fn ensure_tables<'a>(
        &mut self,
        schemas: impl IntoIterator<Item = &'a RecordSchema>,
    ) -> Result<(), StateError> {
        schemas
            .into_iter()
            .try_for_each(|schema| ensure_table(&self.connection, schema))
    }
}

/// Makes the table of a schema if it is absent, and adds columns that are new.
pub(super) fn ensure_table(
    connection: &Connection,
    schema: &RecordSchema,
) -> Result<(), StateError> {
    schema.check()?;
    let table = &schema.table;
    let columns: Vec<String> = schema
        .columns
        .iter()
        .map(|(name, kind)| format!("\"{name}\" {}", kind.sql()))
        .collect();
    let key: Vec<String> = schema
        .key
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    let primary = if key.is_empty() {
        String::new()
    } else {
        format!(", PRIMARY KEY ({})", key.join(", "))
    };
    connection.execute_batch(&format!(
        "CREATE TABLE IF NOT EXISTS \"{table}\" ({}{primary})",
        columns.join(", ")
    ))?;

    let shape = |what: String| RecordError::Shape {
        table: table.clone(),
        what,
    };
    let mut found: IndexMap<String, (String, i64)> = IndexMap::new();
    {
        let mut info = connection.prepare("SELECT name, type, pk FROM pragma_table_info(?)")?;
        let mut rows = info.query([table])?;
        while let Some(row) = rows.next()? {
            found.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
        }
    }
    let mut keys: Vec<(i64, &String)> = found
        .iter()
        .filter(|(_, (_, pk))| *pk > 0)
        .map(|(name, (_, pk))| (*pk, name))
        .collect();
    keys.sort();
    if !keys.iter().map(|(_, name)| *name).eq(&schema.key) {
        return Err(shape("key".to_owned()).into());
    }
    for (name, kind) in &schema.columns {
        match found.get(name) {
            None => connection.execute_batch(&format!(
                "ALTER TABLE \"{table}\" ADD COLUMN \"{name}\" {}",
                kind.sql()
            ))?,
            Some((sql, _)) if sql != kind.sql() => {
                return Err(shape(format!("type of `{name}` ({sql})")).into());
            },
            Some(_) => {},
        }
    }
    Ok(())
}

/// Statement that writes a record of a schema over an earlier one with the same key.
pub(super) fn upsert(schema: &RecordSchema) -> String {
    let names: Vec<String> = schema
        .columns
        .keys()
        .map(|name| format!("\"{name}\""))
        .collect();
    let marks = vec!["?"; names.len()].join(", ");
    format!(
        "INSERT OR REPLACE INTO \"{}\" ({}) VALUES ({marks})",
        schema.table,
        names.join(", ")
    )
}

/// Writes a record through the statement of [`upsert`].
pub(super) fn write(
    connection: &Connection,
    upsert: &str,
    record: &Record,
) -> Result<(), StateError> {
    connection
        .prepare_cached(upsert)?
        .execute(params_from_iter(&record.0))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> RecordSchema {
        RecordSchema {
            table: "chip".into(),
            key: vec!["exp_id".into()],
            columns: IndexMap::from([
                ("exp_id".into(), ColumnKind::Integer),
                ("bg".into(), ColumnKind::Real),
                ("note".into(), ColumnKind::Text),
            ]),
            optional: vec!["note".into()],
        }
    }

    fn fit(value: &serde_json::Value) -> Result<Record, String> {
        schema()
            .fit(value.as_object().unwrap())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn numbers_as_text_are_numbers() {
        let record = fit(&json!({"exp_id": "17", "bg": "-1.5e-05"})).unwrap();
        assert_eq!(
            record,
            Record(vec![Cell::Integer(17), Cell::Real(-1.5e-5), Cell::Null])
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        insta::assert_snapshot!(fit(&json!({"exp_id": 1, "bg": "bright"})).unwrap_err(), @"dbinfo column `bg` should be REAL, but is `bright`");
        insta::assert_snapshot!(fit(&json!({"exp_id": 1})).unwrap_err(), @"dbinfo lacks the column `bg`; if it may be missing, list it under dbinfo.optional");
        insta::assert_snapshot!(fit(&json!({"exp_id": 1, "bg": 1, "x": 1})).unwrap_err(), @"dbinfo has the column `x`, which the recipe's dbinfo.columns does not declare");
    }

    #[test]
    fn our_own_tables_are_not_for_records() {
        let schema = RecordSchema {
            table: "Runs".into(),
            ..schema()
        };
        assert_eq!(schema.check(), Err(RecordError::Name("Runs".into())));
    }

    #[test]
    fn a_table_grows_by_new_columns_and_keeps_its_key() {
        let connection = Connection::open_in_memory().unwrap();
        ensure_table(&connection, &schema()).unwrap();
        let mut wider = schema();
        wider.columns.insert("fwhm".into(), ColumnKind::Real);
        ensure_table(&connection, &wider).unwrap();
        connection
            .execute("INSERT INTO chip (exp_id, fwhm) VALUES (1, 2.5)", [])
            .unwrap();
        let other = RecordSchema {
            key: vec!["note".into()],
            ..schema()
        };
        assert!(ensure_table(&connection, &other).is_err());
    }
}
