//! The worker launcher with real processes: what it runs, and what becomes of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

#[path = "worker/deaths.rs"]
mod deaths;
#[expect(dead_code, reason = "not every test uses every part")]
mod sshd;
#[path = "worker/tasks.rs"]
mod tasks;
mod until;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use outrigger::{
    batch::{Dialect as _, Moab},
    state::run_dir::journal::{self, Journal},
};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sshd::Sshd;
use until::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_outrigger");

/// A run that is prepared for workers, and its directory on the site.
struct Run {
    home: tempfile::TempDir,
}

impl Run {
    /// A run of so many jobs; each runs `sh` in the scratch, where it knows its number as `$1`.
    fn new(jobs: usize, sh: &str) -> Self {
        Self::with(jobs, sh, "")
    }

    fn with(jobs: usize, sh: &str, more: &str) -> Self {
        let run = Self {
            home: tempfile::tempdir().unwrap(),
        };
        let scratch = run.scratch();
        fs::create_dir_all(&scratch).unwrap();
        run.write(
            "outrigger.yaml",
            &format!(
                "sites:\n  here:\n    scratch: {}\n    launcher: worker\n    nodes: {{cores: 2}}\n    walltime: {{min: 1m, max: 1h}}\n    retries: 1\n",
                scratch.display()
            ),
        );
        let rows: Vec<String> = (0..jobs).map(|id| format!("{id}\n")).collect();
        let rows = rows.concat();
        run.write("rows.csv", &format!("stage_id\n{rows}"));
        run.write("job.sh", sh);
        let stage = format!(
            "stage: work\ncomponents: {{file: ../rows.csv}}\ncommand: [/bin/sh, {}, \"{{{{ stage_id }}}}\"]\ncost: {{seconds: 1}}\n{more}",
            run.home.path().join("job.sh").display()
        );
        run.write("stages/work.yaml", &stage);
        outrigger::state::Store::create(&run.home.path().join("state.db")).unwrap();
        run
    }

