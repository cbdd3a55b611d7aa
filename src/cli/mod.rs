//! The commands of `outrigger`: one file a verb; parse, call, print; nothing else.

mod alloc;
mod calibrate;
mod check;
mod completions;
mod connection;
mod db;
mod doctor;
mod exit;
mod explain;
mod init;
mod programs;
mod progress;
mod queue;
mod remote;
mod schema;
mod script;
mod status;
mod table;
mod transfer;
mod worker;
mod workplace;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

pub use exit::Exit;

use crate::{
    batch::{LaunchArgs, LocalCommand, launch_main, local_main},
    config::units::Seconds,
    pantasks, pclient, pcontrol, remotetool, sitehost,
    sky::{self, SkyCommand},
    transfer::program::VERSION,
};

/// Runs an observatory's pipeline at home and on somebody else's supercomputer.
///
/// Data goes to stdout, logs and progress to stderr. Exit codes: 0 done, 1 failed, 2 usage or
/// configuration, 3 a site needs a login, 4 nothing to do yet (poll again), 5 state.db refuses.
#[derive(Debug, Parser)]
#[command(name = "outrigger", version = VERSION, max_term_width = 100, after_help = EXAMPLE)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLE: &str = "Example:
  outrigger init                        a commented outrigger.yaml, a stage, state.db
  outrigger check                       everything wrong in configuration and recipes, at once
  outrigger remote run --label night1   define, prepare, exec, poll until all is done
  outrigger status                      where everything stands";

/// The environment variable that says where outrigger.yaml is, and what holds without it.
const CONFIG: &str = "OUTRIGGER_CONFIG";
const HERE: &str = ".";

/// Options of every command.
#[derive(Debug, Clone, Args)]
struct Global {
    /// outrigger.yaml, or the directory in or above which it lies.
    #[arg(
        long,
        global = true,
        env = CONFIG,
        value_name = "PATH",
        default_value = HERE
    )]
    config: PathBuf,
    /// How long to wait for another program that writes state.db.
    #[arg(long, global = true, value_name = "TIME", default_value = "30s")]
    db_wait: Seconds,
    /// No progress on stderr.
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a commented outrigger.yaml, a first stage with its inputs, and state.db.
    Init(init::InitArgs),
    /// Find everything that is wrong in outrigger.yaml, the stages and their templates, at once.
    Check(check::CheckArgs),
    /// Tell which value of a key holds, where it came from and what it means.
    Explain(explain::ExplainArgs),
    /// Examine sites: link, tools, clock, scratch, scheduler, limits; each failure with its mend.
    Doctor(doctor::DoctorArgs),
    /// The links to sites: log in once, see who did and how long it lasts, log in anew.
    #[command(subcommand)]
    Connection(connection::ConnectionCommand),
    /// Files to and from a site: fast, verified, resumed after a cut.
    #[command(subcommand)]
    Transfer(transfer::TransferCommand),
    /// Runs on batch clusters: define, prepare, exec, poll, and what an operator does to them.
    Remote(remote::RemoteArgs),
    /// Run jobs inside an allocation, and see what they said.
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
    /// Where everything stands: runs, components and products by stage.
    Status(status::StatusArgs),
    /// Compute nodes and walltime for so many jobs.
    Alloc(alloc::AllocArgs),
    /// What finished jobs took, by stage and site.
    Calibrate(calibrate::CalibrateArgs),
    /// Look after state.db.
    Db(db::DbArgs),
    /// Task scripts: what they will do.
    #[command(subcommand)]
    Script(script::ScriptCommand),
    /// Print the JSON schema of outrigger.yaml or of a stage recipe, for editors.
    Schema(schema::SchemaArgs),
    /// Print a shell's completion script.
    Completions(completions::CompletionsArgs),
    /// The original pipeline's tool for runs, with its options, words and output.
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  outrigger remotetool -listrun"
    )]
    Remotetool(programs::Words),
    /// The task scheduler: runs task scripts, at a terminal or from a file.
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  outrigger pantasks night.pro"
    )]
    Pantasks(programs::Words),
    /// The task scheduler without a terminal, for clients.
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  outrigger pantasks-server --load night.pro"
    )]
    PantasksServer(programs::Words),
    /// Commands for a task scheduler that runs as a server.
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  outrigger pantasks-client -e status"
    )]
    PantasksClient(programs::Words),
    /// The controller of the hosts that jobs go to, by itself.
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  outrigger pcontrol"
    )]
    Pcontrol(programs::Words),
    /// The agent of a controller on a host, started through ssh.
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  outrigger pclient --help"
    )]
    Pclient(programs::Words),
    /// Small image programs for examples and tests.
    #[command(
        subcommand,
        after_help = "Example:\n  outrigger sky png stack.fits --output stack.png"
    )]
    Sky(SkyCommand),
    /// Connects a login's ssh (called by ssh).
    #[command(hide = true)]
    Dial {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// The agent of a batch site that is a host of a controller (called by controllers).
    #[command(hide = true)]
    SiteAgent {
        /// The site.
        site: String,
    },
    /// Takes files that come to this machine (called over ssh).
    #[command(hide = true)]
    Receive {
        /// A directory of its own.
        dir: PathBuf,
        /// What goes into temporary names.
        word: String,
    },
    /// Gives files that are asked for on standard input (called over ssh).
    #[command(hide = true)]
    Send,
    /// Standard input to standard output, compressed where that pays (called over ssh).
    #[command(hide = true)]
    Squeeze,
    /// What `squeeze` has made back to what it was (called over ssh).
    #[command(hide = true)]
    Expand,
    /// The embedded batch scheduler (called by generated scripts).
    #[command(subcommand, hide = true)]
    Local(LocalCommand),
    /// The embedded multi-prog launcher (called by generated scripts).
    #[command(hide = true)]
    Launch(LaunchArgs),
}

