//! What is on the scratch of a site by our ledger.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::workplace::{RemoteError, Workplace};
use crate::{
    config::{Loaded, site::Site},
    exec::scratch::{Scratch, ScratchError, age::purged_at, rule::Candidate},
    state::staged::{Staged, StagedKind},
};

/// The files of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Heap {
    /// The kind.
    pub kind: StagedKind,
    /// How many there are.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// When the one that was used longest ago was used.
    pub oldest_use: Timestamp,
    /// From when on the site may purge the first of them; nothing if it is not known to purge.
    pub purged_from: Option<Timestamp>,
}

/// What is on the scratch of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScratchReport {
    /// The site.
    pub site: String,
    /// Its scratch.
    pub scratch: PathBuf,
    /// Bytes of all that is there.
    pub bytes: u64,
    /// Most bytes that may be there.
    pub budget: Option<u64>,
    /// Seconds for which the site keeps what nobody uses.
    pub purge_age: Option<u64>,
    /// What is there, by kind.
    pub heaps: Vec<Heap>,
    /// Runs that could be cleaned, in the order of the rule.
    pub candidates: Vec<Candidate>,
    /// Why it cannot be told what could be cleaned.
    pub unclear: Option<String>,
    /// Each file, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<Staged>>,
}

impl Workplace {
    /// What is on the scratch of a site by the ledger; each file too if `whole`. The site is not
    /// asked.
    pub fn scratch(&self, name: &str, whole: bool) -> Result<ScratchReport, RemoteError> {
        let site = self.loaded.site(name)?;
        let ledger = self.store.staged(name)?;
        let runs = self.loaded.runs_directory();
        let (candidates, unclear) =
            match scratch_of(&self.loaded, name, site, &runs).sort_out(&self.store) {
                Ok(sorted) => (sorted.candidates, None),
                Err(error @ ScratchError::Unknown { .. }) => (Vec::new(), Some(error.to_string())),
                Err(error) => return Err(error.into()),
            };
        let heaps = heaps(&ledger, site);
        Ok(ScratchReport {
            site: name.to_owned(),
            scratch: site.scratch.clone(),
            bytes: heaps.iter().map(|heap| heap.bytes).sum(),
            budget: site.scratch_budget.map(|budget| budget.0),
            purge_age: site.purge_age.map(|age| age.0),
            heaps,
            candidates,
            unclear,
            files: whole.then_some(ledger),
        })
    }
}

/// The scratch of a site; `runs` is the directory of the run directories.
pub(super) fn scratch_of<'a>(
    loaded: &'a Loaded,
    name: &'a str,
    site: &'a Site,
    runs: &'a Path,
) -> Scratch<'a> {
    Scratch {
        name,
        site,
        root: &loaded.root,
        runs,
    }
}

/// What of the ledger is below the scratch, by kind.
fn heaps(ledger: &[Staged], site: &Site) -> Vec<Heap> {
    let mut heaps: Vec<Heap> = Vec::new();
    let below = ledger
        .iter()
        .filter(|row| row.remote.starts_with(&site.scratch));
    for row in below {
        let purged = purged_at(row.touched_at, site.purge_age);
        match heaps.iter_mut().find(|heap| heap.kind == row.kind) {
            Some(heap) => {
                heap.files += 1;
                heap.bytes = heap.bytes.saturating_add(row.size);
                heap.oldest_use = heap.oldest_use.min(row.used_at);
                heap.purged_from = heap.purged_from.min(purged);
            },
            None => heaps.push(Heap {
                kind: row.kind,
                files: 1,
                bytes: row.size,
                oldest_use: row.used_at,
                purged_from: purged,
            }),
        }
    }
    heaps.sort_by_key(|heap| heap.kind);
    heaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_file_of_a_kind_tells_when_its_purge_begins() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let row = |remote: &str, kind, size, second| Staged {
            remote: remote.into(),
            kind,
            run_id: 1,
            size,
            hash: String::new(),
            stamp: String::new(),
            sent_at: at(second),
            touched_at: at(second),
            used_at: at(second + 1),
        };
        let ledger = [
            row("/s/out", StagedKind::Product, 5, 7),
            row("/s/flat", StagedKind::Input, 10, 200),
            row("/s/dark", StagedKind::Input, 20, 100),
            row("/projects/refcat", StagedKind::Input, 1000, 1),
        ];
        let site: Site = serde_yaml::from_str("{scratch: /s, purge_age: 1h}").unwrap();
        let [inputs, products] = heaps(&ledger, &site).try_into().unwrap();
        assert_eq!(
            (inputs.kind, inputs.files, inputs.bytes),
            (StagedKind::Input, 2, 30)
        );
        assert_eq!(
            (inputs.oldest_use, inputs.purged_from),
            (at(101), Some(at(3700)))
        );
        assert_eq!((products.files, products.bytes), (1, 5));
    }
}
