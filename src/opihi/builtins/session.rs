//! Commands about the session itself (spec/pantasks.md §2.2).

#![expect(clippy::unnecessary_wraps, reason = "all commands are of one type")]

use super::{
    super::{
        error::Fault,
        interpreter::{Interpreter, Verbose},
        words::Args,
    },
    Entry, answer,
    options::Options,
};

pub(super) const COMMANDS: &[Entry] = &[
    ("echo", "echo [-no-return] [WORD...]", "prints words", echo),
    ("nop", "nop", "does nothing", nop),
    ("#", "# [WORD...]", "does nothing", nop),
    ("##", "## [WORD...]", "does nothing", nop),
    ("###", "### [WORD...]", "does nothing", nop),
    ("?", "?", "lists the commands", commands),
    ("??", "??", "lists the variables", |interpreter, _| {
        list_variables(interpreter);
        Ok(())
    }),
    (
        "help",
        "help [COMMAND]",
        "tells of a command or macro",
        help,
    ),
    (
        "which",
        "which COMMAND",
        "tells of the command of this very name",
        which,
    ),
    (
        "opihi",
        "opihi verbose [on|off|error]",
        "shows each line that runs, or those that fail",
        opihi,
    ),
    (
        "getargs",
        "getargs OPTION bool|value [-var VARIABLE]",
        "takes an option out of the words of the running macro, with its value where it has one",
        getargs,
    ),
    (
        "config",
        "config [NAME [-var VARIABLE]]",
        "reads the configuration anew, or tells an entry of it",
        config,
    ),
    (
        "version",
        "version",
        "tells the version of the program",
        version,
    ),
];

pub(super) const OWN: &[Entry] = &[(
    "history",
    "history [N]",
    "lists the lines that were typed, or the last N",
    history,
)];

fn echo(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut text = String::new();
    let bare = args.rest().position(|word| word == "-no-return");
    let words = args.rest().enumerate();
    for (_, word) in words.filter(|(index, _)| Some(*index) != bare) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    // Nothing to print is not even an end of line.
    if args.len() == 1 + usize::from(bare.is_some()) {
        return Ok(());
    }
    if bare.is_none() {
        text.push('\n');
    }
    interpreter.out(&text);
    Ok(())
}

fn nop(_: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    Ok(())
}

/// A command and what it does.
fn line(name: &str, help: &str) -> String {
    format!("{name:<25} -- {help}\n")
}

/// All commands and macros with what they do, one a line.
pub(super) fn command_list(interpreter: &Interpreter) -> String {
    let mut names: Vec<&str> = interpreter.command_names().collect();
    names.extend(interpreter.own_names());
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| line(name, interpreter.commands.help(name)))
        .collect()
}

fn commands(interpreter: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    let text = command_list(interpreter);
    interpreter.out(&text);
    Ok(())
}

/// Prints all variables, locals among them.
pub(super) fn list_variables(interpreter: &mut Interpreter) {
    let all = interpreter.variables.all();
    let lines = all
        .iter()
        .map(|(name, value)| format!("{name} = {value}\n"));
    let text = lines.collect::<Vec<_>>().concat();
    interpreter.err(&text);
}

fn help(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let Some(word) = args.get(1) else {
        return commands(interpreter, args);
    };
    let name = match interpreter.commands.find(word) {
        Ok((name, _)) => name,
        Err(Fault::NoCommand(_)) => {
            return Err(Fault::message(format!("No help for: {word}")));
        },
        Err(fault) => return Err(fault),
    };
    let mut text = line(name, interpreter.commands.help(name));
    if interpreter.commands.macro_named(name).is_none()
        && let Some(usage) = interpreter.commands.usage(name)
    {
        text = format!("{text}USAGE: {usage}\n");
    }
    interpreter.out(&text);
    Ok(())
}

fn which(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let word = args.get(1).filter(|_| args.len() == 2);
    let word = word.ok_or(Fault::MISUSED)?;
    let found = interpreter.commands.exact(word);
    let missing = || Fault::message(format!("no exact match to {word}"));
    let (name, _) = found.ok_or_else(missing)?;
    let text = line(name, interpreter.commands.help(name));
    interpreter.err(&text);
    Ok(())
}

fn opihi(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mode = args.get(1).ok_or(Fault::MISUSED)?;
    if !mode.eq_ignore_ascii_case("verbose") {
        return Err(Fault::message(format!("unknown mode {mode}")));
    }
    let Some(word) = args.get(2) else {
        let now = match interpreter.verbose {
            Verbose::Off => "off",
            Verbose::On => "on",
            Verbose::Error => "error",
        };
        interpreter.err(&format!("opihi verbose mode: {now}\n"));
        return Ok(());
    };
    interpreter.verbose = match word.to_ascii_lowercase().as_str() {
        "on" => Verbose::On,
        "off" => Verbose::Off,
        "error" => Verbose::Error,
        _ => return Err(Fault::message(format!("unknown verbose mode {word}"))),
    };
    Ok(())
}

fn getargs(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    let &[option, mode] = options.words() else {
        return Err(Fault::MISUSED);
    };
    let takes_value = match mode.to_ascii_lowercase().as_str() {
        "bool" | "boolean" => false,
        "val" | "value" => true,
        _ => return Err(Fault::message(format!("ERROR: invalid mode {mode}"))),
    };
    let call = interpreter.variables.call();
    let call = call.ok_or_else(|| Fault::message("getargs: not in a macro"))?;
    let mut words: Vec<String> = call.all().map(str::to_owned).collect();
    let at = words.iter().skip(1).position(|word| word == option);
    let Some(at) = at.map(|at| at + 1) else {
        if let (false, Some(variable)) = (takes_value, variable) {
            interpreter.set(variable, "0");
        }
        return Ok(());
    };
    words.remove(at);
    let value = if !takes_value {
        "1".to_owned()
    } else if at < words.len() {
        words.remove(at)
    } else {
        let text = format!("ERROR: missing value for argument {option}");
        return Err(Fault::message(text));
    };
    let call = words.iter().map(String::as_str).collect();
    interpreter.variables.set_call(call);
    if let Some(variable) = variable {
        interpreter.set(variable, &value);
    }
    Ok(())
}

fn config(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut options = Options::of(args);
    let variable = options.value("-var");
    match options.words() {
        [] if variable.is_none() => {
            let done = interpreter.host.reload_config();
            done.map_err(|error| Fault::message(format!("no configuration: {error}")))
        },
        [name] => {
            let value = interpreter.config(name);
            let missing = || Fault::message(format!("no entry {name} in the configuration"));
            answer(interpreter, variable, &value.ok_or_else(missing)?);
            Ok(())
        },
        _ => Err(Fault::MISUSED),
    }
}

fn version(interpreter: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    let (name, version) = interpreter.host.name_and_version();
    interpreter.out(&format!("\n{name} version: {version}\n"));
    Ok(())
}

fn history(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let lines = interpreter.host.history();
    let wanted = match args.get(1) {
        None => lines.len(),
        Some(number) => number.parse().map_err(|_| Fault::MISUSED)?,
    };
    let skipped = lines.len().saturating_sub(wanted);
    let lines = (1..).zip(&lines).skip(skipped);
    let text: Vec<String> = lines
        .map(|(number, line)| format!("{number:5}  {line}\n"))
        .collect();
    interpreter.out(&text.concat());
    Ok(())
}
