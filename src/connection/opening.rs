//! Which masters a site has, and the command that opens each.

use std::path::{Path, PathBuf};

use super::{
    far_line::quoted,
    machine::Machine,
    socket::{Sockets, of_generation},
};
use crate::config::site::SshConnection;

/// One master to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    /// What it is, for the operator: `login 1 of 2: bastion wtrw`.
    pub(super) what: String,
    /// The path that riders use.
    pub(super) path: PathBuf,
    /// The machine, as ssh takes it.
    target: String,
    /// Machines that ssh passes by itself before that, as `-J` takes them.
    jump: Option<String>,
    /// The path of the master that carries this one, and the machine at its end.
    through: Option<(PathBuf, String)>,
    user: Option<String>,
}

impl Opening {
    /// Whether it rides on another master and so needs no login at the bastion.
    pub(super) fn rides(&self) -> bool {
        self.through.is_some()
    }

    /// Whether ssh connects to its machine by itself: it does not ride, and passes no other machine.
    pub(super) fn connects(&self) -> bool {
        !self.rides() && self.jump.is_none()
    }

    /// The words by which ssh knows its machine.
    pub(super) fn words(&self, ssh: &SshConnection) -> Vec<String> {
        let mut words = config(ssh);
        words.push(self.target.clone());
        words
    }

    /// The argv that opens it at its path of `generation`, and what carries it at its own. `more`:
    /// further options.
    ///
    /// ssh puts itself in the background, but its child that speaks to the bastion would die
    /// with the terminal, hence `nohup`.
    pub(super) fn argv(
        &self,
        ssh: &SshConnection,
        generation: u32,
        more: &[String],
    ) -> Vec<String> {
        let mut argv = vec!["nohup".to_owned(), text(&ssh.ssh)];
        argv.extend(["-M".into(), "-S".into()]);
        argv.push(percent(&of_generation(&self.path, generation)));
        for option in [
            "ControlMaster=yes",
            "ControlPersist=yes",
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
            "ConnectTimeout=60",
        ] {
            argv.extend(["-o".into(), option.into()]);
        }
        argv.push("-fN".into());
        argv.extend_from_slice(more);
        argv.extend(config(ssh));
        if let Some(jump) = &self.jump {
            argv.extend(["-J".into(), jump.clone()]);
        }
        if let Some((path, machine)) = &self.through {
            let carrier = carrier(ssh, &of_generation(path, generation), machine);
            argv.extend(["-o".into(), format!("ProxyCommand={carrier}")]);
        }
        if let Some(user) = &self.user {
            argv.extend(["-l".into(), user.clone()]);
        }
        argv.push(self.target.clone());
        argv
    }
}

/// The masters of a site in the order in which they are opened: each login, and then what it
/// carries. Front ends are taken in turn.
pub(super) fn openings(ssh: &SshConnection, sockets: &Sockets) -> Vec<Opening> {
    let front_ends: Vec<&str> = std::iter::once(ssh.host.as_str())
        .chain(ssh.front_ends.iter().map(String::as_str))
        .collect();
    let front_end = |n: u32| {
        let turn = usize::try_from(n).unwrap_or_default() % front_ends.len();
        front_ends.get(turn).copied().unwrap_or(&ssh.host)
    };
    let of = |n: u32| match ssh.logins {
        1 => "login".to_owned(),
        logins => format!("login {} of {logins}", n + 1),
    };
    let mut all = Vec::new();
    for login in 0..ssh.logins.max(1) {
        let Some(jump) = &ssh.jump else {
            let machine = front_end(login);
            all.push(Opening {
                what: format!("{} at {machine}", of(login)),
                path: sockets.line(login),
                target: Machine::of(machine).target(),
                jump: None,
                through: None,
                user: ssh.user.clone(),
            });
            continue;
        };
        let (before, bastion) = match jump.rsplit_once(',') {
            Some((before, last)) => (Some(before.to_owned()), last.trim()),
            None => (None, jump.as_str()),
        };
        let path = if ssh.nested {
            sockets.line(login)
        } else {
            sockets.bastion(login)
        };
        all.push(Opening {
            what: format!("{} at {bastion}", of(login)),
            path: path.clone(),
            target: Machine::of(bastion).target(),
            jump: before,
            through: None,
            user: None,
        });
        if ssh.nested {
            continue;
        }
        let first = login * ssh.lines.max(1);
        for n in first..first + ssh.lines.max(1) {
            let machine = front_end(n);
            all.push(Opening {
                what: format!("{machine} through {bastion}"),
                path: sockets.line(n),
                target: Machine::of(machine).target(),
                jump: None,
                through: Some((path.clone(), bastion.to_owned())),
                user: ssh.user.clone(),
            });
        }
    }
    all
}

/// A socket's path as ssh takes it: it expands percent signs.
pub(super) fn percent(path: &Path) -> String {
    text(path).replace('%', "%%")
}

/// Options that name the configuration file, if one is set.
pub(super) fn config(ssh: &SshConnection) -> Vec<String> {
    let file = ssh.config_file.as_deref().map(text);
    file.map_or_else(Vec::new, |file| vec!["-F".into(), file])
}

