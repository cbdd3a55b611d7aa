//! Files from the site: bundles as tar streams, large ones in ranges.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, OpenOptions},
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Hash, Place, TransferError,
    counted::Counted,
    drive::{BatchResult, Piece, Settled},
    facts::{self, Ask, Fact},
    far,
    freight::Freights,
    gathering::Gathering,
    land::{Arrived, Berth},
    plan::{BLOCK, Part},
    program::{self, ours},
    rate::Governor,
    sessions::ended_early,
    sluice,
    squeeze::Expanded,
};
use crate::connection::{Host, LinkError, escape_b};

/// Reads a line `NUMBER LINES HOW` and so many paths for each bundle, as [`names()`] makes them; writes, between
/// `or begin NUMBER` and `or over NUMBER`, a tar stream of those that are files, under `./PATH`, and
/// behind it, if HOW is `sums`, their checksums. `$1` and `$2` are our own program, which does this in
/// place of the script where it is there, under [`send::name`](super::send::name).
pub(super) const SEND: &str = concat!(
    ours!(),
    r#"
export LC_ALL=C
! ours "$1" "$2" || exec "$1" send
cd / || exit 3
nl='
'
while read -r k n how _; do
    echo "or begin $k"
    set --
    quoted= few= all=
    while [ "$n" -gt 0 ] && IFS= read -r p; do
        n=$((n - 1))
        case $p in /*) d=${p%/*} ;; *) p=$d/$p ;; esac
        case $p in *\\*) p=$(printf '%b.' "$p"); p=${p%.} ;; esac
        case $p in *\\*) quoted=yes ;; esac
        [ -f "$p" ] && [ -r "$p" ] || continue
        case $p in *"$nl"*) set -- "$@" ".$p"; continue ;; esac
        # A list that grew by each would be copied as often.
        few=$few$nl.$p
        case $n in *00) all=$all$few few= ;; esac
    done
    set -f
    IFS=$nl
    set -- "$@" $all$few
    unset IFS
    set +f
    # GNU tar reads backslashes in names as its own escapes unless told not to.
    [ -z "$quoted" ] || ! tar --no-unquote --version >/dev/null 2>&1 || quoted=--no-unquote
    [ "$quoted" != yes ] || quoted=
    if [ $# -gt 0 ]; then
        { said=$(tar $quoted -chf - -- "$@" 2>&1 >&3); code=$?; } 3>&1
        # Without an archive whoever reads would wait for one.
        [ $code -lt 126 ] || { printf '%s\n' "$said" >&2; exit 4; }
        [ -z "$said" ] || printf '%s\n' "$said" | sed 's/^/or tar /'
        [ "$how" != sums ] || sha256sum -- "$@" 2>/dev/null
    else
        head -c 1024 /dev/zero
    fi
    echo "or over $k"
done
"#
);

/// `$1` path, `$2` first block, `$3` number of blocks: that part of the file, as
/// [`squeeze()`](super::squeeze()) writes it; with the first one, on standard error, what `ls` says of
/// the file. `$4` and `$5` are our own program, which compresses where it is there.
const RANGE: &str = concat!(
    ours!(),
    r#"
[ "$2" != 0 ] || LC_ALL=C ls -lLd -- "$1" >&2
part() { dd if="$1" bs=1048576 skip="$2" count="$3" 2>/dev/null; }
if ours "$4" "$5"; then
    part "$1" "$2" "$3" | "$4" squeeze
else
    echo plain
    part "$1" "$2" "$3"
fi
"#
);

/// Brings a bundle on a stream.
pub(super) async fn bundle(
    freights: Arc<Freights>,
    host: Host,
    stream: usize,
    mut pieces: Vec<Piece>,
) -> BatchResult {
    let mut settled = Vec::new();
    let Some(berth) = Berth::for_some(&mut pieces, &mut settled) else {
        return Ok(settled);
    };
    let sources: BTreeSet<&Path> = pieces.iter().map(|piece| piece.from.as_path()).collect();
    let list = names(sources);
    let shared = Arc::new(pieces);
    let brought = freights.bring(stream, &list, &shared, berth).await?;
    let pieces = Arc::unwrap_or_clone(shared);
    let (berth, brought) = match brought {
        Ok(brought) => brought,
        Err((code, words)) => {
            let why = ended_early(Some(code), &words);
            settled.extend(pieces.into_iter().map(|piece| cut(piece, &why)));
            return Ok(settled);
        },
    };
    if brought.arrived.len() < pieces.len() && !host.spares_sessions() {
        // The site is asked why, and this would be in the way.
        freights.leave(stream).await;
    }
    let (pieces, arrived) = absent(&host, pieces, brought.arrived, &mut settled).await?;
    let landing = tokio::task::spawn_blocking(move || berth.land(pieces, arrived, &brought.said));
    settled.extend(landing.await.map_err(far::stopped("landing a bundle"))?);
    Ok(settled)
}

/// What prints a part of a file, as [`RANGE`] does without our program.
pub(super) fn range(path: &Path, part: &Part) -> Vec<Vec<u8>> {
    let (from, blocks) = (part.from, part.bytes.div_ceil(BLOCK));
    let script: [&[u8]; 4] = [b"sh", b"-c", RANGE.as_bytes(), b"sh"];
    let numbers = [from, blocks].map(|number| number.to_string().into_bytes());
    let mut words: Vec<Vec<u8>> = script.map(<[u8]>::to_vec).into();
    words.push(path.as_os_str().as_bytes().to_vec());
    words.extend(numbers);
    // No program of ours is asked to compress.
    words.resize(words.len() + 2, Vec::new());
    words
}

/// A line for each path; one that lies beside the path before it is told by its name alone.
pub(super) fn names<'p>(paths: impl IntoIterator<Item = &'p Path>) -> String {
    let mut list = String::new();
    let mut beside = None;
    for path in paths {
        let parent = path.parent();
        let told = match path.file_name() {
            Some(name) if parent == beside => name,
            _ => path.as_os_str(),
        };
        beside = parent;
        escape_b(told.as_bytes(), &mut list);
        list.push('\n');
    }
    list
}

fn cut(piece: Piece, why: &str) -> (Piece, Settled) {
    let error = TransferError::Read {
        path: piece.from.clone(),
        place: Place::Site,
        why: why.to_owned(),
    };
    (piece, Settled::Again(error))
}

/// Settles pieces that did not come since the site does not have them, or may not read them.
async fn absent(
    host: &Host,
    pieces: Vec<Piece>,
    mut unpacked: HashMap<usize, Arrived>,
    settled: &mut Vec<(Piece, Settled)>,
) -> Result<(Vec<Piece>, HashMap<usize, Arrived>), LinkError> {
    let asked: Vec<(usize, &Path)> = pieces
        .iter()
        .enumerate()
        .filter(|(place, _)| !unpacked.contains_key(place))
        .map(|(place, piece)| (place, piece.from.as_path()))
        .collect();
    if asked.is_empty() {
        return Ok((pieces, unpacked));
    }
    let facts = facts::facts(host, &asked, Ask::Size).await?;
    let mut kept = Vec::new();
    let mut arrived = HashMap::new();
    for (place, piece) in pieces.into_iter().enumerate() {
        let path = piece.from.clone();
        let site = Place::Site;
        match facts.get(&place) {
            Some(Fact::Missing) => {
                let error = TransferError::Missing { path, place: site };
                settled.push((piece, Settled::Failed(error)));
            },
            Some(Fact::Unreadable(why)) => {
                let why = (*why).to_owned();
                let place = site;
                let error = TransferError::Read { path, place, why };
                settled.push((piece, Settled::Failed(error)));
            },
            _ => {
                if let Some(one) = unpacked.remove(&place) {
                    arrived.insert(kept.len(), one);
                }
                kept.push(piece);
            },
        }
    }
    Ok((kept, arrived))
}

/// Brings one part of a file into its place where it is gathered. `program` is ours at the far end, if
/// it may compress.
pub(super) async fn part(
    host: Host,
    turn: usize,
    gathering: Arc<Gathering>,
    piece: Piece,
    part: Part,
    governor: Arc<Governor>,
    program: Option<PathBuf>,
) -> Result<(Piece, Settled), LinkError> {
    let from = part.from.to_string();
    let blocks = part.bytes.div_ceil(BLOCK).to_string();
    let [program, version] = program::words(program.as_deref());
    let args: [&[u8]; 5] = [
        piece.from.as_os_str().as_bytes(),
        from.as_bytes(),
        blocks.as_bytes(),
        program,
        version,
    ];
    let (out, outlet) = sluice::outward();
    let path = gathering.file(&piece);
    let target = path.clone();
    let held = Arc::clone(&gathering);
    let writing = tokio::task::spawn_blocking(move || {
        // Nobody else may take it up before this thread is done, though the transfer has ended.
        let _held = held;
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        file.seek(SeekFrom::Start(part.from * BLOCK))?;
        let mut came = Counted::new(BufReader::with_capacity(1 << 18, outlet));
        // What does not come is missed by its length.
        let Ok(content) = Expanded::announced(&mut came) else {
            return Ok((0, 0));
        };
        let wrote = io::copy(&mut Cut(content).take(part.bytes), &mut file)?;
        Ok((wrote, wrote.saturating_sub(came.passed)))
    });
    let streamed = host
        .stream(
            turn,
            RANGE,
            &args,
            |pipe| sluice::feed(pipe, b""),
            |pipe| sluice::draw(pipe, out, &governor),
        )
        .await?;
    let written: io::Result<_> = writing.await.map_err(far::stopped("writing a part"))?;
    let mut wrote = written.map(|(wrote, saved)| {
        governor.save(saved);
        wrote
    });
    if let (Ok(_), Some(mode)) = (&wrote, listed_mode(&streamed.stderr)) {
        wrote = permit(&target, mode).and(wrote);
    }
    if matches!(wrote, Ok(n) if n == part.bytes) && streamed.code == 0 {
        let held = Arc::clone(&gathering);
        let marking = tokio::task::spawn_blocking(move || held.mark(&target, &part));
        let marked = marking.await.map_err(far::stopped("keeping a part"))?;
        wrote = marked.and(wrote);
    }
    let settled = match wrote {
        Ok(n) if n == part.bytes && streamed.code == 0 => Settled::Part,
        Ok(_) => Settled::Again(TransferError::Read {
            path: piece.from.clone(),
            place: Place::Site,
            why: "a part of it did not come".to_owned(),
        }),
        Err(error) => Settled::Again(gathering.refused(&piece, &error)),
    };
    Ok((piece, settled))
}

/// Verifies a file whose parts have all arrived, and renames it into place.
pub(super) async fn assemble(host: Host, gathering: Arc<Gathering>, piece: Piece) -> BatchResult {
    let (held, read) = (Arc::clone(&gathering), piece.clone());
    let reading = tokio::task::spawn_blocking(move || held.read(&read));
    // Both sides read the file at the same time.
    let there = match piece.hash {
        Some(_) => None,
        None => hash_there(&host, &piece).await?,
    };
    let mut arrived = reading.await.map_err(far::stopped("reading a file"))?;
    arrived.there = there;
    let landing = tokio::task::spawn_blocking(move || gathering.land(piece, arrived));
    landing.await.map_err(far::stopped("landing a file"))
}

async fn hash_there(host: &Host, piece: &Piece) -> Result<Option<Hash>, LinkError> {
    let asked = [(piece.index, piece.from.as_path())];
    let facts = facts::facts(host, &asked, Ask::Hash).await?;
    Ok(match facts.get(&piece.index) {
        Some(Fact::File { hash, .. }) => *hash,
        _ => None,
    })
}

/// What is cut short just ends.
struct Cut<R>(R);

impl<R: Read> Read for Cut<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.read(into).unwrap_or_default())
    }
}

/// The permissions at the beginning of a line of `ls -l`.
fn listed_mode(line: &[u8]) -> Option<u32> {
    let letters = line.strip_prefix(b"-")?.get(..9)?;
    let bits = letters.iter().zip(b"rwxrwxrwx".iter());
    // Set-user-ID and the like do not travel; a capital letter stands for one without the x bit.
    Some(bits.fold(0, |mode, (found, letter)| {
        let set = found == letter || matches!((found, letter), (b's' | b't', b'x'));
        mode << 1 | u32::from(set)
    }))
}

/// Gives a file that was made with the usual permissions those of its source, as far as the umask
/// grants them; its owner keeps the right to write.
fn permit(path: &Path, mode: u32) -> io::Result<()> {
    let made = path.metadata()?.permissions().mode();
    let granted = made | (made & 0o444) >> 2;
    fs::set_permissions(path, fs::Permissions::from_mode(mode & granted | 0o200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_the_path_before_is_told_by_its_name() {
        let paths = ["/a/1", "/a/2", "/a/b/1", "/a/b/2 3", "/c"].map(Path::new);
        let list = names(paths);
        assert_eq!(list, "/a/1\n2\n/a/b/1\n2 3\n/c\n");
    }

    #[test]
    fn permissions_are_read_as_ls_writes_them() {
        assert_eq!(listed_mode(b"-rw-r----- 1 u g 9 Jan 1 x"), Some(0o640));
        assert_eq!(listed_mode(b"-rwsr-S--t+ 1 u g"), Some(0o741));
        assert_eq!(listed_mode(b"ls: cannot access"), None);
    }
}
