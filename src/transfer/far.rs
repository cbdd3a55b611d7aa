//! The site's side: POSIX sh that links and lands files, and the reading of what it says.
//!
//! Paths go in as lines of tab-separated fields with odd bytes as `printf %b` escapes, so that
//! no path is ever part of a script. What comes out is lines `or INDEX WORD …`; anything else on
//! standard output (a noisy start-up file) is passed over.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Hash, Place, TransferError,
    drive::{Piece, Settled},
    placing::placing,
    program::{self, ours},
};
use crate::connection::{Host, LinkError, Output, escape_b};

/// `$1` staging directory, `$2` name of ours in it, `$3` number of streams: makes a directory for
/// each stream, removes what other transfers left long ago, and tells what parts of large files
/// are there. `$4` and `$5` are our own program.
const BEGIN: &str = concat!(
    ours!(),
    r#"
mkdir -p -- "$1" || exit 3
umask 077
mkdir -p -- "$1/$2" || exit 3
find "$1"/or-* -prune -type d -mtime +3 -exec rm -rf -- {} + 2>/dev/null
command -v dd >/dev/null && echo "or dd"
ours "$4" "$5" 2>/dev/null && echo "or ours"
for f in "$1"/or-k*/done.*; do [ -e "$f" ] && d=${f%/*} && echo "or part ${f##*.} ${d##*/}"; done
n=0
while [ $n -lt "$3" ]; do mkdir -- "$1/$2/$n" || exit 3; n=$((n + 1)); done
"#
);

/// `$1` directory to make anew and fill with links, from `INDEX TAB PATH` lines.
const LINK: &str = r#"
rm -rf -- "$1" && mkdir -p -- "$1" && cd -- "$1" || exit 3
while IFS='	' read -r i p; do
    case $p in *\\*) q=$(printf '%b.' "$p"); q=${q%.} ;; *) q=$p ;; esac
    if [ -f "$q" ] && [ -r "$q" ]; then ln -s -- "$q" "$i" || echo "or $i error cannot link"
    elif [ -e "$q" ]; then echo "or $i unreadable"
    else echo "or $i missing"; fi
done
echo or end
"#;