/// The command through which a line's ssh speaks: a forward over the bastion's master, which is
/// no session of it and can be no login.
fn carrier(ssh: &SshConnection, path: &Path, machine: &str) -> String {
    // Riding on a socket, ssh heeds the hang-up of its terminal even under nohup.
    let mut words = vec!["setsid".to_owned(), text(&ssh.ssh)];
    words.extend(config(ssh));
    words.extend(["-S".into(), percent(path)]);
    for option in ["ControlMaster=no", "BatchMode=yes", "ProxyCommand=false"] {
        words.extend(["-o".into(), option.into()]);
    }
    words.push(Machine::of(machine).target());
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    // The ssh that is given this line expands percent signs in it.
    format!("{} -W '[%h]:%p'", words.join(" ").replace('%', "%%"))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(yaml: &str) -> String {
        let ssh: SshConnection = serde_yaml::from_str(yaml).unwrap();
        let sockets = Sockets::of("x", &ssh, Some(Path::new("/h")), "ipp0").unwrap();
        let shown = |opening: Opening| {
            let argv = opening.argv(&ssh, 3, &[]);
            let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
            let line = words.join(" ");
            let line = line.replace("-o ControlMaster=yes -o ControlPersist=yes -o ServerAliveInterval=15 -o ServerAliveCountMax=4 -o ConnectTimeout=60 ", "");
            format!("{}: {line}", opening.what)
        };
        let lines: Vec<String> = openings(&ssh, &sockets).into_iter().map(shown).collect();
        lines.join("\n")
    }

    #[test]
    fn without_a_bastion_each_master_is_a_login_and_front_ends_take_turns() {
        insta::assert_snapshot!(commands("{host: fe1, front_ends: [fe2], logins: 3, user: ipp}"), @r"
        login 1 of 3 at fe1: nohup /usr/bin/ssh -M -S /h/.ssh/or-x@ipp0.3 -fN -l ipp fe1
        login 2 of 3 at fe2: nohup /usr/bin/ssh -M -S /h/.ssh/or-x@ipp0-1.3 -fN -l ipp fe2
        login 3 of 3 at fe1: nohup /usr/bin/ssh -M -S /h/.ssh/or-x@ipp0-2.3 -fN -l ipp fe1
        ");
    }

    #[test]
    fn one_login_at_a_bastion_carries_several_lines() {
        let text = commands("{host: fe1, jump: 'ipp@gate:2222', lines: 2, socket: /s/m}");
        insta::assert_snapshot!(text, @r#"
        login at ipp@gate:2222: nohup /usr/bin/ssh -M -S /s/m-b0.3 -fN ssh://ipp@gate:2222
        fe1 through ipp@gate:2222: nohup /usr/bin/ssh -M -S /s/m.3 -fN -o "ProxyCommand=setsid /usr/bin/ssh -S /s/m-b0.3 -o ControlMaster=no -o BatchMode=yes -o ProxyCommand=false ssh://ipp@gate:2222 -W '[%h]:%p'" fe1
        fe1 through ipp@gate:2222: nohup /usr/bin/ssh -M -S /s/m-1.3 -fN -o "ProxyCommand=setsid /usr/bin/ssh -S /s/m-b0.3 -o ControlMaster=no -o BatchMode=yes -o ProxyCommand=false ssh://ipp@gate:2222 -W '[%h]:%p'" fe1
        "#);
    }

    #[test]
    fn machines_before_the_last_bastion_are_passed_by_ssh_itself() {
        let text = commands("{host: fe1, jump: 'a,b', config_file: /h/my conf}");
        insta::assert_snapshot!(text, @r#"
        login at b: nohup /usr/bin/ssh -M -S /h/.ssh/or-x@ipp0-b0.3 -fN -F '/h/my conf' -J a b
        fe1 through b: nohup /usr/bin/ssh -M -S /h/.ssh/or-x@ipp0.3 -fN -F '/h/my conf' -o "ProxyCommand=setsid /usr/bin/ssh -F '/h/my conf' -S /h/.ssh/or-x@ipp0-b0.3 -o ControlMaster=no -o BatchMode=yes -o ProxyCommand=false b -W '[%h]:%p'" fe1
        "#);
    }

    #[test]
    fn a_bastion_that_forwards_nothing_is_the_only_master() {
        insta::assert_snapshot!(commands("{host: fe1, jump: gate, nested: true, logins: 2}"), @r"
        login 1 of 2 at gate: nohup /usr/bin/ssh -M -S /h/.ssh/or-x@ipp0.3 -fN gate
        login 2 of 2 at gate: nohup /usr/bin/ssh -M -S /h/.ssh/or-x@ipp0-1.3 -fN gate
        ");
    }

    #[test]
    fn every_line_has_a_path_of_its_own() {
        let ssh: SshConnection =
            serde_yaml::from_str("{host: fe, jump: b, logins: 3, lines: 4}").unwrap();
        let sockets = Sockets::of("x", &ssh, Some(Path::new("/h")), "ipp0").unwrap();
        let all = openings(&ssh, &sockets);
        let mut paths: Vec<_> = all.iter().map(|opening| &opening.path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), 15);
        let carried = all.iter().filter(|opening| opening.rides()).count();
        assert_eq!(carried, usize::try_from(ssh.masters()).unwrap());
    }
}
