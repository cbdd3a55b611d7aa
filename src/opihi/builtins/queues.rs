//! `queuepush` and its kin (spec/pantasks.md §2.3).

use super::{
    super::{error::Fault, interpreter::Interpreter, number::leading_integer, words::Args},
    Simple,
    options::Options,
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[
    ("queueinit", init),
    ("queuelist", list),
    ("queuepush", push),
    ("queuepop", pop),
    ("queueprint", print),
    ("queuesave", save),
    ("queuesize", size),
    ("queueload", load),
    ("queuedelete", delete),
    ("queuedrop", delete),
    ("queuesubstr", substitute),
];

fn one<'a>(args: &'a Args, usage: &'static str) -> Result<&'a str, Fault> {
    match args.get(1) {
        Some(name) if args.len() == 2 => Ok(name),
        _ => Err(Fault::Usage(usage)),
    }
}

fn no_queue(name: &str) -> Fault {
    Fault::message(format!("queue {name} not found"))
}

fn init(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let name = one(args, "queueinit QUEUE")?;
    interpreter.queues.create(name).clear();
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn list(interpreter: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    let queues = interpreter.queues.iter();
    let text = queues
        .map(|(n, q)| format!("{n:<15} {:3}\n", q.len()))
        .collect::<Vec<_>>()
        .concat();
    interpreter.out(&text);
    Ok(())
}

/// The columns `N` or `N:M` (from 0) of a line.
fn columns<'a>(line: &'a str, key: &str) -> Vec<&'a str> {
    let mut numbers = key.split(':').map(leading_integer);
    let from = numbers.next().unwrap_or(0);
    let to = numbers.next().unwrap_or(from);
    let words = (0_i64..).zip(line.split_ascii_whitespace());
    words
        .filter(|(n, _)| (from..=to).contains(n))
        .map(|(_, w)| w)
        .collect()
}

fn push(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let unique = options.flag("-uniq");
    let replace = options.flag("-replace");
    let key = options.value("-key");
    let &[name, value] = options.words() else {
        return Err(Fault::Usage(
            "queuepush QUEUE VALUE [-uniq|-replace] [-key N[:M]]",
        ));
    };
    let queue = interpreter.queues.create(name);
    for line in value.split('\n') {
        let same = |old: &String| match key {
            Some(key) => columns(old, key) == columns(line, key),
            None => old == line,
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
        return Err(Fault::Usage("queuepop QUEUE [-var V] [-key N VALUE]"));
    };
    let queue = interpreter.queues.create(name);
    let line = match key {
        None => queue.pop_front(),
        Some((key, value)) => queue
            .iter()
            .position(|line| columns(line, key) == [value])
            .and_then(|at| queue.remove(at)),
    };
    let line = line.unwrap_or_else(|| "NULL".to_owned());
    match variable {
        Some(variable) => interpreter.set(variable, &line),
        None => interpreter.out(&format!("{line}\n")),
    }
    Ok(())
}

fn text(interpreter: &Interpreter, name: &str) -> Result<String, Fault> {
    let queue = interpreter.queues.get(name).ok_or_else(|| no_queue(name))?;
    Ok(queue
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect())
}

fn print(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let text = text(interpreter, one(args, "queueprint QUEUE")?)?;
    interpreter.out(&text);
    Ok(())
}

fn save(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), Some(file)) = (args.get(1), args.get(2)) else {
        return Err(Fault::Usage("queuesave QUEUE FILE"));
    };
    let path = interpreter.host.directory().join(file);
    std::fs::write(path, text(interpreter, name)?)
        .map_err(|error| Fault::message(format!("cannot write {file}: {error}")))
}

fn size(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let &[name] = options.words() else {
        return Err(Fault::Usage("queuesize QUEUE [-var V]"));
    };
    let size = interpreter
        .queues
        .get(name)
        .map_or(0, std::collections::VecDeque::len);
    match variable {
        Some(variable) => interpreter.set(variable, &size.to_string()),
        None => interpreter.out(&format!("{size}\n")),
    }
    Ok(())
}

fn load(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let trap = options.flag("-trap");
    let command = options.value("-x");
    let (&[name], Some(command)) = (options.words(), command) else {
        return Err(Fault::Usage("queueload QUEUE -x \"COMMAND\" [-trap]"));
    };
    let ran = interpreter
        .host
        .capture(command)
        .map_err(|error| Fault::message(format!("cannot run `{command}`: {error}")))?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    interpreter.queues.push_lines(name, &text);
    interpreter.set("EXECSTATUS", &ran.code.to_string());
    if ran.code != 0 {
        let message = format!("warning: exit status of command {}", ran.code);
        if trap {
            return Err(Fault::message(message));
        }
        interpreter.err(&format!("{message}\n"));
    }
    Ok(())
}

fn delete(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let name = one(args, "queuedelete QUEUE")?;
    interpreter
        .queues
        .delete(name)
        .map(drop)
        .ok_or_else(|| no_queue(name))
}

fn substitute(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let (Some(name), Some(from), Some(to)) = (args.get(1), args.get(2), args.get(3)) else {
        return Err(Fault::Usage("queuesubstr QUEUE MATCH REPLACEMENT"));
    };
    if interpreter.queues.get(name).is_none() {
        return Err(no_queue(name));
    }
    if from.is_empty() {
        return Ok(());
    }
    for line in interpreter.queues.create(name) {
        if to.contains(from) {
            *line = line.replace(from, to);
        } else {
            while line.contains(from) {
                *line = line.replacen(from, to, 1);
            }
        }
    }
    Ok(())
}