/// Runs the program that the name in argv\[0] decides.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match programs::named(arguments.first()) {
        Some(program) => {
            let place = std::env::var_os(CONFIG).unwrap_or_else(|| HERE.into());
            let words: Vec<OsString> = arguments.into_iter().skip(1).collect();
            program(place.as_ref(), &words)
        },
        None => outrigger(arguments),
    }
}

fn outrigger(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            return if error.print().is_ok() {
                code.into()
            } else {
                Exit::Failed.into()
            };
        },
    };
    let global = cli.global;
    let exit = match cli.verb {
        Verb::Init(arguments) => init::run(&arguments),
        Verb::Check(arguments) => check::run(&global, &arguments),
        Verb::Explain(arguments) => explain::run(&global, &arguments),
        Verb::Doctor(arguments) => doctor::run(&global, &arguments),
        Verb::Connection(command) => connection::run(&global, &command),
        Verb::Transfer(command) => transfer::run(&global, &command),
        Verb::Remote(arguments) => remote::run(&global, arguments),
        Verb::Status(arguments) => status::run(&global, &arguments),
        Verb::Alloc(arguments) => alloc::run(&global, &arguments),
        Verb::Calibrate(arguments) => calibrate::run(&global, &arguments),
        Verb::Db(arguments) => db::run(&global, &arguments),
        Verb::Script(command) => script::run(command),
        Verb::Schema(arguments) => schema::run(&arguments),
        Verb::Completions(arguments) => completions::run(&arguments),
        Verb::Remotetool(words) => return remotetool::main(&global.config, &words.words),
        Verb::PantasksServer(words) => {
            return pantasks::server::program::main(&global.config, &words.words);
        },
        Verb::PantasksClient(words) => {
            return pantasks::client::program::main(&global.config, &words.words);
        },
        Verb::Pantasks(words) => return pantasks::program::main(&global.config, &words.words),
        Verb::Pcontrol(words) => return pcontrol::program::main(&global.config, &words.words),
        Verb::Pclient(words) => return pclient::program::main(&global.config, &words.words),
        Verb::Sky(command) => return sky::main(command),
        Verb::Dial { host, port } => crate::connection::dial(&host, port)
            .map(|()| Exit::Done)
            .map_err(|error| exit::CliError::Failed(format!("{host} port {port}: {error}"))),
        Verb::SiteAgent { site } => sitehost::main(&global.config, &site)
            .map(|()| Exit::Done)
            .map_err(|error| exit::CliError::Failed(error.to_string())),
        Verb::Receive { dir, word } => {
            crate::transfer::receive(&dir, &word, std::io::stdin(), std::io::stdout())
                .map(|()| Exit::Done)
                .map_err(|error| exit::CliError::Failed(format!("{}: {error}", dir.display())))
        },
        Verb::Send => crate::transfer::send(std::io::stdin(), std::io::stdout())
            .map(|()| Exit::Done)
            .map_err(|error| exit::CliError::Failed(format!("sending files: {error}"))),
        Verb::Squeeze => crate::transfer::squeeze(std::io::stdin(), std::io::stdout())
            .map(|()| Exit::Done)
            .map_err(|error| exit::CliError::Failed(format!("compressing: {error}"))),
        Verb::Expand => crate::transfer::expand(std::io::stdin(), std::io::stdout())
            .map(|()| Exit::Done)
            .map_err(|error| exit::CliError::Failed(format!("expanding: {error}"))),
        Verb::Worker(command) => return worker::run(&command),
        Verb::Local(command) => return local_main(&command),
        Verb::Launch(arguments) => return launch_main(&arguments),
    };
    end(exit)
}

/// The exit code of what came of a verb; an error is told first.
fn end(exit: Result<Exit, exit::CliError>) -> ExitCode {
    match exit {
        Ok(exit) => exit.into(),
        Err(error) => {
            table::note(&format!("error: {error}"));
            error.exit().into()
        },
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;

    /// A command with all those below it that users see, each with its full name.
    fn commands(command: &Command, name: &str, found: &mut Vec<(String, Command)>) {
        found.push((name.to_owned(), command.clone()));
        for below in command.get_subcommands().filter(|c| !c.is_hide_set()) {
            commands(below, &format!("{name} {}", below.get_name()), found);
        }
    }

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_an_example_of_that_command() {
        let mut found = Vec::new();
        commands(&Cli::command(), "outrigger", &mut found);
        assert!(found.len() > 20, "{}", found.len());
        for (name, mut command) in found {
            let help = command.render_long_help().to_string();
            let (_, example) = help
                .split_once("Example:")
                .unwrap_or_else(|| panic!("{name}: {help}"));
            assert!(example.contains(&name), "{name}: {help}");
        }
    }

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        let mut found = Vec::new();
        commands(&Cli::command(), "outrigger", &mut found);
        let mut examples = 0;
        for (name, mut command) in found {
            let help = command.render_long_help().to_string();
            let lines = help.split_once("Example:").map_or("", |(_, lines)| lines);
            for line in lines
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with("outrigger"))
            {
                // Two blanks set off what the example is for; `>` where its output goes.
                let line = line.split("  ").next().unwrap_or_default();
                let line = line.split(" >").next().unwrap_or_default();
                let words = shlex::split(line).unwrap();
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{name}: {line}: {error}");
                }
                examples += 1;
            }
        }
        assert!(examples > 40, "{examples}");
    }
}
