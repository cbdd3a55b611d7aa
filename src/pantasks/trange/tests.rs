use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::prelude::*;
use rstest::rstest;

use super::{Range, RangeError, Ranges};

fn ranges(lines: &[&str]) -> Ranges {
    let mut ranges = Ranges::default();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        ranges.add(Range::parse(&words, &TimeZone::UTC).unwrap());
    }
    ranges
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[rstest]
#[case::absolute_first_second("2005/01/01 2005/12/31", "2005-01-01T00:00:00Z", true)]
#[case::absolute_before("2005/01/01 2005/12/31", "2004-12-31T23:59:59Z", false)]
#[case::a_dropped_time_of_the_end_is_midnight(
    "2005/01/01 2005/12/31",
    "2005-12-31T00:00:01Z",
    false
)]
#[case::end_second_belongs("2005/01/01 2005/12/31", "2005-12-31T00:00:00.9Z", true)]
#[case::month_alone("2005/03 2005/04", "2005-03-01T00:00:00Z", true)]
#[case::year_alone("2005 2006", "2005-07-01T00:00:00Z", true)]
#[case::with_time("2005/01/01,12:30 2005/01/01,12:30:10", "2005-01-01T12:30:10Z", true)]
#[case::with_time_after("2005/01/01,12:30 2005/01/01,12:30:10", "2005-01-01T12:30:11Z", false)]
#[case::absolute_interval("2005/01/01 + 36h", "2005-01-02T11:00:00Z", true)]
#[case::absolute_interval_after("2005/01/01 + 36h", "2005-01-02T12:00:01Z", false)]
#[case::until_midnight("18:00 00:00", "2020-02-02T23:59:59.5Z", true)]
#[case::until_midnight_before("18:00 00:00", "2020-02-02T17:59:59Z", false)]
#[case::until_midnight_after("18:00 00:00", "2020-02-03T00:00:01Z", false)]
#[case::early("00:00 06:00", "2020-02-02T03:00:00Z", true)]
#[case::hours_alone("18 20", "2020-02-02T19:00:00Z", true)]
#[case::over_midnight_evening("22:00 10:00", "2020-02-02T23:00:00Z", true)]
#[case::over_midnight_morning("22:00 10:00", "2020-02-02T09:00:00Z", true)]
#[case::over_midnight_noon("22:00 10:00", "2020-02-02T12:00:00Z", false)]
#[case::daily_interval("18:00 + 12h", "2020-02-02T05:00:00Z", true)]
#[case::daily_interval_glued("18:00 +12h", "2020-02-02T05:00:00Z", true)]
#[case::daily_interval_bare("18:00 90m", "2020-02-02T19:29:00Z", true)]
#[case::daily_interval_after("18:00 90m", "2020-02-02T19:30:01Z", false)]
#[case::whole_days("07:00 + 2d", "2020-02-02T06:00:00Z", true)]
#[case::full_day("00:00 24:00", "2020-02-02T23:59:59.9Z", true)]
#[case::work_week("Mon@8:00 Fri@7:00", "2020-02-05T00:00:00Z", true)]
#[case::work_week_last_morning("Mon@8:00 Fri@7:00", "2020-02-07T07:00:01Z", false)]
#[case::work_week_sunday("Mon@8:00 Fri@7:00", "2020-02-09T12:00:00Z", false)]
#[case::week_end_wraps("Fri@18 Mon@6", "2020-02-09T12:00:00Z", true)]
#[case::week_end_wraps_monday("Fri@18 Mon@6", "2020-02-10T05:00:00Z", true)]
#[case::week_end_wraps_after("Fri@18 Mon@6", "2020-02-10T07:00:00Z", false)]
#[case::same_day_backwards_is_a_week("Wed@12 Wed@11", "2020-02-09T12:00:00Z", true)]
#[case::same_day_backwards_gap("Wed@12 Wed@11", "2020-02-05T11:30:00Z", false)]
#[case::day_without_time("sat SUN", "2020-02-08T12:00:00Z", true)]
#[case::weekly_interval("Sat + 1.5d", "2020-02-09T11:00:00Z", true)]
#[case::exclude_covered("-exclude 12:00 13:00", "2020-02-02T12:30:00Z", false)]
#[case::exclude_elsewhere("-exclude 12:00 13:00", "2020-02-02T13:00:01Z", true)]
#[case::offset_zone("18:00 20:00 -tz -10", "2020-02-03T04:30:00Z", true)]
#[case::offset_zone_not_utc("18:00 20:00 -tz -10", "2020-02-03T18:30:00Z", false)]
#[case::half_hour_zone("-tz +05:30 06:00 07:00", "2020-02-03T00:45:00Z", true)]
#[case::summer_in_a_named_zone("-tz Europe/Berlin 12:00 13:00", "2020-07-01T10:30:00Z", true)]
#[case::winter_in_a_named_zone("-tz Europe/Berlin 12:00 13:00", "2020-01-01T11:30:00Z", true)]
fn a_range_allows_what_it_says(#[case] line: &str, #[case] now: &str, #[case] allowed: bool) {
    assert_eq!(ranges(&[line]).allows(at(now)), allowed);
}

#[test]
fn without_a_range_every_moment_is_allowed() {
    let none = Ranges::default();
    assert!(none.allows(at("1999-01-01T00:00:00Z")));
    assert_eq!(none.next_change(at("1999-01-01T00:00:00Z")), None);
}

