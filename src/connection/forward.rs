//! A socket of the site that is reached from here, over a master.

use std::{
    io,
    path::{Path, PathBuf},
};

use openssh::{ForwardType, Socket};
use tokio::{net::UnixStream, time::timeout};

use super::{LinkError, master::Master};

impl Master {
    /// The socket here to which this master listens for `remote` on the front end. One that is
    /// there already is used, whoever asked for it.
    pub(super) async fn forwarded(&self, remote: &Path) -> Result<PathBuf, LinkError> {
        self.guard()?;
        let here = beside(&self.socket, remote);
        if UnixStream::connect(&here).await.is_ok() {
            return Ok(here);
        }
        // A master that is gone leaves its sockets.
        match std::fs::remove_file(&here) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(LinkError::io(here.display().to_string())(error));
            },
            _ => {},
        }
        let asked =
            self.session
                .request_port_forward(ForwardType::Local, unix(&here), unix(remote));
        match timeout(self.patience.limit, asked).await {
            Ok(Ok(())) => Ok(here),
            // Another program was faster.
            Ok(Err(_)) if UnixStream::connect(&here).await.is_ok() => Ok(here),
            Ok(Err(error)) if is_refused(&error) => Err(LinkError::io(format!(
                "site `{}` does not let {} be reached over its master",
                self.site,
                remote.display()
            ))(io::Error::other(error))),
            Ok(Err(error)) => Err(self.failed(error).await),
            Err(_) => Err(self.down("its master does not answer".into())),
        }
    }
}

/// Whether the master or the site will not forward, now or later.
fn is_refused(error: &openssh::Error) -> bool {
    use openssh::Error::SshMux;
    let said = match error {
        SshMux(inner) => inner.to_string(),
        _ => return false,
    };
    said.starts_with("Server refused the request")
}

fn unix(path: &Path) -> Socket<'_> {
    Socket::UnixSocket { path: path.into() }
}

/// The path beside a master's socket that stands for `remote`.
fn beside(socket: &Path, remote: &Path) -> PathBuf {
    let hash = blake3::hash(remote.as_os_str().as_encoded_bytes()).to_hex();
    let mut path = socket.as_os_str().to_owned();
    path.push(".f");
    path.push(hash.get(..8).unwrap_or_default());
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_socket_of_the_site_has_its_own_beside_the_masters() {
        let master = Path::new("/home/survey/.ssh/or-mustang@hale");
        let first = beside(master, Path::new("/run/a"));
        assert_ne!(first, beside(master, Path::new("/run/b")));
        assert!(first.as_os_str().len() <= master.as_os_str().len() + 10);
    }
}
