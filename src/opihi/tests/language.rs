use std::path::Path;

use rstest::rstest;

use super::{
    super::{Interpreter, Program, Stop},
    transcript,
};

#[test]
fn a_failure_names_file_line_text_and_the_way_there() {
    let (mut interpreter, _) = super::interpreter();
    let script = "macro f\n  echo $gone\nend\nf";
    let Err(Stop::Failed(failure)) = interpreter.run_text(Path::new("a.pro"), script) else {
        panic!("it fails");
    };
    insta::assert_snapshot!(failure, @r"
    a.pro:2: variable gone not found: `echo $gone`
      in macro f
    ");
    let drawn =
        crate::config::problem::render(&[failure.problem()], crate::config::problem::Look::Plain);
    assert!(drawn.contains("a.pro:2"), "{drawn}");
}

#[rstest]
#[case(b"\x7fELF\x00\x01\xff\n", "control characters")]
#[case(b"echo ok\necho \xff\xfe\n", "not UTF-8")]
fn garbage_is_no_script(#[case] bytes: &[u8], #[case] why: &str) {
    let Err(Stop::Failed(failure)) = Program::read(Path::new("g"), bytes) else {
        panic!("no script");
    };
    assert!(failure.to_string().contains("not a script"), "{failure}");
    assert!(
        failure.to_string().contains(why) || bytes[0] == 0x7f,
        "{failure}"
    );
}

#[rstest]
#[case("if (1)", true)]
#[case("if (1) echo a", false)]
#[case("macro f\nif (1)\nend", true)]
#[case("macro f\nif (1)\nend\nend", false)]
#[case("list L -add a", false)]
#[case("task t\ntask.exec\nend", true)]
fn an_open_block_wants_more_lines(#[case] text: &str, #[case] more: bool) {
    assert_eq!(Interpreter::wants_more(text), more);
}

#[rstest]
#[case("if (1) ", "echo a", "1: nested more than 128 deep")]
#[case("1 + ", "1", "")]
#[case("$x = (", "1", "")]
#[case("$x = 1 + 1 ", "", "")]
#[case("- ", "1", "")]
fn long_lines_end_well(#[case] start: &str, #[case] end: &str, #[case] said: &str) {
    let script = format!("{}{end}", start.repeat(20_000));
    let text = transcript(&script);
    assert!(text.contains(said), "{text:.200}");
    let condition = format!(
        "if ({}1{}) echo yes",
        "(".repeat(20_000),
        ")".repeat(20_000)
    );
    assert!(transcript(&condition).starts_with("1: syntax error in logic"));
}

#[test]
fn an_interrupt_stops_an_endless_loop() {
    let (mut interpreter, _) = super::interpreter();
    interpreter
        .interrupt()
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let outcome = interpreter.run_text(Path::new("t"), "while (1)\nend");
    assert!(format!("{outcome:?}").contains("Interrupted"));
}