#[test]
fn allowing_ranges_are_united_and_an_excluding_one_wins() {
    let both = ranges(&["22:00 23:59:59", "00:00 10:00", "-exclude 03:00 04:00"]);
    assert!(both.allows(at("2020-01-01T23:59:59.999Z")));
    assert!(both.allows(at("2020-01-02T00:00:00Z")));
    assert!(!both.allows(at("2020-01-02T03:30:00Z")));
    assert!(!both.allows(at("2020-01-02T12:00:00Z")));
}

#[test]
fn ranges_that_touch_change_only_at_their_outer_ends() {
    let night = ranges(&["22:00 23:59:59", "00:00 10:00"]);
    let change = night.next_change(at("2020-01-01T22:30:00Z"));
    assert_eq!(change, Some(at("2020-01-02T10:00:01Z")));
}

#[test]
fn a_range_of_dates_in_the_past_never_changes_again() {
    assert_eq!(
        ranges(&["2005 2006"]).next_change(at("2020-01-01T00:00:00Z")),
        None
    );
}

#[test]
fn a_spent_range_opens_again_when_it_is_entered_anew() {
    let mut night = ranges(&["20:00 21:00 -nmax 2"]);
    let first = at("2020-01-01T20:10:00Z");
    night.count(first);
    assert!(night.allows(first));
    night.count(first);
    assert!(!night.allows(first));
    assert_eq!(night.next_change(first), Some(at("2020-01-02T20:00:00Z")));
    assert!(night.allows(at("2020-01-02T20:10:00Z")));
}

#[rstest]
#[case("", RangeError::Arguments)]
#[case("18:00", RangeError::Arguments)]
#[case("18:00 19:00 20:00", RangeError::Arguments)]
#[case("18:00 + 12", RangeError::Interval("12".into()))]
#[case("18:00 -12h", RangeError::Option("-12h".into()))]
#[case("18:61 19:00", RangeError::Time("18:61".into()))]
#[case("24:00 25:00", RangeError::Time("25:00".into()))]
#[case("2005/02/30 2006", RangeError::Time("2005/02/30".into()))]
#[case("Moon@8 Fri", RangeError::Time("Moon@8".into()))]
#[case("18:00 Fri", RangeError::Mixed("18:00".into(), "Fri".into()))]
#[case("2006 2005", RangeError::Backwards("2006".into(), "2005".into()))]
#[case("1 2 -tz Mars/Base", RangeError::Zone("Mars/Base".into()))]
#[case("1 2 -nmax x", RangeError::Option("-nmax".into()))]
#[case("1 2 -tz", RangeError::Option("-tz".into()))]
fn a_line_that_cannot_be_read_says_which_word(#[case] line: &str, #[case] error: RangeError) {
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(Range::parse(&words, &TimeZone::UTC), Err(error));
}

fn some_range() -> impl Strategy<Value = String> {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let clock = || (0..24u8, 0..60u8).prop_map(|(h, m)| format!("{h:02}:{m:02}"));
    let zone = prop::sample::select(vec!["", " -tz Europe/Berlin", " -tz -10"]);
    let exclude = prop::sample::select(vec!["", " -exclude"]);
    let day = || prop::sample::select(days.to_vec());
    let times = prop_oneof![
        (clock(), clock()).prop_map(|(a, b)| format!("{a} {b}")),
        (clock(), 1..2000u32).prop_map(|(a, n)| format!("{a} + {n}m")),
        (day(), clock(), day(), clock()).prop_map(|(d, a, e, b)| format!("{d}@{a} {e}@{b}")),
        (1..28u8, clock(), 1..99u32).prop_map(|(d, a, n)| format!("2020/03/{d:02},{a} + {n}h")),
    ];
    (times, zone, exclude).prop_map(|(times, zone, exclude)| format!("{times}{zone}{exclude}"))
}

fn some_time() -> impl Strategy<Value = Timestamp> {
    // March and April 2020, with the night in which Berlin's clocks change.
    (0..61 * 86_400i64).prop_map(|s| Timestamp::from_second(1_583_020_800 + s).unwrap())
}

proptest! {
    #[test]
    fn nothing_changes_before_the_next_change(
        lines in prop::collection::vec(some_range(), 1..4),
        now in some_time(),
        part in 0.0..1.0f64,
    ) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let ranges = ranges(&lines);
        let until = ranges.next_change(now);
        let last = until.unwrap_or_else(|| now + SignedDuration::from_hours(24 * 40));
        prop_assert!(last > now);
        let between = now + (last - now).total(jiff::Unit::Second).map(|all| {
            SignedDuration::from_secs_f64((all - 0.001) * part)
        }).unwrap();
        prop_assert_eq!(ranges.allows(between), ranges.allows(now));
    }

    #[test]
    fn excluding_is_the_opposite_of_allowing(line in some_range(), now in some_time()) {
        let line = line.replace(" -exclude", "");
        let excluded = format!("-exclude {line}");
        prop_assert_ne!(ranges(&[&line]).allows(now), ranges(&[&excluded]).allows(now));
    }

    #[test]
    fn a_daily_range_holds_alike_on_every_day(a in 0..24u8, b in 0..24u8, now in some_time()) {
        let daily = ranges(&[&format!("{a} {b}")]);
        let next = now + SignedDuration::from_hours(24);
        prop_assert_eq!(daily.allows(now), daily.allows(next));
    }

    #[test]
    fn any_words_are_a_range_or_an_error(words in prop::collection::vec(".{0,12}", 0..5)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let range = Range::parse(&words, &TimeZone::UTC);
        prop_assert!(range.map_or(true, |range| !range.text().is_empty()));
    }
}
