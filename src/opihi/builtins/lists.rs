//! `list` in all its forms (spec/pantasks.md §2.2).

use super::{
    super::{
        error::{Fault, Flow, Outcome},
        interpreter::Interpreter,
        source::{Cursor, list_opens},
        words::Args,
    },
    Simple,
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[];

const USAGE: Fault = Fault::Usage(
    "list NAME [-x \"COMMAND\" | -glob PATTERN | -file FILE | -split WORD... | \
     -splitbychar C WORD... | -join VARIABLE [-start N] | -add WORD... | -del WORD | -copy OLD]",
);

pub(super) fn list(interpreter: &mut Interpreter, args: &Args, cursor: &mut Cursor) -> Outcome {
    let name = args.get(1).ok_or(USAGE)?;
    let Some(option) = args.get(2).filter(|word| !list_opens(Some(word))) else {
        let body = cursor.take_body()?;
        interpreter.set_list(name, body.lines().iter().map(|line| &*line.text));
        return Ok(Flow::On);
    };
    let words: Vec<&str> = args.rest().skip(2).collect();
    match (option, words.as_slice()) {
        ("-x" | "-exec", [command]) => {
            let ran = interpreter
                .host
                .capture(command)
                .map_err(|error| Fault::message(format!("cannot run `{command}`: {error}")))?;
            if ran.code != 0 {
                let code = ran.code;
                interpreter.err(&format!("warning: exit status of command {code}\n"));
            }
            let text = String::from_utf8_lossy(&ran.stdout).into_owned();
            replace(interpreter, name, &lines(&text));
        },
        ("-file", [file]) => {
            let path = interpreter.host.directory().join(file);
            let bytes = std::fs::read(path).map_err(|_| Fault::NoFile((*file).to_owned()))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            replace(interpreter, name, &lines(&text));
        },
        ("-glob", [pattern]) => {
            let found = glob(interpreter, pattern)?;
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            replace(interpreter, name, &found);
        },
        ("-split", words) => {
            let all = words.iter().flat_map(|word| word.split_ascii_whitespace());
            replace(interpreter, name, &all.collect::<Vec<_>>());
        },
        ("-splitbychar", [separators, words @ ..]) => {
            let between = |c: char| separators.contains(c);
            let all = words.iter().flat_map(|word| word.split(between));
            let all: Vec<&str> = all.filter(|part| !part.is_empty()).collect();
            replace(interpreter, name, &all);
        },
        ("-join", [variable, start @ ..]) => {
            let skip = match start {
                ["-start", n] => n.parse().unwrap_or(0),
                _ => 0,
            };
            let values = interpreter.list(name);
            let values: Vec<&str> = values.iter().skip(skip).map(String::as_str).collect();
            interpreter.set(variable, &values.join(" "));
        },
        ("-add", words) => {
            let mut values = interpreter.list(name);
            values.extend(words.iter().map(|word| (*word).to_owned()));
            interpreter.set_list(name, values.iter().map(String::as_str));
        },
        ("-del", [word]) => {
            let mut values = interpreter.list(name);
            let Some(at) = values.iter().position(|value| value == word) else {
                return Err(Fault::message(format!("value {word} not found in list")).into());
            };
            values.remove(at);
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            replace(interpreter, name, &values);
        },
        ("-copy", [old]) => {
            let values = interpreter.list(old);
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            replace(interpreter, name, &values);
        },
        ("-vectors" | "-buffers" | "-excel", _) => {
            return Err(Fault::message(format!("list {option}: there are no vectors here")).into());
        },
        _ => return Err(USAGE.into()),
    }
    Ok(Flow::On)
}

fn lines(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim_ascii_start);
    lines.filter(|line| !line.is_empty()).collect()
}

/// Sets the list; elements it had beyond the new ones are gone.
fn replace(interpreter: &mut Interpreter, name: &str, values: &[&str]) {
    let before = interpreter.list(name).len();
    interpreter.set_list(name, values.iter().copied());
    for index in values.len()..before {
        interpreter.unset(&format!("{name}:{index}"));
    }
}

/// The paths that match a pattern in its last component.
fn glob(interpreter: &Interpreter, pattern: &str) -> Result<Vec<String>, Fault> {
    let bad = |error: globset::Error| Fault::message(format!("{pattern}: {error}"));
    let (directory, last) = match pattern.rsplit_once('/') {
        Some((directory, last)) => (Some(directory), last),
        None => (None, pattern),
    };
    let matcher = globset::GlobBuilder::new(last)
        .literal_separator(true)
        .build()
        .map_err(bad)?
        .compile_matcher();
    let base = interpreter.host.directory().join(match directory {
        Some("") => "/",
        Some(directory) => directory,
        None => ".",
    });
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| matcher.is_match(name) && (last.starts_with('.') || !name.starts_with('.')))
        .map(|name| match directory {
            Some(directory) => format!("{directory}/{name}"),
            None => name,
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}
