//! Opening one master, with the operator's terminal for what the site asks.

use std::{convert::Infallible, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time::timeout,
};

use super::{
    cipher, dial,
    opening::Opening,
    refusal::{OpenError, Refusal},
    socket::of_generation,
    told::Told,
};
use crate::config::site::SshConnection;

/// Where to look for somebody who can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asking {
    /// ssh asks at the terminal, or through `SSH_ASKPASS`: nothing of the answer passes through
    /// this program.
    Operator,
    /// Nobody is there: what would ask fails.
    Nobody,
}

/// Bytes of ssh's words that are kept to tell what they mean.
const KEPT: usize = 16 << 10;

/// What ssh may still say once it is in the background or gone.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Opens a master at its path of `generation`. `echo` hears what ssh says meanwhile.
pub(super) async fn open(
    site: &str,
    opening: &Opening,
    ssh: &SshConnection,
    generation: u32,
    asking: Asking,
    echo: &(dyn Fn(&[u8]) + Sync),
) -> Result<(), OpenError> {
    let failed = |refusal, said: String| OpenError {
        site: site.to_owned(),
        what: opening.what.clone(),
        refusal,
        said,
    };
    let program = |error: std::io::Error| failed(Refusal::Program, error.to_string());
    let socket = of_generation(&opening.path, generation);
    let mut argv = command_line(opening, ssh, generation, asking)
        .await
        .into_iter();
    let mut command = Command::new(argv.next().unwrap_or_default());
    if asking == Asking::Nobody {
        command.env("SSH_ASKPASS_REQUIRE", "never");
    }
    let mut child = command
        .args(argv)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(program)?;
    let mut said = Vec::new();
    let status = match child.stderr.take() {
        Some(mut pipe) => {
            let status = tokio::select! {
                status = child.wait() => status,
                never = listen(&mut pipe, &mut said, echo) => match never {},
            };
            // Where a child of ssh keeps the pipe, its end never comes.
            drop(timeout(LAST_WORDS, listen(&mut pipe, &mut said, echo)).await);
            status
        },
        None => child.wait().await,
    };
    let status = status.map_err(program)?;
    let said = String::from_utf8_lossy(&said).into_owned();
    if status.success() && socket.symlink_metadata().is_ok() {
        return Ok(());
    }
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    let last = last.unwrap_or_default().trim().to_owned();
    Err(failed(Refusal::of(&said), last))
}

/// The argv that opens a master; its TCP connection is ours to make, where ssh would make one.
pub(super) async fn command_line(
    opening: &Opening,
    ssh: &SshConnection,
    generation: u32,
    asking: Asking,
) -> Vec<String> {
    let mut more = Vec::new();
    if let Some(told) = Told::of(ssh, &opening.words(ssh)).await {
        if opening.connects()
            && let Ok(program) = std::env::current_exe()
        {
            more.extend(dial::options(&told, &program));
        }
        more.extend(cipher::options(ssh, &told).await);
    }
    if asking == Asking::Nobody {
        more.extend(["-o".into(), "BatchMode=yes".into()]);
    }
    opening.argv(ssh, generation, &more)
}

/// Hears all that comes, and never ends: the end of ssh itself is what counts.
async fn listen(
    pipe: &mut (impl AsyncRead + Unpin),
    said: &mut Vec<u8>,
    echo: &(dyn Fn(&[u8]) + Sync),
) -> Infallible {
    let mut buffer = [0; 4096];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(n) if n > 0 => {
                let words = buffer.get(..n).unwrap_or_default();
                echo(words);
                said.extend_from_slice(words);
                let over = said.len().saturating_sub(KEPT);
                said.drain(..over);
            },
            _ => std::future::pending().await,
        }
    }
}
