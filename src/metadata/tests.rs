use std::{io, iter};

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn run_row() -> Record {
    Record::new()
        .with("remote_id", Value::S64(17))
        .with("state", Value::Str("pending".into()))
        .with("label", Value::Str("demo lanl".into()))
        .with("path_base", Value::Null(NullKind::Str))
        .with(
            "last_poll",
            Value::time("2014-05-02T01:10:44Z".parse().unwrap()),
        )
        .with("fault", Value::S16(0))
}

#[test]
fn rows_are_printed_as_the_original_prints_them() {
    let text = write_multi("remoteRun", &[run_row(), run_row()]);
    insta::assert_snapshot!(text.replace(' ', "·"), @r"
    remoteRun·MULTI

    remoteRun··METADATA··
    ···remote_id········S64·······17·············
    ···state············STR·······pending·········
    ···label············STR·······demo·lanl·······
    ···path_base········STR·······NULL············
    ···last_poll········TAI·······2014-05-02T01:10:44.000000
    ···fault············S16·······0··············
    END

    remoteRun··METADATA··
    ···remote_id········S64·······17·············
    ···state············STR·······pending·········
    ···label············STR·······demo·lanl·······
    ···path_base········STR·······NULL············
    ···last_poll········TAI·······2014-05-02T01:10:44.000000
    ···fault············S16·······0··············
    END
    ");
    assert!(text.ends_with("END\n\n"));
}

#[test]
fn no_rows_are_one_empty_line() {
    assert_eq!(write_multi("remoteRun", &[]), "\n");
}

#[test]
fn simple_rows_have_underscores_for_blanks_in_strings() {
    let row = run_row()
        .with("bg", Value::F64(812.4))
        .with("ok", Value::Bool(true))
        .with("at", Value::Null(NullKind::Time));
    assert_eq!(
        write_simple(&[row]),
        "17 pending demo_lanl  2014-05-02T01:10:44.000000 0 812.400000 T NULL\n"
    );
}

#[test]
fn a_tools_output_reads_back_as_its_rows() {
    let text = write_multi("remoteRun", &[run_row(), run_row()]);
    let rows = rows(&text).unwrap();
    assert_eq!(rows, [run_row(), run_row()]);
}

#[test]
fn nested_blocks_lists_and_comments_are_read() {
    let text = "\
# a camera
NAME    STR   test camera  # the name
GAIN MULTI
GAIN    F32   1.5
GAIN    F32   0x
";
    let error = read(text).unwrap_err();
    insta::assert_snapshot!(error, @"line 5: `0x` is not a value of type F32, in `GAIN    F32   0x`");

    let document = read(
        "\
NAME    STR   test camera  # the name
GAIN MULTI
GAIN    F32   1.5
GAIN    F32   2
@EDGES  U16   1, 2 0x10
CHIP METADATA  # one chip
  TIME   UTC   2005-03-18T16:05:00Z
  CELL METADATA
    ON BOOL true
  END
END
",
    )
    .unwrap();
    assert_eq!(
        document.get("NAME"),
        Some(&Value::Str("test camera".into()))
    );
    let gains = [1.5, 2.0].map(|gain| Node::Value(Value::F32(gain)));
    assert_eq!(document.entry("GAIN").unwrap().nodes(), gains);
    let edges = [1, 2, 16].map(Value::U16).to_vec();
    assert_eq!(
        document.get("EDGES"),
        Some(&Value::Vector(Vector::new(NumberKind::U16, edges).unwrap()))
    );
    let Some(Entry::One(Node::Record(chip))) = document.entry("CHIP") else {
        panic!("{document:?}");
    };
    assert_eq!(
        chip.get("TIME"),
        Some(&Value::Time(TimeScale::Utc, "2005-03-18T16:05:00Z".into()))
    );
    let Some(Entry::One(Node::Record(cell))) = chip.entry("CELL") else {
        panic!("{chip:?}");
    };
    assert_eq!(cell.get("ON"), Some(&Value::Bool(true)));
}

#[rstest]
#[case("a", "line 1: `a` has no type: a line is `NAME TYPE VALUE`, in `a`")]
#[case(
    "\na S32",
    "line 2: `a` has no value: write NULL for an empty string or time, in `a S32`"
)]
#[case("a S32 x", "line 1: `x` is not a value of type S32, in `a S32 x`")]
#[case(
    "a S16 40000",
    "line 1: `40000` is not a value of type S16, in `a S16 40000`"
)]
#[case("a U8 -1", "line 1: `-1` is not a value of type U8, in `a U8 -1`")]
#[case(
    "a BOOL maybe",
    "line 1: `maybe` is not a value of type BOOL, in `a BOOL maybe`"
)]
#[case(
    "a TAI soon",
    "line 1: `soon` is not a value of type TAI, in `a TAI soon`"
)]
#[case(
    "@a S32 1 x",
    "line 1: `x` is not a value of type S32, in `@a S32 1 x`"
)]
#[case("END", "line 1: END without an open METADATA block, in `END`")]
#[case(
    "a METADATA x",
    "line 1: `x` cannot stand after METADATA or MULTI, in `a METADATA x`"
)]
#[case(
    "a METADATA UPDATE",
    "line 1: the directive UPDATE is not supported: write the block out in full, in `a METADATA UPDATE`"
)]
#[case(
    "TYPE CELL X Y",
    "line 1: a TYPE template is not supported: write the block out in full, in `TYPE CELL X Y`"
)]
#[case(
    "a S32 1\na S32 2",
    "line 2: `a` stands twice at this level: declare it with `a MULTI` first, in `a S32 2`"
)]
#[case(
    "a METADATA\nEND\na METADATA\nEND",
    "line 3: `a` stands twice at this level: declare it with `a MULTI` first, in `a METADATA`"
)]
#[case(
    "\na METADATA\n b S32 1\n",
    "line 2: the block `a` is never closed: END is missing, or the text was cut off"
)]
fn errors_name_the_line_and_the_mend(#[case] text: &str, #[case] message: &str) {
    assert_eq!(read(text).unwrap_err().to_string(), message);
    assert_eq!(rows(text).unwrap_err().to_string(), message);
}

