//! The search: a hash over the exact columns, then a binary search over time.

use std::{cmp::Ordering, collections::HashMap};

use tera::Value;

use super::{
    time::Time,
    timeline::{Timeline, piece, timeline},
};

/// A row of a lookup table.
#[derive(Debug, Clone)]
pub(super) struct TableRow {
    /// The match columns; empty means anything.
    pub(super) cells: Vec<String>,
    /// First time at which it is valid.
    pub(super) from: Option<Time>,
    /// First time at which it is no longer valid.
    pub(super) until: Option<Time>,
    /// What ties are decided by.
    pub(super) newest: Option<String>,
    /// What it gives.
    pub(super) value: Value,
}

/// Why no row was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Miss {
    /// No row has these cells.
    Cells,
    /// Rows have, but none at this time.
    Time(Time),
}

/// A loaded lookup table.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<TableRow>,
    /// Rows by which of their columns are exact; most exact first.
    groups: Vec<(Vec<bool>, HashMap<String, Timeline>)>,
}

impl Table {
    /// Sorts the rows in.
    pub(super) fn new(columns: Vec<String>, rows: Vec<TableRow>) -> Result<Self, String> {
        one_kind(&rows)?;
        let rank = ranks(&rows);
        let mut buckets: HashMap<Vec<bool>, HashMap<String, Vec<usize>>> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            let exact: Vec<bool> = row.cells.iter().map(|cell| !cell.is_empty()).collect();
            let key = key(&exact, &row.cells);
            let bucket = buckets.entry(exact).or_default();
            bucket.entry(key).or_default().push(index);
        }
        let mut groups: Vec<(Vec<bool>, HashMap<String, Timeline>)> = buckets
            .into_iter()
            .map(|(exact, bucket)| {
                let timelines = bucket
                    .into_iter()
                    .map(|(key, members)| (key, timeline(&rows, &rank, &members)))
                    .collect();
                (exact, timelines)
            })
            .collect();
        let count = |exact: &[bool]| exact.iter().filter(|e| **e).count();
        groups.sort_by(|(a, _), (b, _)| (count(b), b).cmp(&(count(a), a)));
        Ok(Self {
            columns,
            rows,
            groups,
        })
    }

    /// The value of the best row: exact cells before empty ones, then the newest, then the last.
    pub(super) fn find(&self, wanted: &[String], at: Option<&Time>) -> Result<&Value, Miss> {
        let mut miss = Miss::Cells;
        for (exact, timelines) in &self.groups {
            let Some(timeline) = timelines.get(&key(exact, wanted)) else {
                continue;
            };
            if let Some(row) = piece(timeline, at).and_then(|index| self.rows.get(index)) {
                return Ok(&row.value);
            }
            if let Some(at) = at {
                miss = Miss::Time(*at);
            }
        }
        Err(miss)
    }

    /// Says why nothing was found, as near as can be.
    pub(super) fn explain(&self, wanted: &[String], miss: &Miss) -> String {
        let matches = |row: &TableRow, columns: usize| {
            let cells = row.cells.iter().zip(wanted).take(columns);
            cells
                .clone()
                .all(|(cell, want)| cell.is_empty() || cell == want)
        };
        match miss {
            Miss::Cells => {
                let found = (0..self.columns.len())
                    .find(|column| !self.rows.iter().any(|row| matches(row, column + 1)));
                match (
                    found,
                    found.and_then(|at| self.columns.get(at).zip(wanted.get(at))),
                ) {
                    (Some(at), Some((column, want))) => {
                        let others: Vec<String> = self
                            .columns
                            .iter()
                            .zip(wanted)
                            .take(at)
                            .map(|(column, want)| format!("{column} = '{want}'"))
                            .collect();
                        let among = if others.is_empty() {
                            String::new()
                        } else {
                            format!(" among those with {}", others.join(", "))
                        };
                        format!("no row has {column} = '{want}'{among}")
                    },
                    _ => "the table is empty".into(),
                }
            },
            Miss::Time(at) => {
                let fitting: Vec<&TableRow> = self
                    .rows
                    .iter()
                    .filter(|row| matches(row, self.columns.len()))
                    .collect();
                let kind = fitting
                    .iter()
                    .flat_map(|row| [&row.from, &row.until])
                    .flatten()
                    .next();
                if let Some(other) = kind
                    && other.compare(at).is_none()
                {
                    return format!("its times, such as {other}, do not compare with {at}");
                }
                let spans: Vec<String> = fitting.iter().take(3).map(|row| span(row)).collect();
                format!(
                    "no row is valid at {at}; {} that fit otherwise: {}{}",
                    fitting.len(),
                    spans.join(", "),
                    if fitting.len() > 3 { ", …" } else { "" }
                )
            },
        }
    }
}

