//! `queuepush` and its kin (spec/pantasks.md §2.3).

use std::{collections::VecDeque, io::Write as _};

use super::{
    super::{
        error::Fault,
        expand::{replaced, within_line},
        interpreter::Interpreter,
        number::leading_integer,
        words::{self, Args},
    },
    Entry, answer,
    options::Options,
};

pub(super) const COMMANDS: &[Entry] = &[
    (
        "queueinit",
        "queueinit QUEUE",
        "makes a queue, or empties it",
        init,
    ),
    (
        "queuelist",
        "queuelist",
        "lists the queues and how many lines each has",
        list,
    ),
    (
        "queuepush",
        "queuepush QUEUE TEXT [-uniq] [-replace] [-key N[:N...]]",
        "appends the lines of a text; -uniq: those that are not there, -replace: in the place of \
         those that are, -key: the columns that count",
        push,
    ),
    (
        "queuepop",
        "queuepop QUEUE [-var VARIABLE] [-key N[:N...] VALUE]",
        "takes the first line, or the first whose columns N have the value",
        pop,
    ),
    (
        "queueprint",
        "queueprint QUEUE",
        "prints the lines of a queue",
        print,
    ),
    (
        "queuesave",
        "queuesave QUEUE FILE",
        "appends the lines of a queue to a file",
        save,
    ),
    (
        "queuesize",
        "queuesize QUEUE [-var VARIABLE]",
        "tells how many lines a queue has",
        size,
    ),
    (
        "queueload",
        "queueload QUEUE -x \"COMMAND\" [-trap]",
        "appends what a command prints; -trap: fails where the command does",
        load,
    ),
    (
        "queuedelete",
        "queuedelete QUEUE",
        "deletes a queue",
        delete,
    ),
    (
        "queuedrop",
        "queuedrop QUEUE -key N[:N...] VALUE",
        "deletes all lines whose columns N have the value",
        drop_lines,
    ),
    (
        "queuesubstr",
        "queuesubstr QUEUE TEXT REPLACEMENT",
        "replaces a text in all lines of a queue",
        substitute,
    ),
];

/// Most replacements within a line where each may make way for another.
const SUBSTITUTIONS: usize = 1000;

fn one(args: &Args) -> Result<&str, Fault> {
    let name = args.get(1).filter(|_| args.len() == 2);
    name.ok_or(Fault::MISUSED)
}

fn existing<'a>(
    interpreter: &'a mut Interpreter,
    name: &str,
) -> Result<&'a mut VecDeque<String>, Fault> {
    let missing = || Fault::message(format!("ERROR: queue {name} not found"));
    interpreter.queues.get_mut(name).ok_or_else(missing)
}

fn init(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    interpreter.queues.create(one(args)?).clear();
    Ok(())
}

fn list(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    if args.len() != 1 {
        return Err(Fault::MISUSED);
    }
    let queues = interpreter.queues.iter();
    let text: Vec<String> = queues
        .map(|(name, lines)| format!("{name:<15} {:3}\n", lines.len()))
        .collect();
    interpreter.out(&text.concat());
    Ok(())
}

/// Column `number` of a line, from 0.
fn column(line: &str, number: i64) -> &str {
    let mut rest = line.trim_ascii_start();
    for _ in 0..number {
        match words::next(rest) {
            Ok((_, after)) if !rest.is_empty() => rest = after.trim_ascii_start(),
            _ => return "",
        }
    }
    words::next(rest).map_or("", |(word, _)| word.text)
}

/// The columns of a line that `key` (`N:N…`) names, joined by `:`; -1 is the whole line.
fn columns(line: &str, key: &str) -> String {
    let parts = key.split(':').map(|number| match leading_integer(number) {
        -1 => line,
        number => column(line, number),
    });
    parts.collect::<Vec<_>>().join(":")
}

/// The lines of a pushed text: a line break at its end begins no other.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    lines.filter(|_| !text.is_empty())
}

