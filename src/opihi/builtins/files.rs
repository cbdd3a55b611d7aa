//! Commands on files and directories (spec/pantasks.md §2.2).

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use jiff::Timestamp;
use rustix::fs::{Access, access};

use super::{
    super::{error::Fault, interpreter::Interpreter, streams::Channel, words::Args},
    Entry,
    options::Options,
};

pub(super) const COMMANDS: &[Entry] = &[
    (
        "mkdir",
        "mkdir PATH",
        "makes a directory, with those above it",
        mkdir,
    ),
    ("cd", "cd [-q] PATH", "goes to a directory", cd),
    ("pwd", "pwd [-var VARIABLE]", "tells the directory", pwd),
    (
        "file",
        "file PATH [VARIABLE] [-can-read | -can-write | -stats]",
        "tells whether a file is there, may be read or written, or what is known of it",
        file,
    ),
    (
        "output",
        "output FILE|stdout|stderr [-err] | output -current VARIABLE|-buffer|-dump FILE [-err]",
        "sends the log stream (-err: the error stream) to a file; -buffer: keeps it, until -dump \
         writes it to a file",
        output,
    ),
];

fn mkdir(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let path = args.get(1).ok_or(Fault::MISUSED)?;
    let full = interpreter.path(path)?;
    if full.exists() && !full.is_dir() {
        let text = format!("cannot create directory {path}: is an existing file");
        return Err(Fault::message(text));
    }
    fs::create_dir_all(full)
        .map_err(|error| Fault::message(format!("cannot create directory {path}: {error}")))
}

fn cd(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let quiet = options.flag("-q");
    let &[path] = options.words() else {
        return Err(Fault::MISUSED);
    };
    interpreter
        .host
        .change_directory(Path::new(&path))
        .map_err(|error| Fault::message(format!("error changing to {path}: {error}")))?;
    if !quiet {
        let now = interpreter.host.directory();
        interpreter.out(&format!("cwd: {}\n", now.display()));
    }
    Ok(())
}

fn pwd(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    if !options.words().is_empty() {
        return Err(Fault::MISUSED);
    }
    let now = interpreter.host.directory().display().to_string();
    match variable {
        Some(variable) => interpreter.set(variable, &now),
        None => interpreter.out(&format!("cwd: {now}\n")),
    }
    Ok(())
}

fn file(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    if options.flag("-h") || options.flag("-help") {
        return Err(Fault::MISUSED);
    }
    let read = options.flag("-can-read");
    let write = options.flag("-can-write");
    let stats = options.flag("-stats");
    let (path, variable) = match options.words() {
        [path] => (*path, None),
        [path, variable] => (*path, Some(*variable)),
        _ => return Err(Fault::MISUSED),
    };
    let full = interpreter.path(path)?;
    let (answer, said) = match (read, write, stats) {
        (false, false, false) => {
            let there = full.exists();
            let not = if there { "" } else { "not " };
            (there, format!("is {not}found"))
        },
        (true, false, false) => {
            let can = access(&full, Access::READ_OK).is_ok();
            let not = if can { "" } else { "not" };
            (can, format!("can{not} be read"))
        },
        (false, true, false) => {
            let can = access(&full, Access::READ_OK | Access::WRITE_OK).is_ok();
            let not = if can { "" } else { "not" };
            (can, format!("can{not} be written"))
        },
        (false, false, true) => {
            let facts = fs::metadata(&full);
            let facts = facts.map_err(|_| Fault::message(format!("file {path} is not found")))?;
            tell_facts(interpreter, &facts, variable);
            return Ok(());
        },
        _ => return Err(Fault::MISUSED),
    };
    match variable {
        Some(variable) => interpreter.set(variable, if answer { "1" } else { "0" }),
        None => interpreter.out(&format!("file {path} {said}\n")),
    }
    Ok(())
}

/// Sets `variable:size` and its kin to what is known of a file, or prints it.
fn tell_facts(interpreter: &mut Interpreter, facts: &Metadata, variable: Option<&str>) {
    let numbers = [
        ("devID", facts.dev()),
        ("inode", facts.ino()),
        ("mode", u64::from(facts.mode())),
        ("nlink", facts.nlink()),
        ("uid", u64::from(facts.uid())),
        ("gid", u64::from(facts.gid())),
        ("rdev", facts.rdev()),
        ("size", facts.size()),
        ("blksize", facts.blksize()),
        ("blocks", facts.blocks()),
    ];
    let times = [
        ("atime", facts.atime()),
        ("mtime", facts.mtime()),
        ("ctime", facts.ctime()),
    ];
    let Some(variable) = variable else {
        let numbers = numbers.map(|(name, value)| match name {
            "mode" => format!("{name:<8}: {value:o}\n"),
            _ => format!("{name:<8}: {value}\n"),
        });
        let times = times.map(|(name, seconds)| {
            let time = Timestamp::from_second(seconds).unwrap_or_default();
            format!("{name:<8}: {}\n", time.strftime("%Y/%m/%d,%H:%M:%S"))
        });
        interpreter.out(&numbers.concat());
        interpreter.out(&times.concat());
        return;
    };
    for (name, value) in numbers {
        interpreter.set(&format!("{variable}:{name}"), &value.to_string());
    }
    for (name, seconds) in times {
        interpreter.set(&format!("{variable}:{name}"), &seconds.to_string());
    }
}

fn output(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let channel = if options.flag("-err") {
        Channel::Error
    } else {
        Channel::Log
    };
    if let Some(variable) = options.value("-current") {
        let name = interpreter.stream_name(channel);
        interpreter.set(variable, &name);
        return Ok(());
    }
    if options.flag("-buffer") {
        interpreter.keep(channel);
        return Ok(());
    }
    if let Some(file) = options.value("-dump") {
        let text = interpreter.kept(channel);
        interpreter.redirect(channel, file);
        match channel {
            Channel::Log => interpreter.out(&text),
            Channel::Error => interpreter.err(&text),
        }
        return Ok(());
    }
    let &[name] = options.words() else {
        return Err(Fault::MISUSED);
    };
    interpreter.redirect(channel, name);
    Ok(())
}