fn span(row: &TableRow) -> String {
    let end = |time: &Option<Time>| time.map_or_else(|| "open".to_owned(), |t| t.to_string());
    format!("[{}, {})", end(&row.from), end(&row.until))
}

fn key(exact: &[bool], cells: &[String]) -> String {
    let mut key = String::with_capacity(32);
    for (_, cell) in exact.iter().zip(cells).filter(|(exact, _)| **exact) {
        key.push_str(cell);
        key.push('\0');
    }
    key
}

/// The place of each row in the order of newness; ties by its place in the table.
fn ranks(rows: &[TableRow]) -> Vec<usize> {
    let texts: Vec<&str> = rows
        .iter()
        .map(|row| row.newest.as_deref().unwrap_or(""))
        .collect();
    let times: Vec<Option<Time>> = texts.iter().map(|text| Time::parse(text)).collect();
    let filled = || {
        texts
            .iter()
            .zip(&times)
            .filter(|(text, _)| !text.is_empty())
    };
    let kind = filled().find_map(|(_, time)| *time);
    let comparable = filled().all(|(_, time)| {
        matches!((time, &kind), (Some(time), Some(kind)) if time.compare(kind).is_some())
    });
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| {
        if comparable {
            match (
                times.get(*a).copied().flatten(),
                times.get(*b).copied().flatten(),
            ) {
                (Some(a), Some(b)) => a.compare(&b).unwrap_or(Ordering::Equal),
                (a, b) => a.is_some().cmp(&b.is_some()),
            }
        } else {
            texts.get(*a).cmp(&texts.get(*b))
        }
    });
    let mut rank = vec![0; rows.len()];
    for (place, index) in order.into_iter().enumerate() {
        if let Some(slot) = rank.get_mut(index) {
            *slot = place;
        }
    }
    rank
}

