//! How many bytes would be on scratch, and whether the site's budget allows them: pure.

use std::{collections::BTreeMap, path::Path};

use crate::{config::units::Bytes, state::staged::Staged};

/// A run whose files do not fit into the scratch budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "scratch of site {site} would hold {after} bytes, {over} more than its `scratch_budget` of {budget}: {mend}"
)]
pub struct OverBudget {
    /// The site.
    pub site: String,
    /// Bytes that would be there.
    pub after: u64,
    /// Bytes over the budget.
    pub over: u64,
    /// The budget.
    pub budget: Bytes,
    /// What can be done.
    pub mend: String,
}

/// Bytes below `scratch` once the `wanted` paths with their sizes are there too; each path counts
/// once.
pub(crate) fn afterwards<'a>(
    scratch: &Path,
    ledger: &'a [Staged],
    wanted: impl IntoIterator<Item = (&'a Path, u64)>,
) -> u64 {
    let known = ledger.iter().map(|file| (file.remote.as_path(), file.size));
    let all: BTreeMap<&Path, u64> = known
        .chain(wanted)
        .filter(|(path, _)| path.starts_with(scratch))
        .collect();
    all.values().fold(0, |sum, size| sum.saturating_add(*size))
}

/// Bytes over the budget, if there is one.
pub(crate) fn over(after: u64, budget: Option<Bytes>) -> u64 {
    budget.map_or(0, |budget| after.saturating_sub(budget.0))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::{exec::scratch::tests::staged, state::staged::StagedKind};

    #[test]
    fn a_file_that_is_sent_anew_counts_with_its_new_size_and_what_is_elsewhere_does_not() {
        let ledger = [
            staged("/s/flat", StagedKind::Input, 1, 100),
            staged("/s/dark", StagedKind::Input, 1, 10),
            staged("/projects/refcat", StagedKind::Input, 1, 1000),
        ];
        let wanted = [(Path::new("/s/flat"), 120), (Path::new("/s/raw"), 7)];
        assert_eq!(afterwards(Path::new("/s"), &ledger, wanted), 137);
    }

    proptest! {
        #[test]
        fn each_path_counts_once_however_often_it_is_wanted(
            there: Vec<(u8, u32)>,
            wanted: Vec<(u8, u32)>,
        ) {
            let path = |name: u8| PathBuf::from(format!("/s/{name}"));
            let ledger: Vec<Staged> = there
                .iter()
                .map(|(name, size)| {
                    staged(path(*name).to_str().unwrap(), StagedKind::Input, 1, u64::from(*size))
                })
                .collect();
            let wanted: Vec<(PathBuf, u64)> = wanted
                .iter()
                .map(|(name, size)| (path(*name), u64::from(*size)))
                .collect();
            let twice = wanted.iter().chain(&wanted).map(|(path, size)| (path.as_path(), *size));
            let after = afterwards(Path::new("/s"), &ledger, twice);
            let mut sizes = BTreeMap::new();
            for file in &ledger {
                sizes.insert(file.remote.clone(), file.size);
            }
            sizes.extend(wanted.iter().cloned());
            prop_assert_eq!(after, sizes.values().sum::<u64>());
        }

        #[test]
        fn what_is_over_is_what_must_go(after: u64, budget: u64) {
            let over = over(after, Some(Bytes(budget)));
            prop_assert!(after - over <= budget);
            prop_assert!(over == 0 || after - over == budget);
        }
    }
}
