//! From the words of a `trange` line to a range.

use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Time, Weekday},
    tz::{Offset, TimeZone},
};
use thiserror::Error;

use super::{Range, occurrence::Span};

/// A `trange` line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RangeError {
    /// There is not one start and one stop.
    #[error(
        "trange: expected START STOP or START + INTERVAL, as in `18:00 06:00` or `18:00 + 12h`"
    )]
    Arguments,
    /// An option without its value, or an unknown one.
    #[error("trange: cannot use `{0}`; the options are -exclude, -nmax N, -tz ZONE and -reset")]
    Option(String),
    /// A time in none of the three forms.
    #[error(
        "trange: `{0}` is no time; write YYYY/MM/DD[,hh:mm:ss], hh[:mm[:ss]] or Mon[@hh[:mm[:ss]]]"
    )]
    Time(String),
    /// The start is in one form and the stop in another.
    #[error(
        "trange: `{0}` and `{1}` are different kinds of time; write both as a date, both as an hour of the day, or both with a day of the week"
    )]
    Mixed(String, String),
    /// An interval without a number or a unit.
    #[error("trange: `{0}` is no interval; write a number and d, h, m or s, as in `12h`")]
    Interval(String),
    /// A range of dates that ends before it begins.
    #[error("trange: `{1}` is before `{0}`, so the range would never hold")]
    Backwards(String, String),
    /// A time zone that is not known here.
    #[error(
        "trange: unknown time zone `{0}`; write a name as Pacific/Honolulu, or hours from UTC as -10 or +05:30"
    )]
    Zone(String),
}

pub(super) fn range(words: &[&str], default_zone: &TimeZone) -> Result<Range, RangeError> {
    let mut exclude = false;
    let mut nmax = None;
    let mut own_zone = None;
    let mut times = Vec::new();
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let bad = || RangeError::Option(word.to_owned());
        match word {
            "-exclude" => exclude = true,
            "-nmax" => nmax = Some(words.next().and_then(|n| n.parse().ok()).ok_or_else(bad)?),
            "-tz" => own_zone = Some(zone(words.next().ok_or_else(bad)?)?),
            _ if word.starts_with('-') => return Err(bad()),
            _ => times.push(word),
        }
    }
    let (start, stop) = match times.as_slice() {
        [start, "+", stop] => (*start, Stop::Interval(stop)),
        [start, stop] => match stop.strip_prefix('+') {
            Some(interval) => (*start, Stop::Interval(interval)),
            None if looks_like_interval(stop) => (*start, Stop::Interval(stop)),
            None => (*start, Stop::Time(stop)),
        },
        _ => return Err(RangeError::Arguments),
    };
    Ok(Range {
        text: times.join(" "),
        span: span(start, &stop)?,
        zone: own_zone.unwrap_or_else(|| default_zone.clone()),
        exclude,
        nmax,
        submitted: 0,
        counted_since: None,
    })
}

/// A time zone by name (`Pacific/Honolulu`) or by its hours from UTC (`-10`, `+05:30`).
///
/// # Errors
/// [`RangeError::Zone`] where neither reading works.
pub fn zone(text: &str) -> Result<TimeZone, RangeError> {
    let bad = || RangeError::Zone(text.to_owned());
    let (sign, digits) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return TimeZone::get(text).map_err(|_| bad()),
    };
    let [hours, minutes, _] = clock(digits).ok_or_else(bad)?;
    let seconds = sign * (hours * 3600 + minutes * 60);
    let offset = Offset::from_seconds(seconds).map_err(|_| bad())?;
    Ok(TimeZone::fixed(offset))
}

