//! How files lie in a bundle that is pushed: by the number of their directory, under their own
//! name where that is plain, so that the far end can rename a whole directory of them at once.

use std::{
    collections::HashMap,
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::drive::Piece;

/// Longest name in a tar header that every tar reads.
const MOST_NAME: usize = 80;

/// Where the files of a bundle go.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// Target directories; number N of the layout is the N-th of them, from 1.
    pub(super) directories: Vec<PathBuf>,
    /// Name of each piece in the bundle, in their order.
    pub(super) names: Vec<String>,
    /// Pieces whose name could not be kept, by their place in the bundle.
    pub(super) odd: Vec<usize>,
}

impl Layout {
    pub(super) fn of(pieces: &[Piece]) -> Self {
        let mut layout = Self::default();
        let mut numbers: HashMap<&Path, usize> = HashMap::new();
        let mut taken: HashMap<&Path, usize> = HashMap::new();
        for (place, piece) in pieces.iter().enumerate() {
            let name = piece.to.file_name().unwrap_or_default();
            let parent = piece.to.parent().unwrap_or(Path::new("/"));
            // Two sources of one target must not meet in the bundle.
            let first = taken.insert(&piece.to, place).is_none();
            match plain(name).filter(|_| first) {
                Some(name) => {
                    let number = *numbers.entry(parent).or_insert_with(|| {
                        layout.directories.push(parent.to_owned());
                        layout.directories.len()
                    });
                    layout.names.push(format!("{number}/{name}"));
                },
                None => {
                    layout.odd.push(place);
                    layout.names.push(format!("o/{}", piece.name()));
                },
            }
        }
        layout
    }
}

/// The name, if no shell, tar or checksum tool could take it for anything else.
fn plain(name: &OsStr) -> Option<&str> {
    let bytes = name.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+,:=@%#~".contains(byte);
    let starts_well = bytes.first().is_some_and(|first| *first != b'.');
    let fits = bytes.len() <= MOST_NAME;
    (starts_well && fits && bytes.iter().all(allowed))
        .then(|| name.to_str())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(index: usize, to: &[u8]) -> Piece {
        Piece {
            index,
            from: PathBuf::new(),
            to: PathBuf::from(OsStr::from_bytes(to)),
            size: 0,
            hash: None,
            key: None,
        }
    }

    #[test]
    fn plain_names_lie_under_their_directory_and_odd_ones_under_their_number() {
        let pieces = [
            piece(10, b"/a/x.fits"),
            piece(11, b"/b c/y-1.fits"),
            piece(12, b"/a/z.fits"),
            piece(13, b"/a/new\nline"),
            piece(14, b"/a/.hidden"),
            piece(15, b"/a/x.fits"),
            piece(16, b"/a/-n"),
        ];
        let layout = Layout::of(&pieces);
        assert_eq!(layout.directories, [Path::new("/a"), Path::new("/b c")]);
        let names = [
            "1/x.fits",
            "2/y-1.fits",
            "1/z.fits",
            "o/00000013",
            "o/00000014",
            "o/00000015",
            "1/-n",
        ];
        assert_eq!(layout.names, names);
        assert_eq!(layout.odd, [3, 4, 5]);
    }
}
