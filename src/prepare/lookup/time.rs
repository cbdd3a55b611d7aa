//! Times of validity: numbers (MJD and the like) or dates.

use std::cmp::Ordering;

use jiff::{Timestamp, civil::DateTime, tz::Offset};

/// A time, comparable with others of its kind only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Time {
    /// A number in whatever unit the table has.
    Number(f64),
    /// A moment; without an offset it is UTC.
    Moment(Timestamp),
}

impl Time {
    /// Reads a number, or a date with or without time and offset.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(number) = text.parse::<f64>() {
            return number.is_finite().then_some(Self::Number(number));
        }
        let has_offset = text
            .get(10..)
            .is_some_and(|rest| rest.contains(['Z', 'z', '+', '-', '[']));
        if has_offset {
            return text.parse().ok().map(Self::Moment);
        }
        let civil: DateTime = text.parse().ok()?;
        Offset::UTC.to_timestamp(civil).ok().map(Self::Moment)
    }

    /// The order, if both are of one kind.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Some(a.total_cmp(b)),
            (Self::Moment(a), Self::Moment(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Moment(moment) => write!(f, "{moment}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2010-01-01", "2010-01-01T00:00:00Z")]
    #[case("2010-01-01 12:30:00.5", "2010-01-01T12:30:00.5Z")]
    #[case("2010-01-01T02:00:00+02:00", "2010-01-01T00:00:00Z")]
    fn dates_without_offset_are_utc(#[case] text: &str, #[case] same: &str) {
        assert_eq!(Time::parse(text), Time::parse(same));
        assert!(Time::parse(text).is_some());
    }

    #[rstest]
    #[case("yesterday")]
    #[case("")]
    #[case("nan")]
    #[case("2010-13-01")]
    fn nonsense_is_no_time(#[case] text: &str) {
        assert_eq!(Time::parse(text), None);
    }

    #[test]
    fn numbers_and_dates_do_not_compare() {
        let number = Time::parse("55197.5").unwrap();
        let date = Time::parse("2010-01-01").unwrap();
        assert_eq!(number.compare(&date), None);
        assert_eq!(number.compare(&Time::Number(9.0)), Some(Ordering::Greater));
    }
}
