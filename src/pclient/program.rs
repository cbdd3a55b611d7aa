//! The program `pclient`: the agent on a host, started through ssh by a controller.

use std::{ffi::OsString, io, path::Path, process::ExitCode};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    runtime::{Builder, Runtime},
};

use super::{
    agent::{Agent, Parting},
    classic::{Classic, Going},
    ending::AgentError,
    guard, keep,
    keep::KeepError,
    post::{Post, PostError},
    streams::{self, Input, Output, standard_input, standard_output},
    wire::{Decoder, HELLO, Hello, PROTOCOL, WELCOME},
};

const HELP: &str = "\
usage: pclient

The agent of pcontrol on a host. A controller starts it through ssh; it runs the jobs that it is
told to and says how they ended. By hand it speaks the classic protocol, one job at a time:

  job [-nice N] PROGRAM [WORD...]   start a job in the background
  status                            how it stands: NONE, BUSY, EXIT or CRASH
  stdout, stderr                    what it wrote
  reset                             end it, and be ready for the next one
  exit

  --version

Example:
  ssh po01 pclient
";

/// The longest first line, with whatever a login shell prints before it.
const LONGEST_LINE: usize = 1 << 20;

/// Why the program ends badly.
#[derive(Debug, Error)]
enum ProgramError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Post(#[from] PostError),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Keep(#[from] KeepError),
    #[error("unknown option {0}; pclient --help tells what there is")]
    Usage(String),
    #[error("{0}")]
    Hello(String),
}

/// Runs `pclient` with its arguments.
pub fn main(_: &Path, arguments: &[OsString]) -> ExitCode {
    let words: Vec<String> = arguments
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match run(&words) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            write_error(&format!("pclient: {error}\n"));
            ExitCode::from(if matches!(error, ProgramError::Usage(_)) {
                2
            } else {
                1
            })
        },
    }
}

