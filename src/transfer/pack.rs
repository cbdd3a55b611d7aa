//! Files into a tar stream, hashed on the way.

use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::{
    Hash, TransferError,
    counted::{Counted, to_u64},
    drive::Piece,
    layout::Layout,
    source,
    spread::Reader,
};
use crate::connection::{escape_b, escaped_lines};

/// Members of the bundle beside the files: the directories, the odd names, the checksums, and
/// their length.
pub(super) const DIRECTORIES: &str = "d";
pub(super) const ODD: &str = "m";
pub(super) const SUMS: &str = "s";
pub(super) const END: &str = "e";

/// Bytes of a block of a tar stream.
pub(super) const BLOCK: usize = 512;

/// Bytes that [`pack()`] writes for these pieces.
pub(super) fn length(pieces: &[Piece], layout: &Layout) -> u64 {
    let files = pieces.iter().map(|piece| padded(piece.size)).sum::<u64>();
    let sums: u64 = layout.names.iter().map(|name| sum_line(name)).sum();
    let own = [
        directories(layout).len(),
        odd(pieces, layout).len(),
        sums.to_string().len(),
    ];
    let own = own.into_iter().map(|bytes| padded(to_u64(bytes)));
    files + own.sum::<u64>() + padded(sums) + 2 * to_u64(BLOCK)
}

/// Writes the bundle; tells the hash of each piece, or why it must not land. A file that cannot
/// be read is left out, and zeros behind the archive's end take its place; one that changed
/// meanwhile, or is not the one that was meant, is in the stream but not among the checksums, and so
/// is thrown away at the far end.
///
/// # Errors
/// Only those of `out`.
pub(super) fn pack(
    pieces: &[Piece],
    layout: &Layout,
    reader: &mut Reader<'_>,
    out: &mut impl Write,
) -> io::Result<Vec<Result<Hash, TransferError>>> {
    let out = &mut Counted::new(out);
    member(out, DIRECTORIES, directories(layout).as_bytes())?;
    member(out, ODD, odd(pieces, layout).as_bytes())?;
    let mut hashes = Vec::with_capacity(pieces.len());
    let mut sums = Vec::with_capacity(pieces.len());
    for (place, (piece, name)) in pieces.iter().zip(&layout.names).enumerate() {
        let hash = file(out, piece, name, reader.open(place, piece))?;
        if let Ok(hash) = &hash {
            sums.push(format!("{hash}  {name}\n"));
        }
        hashes.push(hash);
    }
    sums.sort_unstable();
    let sums = sums.concat();
    member(out, SUMS, sums.as_bytes())?;
    member(out, END, sums.len().to_string().as_bytes())?;
    let rest = length(pieces, layout).saturating_sub(out.passed);
    io::copy(&mut io::repeat(0).take(rest), out)?;
    out.flush()?;
    Ok(hashes)
}

fn directories(layout: &Layout) -> String {
    escaped_lines(layout.directories.iter().map(PathBuf::as_path))
}

/// The files whose names could not be kept: number and target, a line each.
fn odd(pieces: &[Piece], layout: &Layout) -> String {
    let mut odd = String::new();
    for piece in layout.odd.iter().filter_map(|place| pieces.get(*place)) {
        // Names are made of ASCII, so writing them cannot fail.
        let _infallible = write!(odd, "{}\t", piece.name());
        escape_b(piece.to.as_os_str().as_bytes(), &mut odd);
        odd.push('\n');
    }
    odd
}

/// Bytes of a file's line among the checksums.
fn sum_line(name: &str) -> u64 {
    to_u64(64 + 2 + name.len() + 1)
}

/// Bytes of a member: its header and its content in whole blocks.
fn padded(bytes: u64) -> u64 {
    to_u64(BLOCK) + filled(bytes)
}

/// So many bytes of content in whole blocks.
pub(super) fn filled(bytes: u64) -> u64 {
    bytes.div_ceil(to_u64(BLOCK)) * to_u64(BLOCK)
}

/// One file: its header, its bytes, and their hash.
fn file(
    out: &mut impl Write,
    piece: &Piece,
    name: &str,
    opened: io::Result<(Box<dyn Read + '_>, u32)>,
) -> io::Result<Result<Hash, TransferError>> {
    let (mut source, mode) = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(source::unreadable(&piece.from, &error))),
    };
    header(out, name, piece.size, mode & 0o777)?;
    let hash = match content(out, &mut source, piece.size)? {
        Ok(hash) => hash,
        Err(error) => return Ok(Err(source::unreadable(&piece.from, &error))),
    };
    Ok(source::still(piece).and_then(|()| match piece.hash {
        Some(expected) if expected != hash => Err(TransferError::Mismatch {
            path: piece.from.clone(),
            place: super::Place::Here,
            expected,
            found: hash.to_string(),
        }),
        _ => Ok(hash),
    }))
}

/// So many bytes of `source` in whole blocks, and their hash. Where it has fewer, or cannot be read,
/// zeros take their place.
pub(super) fn content(
    out: &mut impl Write,
    source: &mut impl Read,
    bytes: u64,
) -> io::Result<io::Result<Hash>> {
    let mut sum = Sha256::new();
    let mut left = bytes;
    let mut failed = None;
    let mut buffer = vec![0; usize::try_from(left.clamp(1, 1 << 18)).unwrap_or(1)];
    while left > 0 {
        let wanted = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let room = buffer.get_mut(..wanted).unwrap_or_default();
        match source.read(room) {
            Ok(n) if n > 0 => {
                let bytes = room.get(..n).unwrap_or_default();
                sum.update(bytes);
                out.write_all(bytes)?;
                left -= to_u64(n).min(left);
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {},
            ended => {
                failed = Some(ended.err().unwrap_or(io::ErrorKind::UnexpectedEof.into()));
                // The header has promised so many bytes.
                io::copy(&mut io::repeat(0).take(left), out)?;
                break;
            },
        }
    }
    pad(out, bytes)?;
    Ok(failed.map_or_else(|| Ok(Hash::from(sum)), Err))
}

fn member(out: &mut impl Write, name: &str, content: &[u8]) -> io::Result<()> {
    let size = to_u64(content.len());
    header(out, name, size, 0o600)?;
    out.write_all(content)?;
    pad(out, size)
}

/// A regular file's header; `mode` are its permissions.
pub(super) fn header(out: &mut impl Write, name: &str, size: u64, mode: u32) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    out.write_all(header.as_bytes())
}

/// What ends a tar stream.
pub(super) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

fn pad(out: &mut impl Write, size: u64) -> io::Result<()> {
    let block = u64::try_from(BLOCK).unwrap_or(1);
    let over = size % block;
    if over == 0 {
        return Ok(());
    }
    let missing = usize::try_from(block - over).unwrap_or_default();
    out.write_all([0; BLOCK].get(..missing).unwrap_or_default())
}
