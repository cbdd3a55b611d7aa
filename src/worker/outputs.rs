//! The evidence of what a job left: its outputs with size and hash, and its record.

use std::{fs, io::Read as _, path::Path};

use crate::state::{
    hash::Hash,
    run_dir::{commands::OutputRule, journal::OutputRecord},
};

/// Most bytes of a record.
const LONGEST_RECORD: u64 = 65_536;

/// What was found of a job's outputs.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Those that are there.
    pub(super) there: Vec<OutputRecord>,
    /// Why the job has failed though it exited with 0.
    pub(super) problems: Vec<String>,
}

/// Looks for a job's outputs; the first has the number `base` in the manifest.
pub(super) fn evidence(base: u64, rules: &[OutputRule]) -> Evidence {
    let mut evidence = Evidence::default();
    for (id, rule) in (base..).zip(rules) {
        let size = fs::metadata(&rule.path)
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|metadata| metadata.len());
        let path = rule.path.display();
        match size {
            Some(size) if size > 0 || rule.may_be_empty => match Hash::of_file(&rule.path) {
                Ok(hash) => evidence.there.push(OutputRecord {
                    id,
                    size,
                    hash: hash.to_string(),
                }),
                Err(error) => evidence
                    .problems
                    .push(format!("an output cannot be read: {path}: {error}")),
            },
            Some(_) if rule.required => evidence
                .problems
                .push(format!("a required output is empty: {path}")),
            None if rule.required => evidence
                .problems
                .push(format!("a required output is missing: {path}")),
            _ => {},
        }
    }
    evidence
}

/// Whether a file is there and not empty.
pub(super) fn has_bytes(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
}

/// The text of a record file, or why there is none.
pub(super) fn record(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    if !path.is_file() {
        return Err(format!("its record file is missing: {shown}"));
    }
    let mut text = Vec::new();
    let read =
        fs::File::open(path).and_then(|file| file.take(LONGEST_RECORD + 1).read_to_end(&mut text));
    match read {
        Ok(_) if text.len() as u64 > LONGEST_RECORD => Err(format!(
            "its record file is over {LONGEST_RECORD} bytes: {shown}"
        )),
        Ok(_) => Ok(text),
        Err(error) => Err(format!("its record file cannot be read: {shown}: {error}")),
    }
}
