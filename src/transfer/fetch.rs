//! Files from the site: a tar stream or a range, hashed on the way.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest, Sha256};

use super::{
    Hash, Place, TransferError,
    drive::{BatchResult, Piece, Settled},
    far::{self, Ask, Fact},
    land::{Arrived, Berth},
    plan::{BLOCK, Part},
    program::{self, ours},
    rate::Governor,
    send, sluice,
};
use crate::connection::{Host, LinkError, escaped_lines};

/// Reads paths as lines; writes a tar stream of those that are files, under `./PATH`, and after
/// it, if `$1` is `sums`, their checksums. `$2` and `$3` are our own program, which does this in
/// place of the script where it is there, under [`send::name`].
const SEND: &str = concat!(
    ours!(),
    r#"
export LC_ALL=C
! ours "$2" "$3" || exec "$2" send
cd / || exit 3
set --  "$1"
quoted=
while IFS= read -r p; do
    case $p in *\\*) p=$(printf '%b.' "$p"); p=${p%.} ;; esac
    case $p in *\\*) quoted=yes ;; esac
    [ -f "$p" ] && [ -r "$p" ] && set -- "$@" ".$p"
done
sums=$1; shift
[ $# -gt 0 ] || exit 0
# GNU tar reads backslashes in names as its own escapes unless told not to.
[ -z "$quoted" ] || ! tar --no-unquote --version >/dev/null 2>&1 || quoted=--no-unquote
[ "$quoted" != yes ] || quoted=
tar $quoted -chf - -- "$@"
[ "$sums" != sums ] || sha256sum -- "$@"
"#
);

/// `$1` path, `$2` first block, `$3` number of blocks: that part of the file; with the first one, on
/// standard error, what `ls` says of the file.
const RANGE: &str = r#"
[ "$2" != 0 ] || LC_ALL=C ls -lLd -- "$1" >&2
exec dd if="$1" bs=1048576 skip="$2" count="$3" 2>/dev/null
"#;

/// Brings a bundle on the line whose `turn` it is.
pub(super) async fn bundle(
    host: Host,
    turn: usize,
    mut pieces: Vec<Piece>,
    program: Option<PathBuf>,
    governor: Arc<Governor>,
) -> BatchResult {
    let mut settled = Vec::new();
    let Some(berth) = Berth::for_some(&mut pieces, &mut settled) else {
        return Ok(settled);
    };
    let sources: BTreeSet<&Path> = pieces.iter().map(|piece| piece.from.as_path()).collect();
    let list = escaped_lines(sources);
    let sums = pieces.iter().any(|piece| piece.hash.is_none());
    let (out, mut outlet) = sluice::outward();
    let unpacking = tokio::task::spawn_blocking(move || {
        let unpacked = unpack(&pieces, &mut outlet, &berth);
        (pieces, berth, unpacked)
    });
    let [program, version] = program::words(program.as_deref());
    let args: [&[u8]; 3] = [if sums { b"sums" } else { b"-" }, program, version];
    let streamed = host
        .stream(
            turn,
            SEND,
            &args,
            |pipe| sluice::feed(pipe, list.as_bytes()),
            |pipe| sluice::draw(pipe, out, &governor),
        )
        .await?;
    let stopped = far::stopped("unpacking a bundle");
    let (pieces, berth, unpacked) = unpacking.await.map_err(stopped)?;
    let (pieces, unpacked) = absent(&host, pieces, unpacked, &mut settled).await?;
    let said = String::from_utf8_lossy(&streamed.stderr).into_owned();
    let landing = tokio::task::spawn_blocking(move || berth.land(pieces, unpacked, &said));
    settled.extend(landing.await.map_err(far::stopped("landing a bundle"))?);
    Ok(settled)
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
    let facts = far::facts(host, &asked, Ask::Size).await?;
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

/// Brings one part of a file into its place in the berth's file.
pub(super) async fn part(
    host: Host,
    turn: usize,
    berth: Arc<Berth>,
    piece: Piece,
    part: Part,
    governor: Arc<Governor>,
) -> Result<(Piece, Settled), LinkError> {
    let from = part.from.to_string();
    let blocks = part.bytes.div_ceil(BLOCK).to_string();
    let args: [&[u8]; 3] = [
        piece.from.as_os_str().as_bytes(),
        from.as_bytes(),
        blocks.as_bytes(),
    ];
    let (out, mut outlet) = sluice::outward();
    let path = berth.path().join(piece.name());
    let target = path.clone();
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        file.seek(SeekFrom::Start(part.from * BLOCK))?;
        io::copy(&mut (&mut outlet).take(part.bytes), &mut file)
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
    let mut wrote = writing.await.map_err(far::stopped("writing a part"))?;
    if let (Ok(_), Some(mode)) = (&wrote, listed_mode(&streamed.stderr)) {
        wrote = permit(&target, mode).and(wrote);
    }
    let settled = match wrote {
        Ok(n) if n == part.bytes && streamed.code == 0 => Settled::Part,
        Ok(_) => Settled::Again(TransferError::Read {
            path: piece.from.clone(),
            place: Place::Site,
            why: "a part of it did not come".to_owned(),
        }),
        Err(error) => Settled::Again(berth.refused(&piece, &error)),
    };
    Ok((piece, settled))
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

/// Takes files out of a tar stream into the berth, and the checksums behind it. What each piece
/// came to, by its place.
fn unpack(pieces: &[Piece], stream: &mut impl Read, berth: &Berth) -> HashMap<usize, Arrived> {
    let mut places: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
    for (place, piece) in pieces.iter().enumerate() {
        places.entry(&piece.from).or_default().push(place);
    }
    let mut wanted: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (line, (path, places)) in places.into_iter().enumerate() {
        wanted.insert(path.as_os_str().as_bytes().to_vec(), places.clone());
        wanted.insert(send::name(line).into_bytes(), places);
    }
    let mut arrived: HashMap<usize, Arrived> = HashMap::new();
    let taken = entries(
        tar::Archive::new(&mut *stream),
        pieces,
        &wanted,
        berth,
        &mut arrived,
    );
    if taken.is_ok() {
        let mut rest = Vec::new();
        // A stream that was cut here lacks checksums, which is seen below.
        drop(stream.read_to_end(&mut rest));
        read_sums(&rest, &wanted, &mut arrived);
    }
    // The far end is heard to its end, whatever became of the files.
    drop(io::copy(stream, &mut io::sink()));
    arrived
}

fn entries(
    mut archive: tar::Archive<impl Read>,
    pieces: &[Piece],
    wanted: &HashMap<Vec<u8>, Vec<usize>>,
    berth: &Berth,
    arrived: &mut HashMap<usize, Arrived>,
) -> io::Result<()> {
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(places) = wanted.get(absolute(&entry.path_bytes())) else {
            continue;
        };
        let linked = match entry.link_name_bytes() {
            Some(name) => wanted
                .get(absolute(&name))
                .and_then(|places| places.first()),
            None => None,
        };
        let mut first: Option<usize> = linked.copied();
        for place in places {
            if arrived.contains_key(place) {
                continue;
            }
            let Some(piece) = pieces.get(*place) else {
                continue;
            };
            let target = berth.path().join(piece.name());
            let one = match first.and_then(|first| pieces.get(first)) {
                // A second name of the same file comes without its bytes.
                Some(other) => again(&berth.path().join(other.name()), &target),
                None => take(&mut entry, &target),
            };
            first = first.or(Some(*place));
            let full = one.is_err();
            arrived.insert(*place, Arrived::from(one));
            if full {
                break;
            }
        }
    }
    Ok(())
}

/// The entry's bytes into `target`, with their hash.
fn take(entry: &mut tar::Entry<'_, impl Read>, target: &Path) -> io::Result<(u64, Hash)> {
    let expected = entry.size();
    let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode | 0o200)
        .open(target)?;
    let mut sum = Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; 1 << 18];
    loop {
        let n = entry.read(&mut buffer)?;
        let bytes = buffer.get(..n).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        sum.update(bytes);
        file.write_all(bytes)?;
        size += u64::try_from(n).unwrap_or_default();
    }
    if size < expected {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((size, Hash::from(sum)))
}