#[test]
fn an_unknown_type_is_named_with_the_known_ones() {
    insta::assert_snapshot!(read("a C128 1").unwrap_err(), @"line 1: `C128` is not a type: use S8, S16, S32, S64, U8, U16, U32, U64, F32, F64, STR, BOOL, UTC, TAI, UT1, TT, METADATA or MULTI, in `a C128 1`");
}

#[rstest]
#[case("a S32 0x1F", Value::S32(31))]
#[case("a S32 010", Value::S32(8))]
#[case("a S32 0", Value::S32(0))]
#[case("a U64 18446744073709551615", Value::U64(u64::MAX))]
#[case("a S64 -9223372036854775808", Value::S64(i64::MIN))]
#[case("a F64 -1.5e3", Value::F64(-1500.0))]
#[case("a STR null", Value::Null(NullKind::Str))]
#[case("a TAI NULL", Value::Null(NullKind::Time))]
#[case("\ta\tSTR\ttwo words \t", Value::Str("two words".into()))]
#[case("a UTC 2014-05-02", Value::Time(TimeScale::Utc, "2014-05-02".into()))]
#[case("a TT 2014-05-02 01:10:44.25", Value::Time(TimeScale::Tt, "2014-05-02 01:10:44.25".into()))]
fn values_are_read_as_pslib_reads_them(#[case] line: &str, #[case] value: Value) {
    assert_eq!(read(line).unwrap().get("a"), Some(&value));
}

#[test]
fn blocks_too_deep_inside_each_other_are_refused() {
    let text: String = iter::repeat_n("a METADATA\n", 100_000).collect();
    let error = read(&text).unwrap_err();
    assert_eq!(error.line, 65);
    assert!(matches!(error.fault, Fault::TooDeep(64)));
}

#[test]
fn bytes_that_are_not_text_are_refused_with_their_line() {
    let source: &[u8] = b"a S32 1\nb STR \xff\n";
    let error = Rows::new(source).next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "line 2: the line is not UTF-8 text");
}

#[test]
fn rows_stop_after_the_first_error() {
    let mut rows = Rows::new(io::Cursor::new("r METADATA\nEND\nx\nq METADATA\nEND\n"));
    assert!(rows.next().unwrap().is_ok());
    assert!(rows.next().unwrap().is_err());
    assert!(rows.next().is_none());
}

