//! Plain tables for people and JSON with a schema version for programs.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::exit::CliError;

/// Version of what `--json` prints.
const SCHEMA: u32 = 1;

/// A table: a header and rows of as many cells. Columns are as wide as their widest cell; those
/// whose header begins with `#` are aligned to the right.
#[derive(Debug)]
pub(super) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn text(&self) -> String {
        let titles: Vec<String> = self
            .header
            .iter()
            .map(|title| title.trim_start_matches('#').to_owned())
            .collect();
        let mut widths: Vec<usize> = titles.iter().map(|title| title.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let cells = row
                .iter()
                .zip(&widths)
                .zip(&self.header)
                .map(|((cell, width), title)| {
                    if title.starts_with('#') {
                        format!("{cell:>width$}")
                    } else {
                        format!("{cell:<width$}")
                    }
                });
            let line: Vec<String> = cells.collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    pub(super) fn print(&self) -> Result<(), CliError> {
        print(&self.text())
    }
}

/// Prints `{"schema": 1, NAME: VALUE}`.
pub(super) fn print_json(name: &str, value: impl serde::Serialize) -> Result<(), CliError> {
    let value = serde_json::to_value(value)
        .map_err(|error| CliError::Failed(format!("cannot be written as JSON: {error}")))?;
    let document: Value = json!({"schema": SCHEMA, name: value});
    print(&format!("{document:#}\n"))
}

/// Prints the keys of VALUE beside the schema version: `{"schema": 1, KEY: …}`.
pub(super) fn print_json_keys(value: impl serde::Serialize) -> Result<(), CliError> {
    let value = serde_json::to_value(value)
        .map_err(|error| CliError::Failed(format!("cannot be written as JSON: {error}")))?;
    let mut document = json!({"schema": SCHEMA});
    if let (Value::Object(document), Value::Object(keys)) = (&mut document, value) {
        document.extend(keys);
    }
    print(&format!("{document:#}\n"))
}

/// Prints data to stdout; a reader that has gone away is no error.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::Failed(format!("stdout: {error}")))
        },
        _ => Ok(()),
    }
}

/// Says a line on stderr; a reader that has gone away stops nothing.
pub(super) fn note(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_stand_right() {
        let mut table = Table::new(&["stage", "#jobs"]);
        table.row(vec!["chip".into(), "5".into()]);
        table.row(vec!["staticsky".into(), "37200".into()]);
        insta::assert_snapshot!(table.text(), @r"
        stage       jobs
        chip           5
        staticsky  37200
        ");
    }
}