fn again(from: &Path, target: &Path) -> io::Result<(u64, Hash)> {
    let size = fs::copy(from, target)?;
    Ok((size, Hash::of_file(target)?))
}

/// `./PATH`, `/PATH` or `PATH` as the absolute path that it means.
fn absolute(name: &[u8]) -> &[u8] {
    name.strip_prefix(b".").unwrap_or(name)
}

/// Lines of sha256sum behind the zeros that end a tar stream.
fn read_sums(
    rest: &[u8],
    wanted: &HashMap<Vec<u8>, Vec<usize>>,
    arrived: &mut HashMap<usize, Arrived>,
) {
    let begin = rest
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(rest.len());
    for line in rest.get(begin..).unwrap_or_default().split(|b| *b == b'\n') {
        let (escaped, line) = match line.strip_prefix(b"\\") {
            Some(line) => (true, line),
            None => (false, line),
        };
        let Some((hash, name)) = far::sum_line(line) else {
            continue;
        };
        let name = if escaped {
            unescaped(name)
        } else {
            name.to_vec()
        };
        for place in wanted.get(absolute(&name)).into_iter().flatten() {
            if let Some(one) = arrived.get_mut(place) {
                one.there = Some(hash);
            }
        }
    }
}

/// sha256sum writes `\\` and `\n` for the bytes that would break its lines.
fn unescaped(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        plain.push(match (byte, byte == &b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(other) => *other,
                None => b'\\',
            },
            (byte, _) => *byte,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_as_ls_writes_them() {
        assert_eq!(listed_mode(b"-rw-r----- 1 u g 9 Jan 1 x"), Some(0o640));
        assert_eq!(listed_mode(b"-rwsr-S--t+ 1 u g"), Some(0o741));
        assert_eq!(listed_mode(b"ls: cannot access"), None);
    }

    #[test]
    fn names_in_checksum_lines_are_read_as_sha256sum_writes_them() {
        assert_eq!(unescaped(br"a\\b\nc"), b"a\\b\nc");
        let hash = Hash::of(b"x");
        let wanted = HashMap::from([(b"/a\nb".to_vec(), vec![3])]);
        let mut arrived = HashMap::from([(3, Arrived::from(Ok((1, hash))))]);
        let rest = [&[0; 700], format!("\\{hash}  ./a\\nb\n").as_bytes()].concat();
        read_sums(&rest, &wanted, &mut arrived);
        assert_eq!(arrived[&3].there, Some(hash));
    }
}