/// `$1` directory that holds what arrived, `$2` word for temporary names; reads
/// `INDEX TAB HASH TAB PATH` lines, renames what has the right hash.
const LAND: &str = concat!(
    placing!(),
    r#"
cd -- "$1" || exit 3
nl='
'
sums=$nl$(sha256sum -- * 2>/dev/null)$nl
sync -f . 2>/dev/null || sync
here=$(mount .)
set -f
dir= there=
while IFS='	' read -r i want p; do
    case $p in *\\*) q=$(printf '%b.' "$p"); q=${q%.} ;; *) q=$p ;; esac
    if [ ! -f "$i" ]; then echo "or $i absent"; continue; fi
    case $sums in
        *"$nl$want  $i$nl"* | *"$nl$want *$i$nl"*) ;;
        *)  got=${sums%%[ *]"$i$nl"*}; got=${got##*"$nl"}; got=${got%?}
            echo "or $i differs ${got%% *}"; rm -f -- "$i"; continue ;;
    esac
    d=${q%/*}; d=${d:-/}
    if [ "$d" != "$dir" ]; then
        if ! m=$(mkdir -p -- "$d" 2>&1); then echo "or $i error" $m; continue; fi
        dir=$d there=$(mount "$d")
    fi
    if m=$(place "$i" "$q" "$there" "$d/.or-part-$2-$i"); then echo "or $i done"
    else echo "or $i error" $m; fi
done
free
echo or end
"#
);

/// Our own directory on the site for one transfer.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    host: Host,
    dir: PathBuf,
    count: Arc<AtomicU64>,
}

/// What was found where a transfer begins.
#[derive(Debug)]
pub(super) struct Begun {
    /// By directory: the parts that are in it.
    arrived: HashMap<OsString, HashSet<u64>>,
    /// Whether large files can be cut there.
    pub(super) cuts: bool,
    /// Whether our program is there, to expand what comes compressed.
    pub(super) expands: bool,
}

impl Stage {
    /// `<staging>/or-<random>` on the site, not yet made.
    pub(super) fn new(host: &Host, staging: &Path) -> Self {
        Self {
            host: host.clone(),
            dir: staging.join(format!("or-{:016x}", fastrand::u64(..))),
            count: Arc::default(),
        }
    }

    /// Makes it, if it is not there, and a directory in it for each of `streams`; looks whether our
    /// `program` is there. The inner error is why that cannot be.
    pub(super) async fn begin(
        &self,
        streams: usize,
        program: Option<&Path>,
    ) -> Result<Result<Begun, TransferError>, LinkError> {
        let streams = streams.to_string();
        let staging = self.dir.parent().unwrap_or(Path::new("/"));
        let name = self.word();
        let [program, version] = program::words(program);
        let args: [&[u8]; 5] = [
            staging.as_os_str().as_bytes(),
            name.as_bytes(),
            streams.as_bytes(),
            program,
            version,
        ];
        let output = self.host.script_fed(BEGIN, &args, None).await?;
        if output.ok() {
            return Ok(Ok(Begun {
                arrived: parts(&output.out()),
                cuts: output.out().lines().any(|line| line == "or dd"),
                expands: output.out().lines().any(|line| line == "or ours"),
            }));
        }
        Ok(Err(TransferError::Write {
            path: self.dir.clone(),
            place: Place::Site,
            why: output.err().trim().to_owned(),
        }))
    }

    /// Removes the directory.
    pub(super) async fn end(self) -> Result<(), LinkError> {
        let args: [&[u8]; 1] = [self.dir.as_os_str().as_bytes()];
        self.host
            .script_fed(r#"rm -rf -- "$1""#, &args, None)
            .await?;
        Ok(())
    }

    /// A directory that nothing else uses; not yet made.
    pub(super) fn fresh(&self) -> PathBuf {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("b{number}"))
    }

    /// A directory of this name that outlives the transfer.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.dir.with_file_name(name)
    }

    /// A word for temporary names of this transfer.
    pub(super) fn word(&self) -> String {
        let name = self.dir.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The directory of a stream.
    pub(super) fn stream(&self, stream: usize) -> PathBuf {
        self.dir.join(stream.to_string())
    }

    /// Fills the directory of a stream with links to the files of `pieces`; those that cannot be
    /// had come back.
    pub(super) async fn link(
        &self,
        stream: usize,
        pieces: &[Piece],
    ) -> Result<HashMap<usize, TransferError>, LinkError> {
        let input = listing(pieces.iter().map(|p| (p.name(), None, p.from.as_path())));
        let dir = self.stream(stream);
        let args: [&[u8]; 1] = [dir.as_os_str().as_bytes()];
        let output = complete(
            self.host
                .script_fed(LINK, &args, Some(input.as_bytes()))
                .await?,
        )?;
        let said = answers(&output.stdout);
        let refused = pieces.iter().filter_map(|piece| {
            let path = piece.from.clone();
            let place = Place::Site;
            let error = match said.get(&piece.index)? {
                ("missing", _) => TransferError::Missing { path, place },
                (word, rest) => TransferError::Read {
                    path,
                    place,
                    why: format!("{word} {rest}").trim_end().to_owned(),
                },
            };
            Some((piece.index, error))
        });
        Ok(refused.collect())
    }

    /// Verifies what arrived for `pieces` in a stream's directory and renames it into place.
    /// `said` is what the carrier complained about.
    pub(super) async fn land(
        &self,
        stream: usize,
        pieces: Vec<Piece>,
        said: &str,
    ) -> Result<Vec<(Piece, Settled)>, LinkError> {
        let lines = pieces.iter().map(|p| (p.name(), p.hash, p.to.as_path()));
        let input = listing(lines);
        let dir = self.stream(stream);
        let word = self.word();
        let args: [&[u8]; 2] = [dir.as_os_str().as_bytes(), word.as_bytes()];
        let output = complete(
            self.host
                .script_fed(LAND, &args, Some(input.as_bytes()))
                .await?,
        )?;
        let answers = answers(&output.stdout);
        let free = free_bytes(&output.stdout);
        let settle = |piece: Piece| {
            let settled = settled(&piece, answers.get(&piece.index).copied(), said, free);
            (piece, settled)
        };
        Ok(pieces.into_iter().map(settle).collect())
    }
}

impl Begun {
    /// Whether an earlier transfer has brought this part of the file that is gathered there.
    pub(super) fn has_arrived(&self, directory: &Path, part: u64) -> bool {
        let name = directory.file_name().unwrap_or_default();
        let parts = self.arrived.get(name);
        parts.is_some_and(|parts| parts.contains(&part))
    }

    /// Whether an earlier transfer has brought any part of that file.
    pub(super) fn gathers(&self, directory: &Path) -> bool {
        let name = directory.file_name().unwrap_or_default();
        self.arrived.contains_key(name)
    }
}

/// Parts of large files that are there, by the name of their directory.
fn parts(said: &str) -> HashMap<OsString, HashSet<u64>> {
    let mut arrived: HashMap<OsString, HashSet<u64>> = HashMap::new();
    let lines = said
        .lines()
        .filter_map(|line| line.strip_prefix("or part "));
    for (number, name) in lines.filter_map(|line| line.split_once(' ')) {
        if let Ok(number) = number.parse() {
            arrived.entry(name.into()).or_default().insert(number);
        }
    }
    arrived
}

fn settled(piece: &Piece, answer: Option<(&str, &str)>, said: &str, free: u64) -> Settled {
    let path = piece.to.clone();
    let place = Place::Site;
    let Some(hash) = piece.hash else {
        return Settled::Failed(TransferError::Write {
            path,
            place,
            why: "it was sent without a checksum".to_owned(),
        });
    };
    match answer {
        Some(("done", _)) => Settled::Done {
            size: piece.size,
            hash,
            key: None,
        },
        Some(("error", why)) => Settled::Failed(TransferError::Write {
            path,
            place,
            why: why.to_owned(),
        }),
        _ if free < piece.size => Settled::Again(TransferError::NoSpace {
            path,
            place,
            free,
            needed: piece.size,
        }),
        Some(("differs", found)) => Settled::Again(TransferError::Mismatch {
            path,
            place,
            expected: hash,
            found: if found.is_empty() { "none" } else { found }.to_owned(),
        }),
        _ => {
            let name = piece.name();
            let about = said.lines().find(|line| line.contains(&name));
            let why = about.or(said.lines().last()).unwrap_or("it did not arrive");
            Settled::Again(TransferError::Write {
                path,
                place,
                why: why.trim().to_owned(),
            })
        },
    }
}

pub(super) fn listing<'a>(lines: impl Iterator<Item = (String, Option<Hash>, &'a Path)>) -> String {
    let mut text = String::new();
    for (name, hash, path) in lines {
        text.push_str(&name);
        text.push('\t');
        if let Some(hash) = hash {
            text.push_str(&hash.to_string());
            text.push('\t');
        }
        escape_b(path.as_os_str().as_bytes(), &mut text);
        text.push('\n');
    }
    text
}

/// The answers by index: a word and what follows it.
pub(super) fn answers(stdout: &[u8]) -> HashMap<usize, (&str, &str)> {
    let lines = stdout.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let rest = std::str::from_utf8(line).ok()?.strip_prefix("or ")?;
            let (index, answer) = rest.split_once(' ')?;
            let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
            Some((index.parse().ok()?, (word, rest)))
        })
        .collect()
}

pub(super) fn free_bytes(stdout: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(stdout);
    let kib = text.lines().find_map(|line| line.strip_prefix("or free "));
    kib.and_then(|number| number.trim().parse::<u64>().ok())
        .map_or(u64::MAX, |kib| kib.saturating_mul(1024))
}

/// The output of a script that ran to its last line.
pub(super) fn complete(output: Output) -> Result<Output, LinkError> {
    let mut lines = output.stdout.split(|byte| *byte == b'\n');
    if output.ok() && lines.any(|line| line == b"or end") {
        return Ok(output);
    }
    Err(ended_early(&output))
}

/// The error of a script that did not run to its last line.
pub(super) fn ended_early(output: &Output) -> LinkError {
    let said = format!("exit code {}: {}", output.code, output.err().trim());
    LinkError::io("a transfer script on the site ended early")(io::Error::other(said))
}

/// A thread of ours that did not come to its end.
pub(super) fn stopped(what: &'static str) -> impl FnOnce(tokio::task::JoinError) -> LinkError {
    move |error| LinkError::Io {
        what: what.to_owned(),
        source: error.into(),
    }
}

/// A path of the site must be absolute to mean one file.
pub(super) fn absolute(path: &Path) -> Result<(), TransferError> {
    if path.is_absolute() && path.file_name() != Some(OsStr::new("")) {
        return Ok(());
    }
    Err(TransferError::Write {
        path: path.to_owned(),
        place: Place::Site,
        why: "a path on the site must be absolute".into(),
    })
}
