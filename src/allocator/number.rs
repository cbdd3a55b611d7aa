//! Between counts and real numbers.

/// A count as a real number; beyond 2^53 the nearest.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts of jobs, nodes and seconds beyond 2^53 need not be exact"
)]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

/// A real number without its fraction; 0 for negatives and NaN, the largest count when beyond it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is wanted"
)]
pub(super) fn whole(value: f64) -> u64 {
    value as u64
}

/// The smallest count that is not below `value`.
pub(super) fn whole_up(value: f64) -> u64 {
    whole(value.ceil())
}

/// A count that is known to be small, or the largest.
pub(super) fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
