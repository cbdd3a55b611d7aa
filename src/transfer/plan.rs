//! Which files travel together, and which are cut into ranges.

use serde::Serialize;

/// Bytes of the blocks in which a file is cut: what `dd` at the far end counts in.
pub(super) const BLOCK: u64 = 1 << 20;
/// Most bytes that travel as one, unless the site says otherwise.
#[cfg(test)]
pub(super) const BUNDLE: u64 = 64 << 20;
/// Below this a load is not worth its landing, nor a file its being cut.
pub(super) const FEW_BYTES: u64 = 4 << 20;
/// Parts of a file that is neither too small for that many nor too large.
const PARTS: u64 = 8;
/// A part is a session, whose opening costs both ends time: one of less bytes is not worth it.
const LEAST_PART: u64 = 8 << 20;
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

/// Whether a file may travel in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cutting {
    /// It goes whole.
    Never,
    /// If it is large beside all that goes.
    IfLarge,
    /// Some of its parts are at their destination.
    Begun,
}

impl Cutting {
    /// Of a file of `size` bytes, which is not cut up to `least`; `is_begun` tells of its first part
    /// whether any of its parts have arrived.
    pub(super) fn of(
        size: u64,
        least: u64,
        bundle: u64,
        is_begun: impl FnOnce(&Part) -> bool,
    ) -> Self {
        if size <= least {
            return Self::Never;
        }
        match parts(size, bundle).next() {
            Some(first) if is_begun(&first) => Self::Begun,
            _ => Self::IfLarge,
        }
    }
}

/// Streams that so many `bytes` are worth, of the `most` that there may be: each should have a few
/// loads, so that one lands while another travels.
pub(super) fn streams(bytes: u64, most: usize, lines: usize) -> usize {
    let worth = usize::try_from(bytes / (3 * FEW_BYTES)).unwrap_or(usize::MAX);
    worth.max(lines).clamp(1, most.max(1))
}

/// Loads for `streams` streams that take the next one whenever they are free. `files` are sizes in
/// bytes. Large files are cut where they may be and come first; bundles keep the order of the files,
/// and shrink towards the end so that the streams end at about the same time. `bundle`: most bytes
/// of a load.
pub(super) fn loads(files: &[(u64, Cutting)], streams: usize, bundle: u64) -> Vec<Load> {
    let streams = u64::try_from(streams.max(1)).unwrap_or(1);
    let total = files
        .iter()
        .fold(0u64, |sum, (size, _)| sum.saturating_add(*size));
    let most = bundle.max(FEW_BYTES);
    let share = |left: u64| (left / (streams * 3)).clamp(FEW_BYTES, most);
    let first_share = share(total);
    let is_cut = |bytes: u64, cutting: Cutting| match cutting {
        Cutting::Never => false,
        Cutting::IfLarge => bytes > first_share + first_share / 4,
        Cutting::Begun => true,
    };
    let numbered = files.iter().enumerate();
    let numbered = numbered.map(|(n, (bytes, cutting))| (n, *bytes, is_cut(*bytes, *cutting)));
    let (mut large, small): (Vec<_>, Vec<_>) =
        numbered.partition(|(_, bytes, cut)| *cut || *bytes > first_share);
    large.sort_by_key(|(n, bytes, _)| (std::cmp::Reverse(*bytes), *n));
    let mut planned = Vec::new();
    for (n, bytes, cut) in large {
        if cut {
            planned.extend(parts(bytes, bundle).map(|part| Load::Part(n, part)));
        } else {
            planned.push(Load::Bundle(vec![n]));
        }
    }
    let mut left: u64 = small.iter().map(|(_, size, _)| size).sum();
    let mut files_left = small.len();
    let mut bundled: Vec<usize> = Vec::new();
    let mut bytes = 0u64;
    let most_files = |left: usize| {
        let share = left / usize::try_from(streams * 3).unwrap_or(1);
        share.clamp(200, MOST_FILES)
    };
    for (n, size, _) in small {
        let full = bytes.saturating_add(size) > share(left + bytes)
            || bundled.len() >= most_files(files_left + bundled.len());
        if full && !bundled.is_empty() {
            planned.push(Load::Bundle(std::mem::take(&mut bundled)));
            bytes = 0;
        }
        bundled.push(n);
        bytes += size;
        left -= size;
        files_left -= 1;
    }
    if !bundled.is_empty() {
        planned.push(Load::Bundle(bundled));
    }
    planned
}

