//! Rules of the record a job returns.

use std::collections::HashMap;

use super::super::{Report, names::is_identifier};
use crate::config::{
    document::KeyPath,
    recipe::{Dbinfo, Recipe},
    suggest::closest,
};

/// Tables that the database needs for itself.
const RESERVED: [&str; 17] = [
    "runs",
    "components",
    "jobs",
    "files",
    "hashes",
    "results",
    "outbox",
    "events",
    "queue",
    "script_variables",
    "script_books",
    "script_pages",
    "script_jobs",
    "script_controllers",
    "staged",
    "links",
    "meta",
];

/// Checks `dbinfo`, and `precheck`, which reports such a record too.
pub(super) fn check(report: &mut Report<'_>, recipe: &Recipe, top: &KeyPath) {
    let path = top.key("dbinfo");
    if let Some(precheck) = &recipe.precheck {
        let at = top.key("precheck");
        let files = at.key("files");
        report.require(!precheck.files.is_empty(), &files, "`files` is empty", "");
        match &recipe.dbinfo {
            Some(dbinfo) if report.sound(&path) => {
                for column in precheck.otherwise.keys() {
                    let at = at.key("otherwise").key(column.as_str());
                    column_exists(report, dbinfo, column, &at, true);
                }
            },
            None if report.sound(&path) => report.require_key(
                false,
                &at,
                "`precheck` needs `dbinfo`",
                "it reports a record when a file is missing",
            ),
            _ => {},
        }
    }
    if let Some(dbinfo) = &recipe.dbinfo {
        record(report, dbinfo, &path);
    }
}

fn record(report: &mut Report<'_>, dbinfo: &Dbinfo, path: &KeyPath) {
    table(report, &dbinfo.table, &path.key("table"));
    columns(report, dbinfo, &path.key("columns"));
    report.require(
        !dbinfo.key.is_empty(),
        &path.key("key"),
        "`key` names no column",
        "a record needs what identifies it",
    );
    if report.sound(&path.key("columns")) {
        let lists = [("key", &dbinfo.key), ("optional", &dbinfo.optional)];
        for (name, list) in lists {
            for (index, column) in list.iter().enumerate() {
                let at = path.key(name).index(index);
                column_exists(report, dbinfo, column, &at, false);
            }
        }
        for column in dbinfo.values.keys() {
            let at = path.key("values").key(column.as_str());
            column_exists(report, dbinfo, column, &at, true);
        }
    }
    for (index, column) in dbinfo.optional.iter().enumerate() {
        report.require(
            !dbinfo.key.contains(column),
            &path.key("optional").index(index),
            format!("`{column}` identifies the record and cannot be missing"),
            "",
        );
    }
    report.require_key(
        dbinfo.from.is_none() || dbinfo.legacy.is_none(),
        &path.key("legacy"),
        "`from` and `legacy` exclude each other",
        "`from` names a file with a record, `legacy` one with a command line",
    );
    if dbinfo.from.is_none() && dbinfo.legacy.is_none() && report.sound(path) {
        for column in dbinfo.columns.keys() {
            let known = dbinfo.values.contains_key(column) || dbinfo.optional.contains(column);
            report.require_key(
                known,
                &path.key("columns").key(column.as_str()),
                format!("nothing gives `{column}`"),
                "add it to `values`, or name in `from` the file in which the job reports it",
            );
        }
    }
}

fn table(report: &mut Report<'_>, table: &str, path: &KeyPath) {
    report.require(
        is_identifier(table),
        path,
        format!("`{table}` cannot be the name of a table"),
        "use letters, digits and `_`, and begin with a letter",
    );
    let lower = table.to_ascii_lowercase();
    report.require(
        !RESERVED.contains(&lower.as_str()) && !lower.starts_with("sqlite_"),
        path,
        format!("the table `{table}` belongs to the database itself"),
        "take another name",
    );
}

fn columns(report: &mut Report<'_>, dbinfo: &Dbinfo, path: &KeyPath) {
    report.require(!dbinfo.columns.is_empty(), path, "`columns` is empty", "");
    let mut seen: HashMap<String, &str> = HashMap::new();
    for column in dbinfo.columns.keys() {
        let at = path.key(column.as_str());
        report.require_key(
            is_identifier(column),
            &at,
            format!("`{column}` cannot be the name of a column"),
            "use letters, digits and `_`, and begin with a letter",
        );
        if let Some(first) = seen.insert(column.to_ascii_lowercase(), column) {
            let message = format!("`{first}` and `{column}` are one column to SQL");
            report.require_key(
                false,
                &at,
                message,
                "it does not tell upper from lower case",
            );
        }
    }
}

fn column_exists(
    report: &mut Report<'_>,
    dbinfo: &Dbinfo,
    column: &str,
    path: &KeyPath,
    is_key: bool,
) {
    let holds = dbinfo.columns.contains_key(column);
    let message = format!("there is no column `{column}`");
    let help = closest(column, dbinfo.columns.keys().map(String::as_str)).map_or_else(
        || "add it to `columns` with its type".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    if is_key {
        report.require_key(holds, path, message, &help);
    } else {
        report.require(holds, path, message, &help);
    }
}
