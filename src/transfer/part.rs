//! A large file to the site in ranges: several streams write into one file, which is verified as a
//! whole and renamed into place.
//!
//! What has arrived of a file is kept at the far end under a name made of its target and the state
//! of its source, so that a later transfer goes on from there.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    Hash, Place, TransferError,
    drive::{Piece, Settled},
    far::{self, Stage},
    placing::placing,
    plan::{BLOCK, Part},
    rate::{Governor, Pace},
    sluice, source,
    spread::Spread,
    squeeze,
};
use crate::connection::{Host, LinkError, Output};

/// `$1` the file's directory, `$2` first block, `$3` number of the part, `$4` its bytes: writes
/// standard input there, and marks the part if all of it came. `$5` is our own program if it must
/// [`expand()`](super::expand()) what comes.
const WRITE: &str = concat!(
    placing!(),
    r#"
export LC_ALL=C
mkdir -p -- "$1" && cd -- "$1" || exit 3
write() { dd of=whole bs=1048576 seek="$1" conv=notrunc 2>"e$2"; }
if [ -n "$5" ]; then "$5" expand | write "$2" "$3"; else write "$2" "$3"; fi ||
    { sed 's/^/or dd /' "e$3"; free; exit 4; }
n=$(sed -n 's/^\([0-9]*\) byte.*/\1/p' "e$3")
rm -f "e$3"
[ "$n" = "$4" ] || { echo "or dd only $n of $4 bytes came"; free; exit 4; }
: >"done.$3" || exit 4
echo or end
"#
);