/// A file of `size` bytes in parts of equal length. It goes by the file and `bundle` (most bytes of a
/// part) alone: what has arrived is of use to a later transfer, whatever else goes then and over
/// whatever streams.
pub(super) fn parts(size: u64, bundle: u64) -> impl Iterator<Item = Part> + use<> {
    let bundle = bundle.max(FEW_BYTES);
    let most = (size / PARTS).clamp(LEAST_PART.min(bundle), bundle);
    let equal = size.div_ceil(size.div_ceil(most).max(1));
    let blocks = equal.div_ceil(BLOCK).max(1);
    let of = size.div_ceil(blocks * BLOCK).max(1);
    (0..of).map(move |number| Part {
        number,
        of,
        from: number * blocks,
        bytes: (size - number * blocks * BLOCK).min(blocks * BLOCK),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(sizes: &[u64], cutting: Cutting) -> Vec<(u64, Cutting)> {
        sizes.iter().map(|size| (*size, cutting)).collect()
    }

    #[test]
    fn ten_large_files_over_eight_streams_are_cut_so_that_all_streams_have_equal_work() {
        let planned = loads(&all(&[100_000_000; 10], Cutting::IfLarge), 8, BUNDLE);
        let mut streams = [0u64; 8];
        for load in planned {
            let Load::Part(_, part) = load else {
                panic!("{load:?}");
            };
            *streams.iter_mut().min().unwrap() += part.bytes;
        }
        let (most, all) = (*streams.iter().max().unwrap(), streams.iter().sum::<u64>());
        assert!(most * 8 < all + all / 20, "{streams:?}");
    }

    #[test]
    fn where_files_cannot_be_cut_a_large_one_travels_alone_and_first() {
        let planned = loads(&all(&[5, 1 << 30, 6], Cutting::Never), 1, BUNDLE);
        assert_eq!(planned, [Load::Bundle(vec![1]), Load::Bundle(vec![0, 2])]);
    }

    #[test]
    fn a_file_whose_parts_have_arrived_is_cut_as_before_whatever_else_goes() {
        let mut files = all(&[1 << 30; 100], Cutting::IfLarge);
        files.push((30_000_000, Cutting::Begun));
        let alone = loads(&[(30_000_000, Cutting::IfLarge)], 8, BUNDLE);
        let among = loads(&files, 2, BUNDLE);
        let parts = |planned: Vec<Load>, file: usize| {
            let of = |load| match load {
                Load::Part(n, part) => (n == file).then_some(part),
                Load::Bundle(_) => None,
            };
            planned.into_iter().filter_map(of).collect::<Vec<Part>>()
        };
        assert_eq!(parts(among, 100), parts(alone, 0));
    }

    #[test]
    fn bundles_shrink_towards_the_end() {
        let planned = loads(&vec![(10_000, Cutting::IfLarge); 20_000], 4, BUNDLE);
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
            streams in 0usize..20, bundle in 0u64..1 << 28, begun: bool, cut: bool,
        ) {
            let cutting = match (cut, begun) {
                (false, _) => Cutting::Never,
                (true, false) => Cutting::IfLarge,
                (true, true) => Cutting::Begun,
            };
            let mut covered = vec![Vec::new(); sizes.len()];
            for load in loads(&all(&sizes, cutting), streams, bundle) {
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
                        prop_assert!(cut && part.bytes <= bundle.max(FEW_BYTES).next_multiple_of(BLOCK));
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
