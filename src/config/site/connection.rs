//! The way to a site.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::Seconds;

/// The way to a site.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Connection {
    /// The site is this host.
    #[default]
    #[serde(with = "none_word")]
    #[schemars(with = "none_word::NoneWord")]
    None,
    /// Over an OpenSSH ControlMaster that a human opened.
    Ssh(Box<SshConnection>),
}

/// An OpenSSH ControlMaster and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SshConnection {
    /// The front end, as ssh knows it (a name or a `Host` of the ssh config).
    pub host: String,
    /// More front ends that see the same file systems; lines go to all of them in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub front_ends: Vec<String>,
    /// The bastion in front of it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<String>,
    /// Whether the bastion forwards nothing, so that commands run as `ssh FRONT-END …` on it.
    #[serde(default)]
    pub nested: bool,
    /// Logins that the operator makes in one sitting, one token each.
    #[serde(default = "default_one")]
    pub logins: u32,
    /// Masters to the front ends over each login through `jump`; they cost no further token.
    #[serde(default = "default_one")]
    pub lines: u32,
    /// Login name there: the remote account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Control socket of the first master; `~/.ssh/or-<site>@<this host>` if absent. At most 79
    /// characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
    /// ssh config file to use instead of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_file: Option<PathBuf>,
    /// Sessions of each master that we may use at once.
    #[serde(default = "default_sessions")]
    pub sessions: u32,
    /// How long the site lets a connection live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Seconds>,
    /// The ssh program (or an HPN build of it).
    #[serde(default = "default_ssh")]
    pub ssh: PathBuf,
    /// The scp program.
    #[serde(default = "default_scp")]
    pub scp: PathBuf,
}

impl SshConnection {
    /// How many masters lead to front ends. `lines` is 1 where no login carries more (a rule of
    /// the configuration).
    pub fn masters(&self) -> u32 {
        self.logins.max(1).saturating_mul(self.lines.max(1))
    }
}

fn default_one() -> u32 {
    1
}

fn default_sessions() -> u32 {
    5
}

fn default_ssh() -> PathBuf {
    "/usr/bin/ssh".into()
}

fn default_scp() -> PathBuf {
    "/usr/bin/scp".into()
}

/// `none` as a word in YAML for a unit variant of an untagged enum.
mod none_word {
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum NoneWord {
        None,
    }

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        NoneWord::None.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        NoneWord::deserialize(deserializer).map(|_| ())
    }
}