fn push(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let unique = options.flag("-uniq");
    let replace = options.flag("-replace");
    let key = options.value("-key");
    let &[name, text] = options.words() else {
        return Err(Fault::MISUSED);
    };
    let queue = interpreter.queues.create(name);
    for line in lines(text) {
        let wanted = key.map(|key| columns(line, key));
        let same = |old: &String| match (key, &wanted) {
            (Some(key), Some(wanted)) => columns(old, key) == *wanted,
            _ => old == line,
        };
        let found = if unique || replace {
            queue.iter().position(same)
        } else {
            None
        };
        match found.and_then(|at| queue.get_mut(at)) {
            Some(old) if replace => line.clone_into(old),
            Some(_) => {},
            None => queue.push_back(line.to_owned()),
        }
    }
    Ok(())
}

fn pop(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let key = options.pair("-key");
    let &[name] = options.words() else {
        return Err(Fault::MISUSED);
    };
    let queue = existing(interpreter, name)?;
    let line = match key {
        None => queue.pop_front(),
        Some((key, value)) => queue
            .iter()
            .position(|line| columns(line, key) == value)
            .and_then(|at| queue.remove(at)),
    };
    match (line, variable) {
        (None, None) => {
            let text = format!("queue {name} is empty or match not found");
            return Err(Fault::message(text));
        },
        (None, Some(variable)) => interpreter.set(variable, "NULL"),
        (Some(line), variable) => answer(interpreter, variable, &line),
    }
    Ok(())
}

fn text(interpreter: &mut Interpreter, name: &str) -> Result<String, Fault> {
    let lines = existing(interpreter, name)?.iter();
    Ok(lines.flat_map(|line| [line.as_str(), "\n"]).collect())
}

fn print(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let text = text(interpreter, one(args)?)?;
    interpreter.out(&text);
    Ok(())
}

fn save(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), Some(file), 3) = (args.get(1), args.get(2), args.len()) else {
        return Err(Fault::MISUSED);
    };
    let text = text(interpreter, name)?;
    if text.is_empty() {
        return Ok(());
    }
    let path = interpreter.path(file)?;
    let options = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    options
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .map_err(|error| Fault::message(format!("unable to open output file {file}: {error}")))
}

fn size(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let &[name] = options.words() else {
        return Err(Fault::MISUSED);
    };
    let size = existing(interpreter, name)?.len();
    match variable {
        Some(variable) => interpreter.set(variable, &size.to_string()),
        None => interpreter.err(&format!("Nlines: {size}\n")),
    }
    Ok(())
}

fn load(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let whole = options.flag("-trap-failure");
    let trap = options.flag("-trap") || whole;
    let &[name, "-x", command] = options.words() else {
        return Err(Fault::MISUSED);
    };
    interpreter.queues.create(name);
    let ran = super::system::capture(interpreter, command)?;
    if ran.code != 0 && trap {
        let code = ran.code;
        return Err(Fault::message(format!("exit status of command {code}")));
    }
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let lines = super::system::lines(&text).map(str::to_owned);
    interpreter.queues.create(name).extend(lines);
    Ok(())
}

fn delete(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let name = one(args)?;
    existing(interpreter, name)?;
    interpreter.queues.delete(name);
    Ok(())
}

fn drop_lines(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let (Some((key, value)), &[name]) = (options.pair("-key"), options.words()) else {
        return Err(Fault::MISUSED);
    };
    existing(interpreter, name)?.retain(|line| columns(line, key) != value);
    Ok(())
}

fn substitute(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), Some(from), Some(to), 4) = (args.get(1), args.get(2), args.get(3), args.len())
    else {
        return Err(Fault::MISUSED);
    };
    let queue = existing(interpreter, name)?;
    if from.is_empty() {
        return Ok(());
    }
    for line in queue {
        if to.contains(from) {
            *line = replaced(line, from, to)?;
        } else {
            for _ in 0..SUBSTITUTIONS {
                if !line.contains(from) {
                    break;
                }
                *line = line.replacen(from, to, 1);
                within_line(line.len())?;
            }
        }
    }
    Ok(())
}
