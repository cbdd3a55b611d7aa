//! `pcontrol` and the scheduler's `controller` with hosts behind the bastion: the machine fe1 under
//! two names, which count as two machines.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use outrigger::state::Store;

use super::lab_harness::{Lab, Login, Master, Workspace};

const AGENT: &str = "/home/lanluser/bin/outrigger";
const PATIENCE: Duration = Duration::from_mins(1);

/// A directory with the programs, and an ssh configuration that knows fe1 by several names.
struct Desk<'lab> {
    dir: tempfile::TempDir,
    lab: &'lab Lab,
}

impl<'lab> Desk<'lab> {
    fn new(lab: &'lab Lab) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_outrigger"));
        lab.send(program, AGENT);
        for name in ["pcontrol", "pantasks"] {
            symlink(program, dir.path().join(name)).unwrap();
        }
        let names = format!(
            "Host node-a node-b\n  HostName 10.98.1.10\n  HostKeyAlias fe1\n  ProxyJump bastion\n\
             Match all\nInclude {}\n",
            lab.ssh_config().display()
        );
        fs::write(dir.path().join("ssh_config"), names).unwrap();
        let settings = format!(
            "COMMAND ssh -F {} -x -o BatchMode=yes -o LogLevel=ERROR\nSHELL {AGENT} pclient\n\
             CONTROLLER_FENCE 4\n",
            dir.path().join("ssh_config").display()
        );
        fs::write(dir.path().join("ptolemy.rc"), settings).unwrap();
        Self { dir, lab }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.dir.path().join(name));
        command
            .arg("--norc")
            .current_dir(self.dir.path())
            .env("HOME", self.dir.path())
            .env_remove("PTOLEMY");
        command
    }
}

/// A controller at the other end of two pipes.
struct Controller {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Controller {
    fn start(desk: &Desk<'_>) -> Self {
        let mut command = desk.command("pcontrol");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Self {
            input: child.stdin.take().unwrap(),
            child,
            lines,
        }
    }

    fn say(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }

    /// Waits for a line with `wanted`; the line.
    fn wait(&self, wanted: &str) -> String {
        let begun = Instant::now();
        let mut come = Vec::new();
        while let Some(left) = PATIENCE.checked_sub(begun.elapsed())
            && let Ok(line) = self.lines.recv_timeout(left)
        {
            if line.contains(wanted) {
                return line;
            }
            come.push(line);
        }
        panic!("`{wanted}` never came, but {come:#?}");
    }

