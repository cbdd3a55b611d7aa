//! Takes its turn with the lab, runs commands there, opens masters and counts logins.

mod master;
mod workspace;

use std::{
    ffi::OsStr,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Mutex,
};

pub(crate) use self::{
    master::{Login, Master},
    workspace::Workspace,
};

/// What a command said.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Exit code, -1 if a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Standard output of a command that must have succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Logins that sshd accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) bastion: u32,
    pub(crate) cluster: u32,
}

/// The lab, for one test at a time.
#[derive(Debug)]
pub(crate) struct Lab {
    run: PathBuf,
    before: Accepted,
    expected: Mutex<Accepted>,
    _turn: File,
}

impl Lab {
    /// The lab that `OUTRIGGER_LAB` names, as soon as no other test uses it; mended, without jobs.
    pub(crate) fn get() -> Self {
        let run = std::env::var_os("OUTRIGGER_LAB").map(PathBuf::from).expect(
            "this test needs the lab: run `./test`, or as root `tests/lab/lab up` and then \
             `OUTRIGGER_LAB=/run/outrigger-lab cargo test --test lab`",
        );
        assert!(
            run.join("up").exists(),
            "the lab of {} is down: run `tests/lab/lab up` as root",
            run.display()
        );
        let turn = File::create(run.join("turn")).unwrap();
        turn.lock().unwrap();
        // also what a test left that was killed
        lab(&run, ["mend"]).success();
        Self {
            before: accepted(&run),
            run,
            expected: Mutex::default(),
            _turn: turn,
        }
    }

    /// Runs `argv` on the front end as the remote user, without a login.
    pub(crate) fn fe<A: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = A>) -> Answer {
        self.fe_given(argv, "")
    }

    /// The same, with `input` on its standard input.
    pub(crate) fn fe_given<A: AsRef<OsStr>>(
        &self,
        argv: impl IntoIterator<Item = A>,
        input: &str,
    ) -> Answer {
        let mut child = Command::new(self.run.join("lab"))
            .args(["exec", "fe"])
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap().into()
    }

    /// Writes a file on the cluster.
    pub(crate) fn write(&self, path: &str, content: &str) {
        self.fe_given(["sh", "-c", r#"cat >"$1""#, "sh", path], content)
            .success();
    }

    /// Copies a program to the cluster.
    pub(crate) fn send(&self, program: &Path, to: &str) {
        let status = Command::new(self.run.join("lab"))
            .args(["exec", "fe", "sh", "-c"])
            .args([
                r#"mkdir -p "${1%/*}" && cat >"$1" && chmod 755 "$1""#,
                "sh",
                to,
            ])
            .stdin(File::open(program).unwrap())
            .status();
        assert!(
            status.unwrap().success(),
            "{} was not copied",
            program.display()
        );
    }

    /// Returns when the job has ended, however it did.
    pub(crate) fn wait_for_job(&self, id: &str) {
        let after = format!("--dependency=afterany:{id}");
        self.fe([
            "srun",
            "--quiet",
            "--partition=shared",
            "-n1",
            &after,
            "true",
        ])
        .success();
    }

    /// Runs a `lab` command that makes something fail: `drop`, `wan off`, `moab …`, `break …`,
    /// `node down …`, `slurmctld stop`. The next test begins with a mended lab.
    pub(crate) fn control<A: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = A>) {
        lab(&self.run, argv).success();
    }

    /// The program that has the lab's commands.
    pub(crate) fn command(&self) -> PathBuf {
        self.run.join("lab")
    }

    /// Kills the slurmd of each node with SIGKILL, and another takes its place: what runs there lives on.
    pub(crate) fn slurmds_anew(&self, nodes: &[&str]) {
        let told = lab(&self.run, ["node", "slurmd"].iter().chain(nodes)).success();
        let changed = |line: &str| {
            let words: Vec<_> = line.split(' ').collect();
            words.len() == 3 && words[1] != words[2]
        };
        assert_eq!(
            told.lines().filter(|line| changed(line)).count(),
            nodes.len(),
            "{told}"
        );
    }

    /// So many more logins are meant to be: not all are masters.
    pub(crate) fn expect_logins(&self, count: u32) {
        self.expect(count, count);
    }

    /// So many more logins are meant to be at each machine.
    pub(crate) fn expect(&self, bastion: u32, cluster: u32) {
        let mut expected = self.expected.lock().unwrap();
        expected.bastion += bastion;
        expected.cluster += cluster;
    }

    /// A shell command that prints a fresh one-time password.
    pub(crate) fn token(&self) -> String {
        format!("'{}' otp", self.run.join("lab").display())
    }

    /// The ssh configuration that knows the lab's machines.
    pub(crate) fn ssh_config(&self) -> PathBuf {
        self.run.join("ssh_config")
    }

    /// Opens a ControlMaster to the front end, through the bastion.
    pub(crate) fn open_master(&self, login: Login) -> Master {
        self.expect_logins(1);
        Master::open(&self.run, login)
    }

    /// Opens a master of [`Login::Key`] again, on its old socket.
    pub(crate) fn reopen(&self, master: &Master) {
        self.expect_logins(1);
        master.start(&self.run, Login::Key);
    }

    /// Logins that sshd accepted since this test got the lab.
    pub(crate) fn accepted(&self) -> Accepted {
        let now = accepted(&self.run);
        Accepted {
            bastion: now.bastion - self.before.bastion,
            cluster: now.cluster - self.before.cluster,
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(
                self.accepted(),
                *self.expected.lock().unwrap(),
                "logins accepted (left) must be the masters opened (right)"
            );
        }
    }
}

fn lab<A: AsRef<OsStr>>(run: &Path, argv: impl IntoIterator<Item = A>) -> Answer {
    let output = Command::new(run.join("lab"))
        .args(argv)
        .stdin(Stdio::null())
        .output();
    output.unwrap().into()
}

fn accepted(run: &Path) -> Accepted {
    let counts = lab(run, ["accepted"]).success();
    let of = |machine: &str| {
        let line = counts.lines().find_map(|line| line.strip_prefix(machine));
        line.unwrap().trim().parse().unwrap()
    };
    Accepted {
        bastion: of("bastion "),
        cluster: of("cluster "),
    }
}
