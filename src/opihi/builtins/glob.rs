//! Names of files that match a pattern (`list -glob`).

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::super::error::Fault;

/// Most files that a pattern finds.
const LIMIT: usize = 100_000;

/// The files that match `pattern`, as it names them: from the root, or from `base`. `*`, `?` and
/// `[…]` stay within one directory and miss names that begin with a dot.
pub(super) fn glob(base: &Path, pattern: &str) -> Result<Vec<String>, Fault> {
    let mut found = vec![if pattern.starts_with('/') {
        "/".to_owned()
    } else {
        String::new()
    }];
    for component in pattern.split('/').filter(|part| !part.is_empty()) {
        let matcher = matcher(component)?;
        let mut next = Vec::new();
        for before in &found {
            match &matcher {
                None => {
                    let name = format!("{before}{component}");
                    if base.join(&name).symlink_metadata().is_ok() {
                        next.push(name);
                    }
                },
                Some(matcher) => names(&base.join(before), component, matcher)
                    .into_iter()
                    .for_each(|name| next.push(format!("{before}{name}"))),
            }
            if next.len() > LIMIT {
                let text = format!("{pattern} finds more than {LIMIT} files");
                return Err(Fault::message(text));
            }
        }
        found = next.into_iter().map(|name| format!("{name}/")).collect();
    }
    let mut found: Vec<String> = found
        .into_iter()
        .filter_map(|name| Some(name.strip_suffix('/')?.to_owned()))
        .filter(|name| !name.is_empty())
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// None where the component is a plain name.
fn matcher(component: &str) -> Result<Option<GlobMatcher>, Fault> {
    if !component.contains(['*', '?', '[', '\\']) {
        return Ok(None);
    }
    let glob = GlobBuilder::new(component).literal_separator(true).build();
    let bad = |error: globset::Error| Fault::message(format!("{component}: {error}"));
    Ok(Some(glob.map_err(bad)?.compile_matcher()))
}

fn names(directory: &PathBuf, component: &str, matcher: &GlobMatcher) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| component.starts_with('.') || !name.starts_with('.'))
        .filter(|name| matcher.is_match(name))
        .collect()
}
