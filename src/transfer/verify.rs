//! Whether both sides hold the same.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{
    Hash, HashLedger, Item, TransferError,
    facts::{self, Ask, Fact},
    source,
};
use crate::connection::{Host, LinkError};

/// What reading a file on both sides found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "found")]
pub enum Verdict {
    /// The same content.
    Same {
        /// Its hash.
        hash: Hash,
    },
    /// Different content.
    Differs {
        /// Hash here.
        here: Hash,
        /// Hash on the site.
        there: Hash,
    },
    /// It is not on the site.
    NotThere,
    /// It is not here.
    NotHere,
    /// One side could not read it.
    Unreadable {
        /// Why.
        why: String,
    },
}

/// Reads each item on both sides; one verdict an item, in their order. Local files that `ledger`
/// knows are not read.
///
/// # Errors
/// Only what the link itself does.
pub async fn verify(
    host: &Host,
    items: &[Item],
    ledger: &dyn HashLedger,
) -> Result<Vec<Verdict>, LinkError> {
    let paths: Vec<PathBuf> = items.iter().map(|item| item.local.clone()).collect();
    let asked: Vec<(usize, &Path)> = items
        .iter()
        .map(|item| item.remote.as_path())
        .enumerate()
        .collect();
    let (known, facts) = tokio::join!(
        source::known(&paths, ledger),
        facts::facts(host, &asked, Ask::Hash),
    );
    let mut facts = facts?;
    let verdict = |(index, known)| match (known, facts.remove(&index)) {
        (Err(TransferError::Missing { .. }), _) => Verdict::NotHere,
        (_, None | Some(Fact::Missing)) => Verdict::NotThere,
        (Err(error), _) => Verdict::Unreadable {
            why: TransferError::to_string(&error),
        },
        (Ok(_), Some(Fact::Unreadable(why))) => Verdict::Unreadable {
            why: format!("on the site: {why}"),
        },
        (Ok(source::Known { hash: here, .. }), Some(Fact::File { hash, .. })) => match hash {
            Some(hash) if hash == here => Verdict::Same { hash },
            Some(there) => Verdict::Differs { here, there },
            None => Verdict::Unreadable {
                why: "on the site: no checksum".to_owned(),
            },
        },
    };
    Ok(known.into_iter().enumerate().map(verdict).collect())
}
