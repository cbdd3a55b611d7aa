//! Why a master could not be opened, read from what ssh said.

use std::fmt;

/// Why a master could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("site `{site}`, {what}: {refusal}{}", heard(.said))]
pub struct OpenError {
    /// The site.
    pub site: String,
    /// Which of its masters.
    pub what: String,
    /// Why.
    pub refusal: Refusal,
    /// The last line that ssh said.
    pub said: String,
}

/// What refused a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Token, password or key were not accepted.
    Denied,
    /// The account is locked or has expired.
    Locked,
    /// The machine's key is not the one that is known.
    HostKeyChanged,
    /// The machine's key is not known, and nobody said that it is right.
    HostKeyUnknown,
    /// The machine closed the connection before it asked for anything.
    Closed,
    /// The bastion does not forward to the front end.
    Forwarding,
    /// The name is not known.
    Unresolved,
    /// The machine does not answer.
    Unreachable,
    /// The control socket's path is too long.
    SocketPath,
    /// ssh cannot be run.
    Program,
    /// Something else.
    Other,
}

impl Refusal {
    /// What ssh's words on standard error mean.
    pub(super) fn of(said: &str) -> Self {
        let has = |words: &str| said.contains(words);
        let any = |all: &[&str]| all.iter().any(|words| said.contains(words));
        if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
            Self::HostKeyChanged
        } else if has("Host key verification failed") {
            Self::HostKeyUnknown
        } else if any(&["account is locked", "Account locked", "account has expired"]) {
            Self::Locked
        } else if any(&["Permission denied", "Too many authentication failures"]) {
            Self::Denied
        } else if any(&["administratively prohibited", "stdio forwarding failed"]) {
            Self::Forwarding
        } else if has("too long for Unix domain socket") {
            Self::SocketPath
        } else if has("Could not resolve hostname") {
            Self::Unresolved
        } else if any(&["Connection refused", "timed out", "No route", "unreachable"]) {
            Self::Unreachable
        } else if any(&["Connection closed", "Connection reset", "kex_exchange"]) {
            Self::Closed
        } else {
            Self::Other
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Denied => {
                "the login was refused: a token that is wrong, too old or used before, a key that \
                 the site does not know, or a locked account; wait for the next token and try \
                 again, and ask the site before a third try"
            },
            Self::Locked => "the account is locked or has expired: ask the site to open it again",
            Self::HostKeyChanged => {
                "the machine's host key is not the one that is known: nothing was sent to it. Ask \
                 the site whether the key was changed, and only then remove the old one with \
                 `ssh-keygen -R`"
            },
            Self::HostKeyUnknown => {
                "the machine's host key is not known: compare it with what the site publishes and \
                 accept it at the terminal, or put it into known_hosts"
            },
            Self::Closed => {
                "the machine closed the connection at once: it may be in maintenance, refuse this \
                 address, or have too many logins open; try again later or ask the site"
            },
            Self::Forwarding => {
                "the bastion does not forward to the front end: set `connection.nested: true` if \
                 it never does"
            },
            Self::Unresolved => {
                "the name is not known: check `connection.host` and `connection.jump`"
            },
            Self::Unreachable => "the machine does not answer: check the network and the name",
            Self::SocketPath => {
                "the control socket's path is too long: set `connection.socket` to a shorter one"
            },
            Self::Program => "ssh cannot be run: check `connection.ssh`",
            Self::Other => "ssh gave up",
        })
    }
}

fn heard(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!(" (ssh said: {said})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(
        "survey@bastion: Permission denied (publickey,keyboard-interactive).",
        Refusal::Denied
    )]
    #[case(
        "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
        Refusal::Denied
    )]
    #[case(
        "Your account has expired; please contact your system administrator.\nConnection closed by 10.0.0.1 port 22",
        Refusal::Locked
    )]
    #[case(
        "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
        Refusal::HostKeyChanged
    )]
    #[case(
        "No ED25519 host key is known for b and you have requested strict checking.\nHost key verification failed.",
        Refusal::HostKeyUnknown
    )]
    #[case(
        "kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.98.0.2 port 22",
        Refusal::Closed
    )]
    #[case(
        "channel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed\nkex_exchange_identification: Connection closed by remote host",
        Refusal::Forwarding
    )]
    #[case(
        "ssh: Could not resolve hostname gate: Name or service not known",
        Refusal::Unresolved
    )]
    #[case(
        "ssh: connect to host gate port 22: Connection timed out",
        Refusal::Unreachable
    )]
    #[case(
        "unix_listener: path \"/x\" too long for Unix domain socket",
        Refusal::SocketPath
    )]
    #[case("something new", Refusal::Other)]
    fn what_ssh_says_has_a_meaning(#[case] words: &str, #[case] refusal: Refusal) {
        assert_eq!(Refusal::of(words), refusal);
    }
}
