//! Where the control sockets of a site's masters lie.
//!
//! A master removes its own socket when it ends, so no new one may take over its path. Each is
//! opened at a path of its own generation, and a symbolic link leads from the path that riders
//! use to the generation that holds: a refresh switches it in one step.

use std::{
    ffi::OsString,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::LinkError;
use crate::config::site::SshConnection;

/// Longest base path in bytes: what is appended to it (`-b15.99`, `-15.f01234567`, and 17 bytes by ssh
/// while it opens a master) must stay within the 107 that the system takes.
const MOST_BYTES: usize = 79;

/// The sockets of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets {
    base: PathBuf,
}

impl Sockets {
    /// The configured path, or `~/.ssh/or-<site>@<this host>`: a home directory may be shared by
    /// hosts, a socket cannot.
    ///
    /// # Errors
    /// [`LinkError::SocketPath`] if the path is too long, [`LinkError::NoHome`] if it lies in the
    /// home directory and `home` is absent.
    pub fn of(
        site: &str,
        ssh: &SshConnection,
        home: Option<&Path>,
        this_host: &str,
    ) -> Result<Self, LinkError> {
        let no_home = || LinkError::NoHome {
            site: site.to_owned(),
        };
        let short_name = this_host.split('.').next().unwrap_or_default();
        let base = match &ssh.socket {
            Some(path) => match path.strip_prefix("~") {
                Ok(rest) => home.ok_or_else(no_home)?.join(rest),
                Err(_) => path.clone(),
            },
            None => home
                .ok_or_else(no_home)?
                .join(".ssh")
                .join(format!("or-{site}@{short_name}")),
        };
        let length = base.as_os_str().len();
        if length > MOST_BYTES {
            return Err(LinkError::SocketPath {
                site: site.to_owned(),
                path: base,
                length,
                most: MOST_BYTES,
            });
        }
        Ok(Self { base })
    }

    /// [`Sockets::of`] for this user on this host.
    ///
    /// # Errors
    /// As [`Sockets::of`].
    pub fn here(site: &str, ssh: &SshConnection) -> Result<Self, LinkError> {
        let home = std::env::home_dir();
        Self::of(site, ssh, home.as_deref(), &this_host())
    }

    /// The path of master number `n` (from 0) to a front end, which riders use.
    pub fn line(&self, n: u32) -> PathBuf {
        match n {
            0 => self.base.clone(),
            n => appended(&self.base, &format!("-{n}")),
        }
    }

    /// The path of master number `n` (from 0) to a bastion, which carries lines.
    pub fn bastion(&self, n: u32) -> PathBuf {
        appended(&self.base, &format!("-b{n}"))
    }

    /// Where it is written who opened the masters and when.
    pub fn record(&self) -> PathBuf {
        appended(&self.base, ".json")
    }

    /// Held while masters are opened or stopped.
    pub fn lock(&self) -> PathBuf {
        appended(&self.base, ".lock")
    }

    /// The directory in which all of them lie.
    pub fn directory(&self) -> &Path {
        self.base.parent().unwrap_or(Path::new("/"))
    }
}

/// The user, neither this one nor root, to whom the socket at `path` belongs, or the link that leads
/// to it: whoever owns it reads and answers all that rides on it.
pub(super) fn stranger(path: &Path) -> Option<u32> {
    let own = rustix::process::geteuid().as_raw();
    let there = [path.symlink_metadata(), path.metadata()];
    let mut owners = there.iter().flatten().map(MetadataExt::uid);
    owners.find(|owner| *owner != own && *owner != 0)
}

/// `path` in its `generation`, from 1 to 99.
pub(super) fn of_generation(path: &Path, generation: u32) -> PathBuf {
    appended(path, &format!(".{generation}"))
}

/// The generation after `generation`; two of them are alive at most, so 99 are enough.
pub(super) fn next_generation(generation: u32) -> u32 {
    generation % 99 + 1
}

/// Name of this host.
pub(super) fn this_host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn appended(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(yaml: &str) -> SshConnection {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn of(yaml: &str, home: Option<&str>) -> Result<Sockets, LinkError> {
        Sockets::of(
            "lanl",
            &connection(yaml),
            home.map(Path::new),
            "ipp0.example.org",
        )
    }

    #[test]
    fn the_default_socket_lies_in_the_ssh_directory_and_names_the_site_and_this_host() {
        let sockets = of("host: fe", Some("/home/ipp")).unwrap();
        assert_eq!(sockets.line(0), Path::new("/home/ipp/.ssh/or-lanl@ipp0"));
        assert_eq!(sockets.line(2), Path::new("/home/ipp/.ssh/or-lanl@ipp0-2"));
        let record = sockets.record();
        assert_eq!(record, Path::new("/home/ipp/.ssh/or-lanl@ipp0.json"));
    }

    #[test]
    fn a_tilde_in_a_configured_socket_means_home() {
        let sockets = of("{host: fe, socket: ~/s/fe}", Some("/home/ipp")).unwrap();
        assert_eq!(sockets.line(0), Path::new("/home/ipp/s/fe"));
    }

    #[test]
    fn without_home_the_default_socket_is_an_error_that_says_what_to_set() {
        let error = of("host: fe", None).unwrap_err();
        insta::assert_snapshot!(error, @"site `lanl`: HOME is not set: set it, or set `connection.socket` to a path");
    }

    #[test]
    fn a_socket_path_of_80_bytes_is_refused_and_with_79_the_longest_one_fits_the_system() {
        let long = |n: usize| format!("{{host: fe, socket: /{}}}", "x".repeat(n - 1));
        let sockets = of(&long(79), None).unwrap();
        let longest = of_generation(&sockets.bastion(15), 99);
        assert!(longest.as_os_str().len() + 17 <= 107);
        let error = of(&long(80), None).unwrap_err();
        assert!(matches!(
            error,
            LinkError::SocketPath {
                length: 80,
                most: 79,
                ..
            }
        ));
    }

    #[test]
    fn a_new_generation_never_has_the_path_of_the_one_before() {
        for generation in 0..=99 {
            assert_ne!(next_generation(generation), generation);
            assert!((1..=99).contains(&next_generation(generation)));
        }
    }
}
