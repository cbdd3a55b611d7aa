//! `list` in all its forms (spec/pantasks.md §2.2).

use super::{
    super::{
        error::{Fault, Flow, Outcome},
        expand::within_line,
        interpreter::Interpreter,
        number::leading_integer,
        source::{Cursor, list_opens},
        words::{self, Args},
    },
    glob::glob,
    options::Options,
    system,
};

pub(super) const USAGE: &str = "list NAME, lines, end | list NAME -x|-exec \"COMMAND\" | list NAME -glob PATTERN | list NAME \
     -file FILE | list NAME -split WORD... | list NAME -splitbychar C WORD... | list NAME -join \
     VARIABLE [-start N] | list NAME -add WORD... | list NAME -del WORD | list NAME -copy LIST | \
     list NAME -vectors|-buffers; [-excel] names elements A, B, ...";

pub(super) const HELP: &str = "makes, extends or joins a list: NAME:0, NAME:1, ... and NAME:n";

/// Most elements that a list is searched for, whatever its `n` says.
const COUNT_LIMIT: usize = 1 << 20;

/// A list by its name, and how its elements are called.
struct List<'a> {
    name: &'a str,
    letters: bool,
}

impl List<'_> {
    fn element(&self, index: usize) -> String {
        if self.letters {
            format!("{}:{}", self.name, letters(index))
        } else {
            format!("{}:{index}", self.name)
        }
    }

    fn count(&self, interpreter: &Interpreter) -> Option<usize> {
        let count = interpreter.get(&format!("{}:n", self.name))?;
        Some(
            usize::try_from(leading_integer(count))
                .unwrap_or(0)
                .min(COUNT_LIMIT),
        )
    }

    fn set_count(&self, interpreter: &mut Interpreter, count: usize) {
        interpreter.set(&format!("{}:n", self.name), &count.to_string());
    }

    /// Puts values behind the first `from` elements. Elements beyond stay, as `n` tells.
    fn put<'v>(
        &self,
        interpreter: &mut Interpreter,
        from: usize,
        values: impl IntoIterator<Item = &'v str>,
    ) {
        let mut count = from;
        for value in values {
            interpreter.set(&self.element(count), value);
            count += 1;
        }
        self.set_count(interpreter, count);
    }
}

/// The name of an element as spreadsheets name columns: A … Z, AA …
fn letters(index: usize) -> String {
    let mut name = Vec::new();
    let mut left = index + 1;
    while left > 0 {
        left -= 1;
        name.push(char::from(b'A' + u8::try_from(left % 26).unwrap_or(0)));
        left /= 26;
    }
    name.iter().rev().collect()
}

pub(super) fn list(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    let mut options = Options::of(args);
    let letters = options.flag("-excel-style") | options.flag("-excel");
    if list_opens(args.rest()) {
        return block(interpreter, &options, letters, cursor);
    }
    if let Some(command) = options.value("-x").or_else(|| options.value("-exec")) {
        let list = only(&options, letters)?;
        let ran = system::capture(interpreter, command)?;
        let text = String::from_utf8_lossy(&ran.stdout);
        list.put(interpreter, 0, system::lines(&text));
        return Ok(Flow::On);
    }
    if let Some(pattern) = options.value("-glob") {
        let list = only(&options, letters)?;
        let found = glob(&interpreter.host.directory(), pattern)?;
        list.put(interpreter, 0, found.iter().map(String::as_str));
        return Ok(Flow::On);
    }
    if let Some(file) = options.value("-file") {
        let list = only(&options, letters)?;
        let path = interpreter.path(file)?;
        let missing = |_| Fault::message(format!("cannot open file {file} for list"));
        let bytes = std::fs::read(path).map_err(missing)?;
        let text = String::from_utf8_lossy(&bytes);
        list.put(interpreter, 0, text.lines());
        return Ok(Flow::On);
    }
    if options.flag("-vectors") | options.flag("-buffers") {
        // There are none here.
        only(&options, letters)?.set_count(interpreter, 0);
        return Ok(Flow::On);
    }
    let [name, action, words @ ..] = options.words() else {
        return Err(Fault::MISUSED.into());
    };
    let list = List { name, letters };
    other(interpreter, &list, action, words)?;
    Ok(Flow::On)
}

