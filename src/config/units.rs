//! Sizes and times with units: `64 GiB`, `100 MB`, `8h`, `1:30:00`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An amount of bytes, written `64 GiB` (powers of 1024), `100 MB` (powers of 1000), or a bare
/// number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

/// A span of time in whole seconds, written `8h`, `90m`, `1h30m`, `2d`, `1:30:00`, `90 s`, or a
/// bare number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seconds(pub u64);

/// Why a size or a time could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a size.
    #[error(
        "`{0}` is not a size: write a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, as in `64 GiB`"
    )]
    Size(String),
    /// Not a time.
    #[error("`{0}` is not a time: write `8h`, `90m`, `1h30m`, `2d`, `1:30:00` or seconds")]
    Time(String),
}

impl FromStr for Bytes {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Size(text.to_owned());
        let trimmed = text.trim();
        let split = trimmed
            .find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at_checked(split).ok_or_else(bad)?;
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "t" | "tb" => 1_000_000_000_000,
            "kib" => 1 << 10,
            "mib" => 1 << 20,
            "gib" => 1 << 30,
            "tib" => 1 << 40,
            _ => return Err(bad()),
        };
        scaled(number.trim(), factor).map(Self).ok_or_else(bad)
    }
}

impl FromStr for Seconds {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Time(text.to_owned());
        let trimmed = text.trim();
        if trimmed.contains(':') {
            return clock_form(trimmed).map(Self).ok_or_else(bad);
        }
        if let Ok(seconds) = trimmed.parse::<u64>() {
            return Ok(Self(seconds));
        }
        let mut total: u64 = 0;
        let mut rest = trimmed;
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .ok_or_else(bad)?;
            let (number, tail) = rest.split_at_checked(digits).ok_or_else(bad)?;
            let tail = tail.trim_start();
            let letters = tail
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(tail.len());
            let (unit, after) = tail.split_at_checked(letters).ok_or_else(bad)?;
            let factor = match unit {
                "s" | "sec" | "second" | "seconds" => 1,
                "m" | "min" | "minute" | "minutes" => 60,
                "h" | "hour" | "hours" => 3600,
                "d" | "day" | "days" => 86_400,
                "w" | "week" | "weeks" => 604_800,
                _ => return Err(bad()),
            };
            let part = scaled(number, factor).ok_or_else(bad)?;
            total = total.checked_add(part).ok_or_else(bad)?;
            rest = after.trim_start();
        }
        Ok(Self(total))
    }
}

/// `number` (decimal, not negative) times `factor`, rounded; `None` if it does not fit.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = number.parse().ok().filter(|_| plain)?;
    #[expect(clippy::cast_precision_loss, reason = "factors are small powers")]
    let product = (value * factor as f64).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked just before"
    )]
    (product.is_finite() && product < 9.0e18).then_some(product as u64)
}

/// `[[DD:]HH:]MM:SS`, as batch schedulers write it.
fn clock_form(text: &str) -> Option<u64> {
    let fields: Vec<u64> = text
        .split(':')
        .map(|f| f.parse().ok())
        .collect::<Option<_>>()?;
    match *fields.as_slice() {
        [m, s] => Some(m.checked_mul(60)?.checked_add(s)?),
        [h, m, s] => Some(
            h.checked_mul(3600)?
                .checked_add(m.checked_mul(60)?)?
                .checked_add(s)?,
        ),
        [d, h, m, s] => Some(
            d.checked_mul(86_400)?
                .checked_add(h.checked_mul(3600)?)?
                .checked_add(m.checked_mul(60)?)?
                .checked_add(s)?,
        ),
        _ => None,
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in [
            ("TiB", 1u64 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
            ("TB", 1_000_000_000_000),
            ("GB", 1_000_000_000),
            ("MB", 1_000_000),
            ("kB", 1000),
        ] {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{} {unit}", self.0 / size);
            }
        }
        write!(f, "{} B", self.0)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{:02}:{:02}",
            self.0 / 3600,
            self.0 / 60 % 60,
            self.0 % 60
        )
    }
}

macro_rules! unit_serde {
    ($name:ident, $format:literal, $description:literal) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($description)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<$name, E> {
                        Ok($name(number))
                    }
                    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<$name, E> {
                        u64::try_from(number).map($name).map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": $description,
                    "type": ["string", "integer"],
                    "format": $format,
                    "minimum": 0
                })
            }
        }
    };
}

unit_serde!(
    Bytes,
    "bytes",
    "a size such as `64 GiB` or `100 MB`, or a number of bytes"
);
unit_serde!(
    Seconds,
    "seconds",
    "a time such as `8h`, `90m` or `1:30:00`, or a number of seconds"
);

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("64 GiB", 64 << 30)]
    #[case("100 MB", 100_000_000)]
    #[case("1.5 kB", 1500)]
    #[case("60000", 60_000)]
    #[case("2KiB", 2048)]
    fn sizes_are_read(#[case] text: &str, #[case] bytes: u64) {
        assert_eq!(text.parse(), Ok(Bytes(bytes)));
    }

    #[rstest]
    #[case("8h", 28_800)]
    #[case("1:30:00", 5400)]
    #[case("2:1:30:00", 178_200)]
    #[case("1h30m", 5400)]
    #[case("1h 30m", 5400)]
    #[case("90", 90)]
    #[case("0.5h", 1800)]
    #[case("2d", 172_800)]
    fn times_are_read(#[case] text: &str, #[case] seconds: u64) {
        assert_eq!(text.parse(), Ok(Seconds(seconds)));
    }

    #[rstest]
    #[case("")]
    #[case("-5h")]
    #[case("8 lightyears")]
    #[case("1:x:00")]
    #[case("999999999999999999999d")]
    #[case("inf")]
    fn nonsense_is_refused(#[case] text: &str) {
        assert!(text.parse::<Seconds>().is_err());
        assert!(text.parse::<Bytes>().is_err());
    }
}
