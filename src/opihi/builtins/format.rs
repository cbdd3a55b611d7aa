//! The formats of `sprintf`.

use super::super::{
    error::Fault,
    number::{self, Number, exponential, general},
};

/// `format` with each conversion replaced by the next of `values`.
pub(super) fn format<'a>(
    format: &str,
    mut values: impl Iterator<Item = &'a str>,
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
        let end = after
            .find(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'l' | 'h'))
            .ok_or_else(mismatch)?;
        let (spec, tail) = after.split_at_checked(end).ok_or_else(mismatch)?;
        let kind = tail.chars().next().ok_or_else(mismatch)?;
        rest = tail.get(1..).unwrap_or_default();
        let value = values.next().ok_or_else(mismatch)?;
        out.push_str(&convert(spec, kind, value)?);
    }
    if values.next().is_some() {
        return Err(mismatch());
    }
    out.push_str(rest);
    Ok(out)
}

fn convert(spec: &str, kind: char, value: &str) -> Result<String, Fault> {
    let spec = spec.trim_end_matches(['l', 'h']);
    let flags = spec.len() - spec.trim_start_matches(['-', '+', ' ', '0', '#']).len();
    let (flags, size) = spec.split_at_checked(flags).unwrap_or(("", spec));
    let (width, precision) = match size.split_once('.') {
        Some((width, precision)) => (width, Some(precision.parse().unwrap_or(0_usize))),
        None => (size, None),
    };
    let width: usize = if width.is_empty() {
        0
    } else {
        number_of(width)?
    };
    if width > 4096 || precision.is_some_and(|p| p > 4096) {
        return Err(Fault::message("a format of more than 4096 characters"));
    }
    let numeric = || number::parse(value).unwrap_or(Number::Int(number::leading_integer(value)));
    #[expect(clippy::cast_possible_truncation, reason = "as C's conversion to int")]
    let whole = || match numeric() {
        Number::Int(i) => i,
        Number::Real(r) => r as i64,
    };
    let body = match kind {
        'd' | 'i' | 'u' => whole().to_string(),
        'x' => format!("{:x}", whole()),
        'X' => format!("{:X}", whole()),
        'o' => format!("{:o}", whole()),
        'f' | 'F' => format!("{:.*}", precision.unwrap_or(6), numeric().real()),
        'e' => exponential(numeric().real(), precision.unwrap_or(6)),
        'g' => general(numeric().real(), precision.unwrap_or(6)),
        'c' => value.chars().take(1).collect(),
        's' => value
            .chars()
            .take(precision.unwrap_or(usize::MAX))
            .collect(),
        _ => return Err(Fault::message(format!("sprintf: no conversion %{kind}"))),
    };
    let number = !matches!(kind, 's' | 'c');
    let sign = if number && !body.starts_with('-') && flags.contains('+') {
        "+"
    } else {
        ""
    };
    let body = format!("{sign}{body}");
    Ok(pad(&body, width, flags, number))
}

fn number_of(text: &str) -> Result<usize, Fault> {
    text.parse()
        .map_err(|_| Fault::message(format!("sprintf: `{text}` is no width")))
}

fn pad(body: &str, width: usize, flags: &str, number: bool) -> String {
    if flags.contains('-') {
        return format!("{body:<width$}");
    }
    if !(number && flags.contains('0')) {
        return format!("{body:>width$}");
    }
    let digits = body.trim_start_matches(['-', '+']);
    let sign = body.get(..body.len() - digits.len()).unwrap_or_default();
    let zeros = width.saturating_sub(body.len());
    format!("{sign}{}{digits}", "0".repeat(zeros))
}
