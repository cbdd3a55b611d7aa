//! ControlMaster connections as a human would open them, and commands that ride on them.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How the human proves who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// A key at the bastion and at the front end.
    Key,
    /// A one-time password at the bastion, a key at the front end.
    OneTimePassword,
}

/// An open ControlMaster; closed when dropped.
#[derive(Debug)]
pub(crate) struct Master {
    dir: TempDir,
    socket: PathBuf,
    config: PathBuf,
    host: &'static str,
}

impl Master {
    pub(super) fn open(run: &Path, login: Login) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let master = Self {
            socket: dir.path().join("master"),
            config: run.join("ssh_config"),
            host: match login {
                Login::Key => "fe",
                Login::OneTimePassword => "fe-otp",
            },
            dir,
        };
        master.start(run, login);
        master
    }

    /// Opens the master, again if it is gone.
    pub(super) fn start(&self, run: &Path, login: Login) {
        let mut ssh = self.ssh();
        ssh.args(["-M", "-o", "ControlPersist=yes", "-f", "-N"]);
        if login == Login::OneTimePassword {
            let text = format!("#!/bin/sh\nexec '{}' otp\n", run.join("lab").display());
            let asked = self.script("password", &text);
            ssh.env("SSH_ASKPASS", asked)
                .env("SSH_ASKPASS_REQUIRE", "force");
        }
        // a pipe would stay open for as long as the master lives
        let said = self.dir.path().join("said");
        let status = ssh
            .arg(self.host)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&said).unwrap())
            .status()
            .unwrap();
        assert!(
            status.success(),
            "no master: {}",
            fs::read_to_string(said).unwrap()
        );
    }

    /// The control socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The ssh config that knows the lab's hosts.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// The front end's name in that config.
    pub(crate) fn host(&self) -> &str {
        self.host
    }

    /// The key `connection` of a site behind this master.
    pub(crate) fn connection(&self) -> String {
        let (socket, config) = (self.socket.display(), self.config.display());
        format!(
            "connection: {{host: {}, user: lanluser, socket: {socket}, config_file: {config}}}",
            self.host
        )
    }

    /// A command over the master that can never log in by itself, all its streams piped.
    pub(crate) fn rider<A: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = A>) -> Command {
        let mut ssh = self.ssh();
        ssh.args(["-o", "ControlMaster=no", "-o", "BatchMode=yes"])
            .args(["-o", "ProxyJump=none", "-o", "ProxyCommand=false"])
            .arg(self.host)
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        ssh
    }

    /// Whether the master is there.
    pub(crate) fn answers(&self) -> bool {
        self.ask("check")
    }

    /// A program that kills the master, which leaves its socket behind.
    pub(crate) fn cutter(&self) -> PathBuf {
        let text = format!(
            "#!/bin/sh\npid=$(ssh -F {} -S {} -O check {} 2>&1 | tr -dc 0-9)\n\
             [ -z \"$pid\" ] || kill -9 \"$pid\"\n",
            self.config.display(),
            self.socket.display(),
            self.host
        );
        self.script("cut", &text)
    }

    /// Returns when the master is no more.
    pub(crate) fn wait_until_gone(&self) {
        let begin = Instant::now();
        while self.answers() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "the master lives on"
            );
        }
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        path
    }

    fn ask(&self, what: &str) -> bool {
        let output = self
            .ssh()
            .args(["-O", what, self.host])
            .stdin(Stdio::null())
            .output();
        output.unwrap().status.success()
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(&self.config).arg("-S").arg(&self.socket);
        ssh
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.ask("exit");
    }
}
