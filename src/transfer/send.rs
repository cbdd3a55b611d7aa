//! The far end of a pull where our own program is: files are hashed while they are sent.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use super::pack;
use crate::connection::unescape_b;

/// Bytes written at once.
const AT_ONCE: usize = 1 << 18;

/// Reads paths as lines with `printf %b` escapes; writes a tar stream of those that are files, each
/// under [`name`] of its line, and behind it their checksums as `sha256sum` prints them. A file that
/// changes its length meanwhile has none.
///
/// # Errors
/// When `list` or `out` fail. Files that are not there or cannot be read are left out.
pub fn send(list: impl Read, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(AT_ONCE, out);
    let mut sums = String::new();
    for (line, text) in BufReader::new(list).lines().enumerate() {
        let path = PathBuf::from(OsString::from_vec(unescape_b(&text?)));
        let Ok((mut file, size, mode)) = opened(&path) else {
            continue;
        };
        let name = name(line);
        pack::header(&mut out, &name, size, mode)?;
        let hash = pack::content(&mut out, &mut file, size)?;
        if let Ok(hash) = hash
            && file.metadata().is_ok_and(|now| now.len() == size)
        {
            // Writing to a text cannot fail.
            let _infallible = writeln!(sums, "{hash}  {name}");
        }
    }
    pack::end(&mut out)?;
    out.write_all(sums.as_bytes())?;
    out.flush()
}

/// What the file of a line, from 0, is called in the stream.
pub(super) fn name(line: usize) -> String {
    format!("n/{line}")
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
