//! What a command line names, as items: directories are walked, names are kept.

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use walkdir::{DirEntry, WalkDir};

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
    /// A directory on the site cannot be read, so what lies in it is not known.
    #[error("{0} (on the site): make it readable there, or name what else is to be brought")]
    Unreadable(String),
    /// The site was not reached.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Items for `sources` and all that lies in them, into the directory `into` on the site. Links are
/// followed, but not one into a directory that it lies in; one that leads nowhere is an item that is
/// missing.
///
/// # Errors
/// [`ListError::Source`], [`ListError::Nameless`].
pub fn outward(sources: &[PathBuf], into: &Path) -> Result<Vec<Item>, ListError> {
    let mut items = Vec::new();
    for source in sources {
        let kept = into.join(name(source)?);
        let walk = WalkDir::new(source).follow_links(true).sort_by_file_name();
        for found in walk {
            let Some((local, size)) = file(found, source)? else {
                continue;
            };
            let below = local.strip_prefix(source).unwrap_or(&local);
            let remote = if below.as_os_str().is_empty() {
                kept.clone()
            } else {
                kept.join(below)
            };
            items.push(Item {
                local,
                remote,
                size,
                hash: None,
            });
        }
    }
    Ok(items)
}

/// A file that a walk met, with its size if it is there; nothing for a directory.
fn file(
    found: walkdir::Result<DirEntry>,
    source: &Path,
) -> Result<Option<(PathBuf, Option<u64>)>, ListError> {
    let error = match found {
        Ok(entry) if entry.file_type().is_dir() => return Ok(None),
        Ok(entry) => {
            let size = entry.metadata().ok().map(|metadata| metadata.len());
            return Ok(Some((entry.into_path(), size)));
        },
        // What lies there is walked already.
        Err(error) if error.loop_ancestor().is_some() => return Ok(None),
        Err(error) => error,
    };
    let path = error.path().unwrap_or(source).to_owned();
    if error.depth() > 0 && path.is_symlink() {
        return Ok(Some((path, None)));
    }
    let source = error.into_io_error();
    let source = source.unwrap_or_else(|| io::ErrorKind::Other.into());
    Err(ListError::Source { path, source })
}

/// Reads directories and files as lines; prints the files and dead links below them, as blocks that end in NUL:
/// `NUMBER SIZE PATH`, or where `find` can, behind `from NUMBER`, `d DEPTH NAME` for a directory and
/// `f DEPTH SIZE NAME` for a file in it, which is a fraction of the bytes.
const WALK: &str = r#"
export LC_ALL=C
k=0
gnu=no
find / -prune -printf '' 2>/dev/null && gnu=yes
while IFS= read -r p; do
    case $p in *\\*) p=$(printf '%b.' "$p"); p=${p%.} ;; esac
    if [ ! -e "$p" ]; then printf 'missing %s\000' "$k"
    elif [ $gnu = yes ]; then
        printf 'from %s\000' "$k"
        find -L "$p" -type d -printf 'd %d %f\0' -o -type f -printf 'f %d %s %f\0' \
            -o -type l -printf 'f %d 0 %f\0'
    else
        find -L "$p" \( -type f -o -type l \) -exec sh -c 'k=$1; shift; for f; do
            [ -e "$f" ] && n=$(wc -c <"$f") || n=0
            printf "%s %s %s\000" "$k" "$n" "$f"
        done' sh "$k" {} +
    fi
    k=$((k + 1))
done
printf 'end\000'
"#;

/// Items for `sources` on the site and all that lies in them, into the local directory `into`. What
/// goes away meanwhile is left out.
///
/// # Errors
/// [`ListError::Missing`], [`ListError::Nameless`], [`ListError::Unreadable`], [`ListError::Link`].
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
    let mut place = Place::default();
    for block in output.stdout.split(|byte| *byte == 0) {
        if block == b"end" {
            ended = true;
        } else if let Some(number) = block.strip_prefix(b"missing ") {
            let source = number_of(number).and_then(|number: usize| sources.get(number));
            return Err(ListError::Missing(source.cloned().unwrap_or_default()));
        } else if let Some((source, size, path)) = place.found(block, sources) {
            let base = source.parent().unwrap_or(Path::new("/"));
            let kept = path.strip_prefix(base).unwrap_or(&path);
            items.push(Item {
                local: into.join(kept),
                remote: path,
                size: Some(size),
                hash: None,
            });
        }
    }
    if !ended {
        return Err(far::ended_early(&output).into());
    }
    if let Some(why) = left_out(&String::from_utf8_lossy(&output.stderr)) {
        return Err(ListError::Unreadable(why.to_owned()));
    }
    items.sort_by(|a, b| a.remote.cmp(&b.remote));
    Ok(items)
}

/// What `find` could not look into, in its words. What has gone, or was met before, lacks nothing.
fn left_out(said: &str) -> Option<&str> {
    let mut complaints = said.lines().filter_map(|line| line.strip_prefix("find: "));
    let harmless = |why: &str| {
        why.ends_with("No such file or directory") || why.starts_with("File system loop")
    };
    complaints.find(|why| !harmless(why))
}

