//! The formats of `sprintf` and `fprintf`.

use super::super::{
    error::Fault,
    number::{self, exponential, general, leading_integer, leading_real, not_finite},
};

/// Widest a conversion may be.
const WIDTH_LIMIT: usize = 4096;

/// How integers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integers {
    /// The leading decimal digits.
    Decimal,
    /// As in expressions: `0x10`, `010`.
    AnyBase,
}

/// `format` with each conversion replaced by the next of `values`.
pub(super) fn format<'a>(
    format: &str,
    mut values: impl Iterator<Item = &'a str>,
    integers: Integers,
) -> Result<String, Fault> {
    let mismatch = || Fault::message("mismatch between format and values");
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let value = values.next().ok_or_else(mismatch)?;
        let (spec, after) = Spec::read(after)?;
        let mut chars = after.chars();
        let kind = chars.next().ok_or_else(mismatch)?;
        rest = chars.as_str();
        out.push_str(&spec.convert(kind, value, integers)?);
    }
    if values.next().is_some() {
        return Err(mismatch());
    }
    out.push_str(rest);
    Ok(out)
}

/// What stands between `%` and the letter.
struct Spec<'a> {
    flags: &'a str,
    width: usize,
    precision: Option<usize>,
}

impl<'a> Spec<'a> {
    fn read(text: &'a str) -> Result<(Self, &'a str), Fault> {
        let (flags, text) = span(text, |c| matches!(c, '-' | '+' | ' ' | '0'));
        let (width, text) = span(text, |c| c.is_ascii_digit());
        let (precision, text) = match text.strip_prefix('.') {
            Some(text) => {
                let (digits, text) = span(text, |c| c.is_ascii_digit());
                (Some(size(digits)?), text)
            },
            None => (None, text),
        };
        let width = size(width)?;
        Ok((
            Self {
                flags,
                width,
                precision,
            },
            text,
        ))
    }

    fn convert(&self, kind: char, value: &str, integers: Integers) -> Result<String, Fault> {
        let real = leading_real(value);
        let precision = self.precision.unwrap_or(6);
        let body = match kind {
            'd' | 'i' => self.digits(integer(value, integers).to_string()),
            'u' => self.digits(integer(value, integers).cast_unsigned().to_string()),
            'x' => self.digits(format!("{:x}", integer(value, integers))),
            'X' => self.digits(format!("{:X}", integer(value, integers))),
            'o' => self.digits(format!("{:o}", integer(value, integers))),
            'f' | 'F' if real.is_finite() => format!("{real:.precision$}"),
            'f' | 'F' => not_finite(real),
            'e' => exponential(real, precision),
            'E' => exponential(real, precision).to_uppercase(),
            'g' => general(real, precision),
            'G' => general(real, precision).to_uppercase(),
            'c' => character(integer(value, integers)),
            's' => value
                .chars()
                .take(self.precision.unwrap_or(usize::MAX))
                .collect(),
            _ => {
                let text = "syntax error in format (only e, f, g, s, d, i, u, o, c, x are known)";
                return Err(Fault::message(text));
            },
        };
        let signed = matches!(kind, 'd' | 'i' | 'f' | 'F' | 'e' | 'E' | 'g' | 'G');
        let sign = match body.starts_with('-') {
            false if signed && self.flags.contains('+') => "+",
            false if signed && self.flags.contains(' ') => " ",
            _ => "",
        };
        let zeros = !matches!(kind, 's' | 'c') && self.flags.contains('0');
        Ok(self.pad(&format!("{sign}{body}"), zeros))
    }

    /// Digits made as many as the precision asks.
    fn digits(&self, digits: String) -> String {
        let Some(least) = self.precision else {
            return digits;
        };
        match digits.strip_prefix('-') {
            Some(digits) => format!("-{digits:0>least$}"),
            None => format!("{digits:0>least$}"),
        }
    }

    fn pad(&self, body: &str, zeros: bool) -> String {
        let width = self.width;
        if self.flags.contains('-') {
            return format!("{body:<width$}");
        }
        if !zeros {
            return format!("{body:>width$}");
        }
        let digits = body.trim_start_matches(['-', '+', ' ']);
        let sign = body.get(..body.len() - digits.len()).unwrap_or_default();
        let zeros = "0".repeat(width.saturating_sub(body.len()));
        format!("{sign}{zeros}{digits}")
    }
}

/// The beginning of `text` whose characters pass, and the rest.
fn span(text: &str, passes: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !passes(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn size(digits: &str) -> Result<usize, Fault> {
    match digits.parse() {
        Ok(size) if size <= WIDTH_LIMIT => Ok(size),
        Err(_) if digits.is_empty() => Ok(0),
        _ => Err(Fault::message("line too long")),
    }
}

/// The value as an `int` of C: what is beyond loses its upper bits.
#[expect(clippy::cast_possible_truncation, reason = "as in C")]
fn integer(value: &str, integers: Integers) -> i32 {
    match integers {
        Integers::Decimal => leading_integer(value) as i32,
        Integers::AnyBase => match number::parse(value) {
            Some(number) => number.whole() as i32,
            None => leading_integer(value) as i32,
        },
    }
}

/// The character of a code; code 0 prints nothing.
fn character(code: i32) -> String {
    let byte = code.cast_unsigned() & 0xff;
    let c = char::from_u32(byte).filter(|c| *c != '\0');
    c.map_or_else(String::new, String::from)
}
