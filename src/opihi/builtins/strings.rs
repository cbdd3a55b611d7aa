//! Commands on text and numbers (spec/pantasks.md §2.2).

use super::{
    super::{
        error::Fault,
        expand::replaced,
        expr,
        interpreter::Interpreter,
        number::{Number, leading_integer, leading_real},
        words::{self, Args},
    },
    Entry, answer, answer_aside,
    format::{self, Integers},
    options::Options,
};

pub(super) const COMMANDS: &[Entry] = &[
    (
        "set",
        "set NAME = EXPRESSION",
        "sets a variable to a number",
        set,
    ),
    (
        "sprintf",
        "sprintf VARIABLE FORMAT [VALUE...]",
        "sets a variable to formatted text",
        sprintf,
    ),
    (
        "fprintf",
        "fprintf FORMAT [VALUE...]",
        "prints formatted text",
        fprintf,
    ),
    (
        "strlen",
        "strlen TEXT [VARIABLE]",
        "tells the length of a text",
        strlen,
    ),
    (
        "substr",
        "substr TEXT START LENGTH [VARIABLE]",
        "takes LENGTH characters of a text from START, which counts from 0",
        substr,
    ),
    (
        "strsub",
        "strsub TEXT KEY VALUE [-var VARIABLE]",
        "replaces each KEY in a text by VALUE",
        strsub,
    ),
    (
        "strstr",
        "strstr TEXT PART [-start VARIABLE] [-length VARIABLE] [-q]",
        "tells where a text has a part, -1 where it has not, and how long that is",
        strstr,
    ),
    (
        "strmatch",
        "strmatch TEXT alpha|upper|lower|int|float [-output START LENGTH]",
        "tells where a text has its first characters of a kind, and how many",
        strmatch,
    ),
    (
        "strpop",
        "strpop VARIABLE [RESULT]",
        "takes the first word out of a variable, which becomes NULL with its last",
        strpop,
    ),
    (
        "strhash",
        "strhash TEXT MODULUS [-var VARIABLE]",
        "makes a number below MODULUS, at most 255, of a text",
        strhash,
    ),
    (
        "inthash",
        "inthash WORD MODULUS [-var VARIABLE]",
        "divides the number that begins a word by MODULUS, at most 255, and tells the remainder",
        inthash,
    ),
    (
        "getchr",
        "getchr TEXT CHARACTER [VARIABLE]",
        "tells where a text has a character first, -1 where it has not",
        getchr,
    ),
    (
        "basename",
        "basename PATH [-suffix SUFFIX] [-var VARIABLE]",
        "takes the last name of a path, without a suffix",
        basename,
    ),
    (
        "dirname",
        "dirname PATH [-var VARIABLE]",
        "takes the directory of a path",
        dirname,
    ),
];

fn set(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), Some("=")) = (args.get(1), args.get(2)) else {
        return Err(Fault::MISUSED);
    };
    let text = args.rest().skip(2).collect::<Vec<_>>().join(" ");
    let number = expr::printed(&text);
    let number = number.map_err(|reason| Fault::Expression { text, reason })?;
    interpreter.set(name, &number);
    Ok(())
}

fn sprintf(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), Some(form)) = (args.get(1), args.get(2)) else {
        return Err(Fault::MISUSED);
    };
    let text = format::format(form, args.rest().skip(2), Integers::Decimal)?;
    interpreter.set(name, &text);
    Ok(())
}

fn fprintf(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let form = args.get(1).ok_or(Fault::MISUSED)?;
    let text = format::format(form, args.rest().skip(1), Integers::AnyBase)?;
    interpreter.out(&format!("{text}\n"));
    Ok(())
}

fn strlen(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(text), 2 | 3) = (args.get(1), args.len()) else {
        return Err(Fault::MISUSED);
    };
    answer_aside(interpreter, args.get(2), &text.len().to_string());
    Ok(())
}

fn substr(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(text), Some(start), Some(length), 4 | 5) =
        (args.get(1), args.get(2), args.get(3), args.len())
    else {
        return Err(Fault::MISUSED);
    };
    let place = |word: &str| usize::try_from(Number::Real(leading_real(word)).whole()).ok();
    let beyond = |what: &str| {
        let text = format!("ERROR: {what} out of range in substr command");
        Fault::message(text)
    };
    let start = place(start).filter(|start| *start < text.len());
    let start = start.ok_or_else(|| beyond("start value"))?;
    let part = place(length).and_then(|length| text.get(start..start.checked_add(length)?));
    answer_aside(
        interpreter,
        args.get(4),
        part.ok_or_else(|| beyond("length"))?,
    );
    Ok(())
}

