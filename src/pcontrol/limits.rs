//! How large the numbers may be that a user gives: times are added to others, and slots take room.

use std::{num::IntErrorKind, time::Duration};

use thiserror::Error;

/// The longest time.
pub(super) const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Most threads of a slot.
pub(super) const MOST_THREADS: u32 = 1 << 16;

/// Most slots that are added at once.
pub(super) const MOST_SLOTS: u32 = 1 << 12;

/// The highest priority, and the lowest below zero; and most of what is counted otherwise.
pub(super) const MOST: i32 = 1_000_000;

/// The greatest niceness, as nice(1) counts.
pub(super) const NICEST: u8 = 20;

/// A number that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum LimitError {
    #[error("{0} cannot be {1}: it takes a number")]
    Other(String, String),
    #[error("{0} cannot be {1}: at most {2}")]
    TooMuch(String, String, String),
    #[error("{0} cannot be {1}: at least {2}")]
    TooLittle(String, String, String),
}

/// A time in seconds, up to [`LONGEST`].
pub(super) fn seconds(name: &str, word: &str, least: Duration) -> Result<Duration, LimitError> {
    let (own_name, own_word) = (name.to_owned(), word.to_owned());
    let number: f64 = match word.parse() {
        Ok(number) if !f64::is_nan(number) => number,
        _ => return Err(LimitError::Other(own_name, own_word)),
    };
    if number > LONGEST.as_secs_f64() {
        let most = format!("{} s (10 years)", LONGEST.as_secs());
        return Err(LimitError::TooMuch(own_name, own_word, most));
    }
    let time = Duration::try_from_secs_f64(number).ok();
    let time = time.filter(|time| *time >= least);
    let least = || format!("{} s", least.as_secs_f64());
    time.ok_or_else(|| LimitError::TooLittle(own_name, own_word, least()))
}

/// A whole number from `least` to `most`.
pub(super) fn whole<T>(name: &str, word: &str, least: T, most: T) -> Result<T, LimitError>
where
    T: Copy + PartialOrd + std::fmt::Display + std::str::FromStr<Err = std::num::ParseIntError>,
{
    let (name, own_word) = (name.to_owned(), word.to_owned());
    let too_much = |name, word| LimitError::TooMuch(name, word, most.to_string());
    let too_little = |name, word| LimitError::TooLittle(name, word, least.to_string());
    match word.parse::<T>() {
        Ok(number) if number > most => Err(too_much(name, own_word)),
        Ok(number) if number < least => Err(too_little(name, own_word)),
        Ok(number) => Ok(number),
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow => Err(too_much(name, own_word)),
            IntErrorKind::NegOverflow => Err(too_little(name, own_word)),
            _ if word.parse().is_ok_and(|number: f64| number < 0.0) => {
                Err(too_little(name, own_word))
            },
            _ => Err(LimitError::Other(name, own_word)),
        },
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0", Ok(0))]
    #[case("1e-3", Ok(1))]
    #[case("315360000", Ok(315_360_000_000))]
    #[case(
        "315360001",
        Err("fence cannot be 315360001: at most 315360000 s (10 years)")
    )]
    #[case("1e30", Err("fence cannot be 1e30: at most 315360000 s (10 years)"))]
    #[case("inf", Err("fence cannot be inf: at most 315360000 s (10 years)"))]
    #[case("-1", Err("fence cannot be -1: at least 0 s"))]
    #[case("nan", Err("fence cannot be nan: it takes a number"))]
    #[case("soon", Err("fence cannot be soon: it takes a number"))]
    fn a_time_is_a_number_up_to_ten_years(#[case] word: &str, #[case] wanted: Result<u128, &str>) {
        let found = seconds("fence", word, Duration::ZERO);
        let found = found.map(|time| time.as_millis());
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found, wanted.map_err(str::to_owned));
    }

    #[rstest]
    #[case("0", Ok(0))]
    #[case("20", Ok(20))]
    #[case("21", Err("-nice cannot be 21: at most 20"))]
    #[case(
        "99999999999999999999999",
        Err("-nice cannot be 99999999999999999999999: at most 20")
    )]
    #[case("-1", Err("-nice cannot be -1: at least 0"))]
    #[case("x", Err("-nice cannot be x: it takes a number"))]
    #[case("", Err("-nice cannot be : it takes a number"))]
    fn a_whole_number_stays_between_its_limits(
        #[case] word: &str,
        #[case] wanted: Result<u8, &str>,
    ) {
        let found = whole("-nice", word, 0, NICEST);
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found, wanted.map_err(str::to_owned));
    }
}
