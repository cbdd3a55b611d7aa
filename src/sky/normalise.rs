//! FITS files without what says when, where and by whom they were made, so that the same
//! product has the same bytes on every site.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{SkyError, header::keyword};

/// Options of `sky normalise`.
#[derive(Debug, Args)]
pub struct NormaliseArgs {
    /// Files, changed in place
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Options of `sky compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Files; each is compared with the first
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
}

/// Cards that programs write about the moment and the machine.
const VOLATILE: [&str; 5] = ["AUTHOR", "ORIGIN", "DATE", "CHECKSUM", "DATASUM"];
const BLOCK: usize = 2880;
const CARD: usize = 80;

pub(super) fn run(args: &NormaliseArgs) -> Result<(), SkyError> {
    for path in &args.files {
        let bytes = fs::read(path).map_err(SkyError::io(path))?;
        let clean = normalised(&bytes).map_err(|what| SkyError::format(path, what))?;
        if clean != bytes {
            let part = PathBuf::from(format!("{}.part", path.display()));
            fs::write(&part, clean).map_err(SkyError::io(&part))?;
            fs::rename(&part, path).map_err(SkyError::io(path))?;
        }
    }
    Ok(())
}

pub(super) fn compare(args: &CompareArgs) -> Result<(), SkyError> {
    let hash = |path: &Path| {
        let bytes = fs::read(path).map_err(SkyError::io(path))?;
        let clean = normalised(&bytes).map_err(|what| SkyError::format(path, what))?;
        Ok::<_, SkyError>(blake3::hash(&clean))
    };
    let hashes: Vec<_> = (args.files.iter())
        .map(|path| hash(path))
        .collect::<Result<_, _>>()?;
    for (path, hash) in args.files.iter().zip(&hashes) {
        println!("{}  {}", hash.to_hex(), path.display());
    }
    if hashes.windows(2).all(|pair| pair.first() == pair.last()) {
        Ok(())
    } else {
        Err(SkyError::Data("the files differ".into()))
    }
}

/// The file without its volatile cards; what follows the first header is kept as it is.
fn normalised(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if !bytes.starts_with(b"SIMPLE  =") {
        return Err("not a FITS file: it does not begin with SIMPLE".into());
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut cards = 0_usize;
    for card in bytes.chunks_exact(CARD) {
        cards += 1;
        let text = String::from_utf8_lossy(card);
        if !VOLATILE.contains(&keyword(&text)) {
            out.extend_from_slice(card);
        }
        if text.trim_end() == "END" {
            out.resize(out.len().div_ceil(BLOCK) * BLOCK, b' ');
            let start = (cards * CARD).div_ceil(BLOCK) * BLOCK;
            out.extend_from_slice(bytes.get(start..).unwrap_or_default());
            return Ok(out);
        }
    }
    Err("the header has no END: the file is cut off".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sky::fits::{Encoding, Image};

    #[test]
    fn two_files_that_differ_in_date_only_become_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, date: &str, value: f32| {
            let mut image = Image::filled(4, 4, value);
            image.header.set_text("OBJECT", "sky", "");
            image.header.set_text("DATE", date, "");
            let path = dir.path().join(name);
            image.write(&path, Encoding::Real).unwrap();
            path
        };
        let (a, b) = (file("a", "2030-01-01", 1.0), file("b", "2031-01-01", 1.0));
        let c = file("c", "2030-01-01", 2.0);
        let same = |x: &Path, y: &Path| {
            let files = vec![x.to_owned(), y.to_owned()];
            compare(&CompareArgs { files }).is_ok()
        };
        assert!(same(&a, &b));
        assert!(!same(&a, &c));
        run(&NormaliseArgs {
            files: vec![a.clone(), b.clone()],
        })
        .unwrap();
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
        assert_eq!(Image::read(&a).unwrap().header.text("DATE"), None);
    }
}