fn strsub(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let &[text, key, value] = options.words() else {
        return Err(Fault::MISUSED);
    };
    answer(interpreter, variable, &replaced(text, key, value)?);
    Ok(())
}

fn strstr(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let quiet = options.flag("-q");
    let start = options.value("-start");
    let length = options.value("-length");
    let &[text, part] = options.words() else {
        return Err(Fault::MISUSED);
    };
    let (at, size) = match text.find(part) {
        Some(at) => (at.to_string(), part.len()),
        None => ("-1".to_owned(), 0),
    };
    if let Some(start) = start {
        interpreter.set(start, &at);
    }
    if let Some(length) = length {
        interpreter.set(length, &size.to_string());
    }
    if !quiet {
        interpreter.err(&format!("start: {at}, length: {size}\n"));
    }
    Ok(())
}

fn strmatch(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let output = options.pair("-output");
    let &[text, class] = options.words() else {
        return Err(Fault::MISUSED);
    };
    let is: fn(&u8) -> bool = match class.to_ascii_lowercase().as_str() {
        "alpha" => u8::is_ascii_alphabetic,
        "upper" => u8::is_ascii_uppercase,
        "lower" => u8::is_ascii_lowercase,
        "int" => u8::is_ascii_digit,
        "float" => |b| b.is_ascii_digit() || matches!(b, b'-' | b'.'),
        _ => {
            interpreter.err(&format!("unknown character class {class}\n"));
            return Ok(());
        },
    };
    let (start, length) = match text.bytes().position(|b| is(&b)) {
        Some(at) => {
            let length = text.bytes().skip(at).take_while(is).count();
            (at.to_string(), length.to_string())
        },
        None => ("-1".to_owned(), "-1".to_owned()),
    };
    match output {
        Some((at, size)) => {
            interpreter.set(at, &start);
            interpreter.set(size, &length);
        },
        None => interpreter.out(&format!("match: {start} {length}\n")),
    }
    Ok(())
}

fn strpop(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), 2 | 3) = (args.get(1), args.len()) else {
        return Err(Fault::MISUSED);
    };
    let missing = || Fault::NoVariable(name.to_owned());
    let text = interpreter.get(name).ok_or_else(missing)?.to_owned();
    let (word, rest) = words::next(text.trim_ascii_start())?;
    let rest = match rest.trim_ascii_start() {
        "" => "NULL",
        rest => rest,
    };
    interpreter.set(name, rest);
    answer(interpreter, args.get(2), word.text);
    Ok(())
}

fn modulus(text: &str) -> Result<i64, Fault> {
    match leading_integer(text) {
        0 => Err(Fault::message("a modulus of 0")),
        modulus @ ..=255 => Ok(modulus),
        _ => Err(Fault::message(format!(
            "{text}: the modulus is at most 255"
        ))),
    }
}

fn strhash(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let &[text, by] = options.words() else {
        return Err(Fault::MISUSED);
    };
    let by = modulus(by)?;
    let sum: i64 = text.bytes().map(|b| i64::from(b.cast_signed()) % by).sum();
    answer(interpreter, variable, &(sum % by).to_string());
    Ok(())
}

fn inthash(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let (word, by, variable) = match options.words() {
        [word, by] => (*word, *by, variable),
        [word, by, name] if variable.is_none() => (*word, *by, Some(*name)),
        _ => return Err(Fault::MISUSED),
    };
    let hash = leading_integer(word) % modulus(by)?;
    answer(interpreter, variable, &hash.to_string());
    Ok(())
}

fn getchr(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(text), Some(wanted), 3 | 4) = (args.get(1), args.get(2), args.len()) else {
        return Err(Fault::MISUSED);
    };
    let at = match wanted.chars().next() {
        Some(c) => text.find(c),
        None => Some(text.len()),
    };
    let at = at.map_or_else(|| "-1".to_owned(), |at| at.to_string());
    answer_aside(interpreter, args.get(3), &at);
    Ok(())
}

fn basename(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let suffix = options.value("-suffix").unwrap_or_default();
    let path = options.words().first().ok_or(Fault::MISUSED)?;
    let name = path.rsplit_once('/').map_or(*path, |(_, name)| name);
    let stem = name.strip_suffix(suffix).filter(|stem| !stem.is_empty());
    answer(interpreter, variable, stem.unwrap_or(name));
    Ok(())
}

fn dirname(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let path = options.words().first().ok_or(Fault::MISUSED)?;
    let name = match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => ".",
    };
    answer(interpreter, variable, name);
    Ok(())
}
