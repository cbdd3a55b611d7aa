//! Where a server is found: the settings that server and clients share (spec/pantasks.md §1.10).

use std::{
    fmt,
    net::IpAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    connection::talk::secret::{Secret, SecretError},
    shell::settings::{Settings, SettingsError},
};

const HOST: &str = "PANTASKS_SERVER";
const PORT: &str = "PANTASKS_SERVER_PORT";
const SOCKET: &str = "PANTASKS_SERVER_SOCKET";
const SECRET: &str = "PANTASKS_SERVER_SECRET";
const PASSWORD: &str = "PASSWORD";
const VALID_IP: &str = "VALID_IP";

/// Most ports of a range.
const MOST_PORTS: u16 = 20;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At a socket in the file system, for this user alone.
    Socket(PathBuf),
    /// At the first free port of a range.
    Ports {
        /// The host.
        host: String,
        /// The ports.
        ports: RangeInclusive<u16>,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Ports { host, ports } if ports.start() == ports.end() => {
                write!(f, "{host} port {}", ports.start())
            },
            Self::Ports { host, ports } => {
                write!(f, "{host} ports {} to {}", ports.start(), ports.end())
            },
        }
    }
}

/// Why no server can be at the place that the settings name.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The secret is missing or open.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is no directory for the socket.
    #[error("neither XDG_RUNTIME_DIR nor HOME is set; name a socket with {SOCKET}")]
    NoDirectory,
}

impl Place {
    /// A port where `PANTASKS_SERVER_PORT` is set, else the socket.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn of(settings: &Settings) -> Result<Self, PlaceError> {
        if let Some(word) = settings.get(PORT)? {
            let ports = ports(&word).map_err(|reason| settings.unusable(PORT, reason))?;
            let host = settings
                .get(HOST)?
                .unwrap_or_else(|| "localhost".to_owned());
            return Ok(Self::Ports { host, ports });
        }
        if let Some(path) = settings.get(SOCKET)? {
            return Ok(Self::Socket(path.into()));
        }
        let runtime = settings.variable("XDG_RUNTIME_DIR");
        let runtime = runtime.map(|directory| Path::new(directory).join("outrigger"));
        let home = settings.variable("HOME");
        let home = home.map(|directory| Path::new(directory).join(".outrigger"));
        let directory = runtime.or(home).ok_or(PlaceError::NoDirectory)?;
        Ok(Self::Socket(directory.join("pantasks.sock")))
    }

    /// The secret that is shared at this place: none at a socket.
    ///
    /// # Errors
    /// [`PlaceError::Secret`].
    pub fn secret(&self, settings: &Settings) -> Result<Option<Secret>, PlaceError> {
        match (self, settings.get(SECRET)?) {
            (Self::Ports { .. }, Some(path)) => Ok(Some(Secret::read(Path::new(&path))?)),
            _ => Ok(None),
        }
    }
}

/// The addresses that may come: all where none is named (`VALID_IP`).
///
/// # Errors
/// [`SettingsError::Value`].
pub fn valid_addresses(settings: &Settings) -> Result<Vec<IpAddr>, SettingsError> {
    let mut addresses = Vec::new();
    for line in settings.all(VALID_IP)? {
        let words = line.split(|c: char| c.is_whitespace() || c == ',');
        for word in words.filter(|word| !word.is_empty()) {
            let address = word
                .parse::<IpAddr>()
                .map_err(|_| settings.unusable(VALID_IP, format!("{word} is not an IP address")))?;
            addresses.push(address.to_canonical());
        }
    }
    Ok(addresses)
}

/// Why a server without a secret does not listen at a port, and what to do.
pub fn advice(settings: &Settings) -> String {
    let password = settings.get(PASSWORD).ok().flatten().is_some();
    let note = if password {
        " PASSWORD is not used: it lies where others can read it."
    } else {
        ""
    };
    format!(
        "a server at a port needs a secret: make a file that only you can read, \
         (umask 077; head -c 32 /dev/urandom | base64 > FILE), and set {SECRET} FILE here and for \
         the clients; or leave out {PORT} to listen at a socket.{note}"
    )
}

fn ports(word: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = word.split_once(':').unwrap_or((word, word));
    let port = |word: &str| word.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let (Some(first), Some(last)) = (port(first), port(last)) else {
        return Err("a port is NN, a range of ports NN:MM, each from 1 to 65535".to_owned());
    };
    match last.checked_sub(first) {
        None => Err("the range ends before it begins".to_owned()),
        Some(more) if more >= MOST_PORTS => Err(format!("more than {MOST_PORTS} ports")),
        Some(_) => Ok(first..=last),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("2000", Some(2000..=2000))]
    #[case("2000:2019", Some(2000..=2019))]
    #[case("2000:2020", None)]
    #[case("2001:2000", None)]
    #[case("0", None)]
    #[case("65536", None)]
    #[case("x", None)]
    fn a_port_or_at_most_twenty(#[case] word: &str, #[case] range: Option<RangeInclusive<u16>>) {
        assert_eq!(ports(word).ok(), range);
    }
}
