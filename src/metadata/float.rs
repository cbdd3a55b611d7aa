//! C's `%.{n}g`, in which psLib writes numbers.

/// `value` with `digits` significant digits (at least 1), without trailing zeros, in powers of
/// ten where C's `%g` would use them.
pub(super) fn general(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return special(value);
    }
    let digits = digits.max(1);
    let scientific = format!("{value:.*e}", digits - 1);
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let decimals = i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent;
    match usize::try_from(decimals) {
        Ok(decimals) if exponent >= -4 => without_zeros(&format!("{value:.decimals$}")).to_owned(),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            let power = exponent.unsigned_abs();
            format!("{}e{sign}{power:02}", without_zeros(mantissa))
        },
    }
}

/// C's `%f`: six decimals.
pub(super) fn fixed(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.6}")
    } else {
        special(value)
    }
}

fn special(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value > 0.0 {
        "inf".to_owned()
    } else {
        "-inf".to_owned()
    }
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.0, 7, "0")]
    #[case(812.4, 7, "812.4")]
    #[case(1e-5, 7, "1e-05")]
    #[case(0.0001, 7, "0.0001")]
    #[case(1_234_567.0, 7, "1234567")]
    #[case(12_345_678.0, 7, "1.234568e+07")]
    #[case(9_999_999.9, 7, "1e+07")]
    #[case(-2.5e120, 15, "-2.5e+120")]
    #[case(0.1, 15, "0.1")]
    #[case(f64::NAN, 7, "nan")]
    #[case(f64::NEG_INFINITY, 7, "-inf")]
    fn numbers_look_as_printf_prints_them(
        #[case] value: f64,
        #[case] digits: usize,
        #[case] text: &str,
    ) {
        assert_eq!(general(value, digits), text);
    }

    proptest! {
        #[test]
        fn fifteen_digits_carry_a_number_to_one_part_in_1e14(value in prop::num::f64::NORMAL) {
            let back: f64 = general(value, 15).parse().unwrap();
            prop_assert!((back - value).abs() <= value.abs() * 1e-14);
        }

        #[test]
        fn what_was_written_once_is_written_the_same_again(value in prop::num::f32::NORMAL) {
            let once = general(f64::from(value), 7);
            let again: f64 = once.parse().unwrap();
            prop_assert_eq!(general(again, 7), once);
        }
    }
}
