use std::path::Path;

use rstest::rstest;

use super::{
    super::{Interpreter, Program, Stop},
    transcript,
};

#[rstest]
// §1.1, §1.2
#[case("# nothing\necho a\n  # nor here", "a\n")]
#[case("echo a; echo b ;; echo c", "a\nb\nc\n")]
#[case("echo \"a;b\"", "1: misbalanced quotes\n")]
#[case("echo a # b", "a # b\n")]
#[case("if (1) # only a comment", "")]
#[case("nope x\necho never", "1: nope: Command not found.\n")]
// §1.3
#[case("echo \"a  b\" c   d", "a  b c d\n")]
#[case("$x = a b\necho \"$x\" $x", "a b a b\n")]
#[case("strlen \"\"", "0\n")]
#[case("echo it's", "it's\n")]
// §1.4
#[case("$X:0 = a; $X:1 = b; $i = 1; echo $X:$i", "b\n")]
#[case("$a = 1; $?a", "1: 1: Command not found.\n")]
#[case("$a = 1; echo $?a $?b", "1 0\n")]
#[case("echo $none", "1: variable none not found\n")]
#[case("echo $1", "1: $1: not in a macro\n")]
#[case("$Y = 2012; $M = 01; $D = 02; echo $Y\\$M\\$D", "20120102\n")]
#[case("$Y = 2012; $M = 01; $D = 02; $x = $Y\\$M\\$D; echo $x", "20120102\n")]
#[case("$ref = name; $$ref = v; echo $name $$ref", "v v\n")]
#[case("$L:n = 3; $r = L; echo $$r:n", "3\n")]
#[case("$i = 2; $X:$i = two; echo $X:2", "two\n")]
#[case("$a = x.y; echo $a.z-$a", "x.y.z-x.y\n")]
#[case("echo 5$ $", "5$ $\n")]
#[case("$a = echo hi; $a there", "hi there\n")]
#[case("$p = b; $?map:b = 1; echo $?map:$p", "0\n")]
// §1.5
#[case("$x =\necho [$x]", "[]\n")]
#[case("$x = `echo a b`; echo $x $EXECSTATUS", "a b 0\n")]
#[case("$x = `lines`; echo $x", "one two three\n")]
#[case("$x = `false`; echo [$x]", "! warning: exit status of command 3\n[]\n")]
#[case("$x = 1 + 2 * 3; echo $x", "7\n")]
#[case("$x = 1.0; echo $x", "1.0\n")]
#[case("$x = 4 / 2; echo $x", "2\n")]
#[case("$x = \"GPC1\"; echo $x; $y = $x; strlen \\\"$x\\\"", "GPC1\n")]
#[case("$x = 2012-01-02; echo $x", "2009\n")]
#[case("$x = 1970-01-01T00:00:00; echo $x", "1970-01-01T00:00:00\n")]
#[case("$x = remotetool -limit 5; echo $x", "remotetool -limit 5\n")]
#[case("$x = /data/$?x; echo $x", "/data/0\n")]
#[case("$x ++; $x ++; $x --; $x += 2.5; $x -= 1; echo $x", "2.5\n")]
#[case("set x = 3 * 4; echo $x", "12\n")]
#[case("set x = word", "1: cannot evaluate word: word is no number\n")]
#[case("$n = 3; echo a{$n-1}b \\{1\\}", "a2b {1}\n")]
#[case("echo {1 + {2}}", "1: can't nest brackets!\n")]
#[case("echo {1 + 2", "1: no close brackets!\n")]
#[case("echo {a + 2}", "1: cannot evaluate expression in brackets: a + 2\n")]
// §1.6
#[case("ech a; wha", "a\n1: wha: Command not found.\n")]
#[case(
    "str a",
    "1: ambiguous command: str ( strhash strlen strmatch strpop strstr strsub )\n"
)]
#[case("macro chip.on\necho on\nend\nchip", "on\n")]
#[case(
    "macro chip.on\nend\nmacro chip.off\nend\nchip",
    "5: ambiguous command: chip ( chip.off chip.on )\n"
)]
#[case("macro echo\nend", "1: cannot redefine inherent command echo\n")]
// §1.7
#[case("if (\"a\" == \"a\") echo yes", "yes\n")]
#[case("$a = NULL; if ($a == \"NULL\") echo yes", "")]
#[case("$a = NULL; if (\"$a\" == \"NULL\") echo yes", "yes\n")]
#[case("if (\"5\" == 5) echo yes", "")]
#[case("if (0.5) echo yes", "")]
#[case("if (not(0) && 1 || 0) echo yes", "yes\n")]
#[case("if (word) echo yes", "1: syntax error in logic: (word)\n")]
#[case("if ($?X && \"$X\" != \"a\") echo yes", "1: variable X not found\n")]
#[case("$J = -1; if ($J == -1) echo yes", "yes\n")]
#[case("$a = x; $b = x; if ($a == $b) echo same", "same\n")]
#[case(
    "echo {7 % 4} {2 ^ 3 ^ 2} {1 ? 5 : 6} {5 >> 3} {010} {0x10}",
    "3 512 5 5 8 16\n"
)]
#[case(
    "echo {1/3} {min(2,1)} {length(abc)} {abs(-2)} {-2^2} {2147483647 + 1}",
    "0.333333333333 1 3 2 4 2147483648\n"
)]
// §1.8
#[case("if (0)\necho a\nelse\necho b\nendif\necho c", "b\nc\n")]
#[case("if (1)\nif (0)\necho a\nend\necho b\nEND", "b\n")]
#[case("if (1)\nelse\nelse\nend", "1: multiple 'ELSE' in one `if`\n")]
#[case("if (1)\necho a", "1: `if (1)` has no `end`\n")]
#[case("end", "1: `end` closes nothing that is open\n")]
#[case("if (0) echo $none", "1: variable none not found\n")]
#[case("if (1) echo \"a  b\"", "a b\n")]
#[case("for i 0 3\necho $i\nend", "0\n1\n2\n")]
#[case("for i 0 0\necho $i\nend\necho $i", "0\n")]
#[case("for i 3 1 -1 -incl\necho $i\nend", "3\n2\n1\n")]
#[case("for i 0 9\n$i = $i + 4\necho $i\nend", "4\n9\n")]
#[case("foreach f a \"b c\"\necho <$f>\nend", "<a>\n<b c>\n")]
#[case(
    "$i = 0\nwhile ($i < 3)\n$i ++\nif ($i == 2) next\necho $i\nend",
    "1\n3\n"
)]
#[case(
    "for i 0 5\nif ($i == 2) last\necho $i\nend\necho after",
    "0\n1\nafter\n"
)]
#[case(
    "macro f\nfor i 0 5\nif ($i == 1)\nreturn\necho never\nend\necho $i\nend\necho after\nend\nf",
    "0\nafter\n"
)]
#[case("macro f\necho a\nbreak\necho never\nend\nf\necho never", "a\nbreak\n")]
#[case("for i 0 2\nbreak\nend\necho never", "break\n")]
#[case(
    "macro f\nnope\necho never\nend\nf\necho never",
    "2: nope: Command not found.\n"
)]
#[case(
    "break -auto off\nnope\necho on",
    "! t:2: nope: Command not found.: `nope`\non\n"
)]
// §1.9
#[case(
    "macro f -c \"help text\"\necho $0 $1 $2\nend\nf a \"b c\"\nhelp f",
    "3 a b c\nf: help text\n"
)]
#[case(
    "macro f\necho $2\nend\nf a",
    "2: $2: the macro f was called with 1 argument(s)\n"
)]
#[case(
    "macro f\nlocal x\n$x = in\necho $x\nend\n$x = out\nf\necho $x",
    "in\nout\n"
)]
#[case(
    "macro f\nlocal x -static\necho $x\n$x = kept\nend\nf\nf",
    "NULL\nkept\n"
)]
#[case("macro f\nif ($1 > 0) f {$1-1}\necho $1\nend\nf 2", "0\n1\n2\n")]
#[case(
    "macro f\nf\nend\nf",
    "2: nested more than 128 deep: a macro that calls itself for ever?\n"
)]
#[case(
    "macro add\n$$1 = $$1 more\nend\n$run = tool\nadd run\necho $run",
    "tool more\n"
)]
#[case("if (1)\nmacro f\necho in f\nend\nend\nf", "in f\n")]
#[case("macro f\necho a", "! t:1: missing 'END' in macro definition: f\n")]
// §2.2
#[case("echo -no-return a; echo b", "ab\n")]
#[case(
    "sprintf s \"%02d|%5s|%-4s|%.2f|%x|%c\" 7 ab c 1.005 255 zed; echo \"$s\"",
    "07|   ab|c   |1.00|ff|z\n"
)]
#[case("sprintf s %d", "1: mismatch between format and values\n")]
#[case(
    "substr abcdef 1 3; substr abc 2 5 v",
    "bcd\n1: substr: 2 5 is beyond \"abc\"\n"
)]
#[case("strlen abc n; echo $n", "3\n")]
#[case(
    "strsub /data/@HOST@.0/x @HOST@.0 ipp01 -var v; echo $v",
    "/data/ipp01/x\n"
)]
#[case("inthash 17 5 -var h; inthash abc 5 g; echo $h $g", "2 0\n")]
#[case("inthash 17 300", "1: 300: the modulus is 1 to 255\n")]
#[case(
    "basename /a/b.c; basename /a/b.c -suffix -var v; dirname /a/b.c; echo $v",
    "b.c\n/a\nb\n"
)]
#[case("list L\n a b\n# no\nc\nend\necho $L:n $L:0", "2 a b\n")]
#[case("list L -add a; list L -add b; list L -del a; echo $L:n $L:0", "1 b\n")]
#[case("list L -del x", "1: value x not found in list\n")]
#[case("list L -x lines; echo $L:n $L:1", "3 two\n")]
#[case(
    "list L -splitbychar . sky.12.3; echo $L:n $L:2; list L -join j; echo $j",
    "3 3\nsky 12 3\n"
)]
#[case(
    "date -var d; date -seconds; echo \"$d\"",
    "1000000000\nSun Sep  9 01:46:40 2001\n"
)]
#[case("exec false\necho never", "1: exit status of command 3: false\n")]
#[case("exec echo hi", "hi\n")]
#[case("! echo hi", "hi\n")]
#[case(
    "opihi verbose on\n$x = 2\necho a$x",
    "opihi: $x Set 2\nopihi: echo a2\na2\n"
)]
// §2.3
#[case(
    "queuepush q a; queuepush q b; queuepop q -var v; echo $v; queueprint q; queuesize q; queuepop none",
    "a\nb\n1\nNULL\n"
)]
#[case(
    "queuepush q \"a 1\"; queuepush q \"b 1\" -uniq -key 1; queuepush q \"c 1\" -replace -key 1; queueprint q",
    "c 1\n"
)]
#[case(
    "queueload q -x lines; queuesubstr q e E; queueprint q",
    "onE\n two\n\nthrEE\n"
)]
#[case("queuedelete q", "1: queue q not found\n")]
fn a_script_prints(#[case] script: &str, #[case] expected: &str) {
    assert_eq!(transcript(script), expected, "{script}");
}

#[test]
fn status_tells_whether_the_last_command_worked() {
    let said = transcript("break -auto off\nnope\necho $STATUS\necho $STATUS");
    assert!(said.ends_with("0\n1\n"), "{said}");
}

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

#[test]
fn files_are_found_by_module_and_stop_at_their_first_failure() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.pro"), "echo a\nnope\necho never\n").unwrap();
    let (mut interpreter, paper) = super::interpreter();
    interpreter.set_list("MODULES", ["/nowhere", dir.path().to_str().unwrap()]);
    let outcome = interpreter.run_text(Path::new("t"), "module a.pro");
    let Err(Stop::Failed(failure)) = outcome else {
        panic!("it fails");
    };
    assert_eq!(failure.place.unwrap().line, 2);
    assert_eq!(*paper.0.lock().unwrap(), "a\n");
    let gone = interpreter.run_text(Path::new("t"), "module b.pro");
    assert!(format!("{gone:?}").contains("NoModule"));
    let gone = interpreter.run_text(Path::new("t"), "input b.pro");
    assert!(format!("{gone:?}").contains("NoFile"));
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
