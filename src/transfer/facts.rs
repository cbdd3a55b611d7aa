//! What is on the site: files with their sizes and hashes, and directories.

use std::{
    collections::{HashMap, HashSet},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use tokio::task::JoinSet;

use super::{
    Hash,
    far::{answers, complete, listing, stopped},
};
use crate::connection::{Host, LinkError, escaped_lines};

/// Reads `INDEX TAB PATH` lines; answers size and (if `$1` is `hash`) hash of each file, or what
/// else is there. A size is had without reading the file.
const FACTS: &str = r#"
how=$1
flush() {
    [ $# -gt 0 ] || return 0
    { wc -c -- "$@"; [ "$how" != hash ] || sha256sum -- "$@"; } 2>/dev/null
}
what() {
    if [ ! -e "$1" ] && [ ! -h "$1" ]; then echo missing
    elif [ ! -f "$1" ]; then echo other
    elif [ ! -r "$1" ]; then echo unreadable
    else return 1; fi
}
set --
while IFS='	' read -r i p; do
    case $p in
        *\\*)
            q=$(printf '%b.' "$p"); q=${q%.}
            if w=$(what "$q"); then echo "or $i $w"; continue; fi
            s=$(wc -c <"$q"); h=
            [ "$how" != hash ] || h=$(sha256sum <"$q")
            echo "or $i file" $s "${h%% *}" ;;
        *)
            if [ ! -f "$p" ] || [ ! -r "$p" ]; then echo "or $i $(what "$p")"; continue; fi
            set -- "$@" "$p"
            if [ $# -ge 100 ]; then flush "$@"; set --; fi ;;
    esac
done
flush "$@"
echo or end
"#;

/// What the site says of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    /// A file; without its hash where only the size was asked.
    File {
        size: u64,
        hash: Option<Hash>,
    },
    Missing,
    Unreadable(&'static str),
}

/// What is asked of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Size,
    Hash,
}

/// Files asked about by one script.
const ASKED: usize = 1000;

/// Sizes, and hashes if asked, of `paths` (with their indices) on the site; a path without an
/// answer is [`Fact::Unreadable`].
pub(super) async fn facts(
    host: &Host,
    paths: &[(usize, &Path)],
    ask: Ask,
) -> Result<HashMap<usize, Fact>, LinkError> {
    let mut found = HashMap::with_capacity(paths.len());
    let mut asking = JoinSet::new();
    let mut chunks = paths.chunks(ASKED);
    loop {
        while asking.len() < host.lines().max(1)
            && let Some(chunk) = chunks.next()
        {
            let (host, chunk) = (host.clone(), owned(chunk));
            asking.spawn(async move { ask_once(&host, &chunk, ask).await });
        }
        let Some(answered) = asking.join_next().await else {
            return Ok(found);
        };
        found.extend(answered.map_err(stopped("asking about files"))??);
    }
}

fn owned(paths: &[(usize, &Path)]) -> Vec<(usize, PathBuf)> {
    let owned = |(index, path): &(usize, &Path)| (*index, path.to_path_buf());
    paths.iter().map(owned).collect()
}

async fn ask_once(
    host: &Host,
    paths: &[(usize, PathBuf)],
    ask: Ask,
) -> Result<HashMap<usize, Fact>, LinkError> {
    let lines = paths
        .iter()
        .map(|(index, path)| (index.to_string(), None, path.as_path()));
    let input = listing(lines);
    let how: &[u8] = match ask {
        Ask::Size => b"size",
        Ask::Hash => b"hash",
    };
    let said = host
        .script_fed(FACTS, &[how], Some(input.as_bytes()))
        .await?;
    let output = complete(said)?;
    Ok(read_facts(&output.stdout, paths, ask))
}

/// Reads directories as lines; answers the numbers (from 0) of those that are there.
const DIRECTORIES: &str = r#"
k=0
while IFS= read -r d; do
    case $d in *\\*) d=$(printf '%b.' "$d"); d=${d%.} ;; esac
    [ -d "$d" ] && echo "or $k there"
    k=$((k + 1))
done
echo or end
"#;

/// Which of `directories` are on the site, by their places.
pub(super) async fn directories(
    host: &Host,
    directories: &[&Path],
) -> Result<HashSet<usize>, LinkError> {
    let list = escaped_lines(directories.iter().copied());
    let output = complete(
        host.script_fed(DIRECTORIES, &[], Some(list.as_bytes()))
            .await?,
    )?;
    Ok(answers(&output.stdout).into_keys().collect())
}

fn read_facts(stdout: &[u8], paths: &[(usize, PathBuf)], ask: Ask) -> HashMap<usize, Fact> {
    let mut sizes: HashMap<&[u8], u64> = HashMap::new();
    let mut hashes: HashMap<&[u8], Hash> = HashMap::new();
    for line in stdout.split(|byte| *byte == b'\n') {
        if let Some((hash, path)) = sum_line(line).filter(|(_, path)| path.starts_with(b"/")) {
            hashes.insert(path, hash);
        } else if let Some((size, path)) = count_line(line) {
            sizes.insert(path, size);
        }
    }
    let said = answers(stdout);
    let fact = |index: &usize, path: &Path| match said.get(index) {
        Some(("missing", _)) => Fact::Missing,
        Some(("other", _)) => Fact::Unreadable("not a regular file"),
        Some(("file", rest)) => {
            let (size, hash) = rest.split_once(' ').unwrap_or((rest, ""));
            match (size.parse(), hash.parse().ok()) {
                (Ok(size), hash) if ask == Ask::Size || hash.is_some() => Fact::File { size, hash },
                _ => Fact::Unreadable("no checksum"),
            }
        },
        Some(_) => Fact::Unreadable("permission denied"),
        None => {
            let name = path.as_os_str().as_bytes();
            match (sizes.get(name), hashes.get(name).copied()) {
                (Some(&size), hash) if ask == Ask::Size || hash.is_some() => {
                    Fact::File { size, hash }
                },
                _ => Fact::Unreadable("no checksum"),
            }
        },
    };
    let all = paths
        .iter()
        .map(|(index, path)| (*index, fact(index, path)));
    all.collect()
}

/// `HASH  PATH`, as sha256sum prints it.
pub(super) fn sum_line(line: &[u8]) -> Option<(Hash, &[u8])> {
    let (digits, rest) = line.split_at_checked(64)?;
    let hash = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let ([b' ', b' ' | b'*'], path) = rest.split_first_chunk::<2>()? else {
        return None;
    };
    Some((hash, path))
}

/// `SIZE PATH`, as wc -c prints it.
fn count_line(line: &[u8]) -> Option<(u64, &[u8])> {
    let line = line.trim_ascii_start();
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (digits, rest) = line.split_at_checked(space)?;
    let size = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let path = rest.strip_prefix(b" ")?;
    path.starts_with(b"/").then_some((size, path))
}
