//! `manifest.tsv`: the one list of files of a run, in and out.

use std::{
    ffi::OsStr,
    io::{self, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::tsv::{self, Field, TsvError};

/// First line of the file.
pub const HEADER: &str = "id\tkind\tjob\tlocal\tremote\tsize\thash\n";

/// What a file is to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// Goes to the site before the submission.
    In,
    /// An earlier stage left it on the site; it must be there.
    There,
    /// Comes home after the job; the job has failed without it.
    Out,
    /// Comes home if the job wrote it.
    OutOptional,
    /// Stays on the site; the job has failed without it.
    Keep,
    /// Stays on the site if the job wrote it.
    KeepOptional,
}

impl FileKind {
    const ALL: [Self; 6] = [
        Self::In,
        Self::There,
        Self::Out,
        Self::OutOptional,
        Self::Keep,
        Self::KeepOptional,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::There => "there",
            Self::Out => "out",
            Self::OutOptional => "out?",
            Self::Keep => "keep",
            Self::KeepOptional => "keep?",
        }
    }

    /// Whether a job writes it.
    pub fn is_output(self) -> bool {
        !matches!(self, Self::In | Self::There)
    }

    /// Whether the job has failed without it.
    pub fn is_required(self) -> bool {
        !matches!(self, Self::OutOptional | Self::KeepOptional)
    }
}

/// One file of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestLine {
    /// Its number within the manifest, from 0.
    pub id: u64,
    /// What it is to the run.
    pub kind: FileKind,
    /// The job that writes it, or the first that reads it.
    pub job: u64,
    /// Where it is, or goes, here.
    pub local: Option<PathBuf>,
    /// Where it is, or goes, on the site: absolute.
    pub remote: PathBuf,
    /// Its size in bytes when prepared, for inputs.
    pub size: Option<u64>,
    /// Its SHA-256 in hex, if it was known already.
    pub hash: Option<String>,
}

impl ManifestLine {
    /// Writes the line.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{}\t{}\t{}\t", self.id, self.kind.word(), self.job)?;
        match &self.local {
            Some(path) => write_path(out, path)?,
            None => out.write_all(b"-")?,
        }
        out.write_all(b"\t")?;
        write_path(out, &self.remote)?;
        match self.size {
            Some(size) => write!(out, "\t{size}\t")?,
            None => out.write_all(b"\t-\t")?,
        }
        writeln!(out, "{}", self.hash.as_deref().unwrap_or("-"))
    }

    /// Reads a line; `number` is for the error, from 1.
    pub fn read(number: usize, line: &str) -> Result<Self, TsvError> {
        let [id, kind, job, local, remote, size, hash] = tsv::fields(number, line)?;
        let kind = FileKind::ALL
            .into_iter()
            .find(|k| k.word() == kind)
            .ok_or_else(|| TsvError {
                line: number,
                what: "unknown kind".into(),
                text: kind.to_owned(),
            })?;
        Ok(Self {
            id: tsv::parse(number, "id", id)?,
            kind,
            job: tsv::parse(number, "job", job)?,
            local: if local == "-" {
                None
            } else {
                Some(path(number, "local", local)?)
            },
            remote: path(number, "remote", remote)?,
            size: tsv::optional(number, "size", size)?,
            hash: tsv::optional(number, "hash", hash)?,
        })
    }
}

/// A path that is just `-` is escaped, since `-` means none.
fn write_path(out: &mut impl Write, path: &Path) -> io::Result<()> {
    match path.as_os_str().as_bytes() {
        b"-" => out.write_all(b"%2D"),
        bytes => write!(out, "{}", Field(bytes)),
    }
}

fn path(number: usize, name: &str, text: &str) -> Result<PathBuf, TsvError> {
    tsv::bytes(number, name, text).map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes)))
}

/// Reads a whole `manifest.tsv`.
pub fn read(text: &str) -> Result<Vec<ManifestLine>, TsvError> {
    let lines = text.lines().enumerate().skip(1);
    lines
        .map(|(index, line)| ManifestLine::read(index + 1, line))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_path_survives(local: Option<Vec<u8>>, remote: Vec<u8>, size: Option<u64>) {
            let line = ManifestLine {
                id: 1,
                kind: FileKind::OutOptional,
                job: 2,
                local: local.map(|b| PathBuf::from(OsStr::from_bytes(&b))),
                remote: PathBuf::from(OsStr::from_bytes(&remote)),
                size,
                hash: None,
            };
            let mut text = HEADER.as_bytes().to_vec();
            line.write(&mut text).unwrap();
            prop_assert_eq!(read(std::str::from_utf8(&text).unwrap()).unwrap(), [line]);
        }
    }
}
