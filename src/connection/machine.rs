//! A machine as the configuration names it: `[user@]host[:port]`.

/// Seconds that a bastion's own ssh may take to reach a front end; within the time that a probe has.
const CONNECT: u32 = 10;

/// A machine in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine<'a> {
    /// The whole, as it was written.
    text: &'a str,
    /// `user@host`, without the port.
    name: &'a str,
    port: Option<u16>,
}

impl<'a> Machine<'a> {
    /// Of a configured name. A colon within an IPv6 address begins no port.
    pub(super) fn of(text: &'a str) -> Self {
        let host_at = text.rfind('@').map_or(0, |at| at + 1);
        let port = text.rsplit_once(':').and_then(|(name, port)| {
            let is_one = name.len() >= host_at && !name.chars().skip(host_at).any(|c| c == ':');
            Some((name, port.parse().ok()?)).filter(|_| is_one)
        });
        match port {
            Some((name, port)) => Self {
                text,
                name,
                port: Some(port),
            },
            None => Self {
                text,
                name: text,
                port: None,
            },
        }
    }

    /// As ssh takes it for its destination.
    pub(super) fn target(self) -> String {
        match self.port {
            Some(_) => format!("ssh://{}", self.text),
            None => self.text.to_owned(),
        }
    }

    /// The words by which a bastion reaches it, as `user` if one is named. Nobody is there to
    /// answer a question, and no word is one that an old ssh would not know.
    pub(super) fn onwards(self, user: Option<&str>) -> Vec<String> {
        let mut words = vec!["ssh".to_owned()];
        words.extend(["-o".into(), "BatchMode=yes".into()]);
        words.extend(["-o".into(), format!("ConnectTimeout={CONNECT}")]);
        if let Some(user) = user {
            words.extend(["-l".into(), user.to_owned()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".into(), port.to_string()]);
        }
        words.push(self.name.to_owned());
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("fe", "fe", "fe")]
    #[case("fe:2222", "ssh://fe:2222", "-p 2222 fe")]
    #[case("ipp@fe:22", "ssh://ipp@fe:22", "-p 22 ipp@fe")]
    #[case("fe:x", "fe:x", "fe:x")]
    #[case("fd00::1", "fd00::1", "fd00::1")]
    #[case("ipp@fd00::1", "ipp@fd00::1", "ipp@fd00::1")]
    fn a_port_is_told_from_a_name(#[case] text: &str, #[case] target: &str, #[case] onwards: &str) {
        let machine = Machine::of(text);
        assert_eq!(machine.target(), target);
        let line = machine.onwards(Some("survey")).join(" ");
        assert_eq!(
            line,
            format!("ssh -o BatchMode=yes -o ConnectTimeout=10 -l survey {onwards}")
        );
    }
}
