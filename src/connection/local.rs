//! Running a command on this host.

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    process::Command,
};

use super::{LinkError, Output};

/// Runs `argv` here without a shell. A program that is not there answers 127 and one that may
/// not be executed 126, as a shell on a far site would say.
pub(super) async fn run(argv: &[&[u8]], input: Option<&[u8]>) -> Result<Output, LinkError> {
    let name = argv.first().copied().unwrap_or_default();
    let mut command = Command::new(OsStr::from_bytes(name));
    command.args(argv.iter().skip(1).map(|word| OsStr::from_bytes(word)));
    capture(command, input).await.or_else(|error| {
        let shown = String::from_utf8_lossy(name).into_owned();
        let code = match error.kind() {
            io::ErrorKind::NotFound => 127,
            io::ErrorKind::PermissionDenied => 126,
            _ => return Err(LinkError::io(format!("cannot run `{shown}`"))(error)),
        };
        Ok(Output {
            code,
            stdout: Vec::new(),
            stderr: format!("{shown}: {error}\n").into_bytes(),
        })
    })
}

/// Runs `command`, feeding `input` and reading both outputs at once so that no pipe can block
/// another. The process ends with the future.
pub(super) async fn capture(mut command: Command, input: Option<&[u8]>) -> io::Result<Output> {
    command
        .stdin(input.map_or_else(Stdio::null, |_| Stdio::piped()))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let (fed, stdout, stderr) = tokio::join!(
        feed(child.stdin.take(), input),
        drain(child.stdout.take()),
        drain(child.stderr.take()),
    );
    fed?;
    let status = child.wait().await?;
    Ok(Output {
        code: exit_code(status),
        stdout: stdout?,
        stderr: stderr?,
    })
}

/// The exit code, or 128 + N for an end by signal N.
fn exit_code(status: ExitStatus) -> i32 {
    let signal = || status.signal().map_or(-1, |n| 128 + n);
    status.code().unwrap_or_else(signal)
}

/// Writes `input` and closes the pipe; a reader that left early is no error.
pub(super) async fn feed(
    pipe: Option<impl AsyncWrite + Unpin>,
    input: Option<&[u8]>,
) -> io::Result<()> {
    let (Some(mut pipe), Some(bytes)) = (pipe, input) else {
        return Ok(());
    };
    match pipe.write_all(bytes).await {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Reads a pipe to its end.
pub(super) async fn drain(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}