/// The list that is named and nothing else.
fn only<'a>(options: &Options<'a>, letters: bool) -> Result<List<'a>, Fault> {
    match options.words() {
        [name] => Ok(List { name, letters }),
        _ => Err(Fault::MISUSED),
    }
}

fn block(
    interpreter: &mut Interpreter,
    options: &Options<'_>,
    letters: bool,
    cursor: &mut Cursor,
) -> Outcome {
    let place = cursor.place();
    let (body, closed) = cursor.take_body_or_rest();
    let list = only(options, letters)?;
    if !closed && let Some(place) = place {
        interpreter.err(&format!("{place}: missing 'END' in list\n"));
    }
    list.put(interpreter, 0, body.lines().iter().map(|line| &*line.text));
    Ok(Flow::On)
}

fn other(
    interpreter: &mut Interpreter,
    list: &List<'_>,
    action: &str,
    words: &[&str],
) -> Result<(), Fault> {
    let undefined = |name: &str| Fault::message(format!("list {name} not found"));
    match (action, words) {
        ("-split", [_, ..]) => list.put(interpreter, 0, words.iter().copied()),
        ("-splitbychar", [separator, words @ ..]) => {
            let between = separator.chars().next();
            let mut all = Vec::new();
            for word in words {
                let spaced: String = word
                    .chars()
                    .map(|c| if Some(c) == between { ' ' } else { c })
                    .collect();
                let parts = words::split(&spaced)?;
                all.extend(parts.iter().map(|part| part.text.to_owned()));
            }
            list.put(interpreter, 0, all.iter().map(String::as_str));
        },
        ("-join", [variable, start @ ..]) => {
            let start = match start {
                [] => 0,
                ["-start", start] => usize::try_from(leading_integer(start)).unwrap_or(0),
                _ => return Err(Fault::MISUSED),
            };
            let count = list.count(interpreter);
            let count = count.ok_or_else(|| undefined(list.name))?;
            let values = (start..count).map_while(|index| interpreter.get(&list.element(index)));
            let mut text = String::new();
            for (index, value) in values.enumerate() {
                if index > 0 {
                    text.push(' ');
                }
                text.push_str(value);
                within_line(text.len())?;
            }
            interpreter.set(variable, &text);
        },
        ("-add", [_, ..]) => {
            let from = list.count(interpreter).unwrap_or(0);
            list.put(interpreter, from, words.iter().copied());
        },
        ("-copy", [old, ..]) => {
            let from = List {
                name: old,
                letters: false,
            };
            let count = from.count(interpreter).ok_or_else(|| undefined(old))?;
            let values: Vec<String> = (0..count)
                .map_while(|index| interpreter.get(&from.element(index)).map(str::to_owned))
                .collect();
            list.put(interpreter, 0, values.iter().map(String::as_str));
        },
        ("-del", [word]) => {
            let count = list.count(interpreter).unwrap_or(0);
            let mut elements = (0..count).filter(|i| interpreter.get(&list.element(*i)).is_some());
            let at = elements.find(|i| interpreter.get(&list.element(*i)) == Some(word));
            let missing = || Fault::message(format!("value {word} not found in list"));
            let at = at.ok_or_else(missing)?;
            for index in at + 1..count {
                if let Some(next) = interpreter.get(&list.element(index)).map(str::to_owned) {
                    interpreter.set(&list.element(index - 1), &next);
                }
            }
            interpreter.unset(&list.element(count - 1));
            list.set_count(interpreter, count - 1);
        },
        _ => return Err(Fault::MISUSED),
    }
    Ok(())
}
