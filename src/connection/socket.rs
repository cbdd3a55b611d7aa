//! Where a master's control socket lies, and the command that opens a master there.

use std::path::{Path, PathBuf};

use super::LinkError;
use crate::config::site::SshConnection;

/// Longest socket path in bytes: ssh appends 17 to it while it opens a master, and the system
/// takes 107.
const MOST_BYTES: usize = 85;

/// The control socket of `site`: the configured one, or `~/.ssh/or-<site>`.
pub(super) fn path(
    site: &str,
    ssh: &SshConnection,
    home: Option<&Path>,
) -> Result<PathBuf, LinkError> {
    let no_home = || LinkError::NoHome {
        site: site.to_owned(),
    };
    let path = match &ssh.socket {
        Some(path) => match path.strip_prefix("~") {
            Ok(rest) => home.ok_or_else(no_home)?.join(rest),
            Err(_) => path.clone(),
        },
        None => home
            .ok_or_else(no_home)?
            .join(".ssh")
            .join(format!("or-{site}")),
    };
    let length = path.as_os_str().len();
    if length > MOST_BYTES {
        return Err(LinkError::SocketPath {
            site: site.to_owned(),
            path,
            length,
            most: MOST_BYTES,
        });
    }
    Ok(path)
}

/// `user@host`, or just the host.
pub(super) fn login(ssh: &SshConnection) -> String {
    match &ssh.user {
        Some(user) => format!("{user}@{}", ssh.host),
        None => ssh.host.clone(),
    }
}

/// The argv that opens a master which survives its terminal: ssh puts itself in the background,
/// but its child that speaks to the bastion would die with the terminal, hence `nohup`.
pub(super) fn opening_argv(socket: &Path, ssh: &SshConnection) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut argv = Vec::new();
    if ssh.jump.is_some() {
        argv.push("nohup".into());
    }
    // ssh expands percent signs in a socket's path.
    let socket = text(socket).replace('%', "%%");
    argv.extend([text(&ssh.ssh), "-M".into(), "-S".into(), socket]);
    for option in [
        "ControlPersist=yes",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=4",
    ] {
        argv.extend(["-o".into(), option.into()]);
    }
    argv.push("-fN".into());
    if let Some(file) = &ssh.config_file {
        argv.extend(["-F".into(), text(file)]);
    }
    if let Some(jump) = &ssh.jump {
        argv.extend(["-J".into(), jump.clone()]);
    }
    argv.push(login(ssh));
    argv
}

/// What to tell a human whose link is down.
pub(super) fn mend(socket: &Path, ssh: &SshConnection) -> String {
    let words = opening_argv(socket, ssh);
    let line: Vec<String> = words.iter().map(|word| pasteable(word)).collect();
    format!("open the master with: {}", line.join(" "))
}

/// `word` quoted for a shell, where it needs that.
fn pasteable(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=@:,+%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(yaml: &str) -> SshConnection {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn the_default_socket_lies_in_the_ssh_directory_and_is_named_after_the_site() {
        let found = path(
            "lanl",
            &connection("host: fe"),
            Some(Path::new("/home/ipp")),
        )
        .unwrap();
        assert_eq!(found, Path::new("/home/ipp/.ssh/or-lanl"));
    }

    #[test]
    fn a_tilde_in_a_configured_socket_means_home() {
        let ssh = connection("{host: fe, socket: ~/s/fe}");
        let found = path("lanl", &ssh, Some(Path::new("/home/ipp"))).unwrap();
        assert_eq!(found, Path::new("/home/ipp/s/fe"));
    }

    #[test]
    fn without_home_the_default_socket_is_an_error_that_says_what_to_set() {
        let error = path("lanl", &connection("host: fe"), None).unwrap_err();
        insta::assert_snapshot!(error, @"site `lanl`: HOME is not set: set it, or set `connection.socket` to a path");
    }

    #[test]
    fn a_socket_path_of_86_bytes_is_refused_and_85_work() {
        let long = |n: usize| format!("{{host: fe, socket: /{}}}", "x".repeat(n - 1));
        assert!(path("lanl", &connection(&long(85)), None).is_ok());
        let error = path("lanl", &connection(&long(86)), None).unwrap_err();
        assert!(matches!(
            error,
            LinkError::SocketPath {
                length: 86,
                most: 85,
                ..
            }
        ));
    }

    #[test]
    fn the_mend_is_a_command_that_can_be_pasted() {
        let plain = connection("{host: fe1, user: ipp}");
        insta::assert_snapshot!(mend(Path::new("/h/.ssh/or-x"), &plain), @"open the master with: /usr/bin/ssh -M -S /h/.ssh/or-x -o ControlPersist=yes -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -fN ipp@fe1");
        let jump = connection("{host: fe1, jump: bastion, config_file: /h/my conf}");
        insta::assert_snapshot!(mend(Path::new("/h/.ssh/or-x"), &jump), @"open the master with: nohup /usr/bin/ssh -M -S /h/.ssh/or-x -o ControlPersist=yes -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -fN -F '/h/my conf' -J bastion fe1");
    }
}