/// `$1` the file's directory, `$2` its target, `$3` word for temporary names, `$4` its mode; its
/// hash is read from standard input once the file itself has been read: verifies the file and
/// renames it into place.
const ASSEMBLE: &str = concat!(
    placing!(),
    r#"
export LC_ALL=C
cd -- "$1" || exit 3
if command -v openssl >/dev/null; then h=$(openssl dgst -sha256 -r <whole); else h=$(sha256sum <whole); fi || exit 4
h=${h%% *}
read -r want
if [ "$h" != "$want" ]; then echo "or differs $h"; cd / && rm -rf -- "$1"; echo or end; exit; fi
chmod "$4" whole 2>/dev/null
sync -f whole 2>/dev/null || sync
d=${2%/*}; d=${d:-/}
here=$(mount .)
if ! m=$(mkdir -p -- "$d" 2>&1); then echo "or kept" $m
elif m=$(place whole "$2" "$(mount "$d")" "$d/.or-part-$3"); then echo "or landed"; cd / && rm -rf -- "$1"
else echo "or kept" $m; fi
echo or end
"#
);

/// How the name of a directory begins in which the parts of a file are gathered.
pub(super) const GATHERED: &str = "or-k";

/// Where the parts of a file are gathered, the same for every transfer of the same state of the
/// source to the same target in parts of the same length.
pub(super) fn directory(stage: &Stage, piece: &Piece, part: &Part) -> PathBuf {
    let mut name = Vec::new();
    name.extend_from_slice(piece.to.as_os_str().as_bytes());
    if let Some(key) = piece.key {
        let state = (key.device, key.inode, key.size, key.mtime_ns);
        name.extend_from_slice(format!("\0{state:?}").as_bytes());
    }
    name.extend_from_slice(format!("\0{}", part.of).as_bytes());
    let hash = Hash::of(&name).to_string();
    let short = hash.get(..16).unwrap_or(&hash);
    stage.beside(&format!("{GATHERED}{short}"))
}

/// How the bytes of a part go.
#[derive(Debug, Clone)]
pub(super) struct Road {
    /// Hosts here that have data.
    pub(super) spread: Arc<Spread>,
    pub(super) governor: Arc<Governor>,
    /// Compressed where that pays, if our program can expand it at the far end.
    pub(super) squeeze: Option<(Pace, Expander)>,
}

/// Our program at the far end, for as long as it does what is asked of it.
#[derive(Debug, Clone)]
pub(super) struct Expander {
    path: PathBuf,
    works: Arc<AtomicBool>,
}

impl Expander {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            works: Arc::new(AtomicBool::new(true)),
        }
    }

    fn works(&self) -> bool {
        self.works.load(Ordering::Acquire)
    }

    /// What is tried again goes as it is: a part can be lost for any reason, and this one would not
    /// go away.
    fn failed(&self) {
        self.works.store(false, Ordering::Release);
    }
}

/// Sends one part of a file.
pub(super) async fn send(
    host: Host,
    stage: Stage,
    turn: usize,
    piece: Piece,
    part: Part,
    road: Road,
) -> Result<(Piece, Settled), LinkError> {
    let directory = directory(&stage, &piece, &part);
    let (inlet, pumped) = sluice::inward();
    let squeeze = road.squeeze.filter(|(_, expander)| expander.works());
    let (pace, expander) = squeeze.unzip();
    let reading = tokio::task::spawn_blocking(move || {
        let announce = match pace {
            Some(_) => squeeze::word,
            None => |_| String::new(),
        };
        let read = squeeze::through(inlet, pace.as_ref(), announce, |out| {
            read(&piece, part, &road.spread, out)
        });
        (piece, read)
    });
    let (from, number) = (part.from.to_string(), part.number.to_string());
    let bytes = part.bytes.to_string();
    let program = expander.as_ref().map(|expander| expander.path.as_path());
    let program = program.unwrap_or(Path::new(""));
    let args: [&[u8]; 5] = [
        directory.as_os_str().as_bytes(),
        from.as_bytes(),
        number.as_bytes(),
        bytes.as_bytes(),
        program.as_os_str().as_bytes(),
    ];
    let streamed = host
        .stream(
            turn,
            WRITE,
            &args,
            |pipe| sluice::pour(pumped, pipe, &road.governor),
            sluice::drain,
        )
        .await?;
    let (piece, read) = reading.await.map_err(far::stopped("reading a file"))?;
    let said = streamed.taken.unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let wrote = streamed.code == 0 && said.lines().any(|line| line == "or end");
    let settled = match read {
        Ok(Err(error)) => Settled::Failed(error),
        Ok(Ok(())) if wrote => Settled::Part,
        _ => {
            if let Some(expander) = &expander {
                expander.failed();
            }
            let free = far::free_bytes(said.as_bytes());
            let path = piece.to.clone();
            let place = Place::Site;
            Settled::Again(if free < part.bytes {
                TransferError::NoSpace {
                    path,
                    place,
                    free,
                    needed: piece.size,
                }
            } else {
                let why = said.lines().find_map(|line| line.strip_prefix("or dd "));
                let stderr = String::from_utf8_lossy(&streamed.stderr);
                let why = why.or(stderr.lines().last());
                TransferError::Write {
                    path,
                    place,
                    why: why.unwrap_or("a part did not arrive").to_owned(),
                }
            })
        },
    };
    Ok((piece, settled))
}

/// Verifies a file whose parts have all arrived, and renames it into place.
pub(super) async fn assemble(
    host: Host,
    stage: Stage,
    turn: usize,
    piece: Piece,
    part: Part,
    spread: Arc<Spread>,
) -> Result<(Piece, Settled), LinkError> {
    let from = piece.from.clone();
    let known = piece.hash;
    let hashing = tokio::task::spawn_blocking(move || match known.or_else(|| spread.hash(&from)) {
        Some(hash) => Ok(hash),
        None => Hash::of_file(&from).map_err(|error| source::unreadable(&from, &error)),
    });
    let directory = directory(&stage, &piece, &part);
    let (word, mode) = (stage.word(), source::mode(&piece.from));
    let mode = format!("{mode:o}");
    let args: [&[u8]; 4] = [
        directory.as_os_str().as_bytes(),
        piece.to.as_os_str().as_bytes(),
        word.as_bytes(),
        mode.as_bytes(),
    ];
    // Both sides read the file at the same time.
    let streamed = host
        .stream(
            turn,
            ASSEMBLE,
            &args,
            |pipe| async {
                let hash = hashing.await.map_err(io::Error::other)?;
                let hash = hash.and_then(|hash| source::still(&piece).map(|()| hash));
                let line = hash
                    .as_ref()
                    .map_or(String::new(), |hash| format!("{hash}\n"));
                sluice::feed(pipe, line.as_bytes()).await?;
                Ok(hash)
            },
            sluice::drain,
        )
        .await?;
    let reading = LinkError::io(format!("reading {}", piece.from.display()));
    let hash = match streamed.fed.map_err(reading)? {
        Ok(hash) => hash,
        Err(error) => return Ok((piece, Settled::Failed(error))),
    };
    let output = Output {
        code: streamed.code,
        stdout: streamed.taken.unwrap_or_default(),
        stderr: streamed.stderr,
    };
    let said = output.out();
    let path = piece.to.clone();
    let place = Place::Site;
    let mut lines = said.lines();
    let settled = if lines.clone().any(|line| line == "or landed") {
        let size = piece.size;
        Settled::Done {
            size,
            hash,
            key: None,
        }
    } else if let Some(found) = lines.find_map(|line| line.strip_prefix("or differs ")) {
        Settled::Again(TransferError::Mismatch {
            path,
            place,
            expected: hash,
            found: found.to_owned(),
        })
    } else {
        let why = said.lines().find_map(|line| line.strip_prefix("or kept "));
        let why = why.map_or_else(|| output.err().trim().to_owned(), str::to_owned);
        Settled::Failed(TransferError::Write { path, place, why })
    };
    Ok((piece, settled))
}

/// Removes what has arrived of a file.
pub(super) async fn discard(
    host: Host,
    stage: Stage,
    piece: Piece,
    part: Part,
) -> Result<(), LinkError> {
    let directory = directory(&stage, &piece, &part);
    let args: [&[u8]; 1] = [directory.as_os_str().as_bytes()];
    host.script_fed(r#"rm -rf -- "$1""#, &args, None).await?;
    Ok(())
}

/// The bytes of a part into `out`, from the host that has them, and what that does not give from
/// the path here. The inner error is the source's.
fn read(
    piece: &Piece,
    part: Part,
    spread: &Spread,
    out: &mut impl Write,
) -> io::Result<Result<(), TransferError>> {
    let unreadable = |error: &io::Error| source::unreadable(&piece.from, error);
    let mut range = spread.range(&piece.from, &part);
    let given = match &mut range {
        // What is cut short is read on here.
        Some(range) => poured(range, part.bytes, out)?.0,
        None => 0,
    };
    let left = part.bytes - given;
    if left > 0 {
        let here = File::open(&piece.from).and_then(|mut file| {
            file.seek(SeekFrom::Start(part.from * BLOCK + given))?;
            Ok(file)
        });
        let mut here = match here {
            Ok(file) => file,
            Err(error) => return Ok(Err(unreadable(&error))),
        };
        let (rest, ended) = poured(&mut here, left, out)?;
        if let Err(error) = ended {
            return Ok(Err(unreadable(&error)));
        }
        if rest < left {
            return Ok(Err(TransferError::Changed {
                path: piece.from.clone(),
                place: Place::Here,
            }));
        }
        if let Some(range) = range {
            spread.fell_short(range);
        }
    }
    Ok(source::still(piece))
}

/// Up to `most` bytes of `input` into `out`: how many there were, and why there were no more, if that
/// was an error. The outer error is that of `out`.
fn poured(
    input: &mut impl Read,
    most: u64,
    out: &mut impl Write,
) -> io::Result<(u64, io::Result<()>)> {
    let mut buffer = vec![0; 1 << 18];
    let mut input = input.take(most);
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok((most - input.limit(), Ok(()))),
            Ok(n) => out.write_all(buffer.get(..n).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {},
            Err(error) => return Ok((most - input.limit(), Err(error))),
        }
    }
}
