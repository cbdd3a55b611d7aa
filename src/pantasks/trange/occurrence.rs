//! The times at which a range begins and ends.

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};

/// What a range covers, in the civil time of its zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Span {
    /// From one date to another.
    Absolute { start: DateTime, stop: DateTime },
    /// Every day from `start`, for `length`.
    Daily { start: Time, length: SignedDuration },
    /// Every week from `start` on `day`, for `length`.
    Weekly {
        day: Weekday,
        start: Time,
        length: SignedDuration,
    },
}

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The second that a range's end names belongs to the range.
const END_SECOND: SignedDuration = SignedDuration::from_secs(1);

impl Span {
    /// When the occurrence that covers `now` began.
    pub(super) fn entered(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.always() {
            return Some(Timestamp::MIN);
        }
        self.near(now, zone)
            .find(|(begin, end)| *begin <= now && now < *end)
            .map(|(begin, _)| begin)
    }

    /// The first begin or end after `after`.
    pub(super) fn next_edge(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.always() {
            return None;
        }
        self.near(after, zone)
            .flat_map(|(begin, end)| [begin, end])
            .filter(|edge| *edge > after)
            .min()
    }

    /// Whether one occurrence reaches into the next.
    fn always(&self) -> bool {
        match self {
            Self::Absolute { .. } => false,
            Self::Daily { length, .. } => *length >= DAY,
            Self::Weekly { length, .. } => *length >= DAY * 7,
        }
    }

    /// The occurrences around `now`, each from its begin to before its end. Those that begin
    /// one period before and after are among them, for ranges that wrap.
    fn near(
        &self,
        now: Timestamp,
        zone: &TimeZone,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let today = zone.to_datetime(now).date();
        let civil: [Option<(DateTime, DateTime)>; 5] = match *self {
            Self::Absolute { start, stop } => [Some((start, stop)), None, None, None, None],
            Self::Daily { start, length } => {
                [-2, -1, 0, 1, 2].map(|days| occurrence(today, days, start, length))
            },
            Self::Weekly { day, start, length } => {
                let back = i64::from(today.weekday().since(day));
                [-2, -1, 0, 1, 2].map(|weeks| occurrence(today, weeks * 7 - back, start, length))
            },
        };
        civil
            .into_iter()
            .flatten()
            .filter_map(move |(start, stop)| {
                let begin = zone.to_timestamp(start).ok()?;
                let end = zone.to_timestamp(stop).ok()?.checked_add(END_SECOND).ok()?;
                Some((begin, end))
            })
    }
}

fn occurrence(
    today: Date,
    days: i64,
    start: Time,
    length: SignedDuration,
) -> Option<(DateTime, DateTime)> {
    let begin = today.checked_add(days.days()).ok()?.to_datetime(start);
    Some((begin, begin.checked_add(length).ok()?))
}
