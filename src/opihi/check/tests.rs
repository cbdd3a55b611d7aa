//! Whatever stands in a file, a check comes to its end and what it finds can be drawn.

use std::path::Path;

use proptest::prelude::*;

use super::{
    super::{Program, tests::interpreter},
    Finding, Walk, check,
};
use crate::config::problem::{Look, render};

fn fragment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "if",
        "(",
        ")",
        "end",
        "else",
        "macro",
        "m",
        "task",
        "task.exec",
        "task.exit",
        "0",
        "for",
        "while",
        "foreach",
        "list",
        "$",
        "$a",
        "$$a",
        "$X:$i",
        "$?a",
        "$1",
        "$EXIT",
        "=",
        "==",
        "++",
        "\"",
        "\"x\"",
        ";",
        "#",
        "-var",
        "a.b",
        ".",
        ":",
        "{",
        "\\",
        "command",
        "é",
        "\t",
        "set",
        "local",
        "`",
        "!",
        "(1)",
    ])
}

proptest! {
    #[test]
    fn any_text_is_checked(
        lines in prop::collection::vec(prop::collection::vec(fragment(), 0..7), 0..14),
        glue in prop::sample::select(vec!["", " "]),
    ) {
        let lines: Vec<String> = lines.iter().map(|words| words.join(glue)).collect();
        let program = Program::read(Path::new("any.pro"), lines.join("\n").as_bytes()).unwrap();
        let (interpreter, _) = interpreter();
        let walks = [Walk::of(&program)];
        let problems: Vec<_> =
            check(&interpreter, &walks, true).iter().map(Finding::problem).collect();
        render(&problems, Look::Plain);
    }
}

#[test]
fn blocks_may_nest_as_deep_as_a_file_is_long() {
    let text = "if (1)\n".repeat(3000) + &"end\n".repeat(3000);
    let program = Program::read(Path::new("deep.pro"), text.as_bytes()).unwrap();
    let walk = Walk::of(&program);
    let (interpreter, _) = interpreter();
    assert!(check(&interpreter, &[walk], true).is_empty());
}
