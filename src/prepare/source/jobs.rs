//! The job rows of a component.

use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::Value;

use super::{Ask, Row, sql::Query};
use crate::{
    config::recipe::{Jobs, Recipe, Source},
    prepare::PrepareError,
    state::Store,
};

/// Where the job rows of a stage come from, ready for many components. A file or a command is
/// read once into a database on disk, so that memory stays bounded.
#[derive(Debug)]
pub(crate) enum JobRowsPlan {
    /// One job a component.
    Single,
    /// A list in the component's own row.
    Field(Vec<String>),
    /// A query for each component.
    Sql(String),
    /// Rows that were read beforehand, by the value of a field.
    Table {
        /// The field.
        by: String,
        /// The database.
        file: tempfile::TempPath,
    },
}

impl JobRowsPlan {
    /// Reads what is to be read once.
    pub(crate) fn new(
        recipe: &Recipe,
        dir: &std::path::Path,
        label: &str,
        reader: &Connection,
    ) -> Result<Self, PrepareError> {
        let Some(jobs) = &recipe.jobs else {
            return Ok(Self::Single);
        };
        match &jobs.from {
            None => Ok(Self::Field(vec![
                jobs.for_each.clone(),
                format!("{}s", jobs.for_each),
            ])),
            Some(Source::Sql(text)) => {
                Query::new(reader, text)?;
                Ok(Self::Sql(text.clone()))
            },
            Some(source) => {
                let ask = Ask {
                    source,
                    dir,
                    stage: &recipe.stage,
                    label,
                };
                Self::load(jobs, &ask, reader)
            },
        }
    }

    fn load(jobs: &Jobs, ask: &Ask<'_>, reader: &Connection) -> Result<Self, PrepareError> {
        let by = jobs.by.clone().ok_or_else(|| PrepareError::Recipe {
            stage: ask.stage.to_owned(),
            problems: vec![(
                "jobs.by".into(),
                "name the field by which rows of a file or command belong to a component".into(),
            )],
        })?;
        let file = tempfile::Builder::new()
            .prefix("outrigger-jobs")
            .tempfile()
            .map_err(PrepareError::io(&std::env::temp_dir()))?
            .into_temp_path();
        let connection = Connection::open(&file).map_err(broken)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;
                 CREATE TABLE rows (belongs TEXT NOT NULL, row TEXT NOT NULL);",
            )
            .map_err(broken)?;
        {
            let mut insert = connection
                .prepare("INSERT INTO rows VALUES (?, ?)")
                .map_err(broken)?;
            ask.each(reader, None, &mut |number, row| {
                let belongs = row
                    .get(&by)
                    .map(key)
                    .ok_or_else(|| super::SourceError::Row {
                        origin: ask.origin(),
                        number,
                        message: format!("has no field `{by}` (jobs.by)"),
                    })?;
                insert
                    .execute((belongs, Value::Object(row).to_string()))
                    .map_err(broken)?;
                Ok(())
            })?;
        }
        connection
            .execute_batch("CREATE INDEX rows_by_component ON rows (belongs); COMMIT")
            .map_err(broken)?;
        Ok(Self::Table { by, file })
    }

    /// A reader of its own for one thread.
    pub(crate) fn open(&self, store: &Store, label: &str) -> Result<JobRows, PrepareError> {
        Ok(match self {
            Self::Single => JobRows::Single,
            Self::Field(names) => JobRows::Field(names.clone()),
            Self::Sql(sql) => JobRows::Sql {
                reader: store.reader()?,
                sql: sql.clone(),
                label: label.to_owned(),
            },
            Self::Table { by, file } => JobRows::Table {
                by: by.clone(),
                reader: Connection::open(file).map_err(broken)?,
                file: file.to_path_buf(),
            },
        })
    }
}

/// One thread's reader of job rows.
#[derive(Debug)]
pub(crate) enum JobRows {
    /// One job a component.
    Single,
    /// A list in the component's own row.
    Field(Vec<String>),
    /// A query for each component.
    Sql {
        /// A connection that cannot write.
        reader: Connection,
        /// The query.
        sql: String,
        /// The run's label.
        label: String,
    },
    /// Rows that were read beforehand.
    Table {
        /// The field they belong by.
        by: String,
        /// The database.
        reader: Connection,
        /// Where it is, for messages.
        file: PathBuf,
    },
}

impl JobRows {
    /// The job rows of a component, in order; `None` if it is one job by itself.
    pub(crate) fn of(&self, component: &Row) -> Result<Option<Vec<Value>>, String> {
        match self {
            Self::Single => Ok(None),
            Self::Field(names) => {
                let field = names.iter().find_map(|name| component.get(name));
                let rows = field.and_then(list).ok_or_else(|| {
                    format!(
                        "the component's row has no list `{}` and jobs.from is not set",
                        names.join("` or `")
                    )
                })?;
                Ok(Some(rows))
            },
            Self::Sql { reader, sql, label } => {
                let mut rows = Vec::new();
                Query::new(reader, sql)
                    .map_err(PrepareError::from)
                    .and_then(|mut query| {
                        query.each(label, Some(component), &mut |_, row| {
                            rows.push(Value::Object(row));
                            Ok(())
                        })
                    })
                    .map_err(|e| format!("jobs.from: {e}"))?;
                Ok(Some(rows))
            },
            Self::Table { by, reader, file } => {
                let belongs = component
                    .get(by)
                    .map(key)
                    .ok_or_else(|| format!("the component's row has no field `{by}` (jobs.by)"))?;
                let read = || -> rusqlite::Result<Vec<String>> {
                    let mut statement = reader
                        .prepare_cached("SELECT row FROM rows WHERE belongs = ? ORDER BY rowid")?;
                    let rows = statement.query_map([belongs], |row| row.get(0))?;
                    rows.collect()
                };
                let rows = read().map_err(|e| format!("{}: {e}", file.display()))?;
                rows.iter()
                    .map(|text| serde_json::from_str(text).map_err(|e| e.to_string()))
                    .collect::<Result<_, _>>()
                    .map(Some)
            },
        }
    }
}

/// A list, or a text that holds one, as SQLite's JSON functions give it.
pub(crate) fn list(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(rows) => Some(rows.clone()),
        Value::String(text) if text.trim_start().starts_with('[') => {
            serde_json::from_str(text).ok()
        },
        _ => None,
    }
}

/// A field's value as the text by which rows are matched.
fn key(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn broken(error: rusqlite::Error) -> PrepareError {
    crate::state::StateError::from(error).into()
}
