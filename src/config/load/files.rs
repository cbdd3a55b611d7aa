//! Files on disk: which recipes a glob names, and their text.

use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;

use crate::config::problem::Problem;

/// Largest file that is read, in bytes; the reader of documents has the exact limit.
const MAX_BYTES: u64 = 2 << 20;
/// Deepest directory below the fixed part of a glob.
const MAX_DEPTH: usize = 12;

/// What a glob names.
pub(super) struct Found {
    /// The files, sorted.
    pub(super) files: Vec<PathBuf>,
    /// Why there may be fewer than meant.
    pub(super) problem: Option<String>,
}

/// The files that `pattern`, relative to `root`, names.
pub(super) fn matching(root: &Path, pattern: &str) -> Found {
    let whole = root.join(pattern);
    let fixed: PathBuf = whole
        .components()
        .take_while(|part| !is_glob(part))
        .filter(|part| *part != Component::CurDir)
        .collect();
    if fixed.is_file() {
        return Found {
            files: vec![fixed],
            problem: None,
        };
    }
    let rest: PathBuf = whole
        .components()
        .skip_while(|part| !is_glob(part))
        .collect();
    let glob = GlobBuilder::new(&rest.to_string_lossy())
        .literal_separator(true)
        .build();
    let glob = match glob {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => {
            return Found {
                files: Vec::new(),
                problem: Some(format!("`{pattern}` is not a glob: {}", error.kind())),
            };
        },
    };
    let deep = rest.to_string_lossy().contains("**");
    let depth = if deep {
        MAX_DEPTH
    } else {
        rest.components().count()
    };
    let mut files = Vec::new();
    collect(&fixed, depth, &mut |file| {
        if file
            .strip_prefix(&fixed)
            .is_ok_and(|below| glob.is_match(below))
        {
            files.push(file.to_owned());
        }
    });
    files.sort();
    let problem = files
        .is_empty()
        .then(|| format!("no file matches `{pattern}`"));
    Found { files, problem }
}

fn is_glob(part: &Component<'_>) -> bool {
    let text = part.as_os_str().to_string_lossy();
    text.contains(['*', '?', '[', '{'])
}

fn collect(directory: &Path, depth: usize, take: &mut dyn FnMut(&Path)) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_file() {
            take(&path);
        } else if depth > 1 && path.is_dir() {
            collect(&path, depth - 1, take);
        }
    }
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String, Box<Problem>> {
    let unreadable = |error: std::io::Error| {
        let message = format!("the file cannot be read: {error}");
        Box::new(Problem::error(label(path), message))
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_BYTES {
        let message = format!("the file has {size} bytes; a configuration is smaller");
        return Err(Box::new(Problem::error(label(path), message)));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let good = error.as_bytes().get(..at).unwrap_or_default();
        let line = good.split(|byte| *byte == b'\n').count();
        let problem = Problem::error(label(path), format!("line {line} is not UTF-8"));
        Box::new(problem.help("save the file as UTF-8"))
    })
}

/// A path as people know it: relative to the current directory where it lies below.
pub(super) fn label(path: &Path) -> PathBuf {
    std::env::current_dir()
        .ok()
        .and_then(|current| path.strip_prefix(current).ok())
        .unwrap_or(path)
        .to_owned()
}
