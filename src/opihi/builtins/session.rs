//! Commands about the session itself (spec/pantasks.md §2.2).

use super::{
    super::{commands::Command, error::Fault, interpreter::Interpreter, words::Args},
    Simple,
};

pub(super) const COMMANDS: &[(&str, Simple)] = &[
    ("echo", echo),
    ("nop", nop),
    ("#", nop),
    ("##", nop),
    ("###", nop),
    ("?", commands),
    ("??", variables),
    ("help", help),
    ("which", which),
    ("opihi", opihi),
    ("getargs", getargs),
];

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn echo(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let mut text = String::new();
    let bare = args.get(1) == Some("-no-return");
    for (index, word) in args.rest().skip(usize::from(bare)).enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(word);
    }
    if !bare {
        text.push('\n');
    }
    interpreter.out(&text);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn nop(_: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn commands(interpreter: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    let mut names: Vec<&str> = interpreter.command_names().collect();
    names.extend(interpreter.own_names());
    names.sort_unstable();
    names.dedup();
    let text: String = names.into_iter().flat_map(|name| [name, "\n"]).collect();
    interpreter.out(&text);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "a command as any other")]
fn variables(interpreter: &mut Interpreter, _: &Args) -> Result<(), Fault> {
    let all = interpreter.variables();
    let text = all
        .iter()
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect::<Vec<_>>()
        .concat();
    interpreter.out(&text);
    Ok(())
}

fn help(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let Some(word) = args.get(1) else {
        return commands(interpreter, args);
    };
    let (name, command) = interpreter.commands.find(word)?;
    let text = match command {
        Command::Macro(definition) if definition.help.is_empty() => {
            format!(
                "{name}: a macro of {}\n",
                definition.body.program.file.display()
            )
        },
        Command::Macro(definition) => format!("{name}: {}\n", definition.help),
        Command::Builtin(_) | Command::Block(_) => format!("{name}: a command of the language\n"),
    };
    interpreter.out(&text);
    Ok(())
}

fn which(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let word = args.get(1).ok_or(Fault::Usage("which COMMAND"))?;
    let name = interpreter.command_name(word)?.to_owned();
    interpreter.out(&format!("{name}\n"));
    Ok(())
}

fn opihi(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    match (args.get(1), args.get(2)) {
        (Some("verbose"), Some("on")) => interpreter.trace(true),
        (Some("verbose"), Some("off" | "error")) => interpreter.trace(false),
        _ => return Err(Fault::Usage("opihi verbose on|off|error")),
    }
    Ok(())
}

fn getargs(interpreter: &mut Interpreter, args: &Args) -> Result<(), Fault> {
    let option = args
        .get(1)
        .ok_or(Fault::Usage("getargs OPTION [VARIABLE]"))?;
    let words = interpreter.list("argv");
    let at = words.iter().position(|word| word == option);
    let value = at.map(|at| words.get(at + 1).map_or("1", String::as_str));
    let value = value.unwrap_or("NULL").to_owned();
    match args.get(2) {
        Some(variable) => interpreter.set(variable, &value),
        None => interpreter.out(&format!("{value}\n")),
    }
    Ok(())
}
