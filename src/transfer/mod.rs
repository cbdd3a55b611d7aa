//! Moving files between home and a site, verified.
//!
//! Both directions first leave out what is already there with the right hash, then move the
//! rest over a few long streams: small files as bundles in tar streams, large ones in ranges.
//! Bytes travel under temporary names; only what has been hashed at its destination and found
//! right is renamed into place, so a final name never holds anything else. After a lost link the
//! same call goes on from what has landed, and large files from the ranges that have arrived.

mod bundle;
mod carrier;
mod copy;
mod counted;
mod cut;
mod drive;
mod facts;
mod far;
mod ferry;
mod fetch;
mod freight;
mod gathering;
mod hash;
mod land;
mod layout;
mod ledger;
pub mod list;
mod lock;
mod pack;
mod part;
mod placing;
mod plan;
pub mod program;
mod pull;
mod push;
mod rate;
mod receive;
mod send;
mod sessions;
mod sluice;
mod source;
mod spread;
mod squeeze;
mod streams;
mod unpack;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::time::Instant;

pub use hash::{HashLedger, NoLedger};
pub use ledger::Ledger;
pub use plan::{Load, Part};
pub use pull::Pull;
pub use receive::receive;
pub use send::send;
pub use spread::Spread;
pub use squeeze::{expand, squeeze};
pub use verify::{Verdict, verify};

pub use crate::state::{
    file::FileKey,
    hash::{Hash, HashError},
    run_dir::decision::FarProgram,
    transfer::Tally,
};
use crate::{
    config::site::Site,
    connection::{Host, LinkError},
};

/// One file to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its path here.
    pub local: PathBuf,
    /// Its path on the site; absolute.
    pub remote: PathBuf,
    /// Its size in bytes, if known; only used to balance the streams of a pull.
    pub size: Option<u64>,
    /// The hash it must have, if known.
    pub hash: Option<Hash>,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Moved, verified at its destination and renamed into place.
    Done {
        /// Size in bytes.
        size: u64,
        /// Content hash.
        hash: Hash,
    },
    /// The destination held it already.
    AlreadyThere {
        /// Size in bytes.
        size: u64,
        /// Content hash.
        hash: Hash,
    },
    /// Not moved; the destination is as it was.
    Failed(TransferError),
}

/// How many files came to what.
pub fn tally(outcomes: &[Outcome]) -> Tally {
    let mut tally = Tally::default();
    for outcome in outcomes {
        match outcome {
            Outcome::Done { size, .. } => {
                tally.moved += 1;
                tally.bytes += size;
            },
            Outcome::AlreadyThere { .. } => tally.already += 1,
            Outcome::Failed(_) => tally.failed += 1,
        }
    }
    tally
}

/// What the journal says of a transfer that came to this.
///
/// # Errors
/// Why the link cut it short.
pub fn told(outcomes: &Result<Vec<Outcome>, LinkError>) -> Result<Tally, String> {
    match outcomes {
        Ok(outcomes) => Ok(tally(outcomes)),
        Err(error) => Err(error.to_string()),
    }
}

/// Why one item was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The source does not exist.
    #[error("{path}: no such file {place}")]
    Missing {
        /// The source.
        path: PathBuf,
        /// On which side.
        place: Place,
    },
    /// The source could not be read.
    #[error("{path}: cannot be read {place}: {why}")]
    Read {
        /// The source.
        path: PathBuf,
        /// On which side.
        place: Place,
        /// What the system said.
        why: String,
    },
    /// The source was written to while it was sent: send it again when its writer is done.
    #[error("{path}: changed {place} while it was being sent; try again when its writer is done")]
    Changed {
        /// The source.
        path: PathBuf,
        /// On which side.
        place: Place,
    },
    /// The content is not the expected one.
    #[error("{path}: content {place} has sha256 {found}, expected {expected}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// On which side.
        place: Place,
        /// The hash asked for.
        expected: Hash,
        /// The hash found, or what was found instead.
        found: String,
    },
    /// The destination's file system is full.
    #[error(
        "{path}: no space left {place}: {free} bytes free, {needed} needed; free some, or clean old runs"
    )]
    NoSpace {
        /// The destination.
        path: PathBuf,
        /// On which side.
        place: Place,
        /// Bytes free.
        free: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// The destination could not be written.
    #[error("{path}: cannot be written {place}: {why}")]
    Write {
        /// The destination.
        path: PathBuf,
        /// On which side.
        place: Place,
        /// What was said.
        why: String,
    },
}

impl TransferError {
    /// The side that could not take the file, if that is why; the other one still has it, and there is
    /// nothing wrong with it.
    pub fn untaken(&self) -> Option<Place> {
        match self {
            Self::NoSpace { place, .. } | Self::Write { place, .. } => Some(*place),
            Self::Missing { .. }
            | Self::Read { .. }
            | Self::Changed { .. }
            | Self::Mismatch { .. } => None,
        }
    }
}

/// A side of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// This machine.
    Here,
    /// The site.
    Site,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Here => "here",
            Self::Site => "on the site",
        })
    }
}

pub use crate::config::site::Engine;

