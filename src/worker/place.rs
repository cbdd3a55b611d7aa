//! Where a coordinator is found: files in the run's directory on the site, which every node sees.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    connection::talk::secret::{Secret, SecretError},
    durable,
};

/// Name of the file with the secret that the workers of a run share; only its owner can read it.
const KEY: &str = "worker.key";
/// Name of the file that says where the coordinator is.
const ADDRESS: &str = "worker.addr";
/// Name of the directory of messages, where nodes cannot connect to each other.
const MAIL: &str = "worker.mail";

/// Where a coordinator is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    /// The allocation that it coordinates.
    pub(super) allocation: String,
    /// Its process: another one has another number.
    pub(super) incarnation: u64,
    /// How it is talked to.
    pub(super) way: Way,
}

/// How a coordinator is talked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Way {
    /// Over TCP.
    Tcp {
        /// Names and addresses of its node, the best first.
        hosts: Vec<String>,
        /// Its port.
        port: u16,
    },
    /// By files in [`mail`].
    Files,
    /// Not any more: there is no more work.
    Over,
}

impl Address {
    /// Makes this the address of the run's coordinator.
    pub(super) fn publish(&self, directory: &Path) -> io::Result<()> {
        durable::write(&directory.join(ADDRESS), &serde_json::to_vec(self)?)
    }

    /// The address of an allocation's coordinator; `None` as long as there is none.
    pub(super) fn read(directory: &Path, allocation: &str) -> io::Result<Option<Self>> {
        match fs::read(directory.join(ADDRESS)) {
            Ok(text) => {
                let address: Self = serde_json::from_slice(&text)?;
                Ok((address.allocation == allocation).then_some(address))
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The run's secret; made if it is not there.
pub(super) fn key(directory: &Path) -> Result<Secret, SecretError> {
    let path = directory.join(KEY);
    if path.exists() {
        Secret::read(&path)
    } else {
        Secret::create(&path)
    }
}

/// The run's secret, made by its coordinator.
pub(super) fn existing_key(directory: &Path) -> Result<Secret, SecretError> {
    Secret::read(&directory.join(KEY))
}

/// The directory of messages.
pub(super) fn mail(directory: &Path) -> PathBuf {
    directory.join(MAIL)
}
