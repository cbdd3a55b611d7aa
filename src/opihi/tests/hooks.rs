use std::{path::Path, sync::Arc};

use super::{
    super::{Args, Builtin, Flow},
    interpreter,
};

fn says(text: &'static str) -> Builtin {
    Arc::new(move |interpreter, args| {
        interpreter.out(&format!("{text}: {}\n", args.line()?));
        Ok(Flow::On)
    })
}

#[test]
fn an_own_command_is_found_by_its_whole_name_and_gives_way_to_a_macro() {
    let (mut interpreter, paper) = interpreter();
    interpreter.register_own("chipper", says("own"));
    let mut run = |text: &str| {
        let outcome = interpreter.run_text(Path::new("t"), text);
        outcome.err().map(|stop| format!("{stop:?}"))
    };
    assert_eq!(run("chipper a \"b c\""), None);
    let gone = run("chip").unwrap_or_default();
    assert!(gone.contains("NoCommand"), "{gone}");
    let script = "macro chipper\necho macro\nend\nchipper\nchip\nmacro delete chipper\nchipper";
    assert_eq!(run(script), None);
    assert_eq!(
        *paper.0.lock().unwrap(),
        "own: chipper a \"b c\"\nmacro\nmacro\nown: chipper\n"
    );
}

#[test]
fn a_word_that_names_nothing_goes_to_the_fallback() {
    let (mut interpreter, paper) = interpreter();
    interpreter.set_fallback(says("elsewhere"));
    let script = "$x = a;$y = \"b c\"; gone $x $y {1+1}\nif (1) gone\necho here";
    assert!(interpreter.run_text(Path::new("t"), script).is_ok());
    assert!(interpreter.run_text(Path::new("t"), "str a").is_err());
    assert_eq!(
        *paper.0.lock().unwrap(),
        "elsewhere: gone a \"b c\" 2\nelsewhere: gone\nhere\n"
    );
}

#[test]
fn words_run_as_they_are() {
    let (mut interpreter, paper) = interpreter();
    let words: Args = ["echo", "$none {x", "a;b"].into_iter().collect();
    let line = words.line().unwrap();
    let words = Args::of_line(&line).unwrap();
    assert!(interpreter.run_words(Path::new("t"), words).is_ok());
    assert_eq!(*paper.0.lock().unwrap(), "$none {x a;b\n");
}

#[test]
fn help_knows_every_command() {
    let (interpreter, _) = interpreter();
    let names = interpreter.command_names().chain(interpreter.own_names());
    let silent: Vec<&str> = names
        .filter(|name| {
            let usage = interpreter.commands.usage(name).unwrap_or_default();
            interpreter.commands.help(name).is_empty() || !usage.starts_with(name)
        })
        .collect();
    // The one is the other.
    assert_eq!(silent, ["queue2book"]);
}
