//! Output that comes in pieces from elsewhere.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

use tempfile::TempPath;

use super::capture::{Captured, IN_MEMORY};

/// Takes output as it comes: in memory as long as it is short, then in a file.
#[derive(Debug, Default)]
pub struct Spool {
    memory: Vec<u8>,
    file: Option<(File, TempPath)>,
    length: u64,
}

impl Spool {
    /// Takes the next piece; files are made in `dir`.
    ///
    /// # Errors
    /// What the file said: the disk is full.
    pub fn append(&mut self, bytes: &[u8], dir: &Path) -> io::Result<()> {
        self.length += bytes.len() as u64;
        if self.file.is_none() && self.length > IN_MEMORY {
            let (mut file, path) = tempfile::Builder::new()
                .prefix("outrigger-output-")
                .tempfile_in(dir)?
                .into_parts();
            file.write_all(&std::mem::take(&mut self.memory))?;
            self.file = Some((file, path));
        }
        match &mut self.file {
            Some((file, _)) => file.write_all(bytes),
            None => {
                self.memory.extend_from_slice(bytes);
                Ok(())
            },
        }
    }

    /// Whether so many more bytes stay in memory: what does not can take as long as a disk likes.
    pub fn has_room(&self, more: usize) -> bool {
        self.file.is_none() && self.length + more as u64 <= IN_MEMORY
    }

    /// All that was taken.
    pub fn finish(self) -> Captured {
        match self.file {
            Some((_, path)) => Captured::named(path, self.length),
            None => Captured::text(self.memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_came_in_pieces_is_read_whole_also_from_a_file() {
        let dir = tempfile::tempdir().unwrap();
        for pieces in [3_usize, 40] {
            let mut spool = Spool::default();
            let mut whole = Vec::new();
            for n in 0..pieces {
                let piece = vec![u8::try_from(n).unwrap(); 60_000];
                spool.append(&piece, dir.path()).unwrap();
                whole.extend(piece);
            }
            let captured = spool.finish();
            let mut read = Vec::new();
            captured.reader().read_to_end(&mut read).unwrap();
            assert_eq!(captured.len(), whole.len() as u64);
            assert!(read == whole);
            let in_file = std::fs::read_dir(dir.path()).unwrap().count();
            assert_eq!(in_file, usize::from(whole.len() as u64 > IN_MEMORY));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
