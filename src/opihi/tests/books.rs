use std::path::Path;

use rstest::rstest;

use super::transcript;

#[rstest]
#[case(
    "book init B\nbook newpage B p\nbook setword B p w v\nbook getword B p w\nbook listpage B p",
    "! v\n!               w               v\n"
)]
#[case("book getword B p w -var v\necho $v", "NULL\n")]
#[case("book getpage B 0 -var v\necho $v", "NULL\n")]
#[case("book npages B -var n\necho $n", "0\n")]
#[case("book delete B", "1: book B not found\n")]
#[case("book init B\nbook setword B p w v", "2: page p not found in book B\n")]
#[case(
    "book init B\nbook newpage B a\nbook newpage B b\nbook setword B b s INIT\nbook getpage B 0 -var v -key s INIT\nbook getpage B -1 -var u\nbook npages B -key s NULL -var n\necho $v $u $n",
    "b b 1\n"
)]
#[case(
    "book init B\nbook newpage B a\nbook newpage B b\nbook delpage B a\nbook listbook B\nbook list",
    "! b                 0\n! B                 1\n"
)]
#[case(
    "book init B\nbook newpage B a\nbook setword B a s DONE\nbook delpage B -key s DONE\nbook npages B",
    "! 0 pages\n"
)]
#[case(
    "ipptool2book none B\nbook npages B",
    "! queue none not found\n! 0 pages\n"
)]
fn books_keep_pages_of_words(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(transcript(script), expected, "{script}");
}

const ROWS: &str = "\n# a comment\nrun MULTI\n\nrun METADATA\n  id S64 17\n  stage STR chip # said\n  \
                    rate F32 1.0\n  label STR \"two words\"\nEND\nrun METADATA\n  id S64 18\n  stage \
                    STR camera\nEND\n";

fn with_rows(rows: &str, script: &str) -> (String, bool) {
    let (mut interpreter, paper) = super::interpreter();
    interpreter.queues_mut().push_lines("stdout", rows);
    let outcome = interpreter.run_text(Path::new("t"), script);
    let text = paper.0.lock().unwrap().clone();
    (text, outcome.is_ok())
}

#[test]
fn rows_become_pages_named_by_their_keys() {
    let script = "ipptool2book stdout B -uniq -key id:stage -setword db x -setword s INIT\nbook \
                  listpage B 17:chip\nbook listbook B\nqueuesize stdout";
    let (text, _) = with_rows(ROWS, script);
    insta::assert_snapshot!(text, @r"
    !              id              17
    !           stage            chip
    !            rate             1.0
    !           label       two words
    !              db               x
    !               s            INIT
    ! 17:chip           6
    ! 18:camera         4
    0
    ");
}

#[test]
fn a_page_that_is_there_keeps_its_state() {
    let script = "book create B\nbook newpage B 17\nbook setword B 17 s RUN\nipptool2book stdout B \
                  -uniq -key id -setword s INIT\nbook getword B 17 s -var a\nbook getword B 18 s \
                  -var b\necho $a $b";
    assert_eq!(with_rows(ROWS, script).0, "RUN INIT\n");
}

#[test]
fn a_missing_key_fails_and_other_faults_are_told() {
    assert!(!with_rows(ROWS, "ipptool2book stdout B -key gone").1);
    let (text, ok) = with_rows("run METADATA\nEND\n", "ipptool2book stdout B");
    assert!(ok);
    assert_eq!(
        text,
        "! ERROR: missing metadata output name on first line\n"
    );
    let (text, ok) = with_rows(
        "r MULTI\nr METADATA\n a STR\nEND\n",
        "ipptool2book stdout B",
    );
    assert!(ok);
    assert_eq!(text, "! ERROR: missing value for a\n");
}
