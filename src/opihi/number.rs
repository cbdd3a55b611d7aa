//! Numbers as the language reads and prints them (spec/pantasks.md §1.7).

/// A number: integers stay integers until something makes them real.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Real(f64),
}

const INT_LIMIT: i64 = 1 << 31;

/// From here on `%.12g` prints 1.
const NEARLY_ONE: f64 = 0.999_999_999_999_5;

impl Number {
    /// `value`, as a real where it is beyond what an integer holds (±2^31).
    pub(crate) fn int(value: i128) -> Self {
        match i64::try_from(value) {
            Ok(small) if (-INT_LIMIT..INT_LIMIT).contains(&small) => Self::Int(small),
            #[expect(clippy::cast_precision_loss, reason = "beyond an integer's range")]
            _ => Self::Real(value as f64),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "within ±2^31")]
    pub(crate) fn real(self) -> f64 {
        match self {
            Self::Int(i) => i as f64,
            Self::Real(r) => r,
        }
    }

    /// Whether a condition that comes to it holds: its integer part, as printed, is not zero.
    pub(crate) fn truth(self) -> bool {
        match self {
            Self::Int(i) => i != 0,
            Self::Real(r) => r.is_nan() || r.abs() >= NEARLY_ONE,
        }
    }

    /// Whether it counts as true within an expression.
    pub(crate) fn holds(self) -> bool {
        match self {
            Self::Int(i) => i != 0,
            Self::Real(r) => r != 0.0,
        }
    }

    /// The integer it is cut to.
    #[expect(clippy::cast_possible_truncation, reason = "as a conversion of C")]
    pub(crate) fn whole(self) -> i64 {
        match self {
            Self::Int(i) => i,
            Self::Real(r) => r as i64,
        }
    }

    pub(crate) fn print(self) -> String {
        match self {
            Self::Int(i) => i.to_string(),
            Self::Real(r) => plain_whole(r).map_or_else(|| general(r, 12), |i| i.to_string()),
        }
    }
}

/// A real that `%.12g` prints as an integer.
fn plain_whole(real: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "less than 12 digits")]
    let whole = (real.fract() == 0.0 && real.abs() < 1e11).then_some(real as i64)?;
    (whole != 0 || real.is_sign_positive()).then_some(whole)
}

/// The number that the whole of `text` spells: C integers with base 0 (`0x1f`, `017`), else a
/// decimal, or `inf` or `nan`.
pub(crate) fn parse(text: &str) -> Option<Number> {
    let first = *text.as_bytes().first()?;
    let digit = first.is_ascii_digit() || matches!(first, b'.' | b'-' | b'+');
    if !digit {
        return named(text).map(Number::Real);
    }
    if let Some(value) = integer(text) {
        return Some(Number::int(value));
    }
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
    if text.bytes().all(plain) {
        return text.parse().ok().map(Number::Real);
    }
    let negative = first == b'-';
    let unsigned = text.get(usize::from(negative || first == b'+')..)?;
    let value = named(unsigned)?;
    Some(Number::Real(if negative { -value } else { value }))
}

/// The numbers that are words to C.
fn named(text: &str) -> Option<f64> {
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    if is("nan") {
        return Some(f64::NAN);
    }
    (is("inf") || is("infinity")).then_some(f64::INFINITY)
}

fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let (radix, digits) = match hex {
        Some(hex) => (16, hex),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// `atoi`: the leading integer, 0 where there is none.
pub(crate) fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = text
        .bytes()
        .skip(sign)
        .take_while(u8::is_ascii_digit)
        .count();
    text.get(..sign + digits)
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// `atof`: the leading number, 0 where there is none.
pub(crate) fn leading_real(text: &str) -> f64 {
    let text = text.trim_start();
    let known = match parse(text) {
        // To `atof` a leading 0 means nothing.
        Some(Number::Int(_)) if !text.contains(['x', 'X']) => text.parse().ok(),
        number => number.map(Number::real),
    };
    if let Some(real) = known {
        return real;
    }
    let number = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
    let mut length = text.bytes().take_while(number).count();
    while length > 0 {
        if let Some(real) = text.get(..length).and_then(|text| text.parse().ok()) {
            return real;
        }
        length -= 1;
    }
    0.0
}

/// `strtod` of the whole text: the empty one is 0.
pub(crate) fn whole_real(text: &str) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    parse(text).map(|_| leading_real(text))
}

/// `%.{precision}g` of C.
pub(crate) fn general(value: f64, precision: usize) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    let precision = precision.max(1);
    let scientific = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{value:.decimals$}")).to_owned()
}

/// `%.{precision}e` of C.
pub(crate) fn exponential(value: f64, precision: usize) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    let scientific = format!("{value:.precision$e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// `nan` or `inf` with its sign.
pub(crate) fn not_finite(value: f64) -> String {
    let word = if value.is_nan() { "nan" } else { "inf" };
    if value.is_sign_negative() {
        format!("-{word}")
    } else {
        word.to_owned()
    }
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0x10", "16")]
    #[case("010", "8")]
    #[case("08", "8")]
    #[case("1.50", "1.5")]
    #[case("2147483648", "2147483648")]
    #[case("-7", "-7")]
    #[case("1e20", "1e+20")]
    #[case("0.0001", "0.0001")]
    #[case("0.00001", "1e-05")]
    #[case("123456789012", "123456789012")]
    #[case("1234567890123", "1.23456789012e+12")]
    #[case("-0.0", "-0")]
    #[case("inf", "inf")]
    #[case("-Infinity", "-inf")]
    #[case("NaN", "nan")]
    fn numbers_are_read_and_printed_as_c_does(#[case] text: &str, #[case] printed: &str) {
        assert_eq!(parse(text).map(Number::print).as_deref(), Some(printed));
    }

    #[rstest]
    #[case("")]
    #[case("x1")]
    #[case("1x")]
    #[case("0x")]
    #[case("infra")]
    #[case("-")]
    fn what_is_no_number_is_none(#[case] text: &str) {
        assert_eq!(parse(text), None);
    }

    #[rstest]
    #[case("12abc", 12.0)]
    #[case("010", 10.0)]
    #[case("0x10", 16.0)]
    #[case("1e", 1.0)]
    #[case("-2.5e1x", -25.0)]
    #[case("abc", 0.0)]
    #[case("", 0.0)]
    fn the_leading_number_counts(#[case] text: &str, #[case] value: f64) {
        assert!((leading_real(text) - value).abs() < 1e-12);
    }
}
