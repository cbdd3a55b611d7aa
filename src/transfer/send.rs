//! The far end of a pull where our own program is: files are hashed while they are sent.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use super::{Hash, pack, squeeze::Squeeze};
use crate::connection::unescape_b;

/// Bytes written at once.
const AT_ONCE: usize = 1 << 18;

/// For each line `NUMBER LINES HOW …` and so many paths with `printf %b` escapes, or names of files beside the path before: writes, between
/// `or begin NUMBER` and `or over NUMBER`, a tar stream of those that are files, each named by the
/// number of its line, and behind it their checksums as `sha256sum` prints them. A file that changes
/// its length meanwhile has none. Where the line ends in `zstd` and it pays, a frame holds the tar
/// stream, and `or begin NUMBER zstd` says so.
///
/// # Errors
/// When `requests` or `out` fail. Files that are not there or cannot be read are left out.
pub fn send(requests: impl Read, out: impl Write) -> io::Result<()> {
    let mut lines = BufReader::new(requests).lines();
    let mut out = BufWriter::with_capacity(AT_ONCE, out);
    while let Some(request) = lines.next() {
        let request = request?;
        let mut words = request.split(' ');
        let (Some(number), Some(Ok(paths))) = (words.next(), words.next().map(str::parse)) else {
            let what = format!("`{}` does not ask for files", request.escape_debug());
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        };
        let begin = format!("or begin {number}");
        let announce = move |squeezed| begin + if squeezed { " zstd\n" } else { "\n" };
        let mut squeezed = match words.nth(1) {
            Some("zstd") => Squeeze::new(&mut out, None, announce),
            _ => Squeeze::never(&mut out, announce)?,
        };
        let mut sums = String::new();
        let mut directory = PathBuf::new();
        for (line, text) in lines.by_ref().take(paths).enumerate() {
            // Alone, a name stands beside the path before it.
            let path = directory.join(OsString::from_vec(unescape_b(&text?)));
            let parent = path.parent().unwrap_or(Path::new("/"));
            parent.clone_into(&mut directory);
            if let Some(hash) = one(&path, &name(line), &mut squeezed)? {
                // Writing to a text cannot fail.
                let _infallible = writeln!(sums, "{hash}  {}", name(line));
            }
        }
        pack::end(&mut squeezed)?;
        squeezed.finish()?;
        writeln!(out, "{sums}or over {number}")?;
        out.flush()?;
    }
    Ok(())
}

/// One file, and its hash if it was whole.
fn one(path: &Path, name: &str, out: &mut impl Write) -> io::Result<Option<Hash>> {
    let Ok((mut file, size, mode)) = opened(path) else {
        return Ok(None);
    };
    pack::header(out, name, size, mode)?;
    let hash = pack::content(out, &mut file, size)?;
    let still = file.metadata().is_ok_and(|now| now.len() == size);
    Ok(hash.ok().filter(|_| still))
}

/// What the file of a line, from 0, is called in the stream.
pub(super) fn name(line: usize) -> String {
    format!("n/{line}")
}

/// The line of a file that is called so.
pub(super) fn line(name: &[u8]) -> Option<usize> {
    std::str::from_utf8(name)
        .ok()?
        .strip_prefix("n/")?
        .parse()
        .ok()
}

fn opened(path: &Path) -> io::Result<(File, u64, u32)> {
    // Opening a pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = File::open(path)?;
    let found = file.metadata()?;
    Ok((file, found.len(), found.permissions().mode() & 0o777))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn asked_for(path: &Path, how: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let request = format!("5 1 {how}\n{}\n", path.display());
        send(request.as_bytes(), &mut out).unwrap();
        out
    }

    #[test]
    fn what_is_asked_for_comes_compressed_only_if_that_is_asked_for_and_pays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        fs::write(&path, "0.5 0.5 0.5\n".repeat(100_000)).unwrap();
        let plain = asked_for(&path, "-");
        let squeezed = asked_for(&path, "- zstd");
        assert!(plain.starts_with(b"or begin 5\n") && plain.len() > 1_200_000);
        assert!(squeezed.starts_with(b"or begin 5 zstd\n") && squeezed.len() < 12_000);
        let end = format!("{}  n/0\nor over 5\n", Hash::of_file(&path).unwrap());
        assert!(plain.ends_with(end.as_bytes()) && squeezed.ends_with(end.as_bytes()));

        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
            .take(1_000_000)
            .collect();
        fs::write(&path, noise).unwrap();
        assert!(asked_for(&path, "sums zstd").starts_with(b"or begin 5\n"));
    }
}