#[test]
fn a_line_break_in_a_string_cannot_start_another_line() {
    let row = Record::new().with("state", Value::Str("full\nEND\nfault S16 1".into()));
    let back = rows(&write_multi("remoteRun", &[row])).unwrap();
    assert_eq!(
        back[0].get("state"),
        Some(&Value::Str("full END fault S16 1".into()))
    );
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i8>().prop_map(Value::S8),
        any::<i16>().prop_map(Value::S16),
        any::<i32>().prop_map(Value::S32),
        any::<i64>().prop_map(Value::S64),
        any::<u8>().prop_map(Value::U8),
        any::<u16>().prop_map(Value::U16),
        any::<u32>().prop_map(Value::U32),
        any::<u64>().prop_map(Value::U64),
        any::<i16>().prop_map(|n| Value::F32(f32::from(n) / 8.0)),
        any::<i32>().prop_map(|n| Value::F64(f64::from(n) / 8.0)),
        any::<bool>().prop_map(Value::Bool),
        "[!-\"$-~é][ !-\"$-~é]{0,30}[!-\"$-~é]"
            .prop_filter("NULL is no string", |text| !text
                .eq_ignore_ascii_case("null"))
            .prop_map(Value::Str),
        (0..4_000_000_000_i64)
            .prop_map(|second| Value::time(jiff::Timestamp::from_second(second).unwrap())),
        Just(Value::Null(NullKind::Str)),
        Just(Value::Null(NullKind::Time)),
        prop::collection::vec(any::<u32>().prop_map(Value::U32), 0..5)
            .prop_map(|values| Value::Vector(Vector::new(NumberKind::U32, values).unwrap())),
    ]
}

fn record() -> impl Strategy<Value = Record> {
    let leaf = prop::collection::vec(("[a-zA-Z_.:][a-zA-Z0-9_.:]{0,20}", value()), 0..6).prop_map(
        |fields| {
            fields
                .into_iter()
                .fold(Record::new(), |record, (name, value)| {
                    record.with(format!("{name}_"), value)
                })
        },
    );
    leaf.prop_recursive(3, 24, 4, |inner| {
        let node = prop_oneof![value().prop_map(Node::Value), inner.prop_map(Node::Record)];
        let entry = prop_oneof![
            node.clone().prop_map(Entry::One),
            prop::collection::vec(node, 0..4).prop_map(Entry::Many)
        ];
        prop::collection::vec(("[a-z]{1,18}", entry), 0..4).prop_map(|entries| {
            let mut record = Record::new();
            for (name, entry) in entries {
                record.insert(name, entry);
            }
            record
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back_the_same(document in record()) {
        prop_assert_eq!(read(&write(&document)).unwrap(), document);
    }

    #[test]
    fn rows_read_back_the_same(records in prop::collection::vec(record(), 0..4)) {
        prop_assert_eq!(rows(&write_multi("row", &records)).unwrap(), records);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
        let _either = read(&text);
    }

    #[test]
    fn any_lines_of_words_are_read_or_refused_and_name_a_line_of_the_text(
        lines in prop::collection::vec(
            "(END|TYPE|@?[ab]|#)?[ \t](METADATA|MULTI|S16|STR|F32|TAI|BOOL)?[ \t]?(UPDATE|[-0-9x.eT:]{0,12}|#)?",
            0..12,
        )
    ) {
        if let Err(error) = read(&lines.join("\n")) {
            prop_assert!((1..=lines.len()).contains(&error.line));
        }
    }

    #[test]
    fn simple_rows_keep_one_line_each(records in prop::collection::vec(
        prop::collection::vec(value(), 1..6), 0..4,
    )) {
        let rows: Vec<_> = records
            .iter()
            .map(|values| {
                values.iter().enumerate().fold(Record::new(), |row, (i, value)| {
                    row.with(format!("f{i}"), value.clone())
                })
            })
            .collect();
        let text = write_simple(&rows);
        prop_assert_eq!(text.lines().count(), rows.len());
        for (line, values) in text.lines().zip(&records) {
            prop_assert_eq!(line.split(' ').count(), values.len());
        }
    }
}
