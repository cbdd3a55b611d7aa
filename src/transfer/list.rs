//! What a command line names, as items: directories are walked, names are kept.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::{Item, far};
use crate::connection::{Host, LinkError, escaped_lines};

/// Why a list of files could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A source cannot be read.
    #[error("{path}: {source}")]
    Source {
        /// The source.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A source ends in `..` or is `/`, so what it should be called is not known.
    #[error("{0}: has no name to keep; name a file or directory in it")]
    Nameless(PathBuf),
    /// There is no such file on the site.
    #[error("{0}: no such file or directory on the site")]
    Missing(PathBuf),
    /// The site was not reached.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Items for `sources` and all that lies in them, into the directory `into` on the site. Links are
/// followed.
///
/// # Errors
/// [`ListError::Source`], [`ListError::Nameless`].
pub fn outward(sources: &[PathBuf], into: &Path) -> Result<Vec<Item>, ListError> {
    let mut items = Vec::new();
    for source in sources {
        let cannot = |path: &Path| {
            let path = path.to_owned();
            move |source| ListError::Source { path, source }
        };
        let name = name(source)?;
        let mut left = vec![(source.clone(), into.join(name))];
        while let Some((local, remote)) = left.pop() {
            let metadata = fs::metadata(&local).map_err(cannot(&local))?;
            if !metadata.is_dir() {
                items.push(Item {
                    local,
                    remote,
                    size: Some(metadata.len()),
                    hash: None,
                });
                continue;
            }
            let mut inside: Vec<_> = fs::read_dir(&local)
                .and_then(Iterator::collect)
                .map_err(cannot(&local))?;
            inside.sort_by_key(fs::DirEntry::file_name);
            for entry in inside.into_iter().rev() {
                left.push((entry.path(), remote.join(entry.file_name())));
            }
        }
    }
    Ok(items)
}

/// Reads directories and files as lines; prints size and path of each file below them, as blocks
/// that end in NUL.
const WALK: &str = r#"
k=0
gnu=no
find / -prune -printf '' 2>/dev/null && gnu=yes
while IFS= read -r p; do
    case $p in *\\*) p=$(printf '%b.' "$p"); p=${p%.} ;; esac
    if [ ! -e "$p" ]; then printf 'missing %s\000' "$k"
    elif [ $gnu = yes ]; then find -L "$p" -type f -printf "$k %s %p\\0"
    else
        find -L "$p" -type f -exec sh -c 'k=$1; shift; for f; do printf "%s %s %s\000" "$k" "$(wc -c <"$f")" "$f"; done' sh "$k" {} +
    fi
    k=$((k + 1))
done
printf 'end\000'
"#;

/// Items for `sources` on the site and all that lies in them, into the local directory `into`.
///
/// # Errors
/// [`ListError::Missing`], [`ListError::Nameless`], [`ListError::Link`].
pub async fn homeward(
    host: &Host,
    sources: &[PathBuf],
    into: &Path,
) -> Result<Vec<Item>, ListError> {
    for source in sources {
        name(source)?;
    }
    let list = escaped_lines(sources.iter().map(PathBuf::as_path));
    let output = host.script_fed(WALK, &[], Some(list.as_bytes())).await?;
    let mut items = Vec::new();
    let mut ended = false;
    for block in output.stdout.split(|byte| *byte == 0) {
        if block == b"end" {
            ended = true;
        } else if let Some(number) = block.strip_prefix(b"missing ") {
            let number = number_of(number).and_then(|number| usize::try_from(number).ok());
            let source = number.and_then(|number| sources.get(number));
            return Err(ListError::Missing(source.cloned().unwrap_or_default()));
        } else if let Some((source, size, path)) = found(block, sources) {
            let base = source.parent().unwrap_or(Path::new("/"));
            let kept = path.strip_prefix(base).unwrap_or(path);
            items.push(Item {
                local: into.join(kept),
                remote: path.to_owned(),
                size: Some(size),
                hash: None,
            });
        }
    }
    if !ended {
        return Err(far::ended_early(&output).into());
    }
    items.sort_by(|a, b| a.remote.cmp(&b.remote));
    Ok(items)
}

/// `NUMBER SIZE PATH`.
fn found<'a>(block: &'a [u8], sources: &'a [PathBuf]) -> Option<(&'a Path, u64, &'a Path)> {
    let mut words = block.splitn(3, |byte| *byte == b' ');
    let number = usize::try_from(number_of(words.next()?)?).ok()?;
    let size = number_of(words.next()?)?;
    let path = Path::new(OsStr::from_bytes(words.next()?));
    Some((sources.get(number)?, size, path))
}

fn number_of(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

fn name(source: &Path) -> Result<&OsStr, ListError> {
    let name = source.file_name();
    name.ok_or_else(|| ListError::Nameless(source.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_walked_and_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("night");
        fs::create_dir_all(top.join("b")).unwrap();
        fs::write(top.join("b/2"), "22").unwrap();
        fs::write(top.join("a"), "1").unwrap();
        std::os::unix::fs::symlink("a", top.join("link")).unwrap();
        let items = outward(&[top], Path::new("/scratch")).unwrap();
        let seen: Vec<_> = items
            .iter()
            .map(|item| (item.remote.to_str().unwrap(), item.size.unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                ("/scratch/night/a", 1),
                ("/scratch/night/b/2", 2),
                ("/scratch/night/link", 1)
            ]
        );
    }

    #[test]
    fn a_source_that_is_not_there_or_has_no_name_is_told() {
        let into = Path::new("/s");
        let missing = outward(&["/no/such".into()], into).unwrap_err();
        assert!(missing.to_string().starts_with("/no/such: No such file"));
        let nameless = outward(&["/".into()], into).unwrap_err();
        assert!(matches!(nameless, ListError::Nameless(_)));
    }
}
