//! `scp` as a rider on a master: it can use the socket, and nothing else.

use std::{ffi::OsString, io, os::unix::ffi::OsStrExt, path::Path, sync::atomic::Ordering};

use tokio::{process::Command, sync::SemaphorePermit, time::sleep};

use super::{LinkError, Output, Patience, local, master::Master};
use crate::config::site::SshConnection;

/// What one `scp` carries.
#[derive(Debug, Clone, Copy)]
pub(super) enum Copied<'a> {
    /// Files by name from a local directory into one on the site.
    To {
        from: &'a Path,
        names: &'a [String],
        into: &'a Path,
    },
    /// All files of a directory on the site into a local one.
    From { from: &'a Path, into: &'a Path },
}

/// Options that bind `ssh` or `scp` to the socket.
pub(super) fn rider_options(socket: &Path, ssh: &SshConnection) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(file) = &ssh.config_file {
        options.extend(["-F".into(), file.to_string_lossy().into_owned()]);
    }
    // Without a free session on the socket ssh would connect by itself: it is given a proxy that
    // is no way, and should it find one, no method to log in with.
    for option in [
        "ProxyCommand=false",
        "ProxyJump=none",
        "ControlMaster=no",
        "ControlPersist=no",
        "BatchMode=yes",
        "PreferredAuthentications=none",
        "ClearAllForwardings=yes",
        "PermitLocalCommand=no",
        "LogLevel=ERROR",
    ] {
        options.extend(["-o".into(), option.into()]);
    }
    let path = socket.to_string_lossy().replace('%', "%%");
    options.extend(["-o".into(), format!("ControlPath=\"{path}\"")]);
    if let Some(user) = &ssh.user {
        options.extend(["-o".into(), format!("User={user}")]);
    }
    options
}

/// The session in which `program` copies files.
///
/// # Errors
/// [`LinkError::Io`] where the files would stay on the bastion.
pub(super) async fn permit<'m>(
    master: &'m Master,
    program: &str,
) -> Result<SemaphorePermit<'m>, LinkError> {
    if master.ssh.nested {
        let what = format!("{program} through a `nested` bastion (use the engine tar)");
        return Err(LinkError::io(what)(io::ErrorKind::Unsupported.into()));
    }
    master.permit().await
}

/// Runs one `scp`: by sftp, or by the old protocol where the site has no sftp server.
pub(super) async fn copy(
    master: &Master,
    copied: Copied<'_>,
    limit: Option<u64>,
) -> Result<Output, LinkError> {
    let _permit = permit(master, "scp").await?;
    if !master.legacy_scp.load(Ordering::Relaxed) {
        let output = granted(master, || command(master, copied, limit, false)).await?;
        // All that a rider sees of a site without an sftp server is a closed connection.
        if output.ok() || !output.err().contains("Connection closed") {
            return Ok(output);
        }
    }
    let output = granted(master, || command(master, copied, limit, true)).await?;
    if output.ok() {
        master.legacy_scp.store(true, Ordering::Relaxed);
    }
    Ok(output)
}

/// Runs one program that rides on the master, again with growing pauses while the site refuses it
/// a session. Where it failed, the link is known to live.
pub(super) async fn granted(
    master: &Master,
    command: impl Fn() -> Command,
) -> Result<Output, LinkError> {
    for tried in 0..master.patience.tries.max(1) {
        master.guard()?;
        let command = command();
        let program = command.as_std().get_program().to_string_lossy();
        let what = format!("cannot run {program}");
        let work = async {
            let ran = local::capture(command, None).await;
            ran.map_err(LinkError::io(what))
        };
        let output = master.watched(Box::pin(work)).await?;
        if output.ok() {
            return Ok(output);
        }
        if !output.err().contains("Session open refused by peer") {
            master.probe(master.patience.limit).await?;
            return Ok(output);
        }
        sleep(Patience::pause(tried)).await;
    }
    Err(master.busy())
}

fn command(master: &Master, copied: Copied<'_>, limit: Option<u64>, legacy: bool) -> Command {
    let ssh = &master.ssh;
    let mut command = Command::new(&ssh.scp);
    command.env("LC_ALL", "C").arg("-S").arg(&ssh.ssh);
    command.args(rider_options(&master.socket, ssh));
    if legacy {
        command.arg("-O");
    }
    if let Some(limit) = limit {
        // It counts in 1024 bits a second.
        command.args(["-l", &(limit / 128).max(1).to_string()]);
    }
    command.arg("--");
    match copied {
        Copied::To { from, names, into } => {
            let mut target = into.as_os_str().to_owned();
            target.push("/");
            command.current_dir(from).args(names);
            command.arg(far_path(
                ssh,
                &if legacy {
                    shell_quoted(&target)
                } else {
                    target
                },
            ));
        },
        Copied::From { from, into } => {
            let dir = from.as_os_str().to_owned();
            let mut source = if legacy {
                shell_quoted(&dir)
            } else {
                glob_quoted(&dir)
            };
            source.push("/*");
            command.arg(far_path(ssh, &source)).arg(into);
        },
    }
    command
}

/// `host:path`, an IPv6 address in brackets.
pub(super) fn far_path(ssh: &SshConnection, path: &OsString) -> OsString {
    let host = &ssh.host;
    let mut far = OsString::from(if host.contains(':') {
        format!("[{host}]:")
    } else {
        format!("{host}:")
    });
    far.push(path);
    far
}

/// For the far shell, which reads the path in the old protocol.
fn shell_quoted(path: &OsString) -> OsString {
    from_bytes(shlex::bytes::try_quote(path.as_bytes()).map_or_else(|_| Vec::new(), Into::into))
}

/// For the sftp client, which expands wildcards in what it fetches.
fn glob_quoted(path: &OsString) -> OsString {
    let mut quoted = Vec::new();
    for &byte in path.as_bytes() {
        if b"*?[]{}\\".contains(&byte) {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    from_bytes(quoted)
}

fn from_bytes(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}