enum Stop<'a> {
    Time(&'a str),
    Interval(&'a str),
}

/// A moment in one of the three forms; hours are counted from midnight, up to 24:00.
#[derive(Clone, Copy)]
enum Moment {
    Absolute(Date, SignedDuration),
    Daily(SignedDuration),
    Weekly(Weekday, SignedDuration),
}

fn span(start: &str, stop: &Stop<'_>) -> Result<Span, RangeError> {
    let begin = moment(start)?;
    let length = match stop {
        Stop::Interval(text) => interval(text)?,
        Stop::Time(text) => match (begin, moment(text)?) {
            (Moment::Absolute(..), Moment::Absolute(date, clock)) => {
                let from = datetime(begin, start)?;
                let stop = at(date, clock).ok_or_else(|| RangeError::Time((*text).to_owned()))?;
                if stop < from {
                    return Err(RangeError::Backwards(start.to_owned(), (*text).to_owned()));
                }
                return Ok(Span::Absolute { start: from, stop });
            },
            (Moment::Daily(from), Moment::Daily(to)) => wrapped(to - from, 1),
            (Moment::Weekly(first, from), Moment::Weekly(last, to)) => {
                let days = i64::from(last.since(first));
                wrapped(SignedDuration::from_hours(24 * days) + to - from, 7)
            },
            _ => return Err(RangeError::Mixed(start.to_owned(), (*text).to_owned())),
        },
    };
    let start_time = |clock| time(clock).ok_or_else(|| RangeError::Time(start.to_owned()));
    Ok(match begin {
        Moment::Absolute(..) => {
            let from = datetime(begin, start)?;
            let stop = from.saturating_add(length);
            Span::Absolute { start: from, stop }
        },
        Moment::Daily(clock) => Span::Daily {
            start: start_time(clock)?,
            length,
        },
        Moment::Weekly(day, clock) => Span::Weekly {
            day,
            start: start_time(clock)?,
            length,
        },
    })
}

/// The length of a range that may reach over midnight, or over the end of the week.
fn wrapped(length: SignedDuration, days: i64) -> SignedDuration {
    if length.is_negative() {
        length + SignedDuration::from_hours(24 * days)
    } else {
        length
    }
}

fn datetime(moment: Moment, text: &str) -> Result<DateTime, RangeError> {
    match moment {
        Moment::Absolute(date, clock) => at(date, clock),
        Moment::Daily(_) | Moment::Weekly(..) => None,
    }
    .ok_or_else(|| RangeError::Time(text.to_owned()))
}

fn at(date: Date, clock: SignedDuration) -> Option<DateTime> {
    date.to_datetime(Time::midnight()).checked_add(clock).ok()
}

/// The time of day; 24:00 is no time at which a range can begin.
fn time(clock: SignedDuration) -> Option<Time> {
    (clock < SignedDuration::from_hours(24))
        .then(|| Time::midnight().checked_add(clock).ok())
        .flatten()
}

fn moment(text: &str) -> Result<Moment, RangeError> {
    weekly(text)
        .or_else(|| absolute(text))
        .or_else(|| Some(Moment::Daily(of_day(text)?)))
        .ok_or_else(|| RangeError::Time(text.to_owned()))
}

fn weekly(text: &str) -> Option<Moment> {
    let (day, clock) = text.split_once('@').unwrap_or((text, "0"));
    let day = match day.to_ascii_lowercase().as_str() {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return None,
    };
    Some(Moment::Weekly(day, of_day(clock)?))
}

/// A date with its month, day and time optional. A year alone has four digits, which no hour has.
fn absolute(text: &str) -> Option<Moment> {
    let (date, clock) = text.split_once(',').unwrap_or((text, "0"));
    let mut parts = date.split('/');
    let year = parts.next().filter(|year| year.len() == 4)?;
    let month = parts.next().map_or(Some(1), number)?;
    let day = parts.next().map_or(Some(1), number)?;
    if parts.next().is_some() {
        return None;
    }
    let [year, month, day] = [number(year)?, month, day];
    let small = |n: i32| i8::try_from(n).ok();
    let date = Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
    Some(Moment::Absolute(date, of_day(clock)?))
}

fn of_day(text: &str) -> Option<SignedDuration> {
    let [hours, minutes, seconds] = clock(text)?;
    let all = hours * 3600 + minutes * 60 + seconds;
    (all <= 86_400).then(|| SignedDuration::from_secs(i64::from(all)))
}

/// Hours, minutes and seconds, the later ones optional.
fn clock(text: &str) -> Option<[i32; 3]> {
    let mut parts = text.split(':');
    let hours = number(parts.next()?).filter(|n| *n <= 24)?;
    let mut sixty = || parts.next().map_or(Some(0), number).filter(|n| *n < 60);
    let (minutes, seconds) = (sixty()?, sixty()?);
    parts.next().is_none().then_some([hours, minutes, seconds])
}

/// Up to four decimal digits.
fn number(text: &str) -> Option<i32> {
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

fn looks_like_interval(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && text.ends_with(['d', 'h', 'm', 's'])
}

fn interval(text: &str) -> Result<SignedDuration, RangeError> {
    let seconds = || {
        let mut number = text.chars();
        let unit = match number.next_back()? {
            'd' => 86_400.0,
            'h' => 3600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => return None,
        };
        let number: f64 = number.as_str().parse().ok()?;
        let length = SignedDuration::try_from_secs_f64(number * unit).ok()?;
        (number >= 0.0).then_some(length)
    };
    seconds().ok_or_else(|| RangeError::Interval(text.to_owned()))
}