/// How to move.
#[derive(Clone)]
pub struct TransferOptions<'a> {
    /// The site's name, for errors.
    pub site: String,
    /// Parallel streams on each line; never more than the host's sessions.
    pub streams: u32,
    /// What carries the files.
    pub engine: Engine,
    /// Most bytes that travel as one.
    pub bundle: u64,
    /// Most bytes a second, all streams together; `None` for as fast as it goes.
    pub limit: Option<u64>,
    /// Whether what travels is compressed where that pays; our own program must be on the site.
    pub compress: bool,
    /// Hosts here that have data on their own disks.
    pub spread: Arc<Spread>,
    /// Our own program on the site, if it may be there or be sent there.
    pub program: Option<FarProgram>,
    /// When the link ends: nothing begins that would not be done by then.
    pub until: Option<Instant>,
    /// Directory on the site for what is under way, made if absent; absolute, best on the file
    /// system of the targets (`<scratch>/.staging`), where landing is a rename.
    pub staging: PathBuf,
    /// Hashes of local files that are known without reading them.
    pub ledger: &'a dyn HashLedger,
}

impl<'a> TransferOptions<'a> {
    /// As the configuration of `site` says, for a link that lives on for `left`; `own` is the
    /// program that may be sent there ([`Site::sent_program`]).
    pub fn of(
        name: &str,
        site: &Site,
        own: &Path,
        left: Option<std::time::Duration>,
        ledger: &'a dyn HashLedger,
    ) -> Self {
        Self {
            site: name.to_owned(),
            streams: site.transfer.streams,
            engine: site.transfer.engine,
            bundle: site.transfer.bundle.0,
            limit: site.transfer.limit.map(|limit| limit.0),
            compress: site.transfer.compress,
            spread: Arc::new(Spread::over(&site.transfer.sources)),
            program: program::of(site, own, ledger),
            until: left.map(|left| Instant::now() + left),
            staging: site.staging(),
            ledger,
        }
    }

    /// Bundles that a stream has at once: one is under way while another lands.
    fn ahead(&self) -> usize {
        match self.engine {
            Engine::Tar => 2,
            Engine::Scp | Engine::Rsync => 1,
        }
    }

    /// Streams at once on all lines of `host`; one session of each is left for other commands.
    fn streams_on(&self, host: &Host) -> usize {
        let lines = host.lines();
        let wanted = self.streams_over(lines);
        let sessions = host.sessions().map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(1).saturating_sub(lines)
        });
        wanted.min(sessions.max(1))
    }

    fn streams_over(&self, lines: usize) -> usize {
        usize::try_from(self.streams.max(1)).unwrap_or(1) * lines
    }

    /// Where our program is on the site, if it is there.
    fn far_program(&self) -> Option<PathBuf> {
        Some(self.program.as_ref()?.remote.clone())
    }

    fn governor(&self) -> Arc<rate::Governor> {
        Arc::new(rate::Governor::new(self.limit))
    }
}

impl std::fmt::Debug for TransferOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransferOptions")
            .field("site", &self.site)
            .field("streams", &self.streams)
            .field("engine", &self.engine)
            .field("staging", &self.staging)
            .finish_non_exhaustive()
    }
}

/// Who is told how far a transfer is. What was already there counts too, so a bar over all items
/// reaches its end; what failed counts as a file without bytes.
pub trait Progress: std::fmt::Debug + Send + Sync {
    /// `files` more files of `bytes` bytes together are to be moved.
    fn expect(&self, _files: u64, _bytes: u64) {}
    /// `n` more bytes are at their destination.
    fn bytes(&self, n: u64);
    /// `n` more files have an outcome.
    fn files(&self, n: u64);
    /// Something is not as the configuration says, though the files go on.
    fn warn(&self, _text: &str) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Progress for Quiet {
    fn bytes(&self, _: u64) {}
    fn files(&self, _: u64) {}
}

/// Brings local files to the site; one outcome an item, in their order.
///
/// # Errors
/// Only what the link itself does, see [`LinkError`]; what meets one item is its outcome.
pub async fn push(
    host: &Host,
    items: &[Item],
    opts: &TransferOptions<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, LinkError> {
    if host.is_local() {
        Box::pin(copy::copy(items, copy::Way::Out, opts, progress)).await
    } else {
        Box::pin(push::push(host, items, opts, progress)).await
    }
}

/// Brings files of the site here; one outcome an item, in their order.
///
/// # Errors
/// As [`push()`].
pub async fn pull(
    host: &Host,
    items: &[Item],
    opts: &TransferOptions<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, LinkError> {
    Pull::new(host, opts).bring(items, progress).await
}

/// What each stream would be given in turn to move files of these sizes (bytes).
pub fn plan(sizes: &[u64], lines: usize, opts: &TransferOptions<'_>) -> Vec<Load> {
    let most = opts.streams_over(lines.max(1));
    let bytes = sizes.iter().sum();
    let streams = plan::streams(bytes, most, lines);
    let cutting = match opts.engine {
        Engine::Tar => plan::Cutting::IfLarge,
        Engine::Scp | Engine::Rsync => plan::Cutting::Never,
    };
    let files: Vec<_> = sizes.iter().map(|size| (*size, cutting)).collect();
    plan::loads(&files, streams, opts.bundle)
}
