//! Fields of `.tsv` files: bytes, percent-escaped for tab, newline, percent, other control
//! characters and what is not UTF-8 (design §5).

use std::fmt;

/// A field that is not well escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}: `{text}`")]
pub struct TsvError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// The offending text.
    pub text: String,
}

/// Shows bytes as an escaped field.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a>(pub &'a [u8]);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            let mut plain = chunk.valid();
            while let Some(at) = plain.find(|c: char| c == '%' || c.is_ascii_control()) {
                let (before, rest) = plain.split_at(at);
                f.write_str(before)?;
                let mut characters = rest.chars();
                if let Some(special) = characters.next() {
                    write!(f, "%{:02X}", u32::from(special))?;
                }
                plain = characters.as_str();
            }
            f.write_str(plain)?;
            for byte in chunk.invalid() {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

/// Undoes the escapes of one field; `None` if they are broken.
pub fn unescape(field: &str) -> Option<Vec<u8>> {
    let mut bytes = field.bytes();
    let mut plain = Vec::with_capacity(field.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let code = digit(bytes.next())? * 16 + digit(bytes.next())?;
        plain.push(u8::try_from(code).ok()?);
    }
    Some(plain)
}

/// Splits a line into exactly `N` fields, still escaped.
pub fn fields<const N: usize>(number: usize, line: &str) -> Result<[&str; N], TsvError> {
    let found: Vec<&str> = line.split('\t').collect();
    let count = found.len();
    found.try_into().map_err(|_| TsvError {
        line: number,
        what: format!("{count} fields instead of {N}"),
        text: line.to_owned(),
    })
}

/// Reads one field, naming it in the error.
pub fn parse<T: std::str::FromStr>(number: usize, name: &str, text: &str) -> Result<T, TsvError> {
    text.parse().map_err(|_| TsvError {
        line: number,
        what: format!("bad {name}"),
        text: text.to_owned(),
    })
}

/// Reads one field that may be `-` for nothing.
pub fn optional<T: std::str::FromStr>(
    number: usize,
    name: &str,
    text: &str,
) -> Result<Option<T>, TsvError> {
    if text == "-" {
        Ok(None)
    } else {
        parse(number, name, text).map(Some)
    }
}

/// Reads one escaped field as bytes.
pub fn bytes(number: usize, name: &str, text: &str) -> Result<Vec<u8>, TsvError> {
    unescape(text).ok_or_else(|| TsvError {
        line: number,
        what: format!("bad escape in {name}"),
        text: text.to_owned(),
    })
}

/// Reads one escaped field as text.
pub fn text(number: usize, name: &str, field: &str) -> Result<String, TsvError> {
    String::from_utf8(bytes(number, name, field)?).map_err(|_| TsvError {
        line: number,
        what: format!("{name} is not UTF-8"),
        text: field.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_survive(bytes: Vec<u8>) {
            let field = Field(&bytes).to_string();
            prop_assert!(!field.contains(['\t', '\n', '\r']));
            prop_assert_eq!(unescape(&field), Some(bytes));
        }
    }

    #[test]
    fn plain_names_stay_readable() {
        assert_eq!(Field("a b/ü.fits".as_bytes()).to_string(), "a b/ü.fits");
        assert_eq!(Field(b"50%\t\xff").to_string(), "50%25%09%FF");
    }

    #[test]
    fn broken_escapes_are_refused() {
        assert_eq!(unescape("%4"), None);
        assert_eq!(unescape("%zz"), None);
    }
}
