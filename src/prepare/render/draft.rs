//! A rendered component before it has its numbers within the run.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

use crate::state::run_dir::manifest::ManifestLine;

/// What became of one component.
#[derive(Debug)]
pub(super) struct ComponentDraft {
    pub(super) component_id: i64,
    pub(super) stage_id: i64,
    pub(super) next_id: Option<i64>,
    /// Its files and jobs, or why it has none.
    pub(super) outcome: Result<Jobs, String>,
}

/// The jobs of a component with the files they read.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// What is read, each file once.
    pub(super) inputs: Vec<FileDraft>,
    pub(super) jobs: Vec<JobDraft>,
}

/// One job.
#[derive(Debug)]
pub(super) struct JobDraft {
    pub(super) key: String,
    /// Places in [`Jobs::inputs`].
    pub(super) inputs: Vec<usize>,
    pub(super) outputs: Vec<FileDraft>,
    /// Its shell functions, but for the number of its first output.
    pub(super) slice: Vec<u8>,
    /// Expected seconds.
    pub(super) seconds: u64,
    /// Known values of its record: a JSON object.
    pub(super) values: String,
    /// How many of its tries have failed.
    pub(super) failures: u32,
}

/// One file; its id and job are not known yet.
#[derive(Debug)]
pub(super) struct FileDraft {
    pub(super) line: ManifestLine,
    /// Hash of where it is on the site.
    pub(super) place: u128,
    /// Hash of where it is here.
    pub(super) home: Option<u128>,
}

impl FileDraft {
    pub(super) fn new(line: ManifestLine) -> Self {
        use std::os::unix::ffi::OsStrExt;
        Self {
            place: digest(line.remote.as_os_str().as_bytes()),
            home: line
                .local
                .as_ref()
                .map(|path| digest(path.as_os_str().as_bytes())),
            line,
        }
    }
}

/// A map by [`FileDraft::place`] or [`FileDraft::home`].
pub(super) type DigestMap<T> = HashMap<u128, T, BuildHasherDefault<Digest>>;
/// A set of [`FileDraft::place`] or [`FileDraft::home`].
pub(super) type DigestSet = HashSet<u128, BuildHasherDefault<Digest>>;

/// Hashes what is a hash already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Digest(u64);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "half of a good hash is one"
    )]
    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// 128 bits that stand for a path.
fn digest(path: &[u8]) -> u128 {
    let hash = blake3::hash(path);
    hash.as_bytes()
        .iter()
        .take(16)
        .fold(0, |sum, byte| sum << 8 | u128::from(*byte))
}
