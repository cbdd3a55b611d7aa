//! Our own program at the far end, where it may be.

use std::{fs, io, os::unix::ffi::OsStrExt, path::Path};

use super::{FileKey, Hash, HashLedger, Item, Quiet, TransferOptions};
use crate::{
    config::site::{Connection, Site, TransferProgram},
    connection::Host,
    state::run_dir::decision::{FarProgram, SentProgram},
};

/// Directory of the programs that were sent, in our own directory on the site.
const PROGRAMS: &str = "bin";

/// So many times its size must have gone in bundles before our program is sent for the next time.
const WORTH: u64 = 8;

/// Our program as it is sent to a site: there it lies under its hash, so that it goes once and no
/// other version is taken for it.
///
/// # Errors
/// When `local` cannot be read.
pub fn sent(site: &Site, local: &Path, ledger: &dyn HashLedger) -> io::Result<FarProgram> {
    let key = FileKey::of(&fs::metadata(local)?);
    let hash = match ledger.get(key) {
        Some(hash) => hash,
        None => {
            let hash = Hash::of_file(local)?;
            ledger.put(key, hash);
            hash
        },
    };
    let name = format!("outrigger-{hash}");
    Ok(FarProgram {
        remote: site.own_directory().join(PROGRAMS).join(name),
        sent: Some(SentProgram {
            local: local.to_owned(),
            hash,
        }),
    })
}

/// The program that takes part in transfers to and from a site.
pub(super) fn of(site: &Site, local: &Path, ledger: &dyn HashLedger) -> Option<FarProgram> {
    let there = match (&site.transfer.program, &site.worker.binary) {
        (Some(TransferProgram::None), _) => return None,
        (Some(TransferProgram::At(path)), _) | (None, Some(path)) => Some(path),
        (None, None) => None,
    };
    match (there, &site.connection) {
        (Some(path), _) => Some(FarProgram {
            remote: path.clone(),
            sent: None,
        }),
        (None, Connection::None) => None,
        // Without it the site's own tools do all that is needed.
        (None, Connection::Ssh(_)) => sent(site, local, ledger).ok(),
    }
}

/// Sends our program for the transfers after one that has missed it, if the `bytes` of that one's
/// bundles were worth it. What comes of it is nobody's trouble: sh and tar do without.
pub(super) async fn leave(host: &Host, opts: &TransferOptions<'_>, bytes: u64) {
    let Some(FarProgram {
        remote,
        sent: Some(sent),
    }) = &opts.program
    else {
        return;
    };
    let size = fs::metadata(&sent.local).map_or(u64::MAX, |found| found.len());
    if bytes / WORTH < size {
        return;
    }
    let item = Item {
        local: sent.local.clone(),
        remote: remote.clone(),
        size: Some(size),
        hash: Some(sent.hash),
    };
    let opts = TransferOptions {
        program: None,
        ..opts.clone()
    };
    drop(Box::pin(super::push(host, &[item], &opts, &Quiet)).await);
}

macro_rules! version {
    () => {
        concat!(env!("CARGO_PKG_VERSION"), " (transfers 2)")
    };
}

/// The version of this program, with what is counted up whenever the two ends of a transfer are to
/// talk in another way.
pub const VERSION: &str = version!();

/// What a program like this one says of its version.
const SAID: &str = concat!(env!("CARGO_PKG_NAME"), " ", version!());

/// The last two words of a script that has [`ours!`] at its front: `program`, or nothing, and its
/// version.
pub(super) fn words(program: Option<&Path>) -> [&[u8]; 2] {
    let program = program.unwrap_or(Path::new(""));
    [program.as_os_str().as_bytes(), SAID.as_bytes()]
}

/// What a script says on standard error where our program would do its work and is not there.
pub(super) const MISSED: &str = "or missed";

/// A shell function for the front of a script, as a literal for `concat!`: `ours PROGRAM VERSION`
/// tells whether the program is there, runs, and is of that version.
macro_rules! ours {
    () => {
        r#"
ours() {
    [ -n "$1" ] || return 1
    [ "$("$1" --version 2>/dev/null)" = "$2" ] && return
    # What is there and cannot run would not run if it were sent again.
    [ -e "$1" ] || echo 'or missed' >&2
    return 1
}
"#
    };
}
pub(super) use ours;