    /// Puts the run's directory on the site, as exec does.
    fn staged(self) -> Self {
        for arguments in [
            &["remote", "define", "work", "--label", "t"][..],
            &["remote", "prepare"],
        ] {
            let output = self.outrigger(arguments);
            assert!(output.status.success(), "{}", text(&output));
        }
        fs::create_dir_all(self.site()).unwrap();
        let here = self.home.path().join("runs/t/remote_work.1");
        for name in ["commands.sh", "jobs.tsv"] {
            fs::copy(here.join(name), self.site().join(name)).unwrap();
        }
        self
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn scratch(&self) -> PathBuf {
        self.home.path().join("scratch")
    }

    fn site(&self) -> PathBuf {
        self.scratch().join("run")
    }

    fn outrigger(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn worker(&self, arguments: &[&str]) -> Worker {
        let child = Command::new(PROGRAM)
            .args(["worker", "run", "--here"])
            .args(arguments)
            .current_dir(self.site())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Worker { child }
    }

    fn journal(&self) -> Journal {
        let mut bytes = Vec::new();
        for entry in fs::read_dir(self.site()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if name.starts_with("journal.") {
                bytes.extend(fs::read(path).unwrap());
            }
        }
        journal::read(&bytes)
    }

    /// Attempt and exit code of each job that is over.
    fn ends(&self) -> Vec<(u32, i32)> {
        let journal = self.journal();
        assert_eq!(journal.bad, []);
        let jobs = journal.jobs.values();
        jobs.filter_map(|job| Some((job.attempt, job.end.as_ref()?.exit_code)))
            .collect()
    }

    /// What a job wrote with `>>"effect.$1"`.
    fn effect(&self, job: usize) -> String {
        fs::read_to_string(self.scratch().join(format!("effect.{job}"))).unwrap_or_default()
    }

    fn let_go(&self) {
        fs::write(self.scratch().join("go"), "").unwrap();
    }

    fn until_begun(&self, count: usize) {
        until("jobs begin", || {
            let begun = (0..100).filter(|job| self.effect(*job).contains("begun"));
            begun.count() >= count
        });
    }
}

/// A job that waits in the middle until it may go on.
const WAITING: &str =
    "echo begun >>effect.$1\nuntil [ -e go ]; do sleep 0.02; done\necho done >>effect.$1\n";

/// `outrigger worker run`; it ends with its test.
struct Worker {
    child: Child,
}

impl Worker {
    /// The process that is called with `verb`, once there is another one than `not`.
    fn process(&self, verb: &str, not: Option<u32>) -> u32 {
        let mut found = None;
        until(verb, || {
            found = children(self.child.id()).into_iter().find(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let mut words = line.split(|byte| *byte == 0);
                Some(*pid) != not && words.nth(2) == Some(verb.as_bytes())
            });
            found.is_some()
        });
        found.unwrap()
    }

    fn signal(pid: u32, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Exit code and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    format!("{} {}", output.status, String::from_utf8_lossy(&both))
}

#[test]
fn a_run_goes_through_workers_to_products_and_records() {
    let run = Run::with(
        5,
        "echo hello from $1; echo product >out.$1; echo \"size $1\" >record.$1",
        "outputs: [{remote: \"out.{{ stage_id }}\", local: \"products/{{ stage_id }}\"}]\n\
         dbinfo:\n  table: seen\n  key: [id]\n  columns: {id: integer, size: integer}\n  \
         values: {id: \"{{ stage_id }}\"}\n  from: \"record.{{ stage_id }}\"\n  format: lines\n",
    );
    let output = run.outrigger(&["remote", "run", "--label", "t"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(
        fs::read_to_string(run.home.path().join("products/3")).unwrap(),
        "product\n"
    );
    let db = rusqlite::Connection::open(run.home.path().join("state.db")).unwrap();
    let sum: i64 = db
        .query_row("SELECT sum(size) FROM seen", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sum, 10);
    let directory = fs::read_dir(run.scratch().join("outrigger"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("commands.sh").exists())
        .unwrap();
    let files = fs::read_dir(&directory).unwrap().count();
    assert!(files <= 16, "{files} files");
    let shown = run.outrigger(&["worker", "log", &directory.to_string_lossy(), "3", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["output"][0]["head"], "hello from 3\n");
    assert_eq!(shown["output"][0]["exit_code"], 0);
}

#[test]
fn tries_in_an_allocation_and_bundles_are_counted_together() {
    let run = Run::new(2, "echo begun >>effect.$1; [ $1 = 1 ] || exit 3");
    let config = run.home.path().join("outrigger.yaml");
    let settings = fs::read_to_string(&config).unwrap();
    fs::write(&config, settings.replace("retries: 1", "retries: 2")).unwrap();
    let output = run.outrigger(&["remote", "run", "--label", "t"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert_eq!(run.effect(0), "begun\n".repeat(3));
    assert_eq!(run.effect(1), "begun\n");
    let listed = run.outrigger(&["remote", "show", "1", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["shown"]["jobs"][0]["failures"], 3, "{listed}");
    let reverted = run.outrigger(&["remote", "revert", "1", "--components"]);
    assert!(reverted.status.success(), "{}", text(&reverted));
    run.outrigger(&["remote", "run", "--label", "t"]);
    assert_eq!(run.effect(0), "begun\n".repeat(6));
}

#[rstest]
#[case("tcp")]
#[case("files")]
fn workers_share_the_jobs_and_a_job_that_fails_is_tried_on_another_node(#[case] transport: &str) {
    let failing = "[ $1 != 7 ] || [ -e failed ] || { echo oops; : >failed; exit 3; }";
    let run = Run::new(12, &format!("{WAITING}{failing}")).staged();
    let worker = run.worker(&[
        "--workers=2",
        "--cores=1",
        "--tries=2",
        "--transport",
        transport,
    ]);
    // Jobs as short as these may all be done before the other node's worker is there.
    run.until_begun(2);
    run.let_go();
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    let mut expected = vec![(1, 0); 12];
    expected[7] = (2, 0);
    assert_eq!(run.ends(), expected, "{said}");
    assert!(
        said.contains("12 jobs passed, 0 failed, 1 attempts retried, 0 left"),
        "{said}"
    );
    let shown = run.outrigger(&["worker", "log", &run.site().to_string_lossy(), "7"]);
    let shown = text(&shown);
    assert!(
        shown.contains("job 7, attempt 1") && shown.contains("exit code 3, 5 bytes\noops\n"),
        "{shown}"
    );
    let texts: Vec<String> = fs::read_dir(run.site())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("journal."))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let of_job = |text: &&String| text.contains("E\t7\t1\t3") && text.contains("E\t7\t2\t0");
    assert_eq!(texts.iter().filter(of_job).count(), 0, "{texts:?}");
}

#[test]
fn what_a_job_leaves_behind_may_write_for_ever() {
    let run = Run::new(1, "yes & exit 0\n").staged();
    let worker = run.worker(&["--cores=1"]);
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(run.ends(), [(1, 0)]);
}

#[test]
fn without_srun_workers_are_started_by_the_list_of_nodes_of_the_batch_job() {
    let run = Run::new(4, "echo done >>effect.$1\n").staged();
    let sshd = Sshd::ordinary();
    let config = fs::read_to_string(sshd.path().join("ssh_config")).unwrap();
    let config = config.replace("Host site", "Host *");
    fs::write(sshd.path().join("nodes_config"), config).unwrap();
    let bin = sshd.path().join("bin");
    fs::create_dir(&bin).unwrap();
    for tool in ["sh", "sed", "awk"] {
        symlink(Path::new("/usr/bin").join(tool), bin.join(tool)).unwrap();
    }
    let config = sshd.path().join("nodes_config");
    let ssh = format!(
        "#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n",
        config.display()
    );
    sshd.script("bin/ssh", &ssh);
    let nodes = sshd.path().join("nodes");
    fs::write(&nodes, "node1\nnode1\nnode2\n").unwrap();

    let words = "worker run --workers=2 --cores=1 --tries=2 --transport=files";
    let words = [PROGRAM].into_iter().chain(words.split(' '));
    let command: Vec<String> = words.map(str::to_owned).collect();
    let spread = Moab::new(None).spread(2, &command);
    let started = Command::new(&spread[0])
        .args(&spread[1..])
        .current_dir(run.site())
        .env("PATH", &bin)
        .env("PBS_NODEFILE", &nodes)
        .env("PBS_JOBID", "77.it's")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(started.status.success(), "{}", text(&started));
    assert_eq!(run.ends(), [(1, 0); 4]);
    for node in ["node1", "node2"] {
        let journal = run.site().join(format!("journal.{node}.tsv"));
        assert!(journal.exists(), "{}", text(&started));
    }
}

#[test]
fn who_does_not_know_the_secret_is_not_let_in() {
    let run = Run::new(1, WAITING).staged();
    let worker = run.worker(&["--cores=1"]);
    run.until_begun(1);
    let address = fs::read(run.site().join("worker.addr")).unwrap();
    let address: Value = serde_json::from_slice(&address).unwrap();
    let port = u16::try_from(address["way"]["Tcp"]["port"].as_u64().unwrap()).unwrap();

    let mut foreign = TcpStream::connect(("127.0.0.1", port)).unwrap();
    foreign.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    drop(foreign.read_to_end(&mut answer));
    assert!(!String::from_utf8_lossy(&answer).contains("welcome"));

    let other = run.scratch().join("other");
    fs::create_dir(&other).unwrap();
    for name in ["commands.sh", "jobs.tsv", "worker.addr"] {
        fs::copy(run.site().join(name), other.join(name)).unwrap();
    }
    fs::write(other.join("worker.key"), "0123456789abcdef0123456789abcdef").unwrap();
    let serve = |other: &Path| {
        Command::new(PROGRAM)
            .args(["worker", "serve", "--node=thief", "--silence=1"])
            .arg(format!(
                "--allocation={}",
                address["allocation"].as_str().unwrap()
            ))
            .arg(other)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let said = text(&serve(&other));
    assert!(said.contains("others can read the secret"), "{said}");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(other.join("worker.key"), mode).unwrap();
    let said = text(&serve(&other));
    assert!(said.contains("the secret is not the server's"), "{said}");

    run.let_go();
    let (code, said) = worker.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.matches("was not let in").count() >= 2, "{said}");
    assert_eq!(run.ends(), [(1, 0)]);
}

#[rstest]
#[case(
    "jobs.tsv",
    "seq\nx\ty\n",
    "jobs.tsv: line 2: 2 fields instead of 12: `x\ty`"
)]
#[case("refused.tsv", "one\tgone\n", "refused.tsv: line 1: bad seq: `one`")]
fn a_file_that_prepare_did_not_write_is_named(
    #[case] name: &str,
    #[case] content: &str,
    #[case] said: &str,
) {
    let run = Run::new(1, "true").staged();
    fs::write(run.site().join(name), content).unwrap();
    let (code, found) = run.worker(&["--silence=1"]).end();
    assert_eq!(code, Some(1), "{found}");
    assert!(found.contains(said), "{found}");
}

#[test]
fn a_job_is_told_from_its_neighbours_by_what_is_wrong_with_it() {
    let run = Run::with(
        6,
        "case $1 in\n0) exit 3 ;;\n1) kill -9 $$ ;;\n2) sleep 60 ;;\n3) : ;;\n4) echo x >out.4 ;;\n*) : >out.5 ;;\nesac",
        "outputs: [{remote: \"out.{{ stage_id }}\", local: \"products/{{ stage_id }}\"}]\n",
    );
    let stage = run.home.path().join("stages/work.yaml");
    let recipe = fs::read_to_string(&stage).unwrap();
    fs::write(
        &stage,
        recipe.replace("{seconds: 1}", "{seconds: 1, limit: 2}"),
    )
    .unwrap();
    let run = run.staged();
    fs::write(run.site().join("refused.tsv"), "").unwrap();
    let (code, said) = run.worker(&["--cores=6"]).end();
    assert_eq!(code, Some(0), "{said}");
    let journal = run.journal();
    let scratch = run.scratch().to_string_lossy().into_owned();
    let seen: Vec<(i32, String)> = journal
        .jobs
        .values()
        .map(|job| {
            let code = job.end.as_ref().unwrap().exit_code;
            (code, job.message.replace(&scratch, "SCRATCH"))
        })
        .collect();
    let expected = [
        (3, ""),
        (137, ""),
        (124, "outrigger: killed after 2 s (cost.limit)\n"),
        (
            1,
            "outrigger: a required output is missing: SCRATCH/out.3\n",
        ),
        (0, ""),
        (1, "outrigger: a required output is empty: SCRATCH/out.5\n"),
    ];
    assert_eq!(seen, expected.map(|(code, text)| (code, text.to_owned())));
    let output = &journal.jobs[&4].outputs[0];
    assert_eq!(
        (output.size, output.hash.as_str()),
        (
            2,
            "73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac"
        )
    );
    let end = journal.jobs[&4].end.as_ref().unwrap();
    assert!(end.cpu.is_some() && end.peak_kib.is_some_and(|kib| kib > 0));
}