    fn end(mut self) {
        self.say("exit");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn jobs_run_behind_the_bastion_and_elsewhere_after_the_fence_when_the_network_is_gone() {
    let lab = Lab::get();
    let desk = Desk::new(&lab);
    lab.expect_logins(1);
    let mut controller = Controller::start(&desk);
    controller.say("host add node-a -count 3");
    controller.wait("host node-a is up: fe1");
    controller.say("job +host node-a hostname");
    controller.say("drain");
    controller.say("stdout 1");
    controller.wait("fe1");
    controller.say("job sleep 300");
    controller.say("job sleep 301");
    controller.say("jobstack busy");
    controller.wait("2 sleep   node-a");
    // The network is silent and closes nothing.
    lab.control(["wan", "off"]);
    let cut = Instant::now();
    controller.say("host add localhost");
    controller.wait("host node-a has not answered for");
    controller.wait("job 2 was lost with host node-a and is run again");
    assert!(cut.elapsed() >= Duration::from_secs(4), "before the fence");
    controller.say("status");
    controller.wait("localhost    BUSY");
    // By now the agent behind the bastion has ended its jobs, though nobody could tell it to.
    let left = desk.lab.fe(["pgrep", "-f", "sleep 30[01]"]);
    assert_eq!(left.code, 1, "{left:?}");
    lab.expect_logins(1);
    lab.control(["wan", "on"]);
    controller.say("host retry node-a");
    controller.wait("host node-a is up: fe1");
    controller.say("status");
    controller.wait("node-a    BUSY");
    controller.end();
}

#[test]
fn a_script_adds_hosts_behind_the_bastion() {
    let lab = Lab::get();
    let desk = Desk::new(&lab);
    lab.expect_logins(2);
    let script = r#"
        controller host add node-a
        controller host add node-a
        controller host add node-b
        task where
          periods -exec 0.02 -poll 0.02
          nmax 9
          task.exec
            $asked ++
            host anyhost
            if ($asked > 3) host node-b -required
            options $asked
            command hostname
          end
          task.exit 0
            queuepop stdout -var host
            echo "$options:0 $JOB_HOSTNAME $host"
            $done ++
            if ($done == 9)
              controller status +host
              exit
            end
          end
        end
        run
    "#;
    fs::write(desk.dir.path().join("night.pro"), script).unwrap();
    let mut command = desk.command("pantasks");
    let output = command
        .arg("night.pro")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let jobs: Vec<&str> = said.lines().filter(|line| line.ends_with(" fe1")).collect();
    assert_eq!(
        jobs.len(),
        9,
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let required = jobs.iter().filter(|line| line.contains(" node-b ")).count();
    assert!(required >= 6, "{said}");
    assert!(said.contains("host stack ALLHOSTS:  3 objects"), "{said}");
}

/// A workspace whose sites bundle two jobs, with a script of two jobs at `site`, each of which waits
/// for a file `go` in the scratch.
fn at_site<'lab>(lab: &'lab Lab, master: &Master, site: &str) -> Workspace<'lab> {
    let workspace = Workspace::new(lab, master);
    let bundles = "pcontrol: {jobs: 2, wait: 1s}\n    scratch: ";
    let config = workspace.config().replace("scratch: ", bundles);
    fs::write(workspace.path().join("outrigger.yaml"), config).unwrap();
    Store::create(&workspace.path().join("state.db")).unwrap();
    let held = "until test -e go; do sleep 0.1; done; hostname; echo $1 >&2; exit $1";
    lab.write(&format!("{}/work.sh", workspace.scratch()), held);
    let script = format!(
        "$n = 2\n$over = 0\ncontroller host add site:{site}\ntask work\n  host site:{site}\n  nmax 2\n  \
         periods -exec 0.05\n  task.exec\n    $n ++\n    command sh work.sh $n\n  end\n  \
         task.exit default\n    queuepop stdout -var out\n    queuepop stderr -var err\n    \
         echo \"$JOB_STATUS $err $out\"\n    $over ++\n    if ($over == 2) exit\n  end\nend\nrun\n"
    );
    fs::write(workspace.path().join("night.pro"), script).unwrap();
    workspace
}

fn ask(workspace: &Workspace<'_>, sql: &str) -> Vec<String> {
    crate::asked::ask(workspace.path(), sql)
}

#[rstest::rstest]
#[case::slurm("slurm")]
#[case::moab("moab")]
#[case::slurmrestd("rest")]
fn jobs_of_a_task_go_to_the_cluster_in_one_batch_job_and_wait_while_the_link_is_down(
    #[case] site: &str,
) {
    let lab = Lab::get();
    let master = lab.open_master(Login::Key);
    let workspace = at_site(&lab, &master, site);
    let pantasks = workspace.path().join("pantasks");
    symlink(env!("CARGO_BIN_EXE_outrigger"), &pantasks).unwrap();
    let child = Command::new(pantasks)
        .args(["--norc", "night.pro"])
        .current_dir(workspace.path())
        .env("HOME", workspace.path())
        .env_remove("OUTRIGGER_LAB")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while ask(&workspace, "SELECT state FROM bundles") != ["run"] {
        assert!(begin.elapsed() < Duration::from_mins(1), "no batch job");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    lab.control(["drop"]);
    master.wait_until_gone();
    lab.fe(["touch", &format!("{}/go", workspace.scratch())])
        .success();
    let token = ask(&workspace, "SELECT token FROM bundles").remove(0);
    let job = ask(&workspace, "SELECT job_id FROM bundles").remove(0);
    lab.wait_for_job(&job);
    assert_eq!(
        ask(&workspace, "SELECT run FROM site_jobs WHERE ended IS NULL").len(),
        2
    );
    lab.reopen(&master);
    let said = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    for code in [3, 4] {
        assert!(said.contains(&format!("{code} {code} node")), "{said}");
    }
    let jobs = lab.fe(["squeue", "-h", "--states=all", "--name", &token, "-o", "%i"]);
    assert_eq!(jobs.success().lines().count(), 1);
}
