//! Rows for a recipe: from a query over state.db, a file, or a command's output.

mod command;
mod file;
mod jobs;
mod lines;
mod sql;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::PrepareError;
use crate::config::recipe::Source;

pub(crate) use jobs::{JobRows, JobRowsPlan, list};

/// One row: field names and values.
pub type Row = serde_json::Map<String, serde_json::Value>;

/// What is done with each row; gets its number, from 1.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(usize, Row) -> Result<(), PrepareError>;

/// Why rows cannot be read. Each names where they should have come from.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A query that is refused or fails.
    #[error("{message}, in the query: {sql}")]
    Sql {
        /// The query.
        sql: String,
        /// What is wrong.
        message: String,
    },
    /// A file that cannot be read.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the row if it is about one.
        message: String,
    },
    /// A command that cannot be run, fails, or prints something else than rows.
    #[error("command `{command}`: {message}")]
    Command {
        /// The command.
        command: String,
        /// What is wrong.
        message: String,
    },
    /// A row that lacks what the recipe needs.
    #[error("{origin}, row {number}: {message}")]
    Row {
        /// Where the row came from.
        origin: String,
        /// Its number, from 1.
        number: usize,
        /// What is wrong.
        message: String,
    },
}

/// A source and what it is read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// Where the rows come from.
    pub(crate) source: &'a Source,
    /// Directory of the recipe.
    pub(crate) dir: &'a Path,
    /// Name of the stage.
    pub(crate) stage: &'a str,
    /// The label that is asked for.
    pub(crate) label: &'a str,
}

impl Ask<'_> {
    /// Calls `visit` with each row. Rows of a command come before it is known whether the command
    /// succeeds: after an error what was visited does not count.
    pub(crate) fn each(
        &self,
        reader: &Connection,
        parent: Option<&Row>,
        visit: Visit<'_>,
    ) -> Result<(), PrepareError> {
        match self.source {
            Source::Sql(text) => {
                let mut query = sql::Query::new(reader, text)?;
                query.each(self.label, parent, visit)
            },
            Source::File(path) => file::each(&self.dir.join(path), visit),
            Source::Command(argv) => command::each(self, argv, visit),
        }
    }

    /// Where the rows come from, for messages.
    pub(crate) fn origin(&self) -> String {
        match self.source {
            Source::Sql(text) => format!("query `{}`", text.trim()),
            Source::File(path) => self.dir.join(path).display().to_string(),
            Source::Command(argv) => format!("command `{}`", argv.join(" ")),
        }
    }
}
