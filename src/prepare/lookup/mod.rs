//! Lookup tables: loaded once, searched in memory, called from templates (the detrend problem).

mod table;
mod time;
mod timeline;

use std::{fmt, sync::Arc};

use rusqlite::Connection;
use tera::{Context, Kwargs, Value};

use self::{
    table::{Miss, Table, TableRow},
    time::Time,
};
use super::{
    PrepareError,
    names::Names,
    source::{Ask, Row},
    template::{Compiler, Engine, Template, Words, scalar_text},
};
use crate::config::recipe::Lookup as Recipe;

/// A lookup that templates can call; clones share the table.
#[derive(Clone)]
pub(crate) struct Lookup(Arc<Inner>);

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lookup").field(&self.0.name).finish()
    }
}

struct Inner {
    name: String,
    params: Vec<String>,
    keys: Keys,
    table: Table,
    required: bool,
}

/// What is asked for, as templates over the arguments.
struct Keys {
    engine: Engine,
    matches: Vec<Template>,
    at: Option<Template>,
}

impl Keys {
    fn compile(name: &str, recipe: &Recipe, names: &Arc<Names>) -> (Self, Vec<(String, String)>) {
        let mut c = Compiler::new(names);
        let place = |key: &str| format!("lookups.{name}.{key}");
        let matches = recipe
            .matches
            .iter()
            .map(|(column, text)| c.template(&place(&format!("match.{column}")), text))
            .collect();
        let at = recipe
            .valid
            .as_ref()
            .map(|valid| c.template(&place("valid.at"), &valid.at));
        if recipe.params.is_empty() {
            c.problem(&place("params"), "name the arguments of the function");
        }
        let (engine, problems) = c.finish();
        let keys = Self {
            engine,
            matches,
            at,
        };
        (keys, problems)
    }
}

impl Lookup {
    /// What is wrong with a lookup's templates: key path and message.
    pub(crate) fn check(name: &str, recipe: &Recipe, names: &Arc<Names>) -> Vec<(String, String)> {
        Keys::compile(name, recipe, names).1
    }

    /// Loads the table.
    pub(crate) fn load(
        name: &str,
        recipe: &Recipe,
        ask: &Ask<'_>,
        reader: &Connection,
        names: &Arc<Names>,
    ) -> Result<Self, PrepareError> {
        let (keys, problems) = Keys::compile(name, recipe, names);
        if !problems.is_empty() {
            return Err(PrepareError::Recipe {
                stage: ask.stage.to_owned(),
                problems,
            });
        }
        let mut rows = Vec::new();
        ask.each(reader, None, &mut |number, row| {
            rows.push(
                table_row(recipe, &row).map_err(|message| PrepareError::Lookup {
                    name: name.to_owned(),
                    message: format!("{}, row {number}: {message}", ask.origin()),
                })?,
            );
            Ok(())
        })?;
        let columns = recipe.matches.keys().cloned().collect();
        let table = Table::new(columns, rows).map_err(|message| PrepareError::Lookup {
            name: name.to_owned(),
            message: format!("{}: {message}", ask.origin()),
        })?;
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            params: recipe.params.clone(),
            keys,
            table,
            required: recipe.required,
        })))
    }

    /// The value of the best row for these arguments.
    pub(crate) fn call(&self, arguments: &Kwargs) -> Result<Value, String> {
        let words = Arguments(arguments);
        let Inner { keys, table, .. } = &*self.0;
        if let Some(missing) = self.0.params.iter().find(|p| words.word(p).is_none()) {
            return Err(format!("`{}` lacks the argument `{missing}`", self.0.name));
        }
        let mut wanted = Vec::with_capacity(keys.matches.len());
        for template in &keys.matches {
            wanted.push(keys.text(template, &words)?);
        }
        let at = match &keys.at {
            None => None,
            Some(template) => {
                let text = keys.text(template, &words)?;
                Some(Time::parse(&text).ok_or_else(|| {
                    format!(
                        "`{}`: `{text}` ({}) is not a time",
                        self.0.name,
                        template.place()
                    )
                })?)
            },
        };
        match table.find(&wanted, at.as_ref()) {
            Ok(value) => Ok(value.clone()),
            Err(_) if !self.0.required => Ok(Value::from("")),
            Err(miss) => Err(self.describe(&words, &wanted, &miss)),
        }
    }

    fn describe(&self, words: &Arguments<'_>, wanted: &[String], miss: &Miss) -> String {
        let inner = &*self.0;
        let arguments: Vec<String> = inner
            .params
            .iter()
            .filter_map(|param| {
                let text = scalar_text(words.word(param)?)?;
                Some(format!("{param}='{text}'"))
            })
            .collect();
        format!(
            "`{}({})` finds nothing: {}",
            inner.name,
            arguments.join(", "),
            inner.table.explain(wanted, miss)
        )
    }
}

impl Keys {
    fn text(&self, template: &Template, words: &Arguments<'_>) -> Result<String, String> {
        if let Some(text) = template.value(words).and_then(scalar_text) {
            return Ok(text);
        }
        if let Some(text) = template.render_plain(words) {
            return Ok(text);
        }
        let mut context = Context::new();
        for (name, value) in words.0.iter() {
            if let Some(name) = name.as_str() {
                context.insert_value(name.to_owned(), value.clone());
            }
        }
        template
            .render(&self.engine, &context)
            .map_err(|e| e.to_string())
    }
}

struct Arguments<'a>(&'a Kwargs);

impl Words for Arguments<'_> {
    fn word(&self, name: &str) -> Option<&Value> {
        let mut arguments = self.0.iter();
        arguments
            .find(|(key, _)| key.as_str() == Some(name))
            .map(|(_, value)| value)
    }
}

/// Takes out of a row what the lookup needs.
fn table_row(recipe: &Recipe, row: &Row) -> Result<TableRow, String> {
    let cell = |column: &str| {
        row.get(column).ok_or_else(|| {
            let known: Vec<&str> = row.keys().map(String::as_str).collect();
            format!("has no column `{column}` (only {})", known.join(", "))
        })
    };
    let text = |column: &str| -> Result<String, String> {
        cell_text(cell(column)?).ok_or_else(|| format!("`{column}` is a list or an object"))
    };
    let time = |column: &str| -> Result<Option<Time>, String> {
        let text = text(column)?;
        if text.is_empty() {
            return Ok(None);
        }
        Time::parse(&text)
            .map(Some)
            .ok_or_else(|| format!("`{column}` is not a time: `{text}`"))
    };
    let cells = recipe.matches.keys().map(|column| text(column));
    let (from, until) = match &recipe.valid {
        Some(valid) => (time(&valid.from)?, time(&valid.until)?),
        None => (None, None),
    };
    Ok(TableRow {
        cells: cells.collect::<Result<_, _>>()?,
        from,
        until,
        newest: recipe.newest.as_deref().map(text).transpose()?,
        value: Value::try_from_serializable(cell(&recipe.value)?).map_err(|e| e.to_string())?,
    })
}

fn cell_text(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value as Json;
    match value {
        Json::Null => Some(String::new()),
        Json::Bool(b) => Some(b.to_string()),
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(match (number.as_i64(), number.as_f64()) {
            (None, Some(real)) => real.to_string(),
            _ => number.to_string(),
        }),
        Json::Array(_) | Json::Object(_) => None,
    }
}
