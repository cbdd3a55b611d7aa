//! Which files travel together, and which are cut into ranges.

use serde::Serialize;

/// Bytes of the blocks in which a file is cut: what `dd` at the far end counts in.
pub(super) const BLOCK: u64 = 1 << 20;
/// Most bytes that travel as one, unless the site says otherwise.
#[cfg(test)]
pub(super) const BUNDLE: u64 = 64 << 20;
/// Below this a load is not worth its landing, nor a file its being cut.
pub(super) const FEW_BYTES: u64 = 4 << 20;
/// Most files that travel as one.
const MOST_FILES: usize = 2000;

/// What one session carries: indices are into the sizes that were planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// Whole files.
    Bundle(Vec<usize>),
    /// Part of one file.
    Part(usize, Part),
}

/// A range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Part {
    /// Its number, from 0.
    pub number: u64,
    /// How many parts the file has.
    pub of: u64,
    /// Where it begins, in blocks.
    pub from: u64,
    /// Its length in bytes; a whole number of blocks but for the last part.
    pub bytes: u64,
}

/// Streams that so many `bytes` are worth, of the `most` that there may be: each should have a few
/// loads, so that one lands while another travels.
pub(super) fn streams(bytes: u64, most: usize, lines: usize) -> usize {
    let worth = usize::try_from(bytes / (3 * FEW_BYTES)).unwrap_or(usize::MAX);
    worth.max(lines).clamp(1, most.max(1))
}

/// Loads for `streams` streams that take the next one whenever they are free. Large files are cut
/// (where `cut` allows it) and come first; bundles keep the order of the files, and shrink towards
/// the end so that the streams end at about the same time. `bundle`: most bytes of a load.
pub(super) fn loads(sizes: &[u64], streams: usize, bundle: u64, cut: bool) -> Vec<Load> {
    let streams = u64::try_from(streams.max(1)).unwrap_or(1);
    let total = sizes
        .iter()
        .fold(0u64, |sum, size| sum.saturating_add(*size));
    let most = bundle.max(FEW_BYTES);
    let share = |left: u64| (left / (streams * 3)).clamp(FEW_BYTES, most);
    let first_share = share(total);
    let (mut large, small): (Vec<usize>, Vec<usize>) =
        (0..sizes.len()).partition(|n| size(sizes, *n) > first_share);
    large.sort_by_key(|n| (std::cmp::Reverse(size(sizes, *n)), *n));
    let mut planned = Vec::new();
    for n in large {
        let bytes = size(sizes, n);
        if cut && bytes > first_share + first_share / 4 {
            let equal = bytes.div_ceil(bytes.div_ceil(first_share));
            planned.extend(parts(bytes, equal).map(|part| Load::Part(n, part)));
        } else {
            planned.push(Load::Bundle(vec![n]));
        }
    }
    let mut left: u64 = small.iter().map(|n| size(sizes, *n)).sum();
    let mut files_left = small.len();
    let mut bundled: Vec<usize> = Vec::new();
    let mut bytes = 0u64;
    let most_files = |left: usize| {
        let share = left / usize::try_from(streams * 3).unwrap_or(1);
        share.clamp(200, MOST_FILES)
    };
    for n in small {
        let full = bytes.saturating_add(size(sizes, n)) > share(left + bytes)
            || bundled.len() >= most_files(files_left + bundled.len());
        if full && !bundled.is_empty() {
            planned.push(Load::Bundle(std::mem::take(&mut bundled)));
            bytes = 0;
        }
        bundled.push(n);
        bytes += size(sizes, n);
        left -= size(sizes, n);
        files_left -= 1;
    }
    if !bundled.is_empty() {
        planned.push(Load::Bundle(bundled));
    }
    planned
}

/// A file of `size` bytes in parts of about `bytes` each.
pub(super) fn parts(size: u64, bytes: u64) -> impl Iterator<Item = Part> {
    let blocks = bytes.div_ceil(BLOCK).max(1);
    let of = size.div_ceil(blocks * BLOCK).max(1);
    (0..of).map(move |number| Part {
        number,
        of,
        from: number * blocks,
        bytes: (size - number * blocks * BLOCK).min(blocks * BLOCK),
    })
}

fn size(sizes: &[u64], n: usize) -> u64 {
    sizes.get(n).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ten_large_files_over_four_streams_are_cut_so_that_all_streams_have_equal_work() {
        let planned = loads(&[100 << 20; 10], 4, BUNDLE, true);
        assert!(planned.iter().all(|load| matches!(load, Load::Part(..))));
        assert!(planned.len() >= 12, "{}", planned.len());
    }

    #[test]
    fn where_files_cannot_be_cut_a_large_one_travels_alone_and_first() {
        let planned = loads(&[5, 1 << 30, 6], 1, BUNDLE, false);
        assert_eq!(planned, [Load::Bundle(vec![1]), Load::Bundle(vec![0, 2])]);
    }

    #[test]
    fn bundles_shrink_towards_the_end() {
        let planned = loads(&vec![10_000; 20_000], 4, BUNDLE, true);
        let files: Vec<usize> = planned
            .iter()
            .map(|load| match load {
                Load::Bundle(files) => files.len(),
                Load::Part(..) => panic!("{load:?}"),
            })
            .collect();
        assert!(files[0] > 4 * files[files.len() - 2], "{files:?}");
    }

    proptest! {
        #[test]
        fn every_byte_of_every_file_travels_once(
            sizes in prop::collection::vec(0u64..1 << 29, 0..400),
            streams in 0usize..20, bundle in 0u64..1 << 28, cut: bool,
        ) {
            let mut covered = vec![Vec::new(); sizes.len()];
            for load in loads(&sizes, streams, bundle, cut) {
                match load {
                    Load::Bundle(files) => {
                        prop_assert!(!files.is_empty() && files.len() <= MOST_FILES);
                        let bytes: u64 = files.iter().map(|n| sizes[*n]).sum();
                        prop_assert!(files.len() == 1 || bytes <= bundle.max(FEW_BYTES));
                        for n in files {
                            covered[n].push((0, sizes[n]));
                        }
                    },
                    Load::Part(n, part) => {
                        prop_assert!(cut);
                        covered[n].push((part.from * BLOCK, part.bytes));
                    },
                }
            }
            for (ranges, size) in covered.iter_mut().zip(&sizes) {
                ranges.sort_unstable();
                let mut at = 0;
                for (from, bytes) in ranges.iter() {
                    prop_assert_eq!(*from, at);
                    prop_assert!(*bytes > 0 || *size == 0);
                    at += bytes;
                }
                prop_assert_eq!(at, *size);
                prop_assert!(!ranges.is_empty());
            }
        }
    }
}
