//! The far end of a push where our own program is: bundles are hashed while they are written.
//!
//! It speaks as the script of [`bundle`](super::bundle) does, which stands in where the program is
//! not: `NUMBER LENGTH BYTES` and a tar stream in, or with `zstd` at the end of that line a frame
//! that holds one; lines between `or begin NUMBER` and `or over NUMBER` out.

mod place;
mod unpack;

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use self::unpack::Unpacked;
use super::{ferry::TAKES, squeeze::Expanded};

/// Bytes read at once.
const AT_ONCE: usize = 1 << 18;

/// Takes bundles from `input` until it ends, and lands one while the next one comes. `dir` is a
/// directory for it alone, made here and removed at the end; `word` goes into temporary names.
///
/// # Errors
/// When `dir` cannot be made, or `input` or `output` fail. What becomes of a file is never an error
/// but a line of the answer.
pub fn receive(
    dir: &Path,
    word: &str,
    input: impl Read,
    output: impl Write + Send,
) -> io::Result<()> {
    let mut private = fs::DirBuilder::new();
    private.recursive(true).mode(0o700).create(dir)?;
    let ended = bundles(dir, word, BufReader::with_capacity(AT_ONCE, input), output);
    fs::remove_dir_all(dir)?;
    // Others of the same transfer may still be in it.
    drop(dir.parent().map(fs::remove_dir));
    ended
}

fn bundles(
    dir: &Path,
    word: &str,
    mut input: impl BufRead,
    mut output: impl Write + Send,
) -> io::Result<()> {
    writeln!(output, "{TAKES}")?;
    output.flush()?;
    thread::scope(|scope| {
        let (unpacked, landing) = mpsc::sync_channel(0);
        let landing = scope.spawn(move || {
            landing
                .into_iter()
                .try_for_each(|(number, berth, unpacked): Landing| {
                    output.write_all(land(number, &berth, unpacked, word).as_bytes())?;
                    output.flush()
                })
        });
        while let Some(header) = header(&mut input)? {
            let berth = dir.join(header.number.to_string());
            let bundle = if header.squeezed {
                unpack::unpack(&berth, Expanded::frame(&mut input)?)
            } else {
                unpack::unpack(&berth, (&mut input).take(header.length))
            };
            if unpacked.send((header.number, berth, bundle)).is_err() {
                break;
            }
        }
        drop(unpacked);
        let stopped = |_| Err(io::Error::other("landing bundles did not come to its end"));
        landing.join().unwrap_or_else(stopped)
    })
}

/// A bundle that has come: its number, where it lies, and what is there.
type Landing = (u64, PathBuf, io::Result<Unpacked>);

/// What comes before each bundle.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    number: u64,
    length: u64,
    squeezed: bool,
}

fn header(input: &mut impl BufRead) -> io::Result<Option<Header>> {
    let mut line = String::new();
    input.take(80).read_line(&mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace().map(str::parse);
    match (words.next(), words.next()) {
        (Some(Ok(number)), Some(Ok(length))) => Ok(Some(Header {
            number,
            length,
            squeezed: line.trim_end().ends_with(" zstd"),
        })),
        _ => {
            let what = format!("`{}` does not announce a bundle", line.escape_debug());
            Err(io::Error::new(io::ErrorKind::InvalidData, what))
        },
    }
}

/// Gives what has arrived right its names, and tells the rest.
fn land(number: u64, berth: &Path, unpacked: io::Result<Unpacked>, word: &str) -> String {
    let mut lines = vec![format!("or begin {number}")];
    match unpacked {
        Ok(unpacked) => {
            lines.extend(
                unpacked
                    .complaints
                    .iter()
                    .map(|why| format!("or tar {why}")),
            );
            let (good, wrong) = unpacked.judged();
            if !wrong.is_empty() {
                lines.push(free(berth));
                lines.extend(wrong);
            }
            match synced(berth) {
                Ok(()) => lines.extend(place::place(berth, &good, word)),
                Err(error) => lines.extend(good.iter().map(|(name, _)| kept(name, &error))),
            }
        },
        Err(error) => {
            lines.push(format!("or tar {}", one_line(&error)));
            lines.push(free(berth));
            lines.push("or cut".to_owned());
        },
    }
    // What is left is removed with the directory of the session.
    drop(fs::remove_dir_all(berth));
    lines.push("or end".to_owned());
    lines.push(format!("or over {number}\n"));
    lines.join("\n")
}

/// Makes durable all that lies in the file system of `berth`.
fn synced(berth: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(berth)?)?)
}

fn free(berth: &Path) -> String {
    match rustix::fs::statvfs(berth) {
        Ok(stat) => format!(
            "or free {}",
            stat.f_bavail.saturating_mul(stat.f_frsize) / 1024
        ),
        Err(_) => String::new(),
    }
}

fn kept(name: &str, error: &io::Error) -> String {
    format!("or kept {name} {}", one_line(error))
}

fn one_line(error: &io::Error) -> String {
    error.to_string().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{drive::Piece, ferry, layout::Layout, pack, spread::Spread, squeeze::Squeeze},
        *,
    };

    #[test]
    fn bundles_land_whether_they_come_compressed_or_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("from"), "NAXIS = 2\n".repeat(100_000)).unwrap();
        let mut input = Vec::new();
        for (number, name) in [(1, "a"), (2, "b"), (3, "c")] {
            let pieces = [Piece {
                index: 0,
                from: at("from"),
                to: at(name),
                size: 1_000_000,
                hash: None,
                key: None,
            }];
            let layout = Layout::of(&pieces);
            let length = pack::length(&pieces, &layout);
            let header = move |squeezed| ferry::header(number, length, 1_000_000, squeezed);
            let mut out = match number {
                2 => Squeeze::never(&mut input, header).unwrap(),
                _ => Squeeze::new(&mut input, None, header),
            };
            let spread = Spread::default();
            let mut reader = spread.reader(&pieces);
            let hashes = pack::pack(&pieces, &layout, &mut reader, &mut out).unwrap();
            assert!(hashes.iter().all(Result::is_ok));
            out.finish().unwrap();
        }
        assert!(input.len() < 1_100_000, "{} bytes", input.len());
        let mut said = Vec::new();
        receive(&at("staging/s"), "w", input.as_slice(), &mut said).unwrap();
        let said = String::from_utf8(said).unwrap();
        assert!(
            said.starts_with("or takes zstd\nor begin 1\nor end\nor over 1\n"),
            "{said}"
        );
        for name in ["a", "b", "c"] {
            assert_eq!(fs::read(at(name)).unwrap(), fs::read(at("from")).unwrap());
        }
    }
}