fn one_kind(rows: &[TableRow]) -> Result<(), String> {
    let mut times = rows
        .iter()
        .flat_map(|row| [&row.from, &row.until])
        .flatten();
    let Some(first) = times.next() else {
        return Ok(());
    };
    match times.find(|time| time.compare(first).is_none()) {
        Some(other) => Err(format!(
            "its times mix numbers and dates: {first} and {other}"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(cells: &[&str], from: &str, until: &str, newest: &str, value: &str) -> TableRow {
        TableRow {
            cells: cells.iter().map(|&cell| cell.to_owned()).collect(),
            from: Time::parse(from),
            until: Time::parse(until),
            newest: Some(newest.to_owned()),
            value: Value::from(value),
        }
    }

    fn find(table: &Table, wanted: &[&str], at: &str) -> Result<String, String> {
        let wanted: Vec<String> = wanted.iter().map(|&w| w.to_owned()).collect();
        let at = Time::parse(at);
        let found = table.find(&wanted, at.as_ref());
        found
            .map(Value::to_string)
            .map_err(|miss| table.explain(&wanted, &miss))
    }

    fn table(rows: Vec<TableRow>) -> Table {
        Table::new(vec!["type".into(), "filter".into()], rows).unwrap()
    }

    #[test]
    fn exact_beats_empty_then_newest_then_last() {
        let table = table(vec![
            row(&["FLAT", ""], "", "", "9", "any"),
            row(&["FLAT", "r"], "", "", "2", "old"),
            row(&["FLAT", "r"], "", "", "10", "new"),
            row(&["FLAT", "r"], "", "", "10", "last"),
            row(&["FLAT", "r"], "", "", "", "undated"),
        ]);
        assert_eq!(find(&table, &["FLAT", "r"], "").unwrap(), "last");
        assert_eq!(find(&table, &["FLAT", "g"], "").unwrap(), "any");
    }

    #[test]
    fn validity_is_half_open_and_open_ended() {
        let table = table(vec![
            row(&["FLAT", "r"], "", "2010-01-01", "1", "early"),
            row(&["FLAT", "r"], "2010-01-01", "2011-01-01", "1", "middle"),
            row(&["FLAT", "r"], "2012-01-01", "", "1", "late"),
            row(&["FLAT", ""], "2011-06-01", "2011-07-01", "1", "any"),
            row(&["FLAT", "r"], "2015-01-01", "2014-01-01", "9", "never"),
        ]);
        let at = |time: &str| find(&table, &["FLAT", "r"], time);
        assert_eq!(at("1999-01-01").unwrap(), "early");
        assert_eq!(at("2010-01-01").unwrap(), "middle");
        assert_eq!(at("2010-12-31T23:59:59Z").unwrap(), "middle");
        assert_eq!(at("2011-06-15").unwrap(), "any");
        assert_eq!(at("2030-01-01").unwrap(), "late");
        insta::assert_snapshot!(at("2011-01-01").unwrap_err(), @"no row is valid at 2011-01-01T00:00:00Z; 5 that fit otherwise: [open, 2010-01-01T00:00:00Z), [2010-01-01T00:00:00Z, 2011-01-01T00:00:00Z), [2012-01-01T00:00:00Z, open), …");
        insta::assert_snapshot!(at("55197").unwrap_err(), @"its times, such as 2010-01-01T00:00:00Z, do not compare with 55197");
    }

    #[test]
    fn a_miss_names_the_first_column_that_nothing_fits() {
        let table = table(vec![row(&["FLAT", "r"], "", "", "1", "x")]);
        insta::assert_snapshot!(find(&table, &["DARK", "r"], "").unwrap_err(), @"no row has type = 'DARK'");
        insta::assert_snapshot!(find(&table, &["FLAT", "y"], "").unwrap_err(), @"no row has filter = 'y' among those with type = 'FLAT'");
    }

    #[test]
    fn times_of_two_kinds_in_one_table_are_refused() {
        let rows = vec![
            row(&[], "55197", "", "", "a"),
            row(&[], "2010-01-01", "", "", "b"),
        ];
        assert!(Table::new(Vec::new(), rows).is_err());
    }

    fn slow<'a>(rows: &'a [TableRow], wanted: &[String], at: &Time) -> Option<&'a Value> {
        let fits = |row: &&(usize, &TableRow)| {
            let (_, row) = row;
            let cells = row.cells.iter().zip(wanted);
            cells
                .clone()
                .all(|(cell, want)| cell.is_empty() || cell == want)
                && row
                    .from
                    .is_none_or(|from| from.compare(at) != Some(Ordering::Greater))
                && row
                    .until
                    .is_none_or(|until| until.compare(at) == Some(Ordering::Greater))
        };
        let rows: Vec<(usize, &TableRow)> = rows.iter().enumerate().collect();
        rows.iter()
            .filter(fits)
            .max_by_key(|(index, row)| {
                let exact: Vec<bool> = row.cells.iter().map(|cell| !cell.is_empty()).collect();
                let count = exact.iter().filter(|e| **e).count();
                let newest: i64 = row.newest.as_deref().unwrap_or("0").parse().unwrap();
                (count, exact, newest, *index)
            })
            .map(|(_, row)| &row.value)
    }

    fn any_row() -> impl Strategy<Value = TableRow> {
        let cell = prop::sample::select(vec!["", "a", "b"]);
        let time = prop::option::of(0_i32..8);
        (cell.clone(), cell, time.clone(), time, 0_i32..4).prop_map(
            |(a, b, from, until, newest)| {
                let text = |time: Option<i32>| time.map(|t| t.to_string()).unwrap_or_default();
                row(&[a, b], &text(from), &text(until), &newest.to_string(), "")
            },
        )
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_scan_finds(
            mut rows in prop::collection::vec(any_row(), 0..12),
            a in prop::sample::select(vec!["a", "b", "c"]),
            b in prop::sample::select(vec!["a", "b", "c"]),
            at in 0_i32..9,
        ) {
            for (index, row) in rows.iter_mut().enumerate() {
                row.value = Value::from(index);
            }
            let at = Time::Number(f64::from(at));
            let wanted = [a.to_owned(), b.to_owned()];
            let table = table(rows.clone());
            prop_assert_eq!(table.find(&wanted, Some(&at)).ok(), slow(&rows, &wanted, &at));
        }
    }
}
