//! Files out of a session's tar streams, hashed on the way.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, OpenOptions},
    io::{self, BufRead, Read},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::Path,
};

use super::{
    Hash,
    counted::Counted,
    drive::Piece,
    facts,
    land::{Arrived, Berth},
    send,
    squeeze::Expanded,
};

/// What a session brought of one bundle.
#[derive(Debug, Default)]
pub(super) struct Brought {
    /// What each piece came to, by its place; those that did not come are not in it.
    pub(super) arrived: HashMap<usize, Arrived>,
    /// What tar complained about.
    pub(super) said: String,
    /// Bytes of it that did not need to come over the link.
    pub(super) saved: u64,
}

/// Takes the files of `pieces` out of the tar stream, or the frame that holds one, between
/// `or begin NUMBER` and `or over NUMBER` into the berth, and the checksums behind it.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] when the session ends before `or over`; others when a frame makes no
/// sense, and where it ends is not known.
pub(super) fn unpack(
    pieces: &[Piece],
    stream: &mut impl BufRead,
    berth: &Berth,
    number: u64,
) -> io::Result<Brought> {
    let plain = format!("or begin {number}\n");
    let squeezed = format!("or begin {number} zstd\n");
    let is_squeezed = loop {
        match line(stream)? {
            line if line == plain.as_bytes() => break false,
            line if line == squeezed.as_bytes() => break true,
            _ => {},
        }
    };
    let wanted = wanted(pieces);
    let mut brought = Brought::default();
    let arrived = &mut brought.arrived;
    let whole = if is_squeezed {
        let mut came = Counted::new(&mut *stream);
        let mut frame = Counted::new(Expanded::frame(&mut came)?);
        let whole = entries(&mut frame, pieces, &wanted, berth, arrived).is_ok();
        // What follows begins behind the frame.
        io::copy(&mut frame, &mut io::sink())?;
        let content = frame.passed;
        drop(frame);
        brought.saved = content.saturating_sub(came.passed);
        whole
    } else {
        entries(&mut *stream, pieces, &wanted, berth, arrived).is_ok()
    };
    let over = format!("or over {number}\n");
    loop {
        let line = line(stream)?;
        let text = behind_zeros(&line);
        if text == over.as_bytes() {
            return Ok(brought);
        }
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        if let Some(words) = text.strip_prefix(b"or tar ") {
            brought.said.push_str(&String::from_utf8_lossy(words));
            brought.said.push('\n');
        } else if whole {
            // Behind an archive that cannot be read is more of it.
            read_sum(text, &wanted, &mut brought.arrived);
        }
    }
}

/// The next line, with its newline.
///
/// # Errors
/// When there is none.
pub(super) fn line(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.read_until(b'\n', &mut line)?;
    match line.last() {
        Some(b'\n') => Ok(line),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A line without the zeros before it: those that end an archive have no newline.
pub(super) fn behind_zeros(line: &[u8]) -> &[u8] {
    let text = line.iter().position(|byte| *byte != 0);
    line.get(text.unwrap_or_default()..).unwrap_or_default()
}

/// The places of each name that an entry may have: a path, or [`send::name`] of its line in the
/// list of paths.
fn wanted(pieces: &[Piece]) -> HashMap<Vec<u8>, Vec<usize>> {
    let mut places: BTreeMap<&Path, Vec<usize>> = BTreeMap::new();
    for (place, piece) in pieces.iter().enumerate() {
        places.entry(&piece.from).or_default().push(place);
    }
    let mut wanted: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
    for (line, (path, places)) in places.into_iter().enumerate() {
        wanted.insert(path.as_os_str().as_bytes().to_vec(), places.clone());
        wanted.insert(send::name(line).into_bytes(), places);
    }
    wanted
}

fn entries(
    content: impl Read,
    pieces: &[Piece],
    wanted: &HashMap<Vec<u8>, Vec<usize>>,
    berth: &Berth,
    arrived: &mut HashMap<usize, Arrived>,
) -> io::Result<()> {
    for entry in tar::Archive::new(content).entries()? {
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
            arrived.insert(*place, Arrived::from(one));
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
    let mut buffer = vec![0; usize::try_from(expected.clamp(1, 1 << 18)).unwrap_or(1)];
    let (size, hash) = Hash::of_copied(entry, &mut file, &mut buffer)?;
    if size < expected {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((size, hash))
}

fn again(from: &Path, target: &Path) -> io::Result<(u64, Hash)> {
    let size = fs::copy(from, target)?;
    Ok((size, Hash::of_file(target)?))
}

/// `./PATH`, `/PATH` or `PATH` as the absolute path that it means.
fn absolute(name: &[u8]) -> &[u8] {
    name.strip_prefix(b".").unwrap_or(name)
}

/// A line of sha256sum.
fn read_sum(
    line: &[u8],
    wanted: &HashMap<Vec<u8>, Vec<usize>>,
    arrived: &mut HashMap<usize, Arrived>,
) {
    let (escaped, line) = match line.strip_prefix(b"\\") {
        Some(line) => (true, line),
        None => (false, line),
    };
    let Some((hash, name)) = facts::sum_line(line) else {
        return;
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
    fn names_in_checksum_lines_are_read_as_sha256sum_writes_them() {
        assert_eq!(unescaped(br"a\\b\nc"), b"a\\b\nc");
        let hash = Hash::of(b"x");
        let wanted = HashMap::from([(b"/a\nb".to_vec(), vec![3])]);
        let mut arrived = HashMap::from([(3, Arrived::from(Ok((1, hash))))]);
        let line = format!("\\{hash}  ./a\\nb");
        read_sum(line.as_bytes(), &wanted, &mut arrived);
        assert_eq!(arrived[&3].there, Some(hash));
    }
}
