//! Commands on text and numbers (spec/pantasks.md §2.2).

use super::{
    super::{error::Fault, expr, interpreter::Interpreter, number::leading_integer, words::Args},
    Simple, format,
    options::Options,
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[
    ("set", set),
    ("sprintf", sprintf),
    ("strlen", strlen),
    ("substr", substr),
    ("strsub", strsub),
    ("strstr", strstr),
    ("strmatch", strmatch),
    ("strpop", strpop),
    ("strhash", strhash),
    ("getchr", getchr),
    ("inthash", inthash),
    ("basename", basename),
    ("dirname", dirname),
];

fn answer(interpreter: &mut Interpreter, variable: Option<&str>, value: &str) {
    match variable {
        Some(variable) => interpreter.set(variable, value),
        None => interpreter.out(&format!("{value}\n")),
    }
}

fn set(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    const USAGE: Fault = Fault::Usage("set NAME = EXPRESSION");
    let text = args.rest().collect::<Vec<_>>().join(" ");
    let (name, value) = text.split_once('=').ok_or(USAGE)?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || name.contains(' ') {
        return Err(USAGE);
    }
    let number = expr::number(value).map_err(|reason| Fault::Expression {
        text: value.to_owned(),
        reason,
    })?;
    interpreter.set(name, &number.print());
    Ok(())
}

fn sprintf(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), Some(form)) = (args.get(1), args.get(2)) else {
        return Err(Fault::Usage("sprintf VARIABLE FORMAT VALUE..."));
    };
    let text = format::format(form, args.rest().skip(2))?;
    interpreter.set(name, &text);
    Ok(())
}

fn strlen(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let Some(text) = args.get(1) else {
        return Err(Fault::Usage("strlen STRING [VARIABLE]"));
    };
    answer(interpreter, args.get(2), &text.len().to_string());
    Ok(())
}

fn substr(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(text), Some(start), Some(length)) = (args.get(1), args.get(2), args.get(3)) else {
        return Err(Fault::Usage("substr STRING START LENGTH [VARIABLE]"));
    };
    let part = usize::try_from(leading_integer(start))
        .ok()
        .zip(usize::try_from(leading_integer(length)).ok())
        .and_then(|(start, length)| text.get(start..start.checked_add(length)?))
        .ok_or_else(|| Fault::message(format!("substr: {start} {length} is beyond \"{text}\"")))?;
    answer(interpreter, args.get(4), part);
    Ok(())
}

fn strsub(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let &[text, key, value] = options.words() else {
        return Err(Fault::Usage("strsub STRING KEY VALUE [-var VARIABLE]"));
    };
    let replaced = if key.is_empty() {
        text.to_owned()
    } else {
        text.replace(key, value)
    };
    answer(interpreter, variable, &replaced);
    Ok(())
}

fn strstr(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(text), Some(part)) = (args.get(1), args.get(2)) else {
        return Err(Fault::Usage("strstr STRING PART [VARIABLE]"));
    };
    let at = text
        .find(part)
        .map_or_else(|| "-1".to_owned(), |at| at.to_string());
    answer(interpreter, args.get(3), &at);
    Ok(())
}

fn strmatch(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(text), Some(pattern)) = (args.get(1), args.get(2)) else {
        return Err(Fault::Usage("strmatch STRING PATTERN [VARIABLE]"));
    };
    let glob = globset::Glob::new(pattern)
        .map_err(|error| Fault::message(format!("{pattern}: {error}")))?;
    let found = glob.compile_matcher().is_match(text);
    answer(interpreter, args.get(3), if found { "1" } else { "0" });
    Ok(())
}

fn strpop(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(from), Some(to)) = (args.get(1), args.get(2)) else {
        return Err(Fault::Usage(
            "strpop VARIABLE RESULT: takes the first word away",
        ));
    };
    let missing = || Fault::NoVariable(from.to_owned());
    let text = interpreter
        .get(from)
        .ok_or_else(missing)?
        .trim_start()
        .to_owned();
    let (first, rest) = text.split_once(' ').unwrap_or((&text, ""));
    interpreter.set(to, first);
    interpreter.set(from, rest.trim_start());
    Ok(())
}

fn modulus(text: &str) -> Result<i64, Fault> {
    match leading_integer(text) {
        modulus @ 1..=255 => Ok(modulus),
        _ => Err(Fault::message(format!("{text}: the modulus is 1 to 255"))),
    }
}

fn hash_variable(args: &Args) -> Option<&str> {
    args.get(3).and_then(|word| {
        if word == "-var" {
            args.get(4)
        } else {
            Some(word)
        }
    })
}

fn strhash(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(text), Some(by)) = (args.get(1), args.get(2)) else {
        return Err(Fault::Usage("strhash STRING MODULUS [-var VARIABLE]"));
    };
    let sum: i64 = text.bytes().map(i64::from).sum();
    let hash = sum % modulus(by)?;
    answer(interpreter, hash_variable(args), &hash.to_string());
    Ok(())
}

fn inthash(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(word), Some(by)) = (args.get(1), args.get(2)) else {
        return Err(Fault::Usage("inthash WORD MODULUS [-var VARIABLE]"));
    };
    let hash = leading_integer(word) % modulus(by)?;
    answer(interpreter, hash_variable(args), &hash.to_string());
    Ok(())
}

fn getchr(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(text), Some(at)) = (args.get(1), args.get(2)) else {
        return Err(Fault::Usage("getchr STRING INDEX [VARIABLE]"));
    };
    let chr = usize::try_from(leading_integer(at))
        .ok()
        .and_then(|at| text.get(at..=at));
    let chr = chr.ok_or_else(|| Fault::message(format!("getchr: {at} is beyond \"{text}\"")))?;
    answer(interpreter, args.get(3), chr);
    Ok(())
}

fn basename(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let strip = options.flag("-suffix");
    let &[path] = options.words() else {
        return Err(Fault::Usage("basename PATH [-var VARIABLE] [-suffix]"));
    };
    let path = path.trim_end_matches('/');
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let name = match name.rsplit_once('.') {
        Some((stem, _)) if strip => stem,
        _ => name,
    };
    answer(interpreter, variable, name);
    Ok(())
}

fn dirname(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let &[path] = options.words() else {
        return Err(Fault::Usage("dirname PATH [-var VARIABLE]"));
    };
    let name = match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => ".",
    };
    answer(interpreter, variable, name);
    Ok(())
}