/// Where a walk is.
#[derive(Debug, Default)]
struct Place {
    /// Which of the sources it began at.
    source: usize,
    /// The directory at each depth; at depth 0 the source itself.
    directories: Vec<PathBuf>,
}

impl Place {
    /// The file that a block of [`WALK`] tells of: its source, size and path.
    fn found<'a>(
        &mut self,
        block: &[u8],
        sources: &'a [PathBuf],
    ) -> Option<(&'a Path, u64, PathBuf)> {
        let (word, rest) = word(block)?;
        match word {
            b"from" => {
                self.source = number_of(rest)?;
                self.directories.clear();
                None
            },
            b"d" => {
                let (depth, name) = word_number(rest)?;
                let path = self.path(depth, name, sources)?;
                self.directories.truncate(depth);
                self.directories.push(path);
                None
            },
            b"f" => {
                let (depth, rest) = word_number(rest)?;
                let (size, name) = word_number(rest)?;
                let path = self.path(depth, name, sources)?;
                Some((sources.get(self.source)?, size, path))
            },
            number => {
                let (size, path) = word_number(rest)?;
                let source = sources.get(number_of::<usize>(number)?)?;
                Some((source, size, Path::new(OsStr::from_bytes(path)).to_owned()))
            },
        }
    }

    fn path(&self, depth: usize, name: &[u8], sources: &[PathBuf]) -> Option<PathBuf> {
        match depth.checked_sub(1) {
            None => sources.get(self.source).cloned(),
            Some(above) => Some(self.directories.get(above)?.join(OsStr::from_bytes(name))),
        }
    }
}

/// What stands before the first blank, and what behind it.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = text.splitn(2, |byte| *byte == b' ');
    Some((words.next()?, words.next()?))
}

fn word_number<N: FromStr>(text: &[u8]) -> Option<(N, &[u8])> {
    let (number, rest) = word(text)?;
    Some((number_of(number)?, rest))
}

fn number_of<N: FromStr>(digits: &[u8]) -> Option<N> {
    std::str::from_utf8(digits).ok()?.trim().parse().ok()
}

fn name(source: &Path) -> Result<&OsStr, ListError> {
    let name = source.file_name();
    name.ok_or_else(|| ListError::Nameless(source.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn only_a_directory_that_cannot_be_read_leaves_something_out() {
        let gone = "find: '/a/b': No such file or directory\n";
        let met = "find: File system loop detected; '/a/l' is part of the same loop as '/a'.\n";
        assert_eq!(left_out(&[gone, met, "Welcome\n"].concat()), None);
        let closed = "find: '/a/c': Permission denied\n";
        let why = left_out(&[gone, closed].concat()).map(str::to_owned);
        assert_eq!(why.unwrap(), "'/a/c': Permission denied");
    }

    #[test]
    fn a_directory_is_walked_and_keeps_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("night");
        fs::create_dir_all(top.join("b")).unwrap();
        fs::write(top.join("b/2"), "22").unwrap();
        fs::write(top.join("a"), "1").unwrap();
        symlink("a", top.join("link")).unwrap();
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
    fn a_link_into_its_own_directory_is_walked_once_and_a_dead_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("night");
        fs::create_dir(&top).unwrap();
        fs::write(top.join("a"), "1").unwrap();
        for (to, link) in [
            (".", "l1"),
            (".", "l2"),
            ("nowhere", "dead"),
            ("self", "self"),
        ] {
            symlink(to, top.join(link)).unwrap();
        }
        let items = outward(&[top], Path::new("/scratch")).unwrap();
        let seen: Vec<_> = items
            .iter()
            .map(|item| (item.remote.to_str().unwrap(), item.size))
            .collect();
        assert_eq!(
            seen,
            [
                ("/scratch/night/a", Some(1)),
                ("/scratch/night/dead", None),
                ("/scratch/night/self", None),
            ]
        );
    }

    #[test]
    fn a_walk_tells_only_names_and_every_path_is_known() {
        let sources = ["/s/night".into(), "/s/one".into()];
        let said: [&[u8]; 9] = [
            b"from 0",
            b"d 0 night",
            b"f 1 5 a b",
            b"d 1 raw",
            b"f 2 6 \xff",
            b"f 1 7 last",
            b"from 1",
            b"f 0 8 one",
            b"1 9 /s/one",
        ];
        let mut place = Place::default();
        let found = said.iter().filter_map(|block| place.found(block, &sources));
        let found: Vec<(u64, PathBuf)> = found.map(|(_, size, path)| (size, path)).collect();
        let odd = Path::new("/s/night/raw").join(OsStr::from_bytes(b"\xff"));
        assert_eq!(
            found,
            [
                (5, "/s/night/a b".into()),
                (6, odd),
                (7, "/s/night/last".into()),
                (8, "/s/one".into()),
                (9, "/s/one".into()),
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
