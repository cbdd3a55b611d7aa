//! Whether an input on the site is the one that is here, without reading it: pure.

use std::path::Path;

use super::{age::Age, look::Seen};
use crate::{config::site::Site, state::staged::Staged};

/// An input as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Here {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its SHA-256 in hex, if it is known without reading it.
    pub(crate) hash: Option<String>,
}

/// Whether the file on the site is still the one that the ledger tells of, and that one has the
/// content of the file here. Anything in doubt is not: then both are hashed.
pub(crate) fn is_same(row: Option<&Staged>, here: &Here, seen: Option<&Seen>) -> bool {
    let (Some(row), Some(seen), Some(hash)) = (row, seen, &here.hash) else {
        return false;
    };
    row.hash == *hash
        && row.size == here.size
        && seen.size == Some(row.size)
        && !row.stamp.is_empty()
        && row.stamp == seen.stamp
}

/// Whether a file is touched when it is looked at. What is resident, or not below the scratch, is
/// not ours to touch.
pub(crate) fn is_to_touch(path: &Path, row: Option<&Staged>, age: Age, site: &Site) -> bool {
    let ours =
        path.starts_with(&site.scratch) && !site.resident.iter().any(|kept| path.starts_with(kept));
    ours && match row {
        Some(row) => age.is_old(row.touched_at),
        None => age.is_known(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;
    use crate::{config::units::Seconds, exec::scratch::tests::staged, state::staged::StagedKind};

    fn row() -> Staged {
        Staged {
            stamp: "7|then".into(),
            ..staged("/s/flat", StagedKind::Input, 1, 9)
        }
    }

    #[rstest]
    #[case::as_it_was(Some("00"), 9, Some(9), "7|then", true)]
    #[case::another_file_here(Some("11"), 9, Some(9), "7|then", false)]
    #[case::not_hashed_here_yet(None, 9, Some(9), "7|then", false)]
    #[case::grown_here(Some("00"), 10, Some(9), "7|then", false)]
    #[case::cut_short_there(Some("00"), 9, Some(8), "7|then", false)]
    #[case::written_to_there(Some("00"), 9, Some(9), "7|now", false)]
    #[case::a_site_that_cannot_tell(Some("00"), 9, None, "", false)]
    fn an_input_is_trusted_only_if_nothing_is_in_doubt(
        #[case] hash: Option<&str>,
        #[case] size: u64,
        #[case] there: Option<u64>,
        #[case] stamp: &str,
        #[case] same: bool,
    ) {
        let here = Here {
            size,
            hash: hash.map(str::to_owned),
        };
        let seen = Seen {
            size: there,
            stamp: stamp.into(),
            after: stamp.into(),
        };
        assert_eq!(is_same(Some(&row()), &here, Some(&seen)), same);
        assert!(!is_same(Some(&row()), &here, None), "it is gone");
        assert!(
            !is_same(None, &here, Some(&seen)),
            "it is not in the ledger"
        );
    }

    #[test]
    fn a_row_without_a_stamp_proves_nothing() {
        let here = Here {
            size: 9,
            hash: Some("00".into()),
        };
        let seen = Seen {
            size: Some(9),
            stamp: String::new(),
            after: String::new(),
        };
        let row = staged("/s/flat", StagedKind::Input, 1, 9);
        assert!(!is_same(Some(&row), &here, Some(&seen)));
    }

    #[rstest]
    #[case("/s/flat", true)]
    #[case("/s/refcat/1.cat", false)]
    #[case("/projects/flat", false)]
    fn only_what_is_ours_is_touched(#[case] path: &str, #[case] touched: bool) {
        let site: Site = serde_yaml::from_str("{scratch: /s, resident: [/s/refcat]}").unwrap();
        let age = Age {
            now: Timestamp::from_second(400).unwrap(),
            purge: Some(Seconds(400)),
        };
        let never = Age { purge: None, ..age };
        let path = Path::new(path);
        for row in [Some(&row()), None] {
            assert_eq!(is_to_touch(path, row, age, &site), touched);
            assert!(!is_to_touch(path, row, never, &site));
        }
    }
}
