//! Commands on files and directories (spec/pantasks.md §2.2).

use std::{fs, path::Path};

use super::{
    super::{error::Fault, interpreter::Interpreter, words::Args},
    Simple,
    options::Options,
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[
    ("mkdir", mkdir),
    ("cd", cd),
    ("pwd", pwd),
    ("file", file),
    ("output", output),
];

fn mkdir(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let Some(path) = args.get(1) else {
        return Err(Fault::Usage("mkdir PATH"));
    };
    let full = interpreter.host.directory().join(path);
    fs::create_dir_all(full).map_err(|error| Fault::message(format!("cannot make {path}: {error}")))
}

fn cd(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let quiet = options.flag("-q");
    let path = match options.words() {
        [] => interpreter.get("HOME").unwrap_or("/").to_owned(),
        [path] => (*path).to_owned(),
        _ => return Err(Fault::Usage("cd [-q] PATH")),
    };
    interpreter
        .host
        .change_directory(Path::new(&path))
        .map_err(|error| Fault::message(format!("cannot go to {path}: {error}")))?;
    if !quiet {
        let now = interpreter.host.directory();
        interpreter.out(&format!("cwd: {}\n", now.display()));
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn pwd(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let now = interpreter.host.directory().display().to_string();
    match Options::of(args).value("-var") {
        Some(variable) => interpreter.set(variable, &now),
        None => interpreter.out(&format!("cwd: {now}\n")),
    }
    Ok(())
}

fn file(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let read = options.flag("-can-read");
    let write = options.flag("-can-write");
    options.flag("-stats");
    let (path, variable) = match options.words() {
        [path] => (*path, None),
        [path, variable] => (*path, Some(*variable)),
        _ => {
            return Err(Fault::Usage(
                "file PATH [VARIABLE] [-can-read] [-can-write]",
            ));
        },
    };
    let full = interpreter.host.directory().join(path);
    let mut found = full.exists();
    if read {
        found = rustix::fs::access(&full, rustix::fs::Access::READ_OK).is_ok();
    }
    if write {
        found = found && rustix::fs::access(&full, rustix::fs::Access::WRITE_OK).is_ok();
    }
    match variable {
        Some(variable) => interpreter.set(variable, if found { "1" } else { "0" }),
        None => {
            let not = if found { "" } else { "not " };
            interpreter.out(&format!("file {path} is {not}found\n"));
        },
    }
    Ok(())
}

fn output(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let stream = usize::from(options.flag("-err"));
    if let Some(variable) = options.value("-current") {
        let usual = ["stdout", "stderr"]
            .get(stream)
            .copied()
            .unwrap_or_default();
        let redirected = interpreter.redirect.get(stream).and_then(Option::as_ref);
        let name = redirected.map_or(usual, |(name, _)| name).to_owned();
        interpreter.set(variable, &name);
        return Ok(());
    }
    let target = match options.words() {
        ["stdout" | "stderr"] => None,
        [path] => {
            let full = interpreter.host.directory().join(path);
            let file = fs::OpenOptions::new().create(true).append(true).open(full);
            let file =
                file.map_err(|error| Fault::message(format!("cannot write {path}: {error}")))?;
            Some(((*path).to_owned(), file))
        },
        _ => {
            return Err(Fault::Usage(
                "output FILE|stdout|stderr [-err] [-current VARIABLE]",
            ));
        },
    };
    if let Some(slot) = interpreter.redirect.get_mut(stream) {
        *slot = target;
    }
    Ok(())
}
