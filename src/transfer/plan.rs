//! Which files travel together.

/// Most bytes of a batch of several files: what a lost link can cost.
const MOST_BYTES: u64 = 256 << 20;
/// Most files of a batch.
const MOST_FILES: usize = 500;
/// Below this a batch is not worth a stream's start.
const FEW_BYTES: u64 = 4 << 20;
/// The same in files: a batch costs about as many round trips as a few files do.
const FEW_FILES: usize = 8;

/// Batches of indices into `sizes` (bytes), largest files first, so that `streams` streams that
/// take the next batch whenever they are free end at about the same time. A batch above the byte
/// limit holds one file.
pub(super) fn batches(sizes: &[u64], streams: usize) -> Vec<Vec<usize>> {
    let shares = streams.max(1).saturating_mul(2);
    let total = sizes
        .iter()
        .fold(0u64, |sum, size| sum.saturating_add(*size));
    let share = total / u64::try_from(shares).unwrap_or(u64::MAX);
    let most_bytes = share.clamp(FEW_BYTES, MOST_BYTES);
    let most_files = sizes
        .len()
        .div_ceil(shares)
        .max(sizes.len().div_ceil(streams.max(1)).min(FEW_FILES))
        .clamp(1, MOST_FILES);
    let mut order: Vec<(usize, u64)> = sizes.iter().copied().enumerate().collect();
    order.sort_by_key(|(index, size)| (std::cmp::Reverse(*size), *index));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut bytes = 0u64;
    for (index, size) in order {
        match batches.last_mut() {
            Some(last) if last.len() < most_files && bytes.saturating_add(size) <= most_bytes => {
                last.push(index);
                bytes += size;
            },
            _ => {
                batches.push(vec![index]);
                bytes = size;
            },
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_few_small_files_use_every_stream() {
        assert_eq!(batches(&[1, 1, 1], 4), [[0], [1], [2]]);
    }

    #[test]
    fn a_big_file_travels_alone_and_first() {
        assert_eq!(batches(&[5, 1 << 30, 6], 1), [vec![1], vec![2, 0]]);
    }

    proptest! {
        #[test]
        fn every_file_is_in_exactly_one_batch_and_only_single_files_pass_the_limits(
            sizes in prop::collection::vec(0u64..1 << 29, 0..2000), streams in 0usize..9,
        ) {
            let planned = batches(&sizes, streams);
            let mut seen: Vec<usize> = planned.concat();
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..sizes.len()));
            for batch in planned {
                let bytes: u64 = batch.iter().map(|i| sizes[*i]).sum();
                prop_assert!(batch.len() == 1 || (bytes <= MOST_BYTES && batch.len() <= MOST_FILES));
            }
        }
    }
}
