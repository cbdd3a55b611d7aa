//! Where a coordinator is found: files in the run's directory on the site, which every node sees.

use std::{fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    connection::talk::secret::{Secret, SecretError},
    durable,
};

/// The file with the secret that the workers of an allocation share; only its owner can read it.
const KEY: &str = "key";
/// The file that says where the coordinator is.
const ADDRESS: &str = "addr";
/// The directory of messages, where nodes cannot connect to each other.
const MAIL: &str = "mail";

/// What an allocation has of its run's directory. The tasks of an array are allocations beside each
/// other, so the files of each bear its number.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The run's directory: absolute.
    pub(super) directory: PathBuf,
    /// The task of an array that the allocation is, if it is one.
    pub(super) task: Option<u32>,
}

impl Place {
    /// The allocation's secret; made if it is not there.
    pub(super) fn key(&self) -> Result<Secret, SecretError> {
        let path = self.file(KEY);
        if path.exists() {
            Secret::read(&path)
        } else {
            Secret::create(&path)
        }
    }

    /// The allocation's secret, made by its coordinator.
    pub(super) fn existing_key(&self) -> Result<Secret, SecretError> {
        Secret::read(&self.file(KEY))
    }

    /// The directory of messages.
    pub(super) fn mail(&self) -> PathBuf {
        self.file(MAIL)
    }

    /// What journal and log of a node are named after: one node may have several tasks of an array.
    pub(super) fn books(&self, node: &str) -> String {
        match self.task {
            None => node.to_owned(),
            Some(task) => format!("{node}.task{task}"),
        }
    }

    /// The file in which the batch script says when the allocation began.
    pub(super) fn started(&self) -> PathBuf {
        self.directory.join(match self.task {
            None => "started".to_owned(),
            Some(task) => format!("started.{task}"),
        })
    }

    fn file(&self, what: &str) -> PathBuf {
        self.directory.join(match self.task {
            None => format!("worker.{what}"),
            Some(task) => format!("worker.{task}.{what}"),
        })
    }
}

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
    /// By files in [`Place::mail`].
    Files,
    /// Not any more: there is no more work.
    Over,
}

impl Address {
    /// Makes this the address of the allocation's coordinator.
    pub(super) fn publish(&self, place: &Place) -> io::Result<()> {
        durable::write(&place.file(ADDRESS), &serde_json::to_vec(self)?)
    }

    /// The address of an allocation's coordinator; `None` as long as there is none.
    pub(super) fn read(place: &Place, allocation: &str) -> io::Result<Option<Self>> {
        match fs::read(place.file(ADDRESS)) {
            Ok(text) => {
                let address: Self = serde_json::from_slice(&text)?;
                Ok((address.allocation == allocation).then_some(address))
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_an_array_on_one_node_have_files_of_their_own() {
        let place = |task| Place {
            directory: "/d".into(),
            task,
        };
        let files = |task| {
            let place = place(task);
            let mail = place.mail().display().to_string();
            (place.books("c1"), place.started(), mail)
        };
        let own =
            |books: &str, started: &str, mail: &str| (books.into(), started.into(), mail.into());
        assert_eq!(files(None), own("c1", "/d/started", "/d/worker.mail"));
        assert_eq!(
            files(Some(3)),
            own("c1.task3", "/d/started.3", "/d/worker.3.mail")
        );
    }
}
