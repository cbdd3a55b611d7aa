use std::path::Path;

use proptest::prelude::*;

use super::interpreter;

/// Pieces that scripts are made of, so that chance makes scripts that almost work.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "$a",
            "$b",
            "$X:$i",
            "$$a",
            "$?a",
            "$1",
            "=",
            "==",
            "+",
            "-",
            "{",
            "}",
            "\\",
            "\"",
            "(",
            ")",
            "`",
            ";",
            "\n",
            "\nend\n",
            "\nelse\n",
            "if (1)\n",
            "for i 0 2\n",
            "macro f\n",
            "f ",
            "while ($a)\n",
            "echo ",
            "list L -add ",
            "list L\n",
            "book init ",
            "local a\n",
            "next\n",
            "last\n",
            "break\n",
            "sprintf a %d ",
            "set a = ",
            " ",
            "1",
            "0x",
            "1e",
            "word",
            "é",
        ])
        .prop_map(str::to_owned),
        "[ -@^_|~]{0,4}",
    ]
}

/// Text of chance. No piece can begin a command that touches files.
fn script() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..40).prop_map(|pieces| pieces.concat())
}

/// Lines that give variables values that are read in their own ways.
fn assignments() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "1", "1.0", "010", "-3", "word", "a b", "\"q r\"", "\"\"", "k=v", "a-b", "rele-3", "/p",
        "inf", "log", "1 + 2", "(1", "x;y", "", "{1+1}", "\\\\", "\\$a",
    ]);
    (value.clone(), value.clone(), value)
        .prop_map(|(a, b, i)| format!("$a = {a}\n$b = {b}\n$i = {i}\n$X:0 = e\n$X:1 = f"))
}

proptest! {
    #[test]
    fn no_script_makes_it_panic(script in script()) {
        let (mut interpreter, _) = interpreter();
        interpreter.limit_steps(Some(300));
        drop(interpreter.run_text(Path::new("t"), &script));
    }

    #[test]
    fn showing_lines_changes_nothing(script in script(), start in assignments()) {
        let mut said = Vec::new();
        for verbose in [false, true] {
            let (mut interpreter, paper) = interpreter();
            interpreter.limit_steps(Some(300));
            drop(interpreter.run_text(Path::new("t"), &start));
            interpreter.trace(verbose);
            let outcome = interpreter.run_text(Path::new("t"), &script);
            let text = paper.0.lock().unwrap().clone();
            let shown: Vec<String> = text
                .lines()
                .filter(|line| !line.starts_with("! "))
                .map(str::to_owned)
                .collect();
            said.push((shown, format!("{outcome:?}")));
        }
        // Inline commands count twice where they are text.
        prop_assume!(!said.iter().any(|(_, outcome)| outcome.contains("TooMany")));
        prop_assert_eq!(&said[0], &said[1]);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(super::super::Program::read(Path::new("t"), &bytes));
    }

    #[test]
    fn what_was_taken_apart_means_what_the_text_means(
        template in "([a-z]|\\$[vw]|\\$L:\\$v|\"| |[(]|[)]|[.]){1,12}",
        v in "[a-z0-9 \".$(]{0,4}",
        w in "[a-z0-9 \"]{0,4}",
    ) {
        let mut said = Vec::new();
        for textual in [false, true] {
            let (mut interpreter, paper) = interpreter();
            interpreter.set("v", &v);
            interpreter.set("w", &w);
            interpreter.set("L:1", "element");
            if textual {
                // A whole line out of a variable is never taken apart beforehand.
                interpreter.set("none", "");
                let line = format!("$none echo {template}");
                drop(interpreter.run_text(Path::new("t"), &line));
            } else {
                drop(interpreter.run_text(Path::new("t"), &format!("echo {template}")));
            }
            said.push(paper.0.lock().unwrap().clone());
        }
        prop_assert_eq!(&said[0], &said[1]);
    }

    #[test]
    fn a_condition_taken_apart_is_true_when_its_text_is(
        condition in "(\\$[vw]|\\$L:\\$v|\"\\$v\"|\"a\"|[0-9]|a|not)( |[(]|[)]| == | != | - | [+] | < |-|&&| [|][|] |[*]|[\\^]){0,1}(\\$[vw]|\"\\$w\"|\"a\"|[0-9]|[(]\\$v[)])",
        v in "(-?[0-9]{1,2}|a|not|1e|1[.]5| |[0-9]-[0-9]|[(]1|\"a\"|nan|ae-1|k=v)",
        w in "(-?[0-9]{1,2}|a|1[.]0|3 |[)]|)",
    ) {
        let mut said = Vec::new();
        for none in ["", "$none "] {
            let (mut interpreter, paper) = interpreter();
            interpreter.set("v", &v);
            interpreter.set("w", &w);
            interpreter.set("L:1", "2");
            interpreter.set("none", "");
            let line = format!("{none}if ({condition}) echo yes");
            let worked = interpreter.run_text(Path::new("t"), &line).is_ok();
            let text = paper.0.lock().unwrap().clone();
            said.push((worked, text));
        }
        prop_assert_eq!(&said[0], &said[1]);
    }
}
