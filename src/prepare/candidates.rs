//! The components that a stage offers for bundling.

use std::{collections::HashSet, path::Path};

use rusqlite::Connection;
use serde_json::Value;

use super::{
    PrepareError,
    source::{Ask, SourceError},
};
use crate::{config::recipe::Recipe, state::component::Candidate};

/// Calls `visit` with each component that the recipe's source offers, one by one.
///
/// `recipe_dir` is the directory of the recipe, `reader` a connection from
/// [`crate::state::Store::reader`], `label` what `:label` stands for. After an error, what was
/// visited does not count.
///
/// # Errors
/// When the source cannot be read, or a row has no integer `stage_id` (or whatever field the
/// recipe's `id` names) or one that came before.
pub fn candidates(
    recipe: &Recipe,
    recipe_dir: &Path,
    reader: &Connection,
    label: &str,
    visit: &mut dyn FnMut(Candidate) -> Result<(), PrepareError>,
) -> Result<(), PrepareError> {
    let ask = Ask {
        source: &recipe.components,
        dir: recipe_dir,
        stage: &recipe.stage,
        label,
    };
    let field = recipe.id.as_deref().unwrap_or("stage_id");
    let mut seen = HashSet::new();
    ask.each(reader, None, &mut |number, row| {
        let wrong = |message: String| SourceError::Row {
            origin: ask.origin(),
            number,
            message,
        };
        let stage_id = match row.get(field) {
            None | Some(Value::Null) => Err(wrong(format!("has no `{field}`"))),
            Some(value) => value
                .as_i64()
                .ok_or_else(|| wrong(format!("`{field}` should be an integer, but is `{value}`"))),
        }?;
        if !seen.insert(stage_id) {
            return Err(wrong(format!("`{field}` {stage_id} came before")).into());
        }
        visit(Candidate {
            stage_id,
            row: Value::Object(row).to_string(),
        })
    })
}
