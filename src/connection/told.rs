//! What ssh says of a machine in its configuration, by `ssh -G`, which connects nowhere.

use tokio::process::Command;

use super::local;
use crate::config::site::SshConnection;

/// The settings that hold for a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told(String);

impl Told {
    /// Asks for the machine that `words` name, options included.
    pub(super) async fn of(ssh: &SshConnection, words: &[String]) -> Option<Self> {
        let mut command = Command::new(&ssh.ssh);
        command.arg("-G").args(words);
        let output = local::capture(command, None).await.ok()?;
        Some(Self(output.out()))
    }

    /// The first value of a setting, which `none` is not one.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.find(|(word, _)| *word == key)?;
        Some(value).filter(|value| *value != "none")
    }
}

#[cfg(test)]
impl From<&str> for Told {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_its_first_value_unless_that_is_none() {
        let told = Told::from("hostname b\nport 22\nproxyjump none\nproxycommand nc %h %p\n");
        assert_eq!(told.value("hostname"), Some("b"));
        assert_eq!(told.value("proxyjump"), None);
        assert_eq!(told.value("proxycommand"), Some("nc %h %p"));
        assert_eq!(told.value("bindaddress"), None);
    }
}
