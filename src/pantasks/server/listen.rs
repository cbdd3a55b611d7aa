//! The door of a server: a socket in the file system, or a port.

use std::{
    fs::{self, DirBuilder, File, Permissions, TryLockError},
    io,
    net::IpAddr,
    os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

use super::place::Place;

/// A connection, of either kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Why a server cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Another server is there.
    #[error("a server listens at {0} already; `pantasks_client -e status` talks to it")]
    Taken(PathBuf),
    /// Something else is there.
    #[error("{0} is there and is no socket; name another one with PANTASKS_SERVER_SOCKET")]
    NoSocket(PathBuf),
    /// The settings name another host.
    #[error("PANTASKS_SERVER is {0}, which is not this host; start the server there")]
    NotHere(String),
    /// All ports of the range are in use.
    #[error("no port from {0} to {1} is free")]
    NoPort(u16, u16),
    /// The system refuses.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

/// Where clients come in. It is gone from the file system when it is dropped.
#[derive(Debug)]
pub enum Door {
    /// For this user alone.
    Socket {
        /// The socket.
        listener: UnixListener,
        /// Where it is.
        path: PathBuf,
        /// Held as long as the server lives, so that there is never a second one.
        lock: File,
    },
    /// For everybody who knows the secret.
    Port {
        /// The port.
        listener: TcpListener,
        /// The addresses that may come; all where it is empty.
        allowed: Vec<IpAddr>,
    },
}

impl Door {
    /// Opens it. A socket that a killed server has left is replaced.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn open(place: &Place, allowed: Vec<IpAddr>) -> Result<Self, ListenError> {
        match place {
            Place::Socket(path) => socket(path),
            Place::Ports { host, ports } => {
                let (first, last) = (*ports.start(), *ports.end());
                for port in ports.clone() {
                    match TcpListener::bind((host.as_str(), port)).await {
                        Ok(listener) => return Ok(Self::Port { listener, allowed }),
                        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {},
                        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                            return Err(ListenError::NotHere(host.clone()));
                        },
                        Err(error) => return Err(failed(format!("{host} port {port}"), error)),
                    }
                }
                Err(ListenError::NoPort(first, last))
            },
        }
    }

    /// Where it is, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Socket { path, .. } => path.display().to_string(),
            Self::Port { listener, .. } => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
        }
    }

    /// The next client; and why it may not come, if so.
    ///
    /// # Errors
    /// What the system says; the door stays open.
    pub async fn next(&self) -> io::Result<(Box<dyn Stream>, Option<String>)> {
        match self {
            Self::Socket { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), None))
            },
            Self::Port { listener, allowed } => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let address = address.ip().to_canonical();
                let may = allowed.is_empty() || allowed.contains(&address);
                let why = (!may).then(|| format!("{address} is not among VALID_IP"));
                Ok((Box::new(stream), why))
            },
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Self::Socket { path, .. } = self {
            // A socket that stays is replaced by the next server.
            fs::remove_file(path).unwrap_or_default();
        }
    }
}

/// Goes to a server.
///
/// # Errors
/// What the system says of the last port that was tried.
pub async fn visit(place: &Place) -> io::Result<Box<dyn Stream>> {
    match place {
        Place::Socket(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Place::Ports { host, ports } => {
            let mut last = io::ErrorKind::NotFound.into();
            for port in ports.clone() {
                match TcpStream::connect((host.as_str(), port)).await {
                    Ok(stream) => {
                        stream.set_nodelay(true)?;
                        return Ok(Box::new(stream));
                    },
                    Err(error) => last = error,
                }
            }
            Err(last)
        },
    }
}

fn socket(path: &Path) -> Result<Door, ListenError> {
    let shown = || path.display().to_string();
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(|error| failed(parent.display().to_string(), error))?;
    }
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let lock = File::create(beside(".lock")).map_err(|error| failed(shown(), error))?;
    match lock.try_lock() {
        Ok(()) => {},
        Err(TryLockError::WouldBlock) => return Err(ListenError::Taken(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(failed(shown(), error)),
    }
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NoSocket(path.to_owned()));
        },
        _ => {},
    }
    // Nobody else can come in before the permissions are set: it gets its name after that.
    let new = beside(".new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(shown(), error));
        },
        _ => {},
    }
    let listener = UnixListener::bind(&new).map_err(|error| failed(shown(), error))?;
    fs::set_permissions(&new, Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&new, path))
        .map_err(|error| failed(shown(), error))?;
    Ok(Door::Socket {
        listener,
        path: path.to_owned(),
        lock,
    })
}

fn failed(what: String, source: io::Error) -> ListenError {
    ListenError::Io { what, source }
}