fn run(words: &[String]) -> Result<u8, ProgramError> {
    let (first, rest) = match words.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => return talk(),
    };
    match first {
        guard::ARGUMENT => {
            let usage = || ProgramError::Usage(first.to_owned());
            guard::main(rest).ok_or_else(usage).map(|()| 0)
        },
        keep::ARGUMENT => {
            let hello = rest
                .first()
                .and_then(|text| serde_json::from_str(text).ok());
            let hello = hello.ok_or_else(|| ProgramError::Usage(first.to_owned()))?;
            // Whoever waits for the end of this output waits for the socket.
            let listening = || {
                if let Err(error) = rustix::stdio::dup2_stdout(rustix::stdio::stderr()) {
                    eprintln!("standard output stays open: {error}");
                }
            };
            runtime()?.block_on(keep::stay(hello, listening))?;
            Ok(0)
        },
        "--help" | "-help" | "-h" => {
            write_output(HELP);
            Ok(0)
        },
        "--version" | "-version" => {
            write_output(concat!(
                "pclient of Outrigger ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            ));
            Ok(0)
        },
        other => Err(ProgramError::Usage(other.to_owned())),
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Talks to whoever is at the other end: a controller, or one that speaks the classic protocol.
fn talk() -> Result<u8, ProgramError> {
    let runtime = runtime()?;
    let ended = runtime.block_on(converse());
    // A read of standard input that still waits must not hold up the end.
    runtime.shutdown_background();
    streams::leave();
    ended
}

async fn converse() -> Result<u8, ProgramError> {
    let mut decoder = Decoder::default();
    let mut input = standard_input()?;
    let mut classic = Classic::new();
    let mut output = standard_output()?;
    output.write_all(&classic.answer(true)).await?;
    output.flush().await?;
    loop {
        while let Some(line) = decoder.line() {
            if let Some(hello) = hello(&line) {
                let hello = match hello {
                    Ok(hello) => hello,
                    Err(why) => {
                        refuse(&mut output, &why).await?;
                        return Err(ProgramError::Hello(why));
                    },
                };
                return serve(hello, &line, decoder, input).await.map(|()| 0);
            }
            let going = classic.line(&String::from_utf8_lossy(&line)).await;
            write_error(&classic.complaint());
            let ends = matches!(going, Going::Ends(_));
            output.write_all(&classic.answer(!ends)).await?;
            output.flush().await?;
            if let Going::Ends(code) = going {
                return Ok(code);
            }
        }
        tokio::select! {
            read = input.read_buf(decoder.room()) => {
                if read? == 0 {
                    classic.end().await;
                    return Ok(0);
                }
            },
            () = classic.event() => {},
        }
        if decoder.room().len() > LONGEST_LINE {
            return Err(ProgramError::Hello("a line is too long".to_owned()));
        }
    }
}

/// Serves a controller that speaks our own protocol.
async fn serve(
    hello: Hello,
    greeting: &[u8],
    decoder: Decoder,
    input: Input,
) -> Result<(), ProgramError> {
    if hello.keep {
        let relayed = keep::relay(&hello, greeting, decoder, input).await;
        return told(relayed).await;
    }
    let mut agent = told(begin(hello).await).await?;
    match agent.serve(decoder, input, standard_output()?).await {
        Parting::Bye(ended) => return Ok(ended?),
        Parting::Lost(why) => write_error(&format!("pclient: {why}\n")),
        Parting::Unguarded => write_error("pclient: its guard is dead\n"),
    }
    Ok(agent.end().await?)
}

async fn begin(hello: Hello) -> Result<Agent, ProgramError> {
    let post = Post::of(&hello.controller, &hello.machine)?;
    let place = tokio::task::spawn_blocking(move || post.seize());
    let place = place.await.map_err(io::Error::other)??;
    Ok(Agent::start(hello, place)?)
}

/// Tells a controller of an error before there is an agent: later that is no place for words.
async fn told<T, E>(result: Result<T, E>) -> Result<T, ProgramError>
where
    ProgramError: From<E>,
{
    let result = result.map_err(ProgramError::from);
    if let Err(error) = &result {
        refuse(&mut standard_output()?, &error.to_string()).await?;
    }
    result
}

/// Tells a controller why there will be no agent.
async fn refuse(output: &mut Output, why: &str) -> io::Result<()> {
    output.write_all(&refusal(why)).await?;
    output.flush().await
}

/// The line that tells a controller why there will be no agent.
pub(crate) fn refusal(why: &str) -> Vec<u8> {
    let why = why.replace('\n', " ");
    format!("\n{WELCOME} error {why}\n").into_bytes()
}

/// What a controller's first line says, if that is what the line is.
fn hello(line: &[u8]) -> Option<Result<Hello, String>> {
    let line = std::str::from_utf8(line).ok()?;
    let (number, text) = line.trim().strip_prefix(HELLO)?.trim().split_once(' ')?;
    if number != PROTOCOL.to_string() {
        return Some(Err(format!(
            "this pclient (of Outrigger {}) speaks protocol {PROTOCOL}, the controller asks for \
             {number}: install the same version on both",
            env!("CARGO_PKG_VERSION")
        )));
    }
    Some(serde_json::from_str(text).map_err(|error| format!("the controller's greeting: {error}")))
}

/// Reads lines until a controller's first one, and why it cannot be heeded if so; nothing where the
/// input ends before.
pub(crate) async fn read_hello<R: AsyncRead + Unpin>(
    input: &mut R,
    decoder: &mut Decoder,
) -> io::Result<Option<Result<Hello, String>>> {
    loop {
        while let Some(line) = decoder.line() {
            if let Some(hello) = hello(&line) {
                return Ok(Some(hello));
            }
        }
        if input.read_buf(decoder.room()).await? == 0 || decoder.room().len() > LONGEST_LINE {
            return Ok(None);
        }
    }
}

fn write_output(text: &str) {
    // Whoever asked may have gone.
    drop(io::Write::write_all(&mut io::stdout(), text.as_bytes()));
}

fn write_error(text: &str) {
    drop(io::Write::write_all(&mut io::stderr(), text.as_bytes()));
}
