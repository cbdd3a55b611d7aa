//! Who opened a site's masters, and when: a file beside the sockets.

use std::{
    fs::{self, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Who opened a site's masters, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this form: 1.
    pub schema: u32,
    /// The site.
    pub site: String,
    /// Counts the openings; part of the sockets' names.
    pub generation: u32,
    /// When the first login succeeded: it is the first that the site cuts.
    pub opened_at: Timestamp,
    /// The person, where it can be told: who called `sudo`, else the user.
    pub opened_by: String,
    /// The host on which the masters live.
    pub on_host: String,
    /// The remote account, if one is configured.
    pub account: Option<String>,
    /// How long the site lets the connection live, in seconds.
    pub lifetime: Option<u64>,
    /// The paths that riders use: front ends and bastions.
    pub masters: Vec<PathBuf>,
}

impl Record {
    /// When the site will cut the connection, if that is known.
    pub fn ends_at(&self) -> Option<Timestamp> {
        end(self.opened_at, self.lifetime)
    }

    /// Reads the record at `path`; `None` if there is none or it cannot be understood, as after a
    /// master that was opened by hand.
    pub fn read(path: &Path) -> Option<Self> {
        let text = fs::read(path).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it in one step; its directory's group may read it.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.write_all(b"\n")?;
        file.as_file()
            .set_permissions(Permissions::from_mode(0o640))?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// When a link ends that was opened then and lives for `lifetime` seconds, if that is known.
pub(super) fn end(opened_at: Timestamp, lifetime: Option<u64>) -> Option<Timestamp> {
    let lifetime = i64::try_from(lifetime?).ok()?;
    opened_at
        .checked_add(SignedDuration::from_secs(lifetime))
        .ok()
}

/// The person at the keyboard: whoever called `sudo` to act as a shared account, else the user.
pub(super) fn person() -> String {
    let named = ["SUDO_USER", "LOGNAME", "USER"];
    let name = named.iter().find_map(|name| std::env::var(name).ok());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_knows_when_the_link_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("or-x.json");
        let record = Record {
            schema: 1,
            site: "x".into(),
            generation: 7,
            opened_at: "2026-11-26T06:00:00Z".parse().unwrap(),
            opened_by: "heather".into(),
            on_host: "ipp0".into(),
            account: Some("survey".into()),
            lifetime: Some(12 * 3600),
            masters: vec!["/h/.ssh/or-x".into()],
        };
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path), Some(record.clone()));
        let end = record.ends_at().unwrap();
        assert_eq!(end.to_string(), "2026-11-26T18:00:00Z");
    }

    #[test]
    fn without_a_readable_record_nothing_is_known() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(&dir.path().join("none")), None);
        let half = dir.path().join("half");
        fs::write(&half, "{\"schema\": 1,").unwrap();
        assert_eq!(Record::read(&half), None);
    }
}
