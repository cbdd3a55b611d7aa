//! A throw-away sshd on 127.0.0.1 for the user that runs the tests; everything goes with it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
};

use outrigger::config::site::SshConnection;
use rustix::process::{Pid, Signal, kill_process};

/// Needs Debian's openssh-server and openssh-client.
const SSHD: &str = "/usr/sbin/sshd";

#[derive(Debug)]
pub(crate) struct Sshd {
    dir: tempfile::TempDir,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Sshd {
    /// With `settings` as further lines of its configuration.
    pub(crate) fn start(settings: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("or-")
            .tempdir_in("/tmp")
            .unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for key in ["host", "id"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]));
        }
        fs::copy(at("id.pub"), at("authorized")).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let lines = [
            &format!("Port {port}"),
            "ListenAddress 127.0.0.1",
            &format!("HostKey {}", at("host")),
            &format!("AuthorizedKeysFile {}", at("authorized")),
            // The user's own shell start-up files stay out of it.
            &format!("SetEnv HOME={}", dir.path().display()),
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "LogLevel VERBOSE",
            settings,
        ];
        fs::write(at("sshd_config"), lines.join("\n")).unwrap();
        let client = [
            "Host site",
            "HostName 127.0.0.1",
            &format!("Port {port}"),
            &format!("IdentityFile {}", at("id")),
            "IdentitiesOnly yes",
            "UserKnownHostsFile /dev/null",
            "StrictHostKeyChecking no",
            "LogLevel ERROR",
        ];
        fs::write(at("ssh_config"), client.join("\n")).unwrap();
        let mut child = Command::new(SSHD)
            .args(["-D", "-e", "-f", &at("sshd_config")])
            .stderr(Stdio::piped())
            .spawn()
            .expect("install openssh-server");
        let stderr = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (listening, ready) = mpsc::channel();
        let kept = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if line.contains("Server listening") {
                    listening.send(()).unwrap_or_default();
                }
                kept.lock().unwrap().push(line);
            }
        });
        ready.recv().expect("sshd did not start");
        Self {
            dir,
            child,
            log,
            reader: Some(reader),
        }
    }

    /// The sftp server, as most sites have it.
    pub(crate) fn ordinary() -> Self {
        Self::start("Subsystem sftp internal-sftp")
    }

    /// A directory for the test's files.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("socket")
    }

    /// The way there that a site's configuration would have.
    pub(crate) fn connection(&self, sessions: u32) -> SshConnection {
        let text = format!(
            "{{host: site, socket: {}, config_file: {}, sessions: {sessions}}}",
            self.socket().display(),
            self.path().join("ssh_config").display(),
        );
        serde_yaml::from_str(&text).unwrap()
    }

    /// Opens a master, as a human would.
    pub(crate) fn open_master(&self) {
        run(self
            .ssh(&["-M", "-S"])
            .arg(self.socket())
            .args(["-o", "ControlPersist=yes", "-fN", "site"])
            // A master keeps the terminal's streams as long as it lives.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()));
    }

    /// An executable script in the test's directory.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Whoever logs in runs `program`, whatever they ask for.
    #[allow(dead_code, reason = "not every test has a site that commands")]
    pub(crate) fn only(&self, program: &Path) {
        let key = fs::read_to_string(self.path().join("id.pub")).unwrap();
        let line = format!("command=\"{}\" {key}", program.display());
        fs::write(self.path().join("authorized"), line).unwrap();
    }

    pub(crate) fn logins(&self) -> usize {
        let log = self.log.lock().unwrap();
        log.iter()
            .filter(|line| line.contains("Accepted publickey"))
            .count()
    }

    /// A program that ends every connection and waits until the master has noticed.
    #[allow(dead_code, reason = "only the crash matrix cuts at a step")]
    pub(crate) fn cutter(&self) -> PathBuf {
        let text = format!(
            "#!/bin/sh\nend() {{\n  for child in $(cat /proc/$1/task/$1/children); do end $child; done\n  \
             [ $1 = {0} ] || case $(cat /proc/$1/comm) in sshd*) kill -9 $1 ;; esac\n}}\nend {0}\n\
             while ssh -F {1} -S {2} -O check site 2>/dev/null; do :; done\n",
            self.child.id(),
            self.path().join("ssh_config").display(),
            self.socket().display(),
        );
        self.script("cut", &text)
    }

    /// Ends every connection, as a site's cut-off does.
    pub(crate) fn drop_connections(&self) {
        self.signal_connections(Signal::KILL);
    }

    /// Silences every connection without ending it, as a broken network does.
    pub(crate) fn freeze_connections(&self) {
        self.signal_connections(Signal::STOP);
    }

    /// Signals the processes of every connection.
    pub(crate) fn signal_connections(&self, signal: Signal) {
        for pid in descendants(self.child.id()) {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.starts_with("sshd") {
                let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
                // It may just have ended by itself.
                kill_process(pid, signal).unwrap_or_default();
            }
        }
    }

    fn ssh(&self, args: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command
            .arg("-F")
            .arg(self.path().join("ssh_config"))
            .args(args);
        command
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.drop_connections();
        drop(self.child.kill());
        drop(self.child.wait());
        let socket = self.socket();
        drop(
            self.ssh(&["-O", "exit", "-S"])
                .arg(socket)
                .arg("site")
                .output(),
        );
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

fn descendants(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = text.split_whitespace().filter_map(|word| word.parse().ok());
    children
        .flat_map(|child| [vec![child], descendants(child)].concat())
        .collect()
}

fn run(command: &mut Command) {
    let status = command.status().expect("install openssh-client");
    assert!(status.success(), "{command:?}: {status}");
}
