//! Robust numbers over lists of values.

/// The middle value (lower middle of an even count); none of an empty list. NaN is left out.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    quantile(values, 0.5)
}

/// The value at a share of the sorted list, 0 the smallest and 1 the largest.
pub(super) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    let last = values.len().checked_sub(1)?;
    let index = ((last as f64) * share.clamp(0.0, 1.0)).floor() as usize;
    let (_, value, _) = values.select_nth_unstable_by(index, f64::total_cmp);
    Some(*value)
}

/// Median and deviation (from the median absolute deviation), clipped at 3 deviations until
/// nothing more falls out.
pub(super) fn clipped(values: &[f64]) -> Option<(f64, f64)> {
    let mut kept: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    for _ in 0..10 {
        let centre = median(kept.iter().copied())?;
        let deviation = 1.4826 * median(kept.iter().map(|v| (v - centre).abs()))?;
        let before = kept.len();
        if deviation > 0.0 {
            kept.retain(|v| (v - centre).abs() <= 3.0 * deviation);
        }
        if kept.len() == before {
            return Some((centre, deviation));
        }
    }
    let centre = median(kept.iter().copied())?;
    let deviation = 1.4826 * median(kept.iter().map(|v| (v - centre).abs()))?;
    Some((centre, deviation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_do_not_move_the_clipped_median() {
        let mut values: Vec<f64> = (0..101).map(f64::from).collect();
        values.extend([1e6; 10]);
        let (centre, _) = clipped(&values).unwrap();
        assert!((centre - 50.0).abs() < 6.0, "{centre}");
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(median([f64::NAN]), None);
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
    }
}
