//! `pantasks_server` and `pantasks_client` as programs: whoever comes, the server goes on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// A directory with settings, the programs by their names, and a server.
struct House {
    dir: tempfile::TempDir,
}

struct Server {
    child: Child,
    address: String,
    log: BufReader<std::process::ChildStdout>,
}

impl House {
    /// Settings as lines; `DIR` stands for the directory.
    fn new(settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["pantasks_server", "pantasks_client"] {
            symlink(env!("CARGO_BIN_EXE_outrigger"), dir.path().join(name)).unwrap();
        }
        let settings = settings.replace("DIR", dir.path().to_str().unwrap());
        fs::write(dir.path().join("ptolemy.rc"), settings).unwrap();
        Self { dir }
    }

    fn at_a_socket() -> Self {
        Self::new("PANTASKS_SERVER_SOCKET DIR/run/socket\n")
    }

    /// At any free port, with a secret.
    fn at_a_port() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let house = Self::new(&format!(
            "PANTASKS_SERVER 127.0.0.1\nPANTASKS_SERVER_PORT {port}\nPANTASKS_SERVER_SECRET DIR/secret\n"
        ));
        house.secret("secret", "a secret of the right length");
        house
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn socket(&self) -> PathBuf {
        self.path().join("run/socket")
    }

    fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.path().join(name));
        command
            .current_dir(self.path())
            .env("HOME", self.path())
            .env_remove("PTOLEMY")
            .stdin(Stdio::null());
        command
    }

    /// Starts a server and waits until it listens.
    fn serve(&self, arguments: &[&str]) -> Server {
        let mut child = self
            .program("pantasks_server")
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("listening at ") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended");
        }
        let address = line.trim().trim_start_matches("listening at ").to_owned();
        Server {
            child,
            address,
            log,
        }
    }

    fn client(&self, command: &str) -> Output {
        self.program("pantasks_client")
            .args(["-e", command])
            .output()
            .unwrap()
    }

    /// What a command that works wrote.
    fn ask(&self, command: &str) -> String {
        let output = self.client(command);
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Server {
    fn end(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }

    /// Reads the log up to a line that begins so.
    fn log_until(&mut self, begin: &str) -> String {
        let mut line = String::new();
        while !line.starts_with(begin) {
            line.clear();
            assert_ne!(
                self.log.read_line(&mut line).unwrap(),
                0,
                "the server ended"
            );
        }
        line
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_client_gets_what_its_command_wrote_and_the_log_gets_the_rest() {
    let house = House::at_a_socket();
    house.script(
        "night.pro",
        "macro greet\n echo \"hello $1 from $host_name\"\nend\n$host_name = server\n\
         task noise\n periods -exec 0.05 -timeout 60\n nmax 1\n command echo noise\n task.exit 0\n  queueprint stdout\n end\nend\n",
    );
    let mut server = house.serve(&["--norc", "--load", "night.pro"]);
    assert_eq!(house.ask("greet you"), "hello you from server\n");
    assert_eq!(house.ask("run"), "");
    server.log_until("noise");
    let status = house.ask("status");
    assert!(
        status.contains("Scheduler is running") && status.contains("noise"),
        "{status}"
    );
    assert!(
        !status.contains("no defined jobs"),
        "a server shows jobs on request: {status}"
    );
    assert!(house.ask("status -jobs").contains("no defined jobs"));
    // Variables are the client's own, and what it expands is not expanded again.
    assert_eq!(
        house.ask("$x = \"a  b\"; greet $x"),
        "hello a  b from server\n"
    );
    assert_eq!(house.ask("shutdown now"), "");
    assert_eq!(server.end(), 0);
    assert!(!house.socket().exists());
}

#[test]
fn an_error_is_told_with_its_place_and_the_server_goes_on() {
    let house = House::at_a_socket();
    let _server = house.serve(&["--norc"]);
    house.script("bad.pro", "echo one\necho $gone\n");
    let output = house.client("server input bad.pro");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    assert!(said.starts_with("one\n"), "{said}");
    assert!(
        said.contains("bad.pro:2: variable gone not found"),
        "{said}"
    );
    let output = house.client("nonsense");
    assert!(
        text(&output).contains("nonsense: Command not found."),
        "{output:?}"
    );
    let output = house.client("task t");
    assert!(text(&output).contains("server input FILE"), "{output:?}");
    assert_eq!(
        house.ask("server pwd"),
        format!("cwd: {}\n", house.path().display())
    );
}

#[test]
fn twenty_clients_at_once_are_all_answered() {
    let house = House::at_a_socket();
    house.script(
        "count.pro",
        "macro count\n $n ++\n echo $1\nend\n$n = 0\nmacro total\n echo $n\nend\n",
    );
    let _server = house.serve(&["--norc", "--load", "count.pro"]);
    let house = &house;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..20)
            .map(|n| scope.spawn(move || (n, house.ask(&format!("count {n}")))))
            .collect();
        for client in clients {
            let (n, answer) = client.join().unwrap();
            assert_eq!(answer, format!("{n}\n"));
        }
    });
    assert_eq!(house.ask("total"), "20\n");
}

#[test]
fn who_hangs_or_talks_nonsense_keeps_nobody_else_waiting() {
    let house = House::at_a_socket();
    house.script(
        "many.pro",
        "macro many\n for i 0 20000\n  echo line $i\n end\nend\n",
    );
    let _server = house.serve(&["--norc", "--load", "many.pro"]);
    let silent = UnixStream::connect(house.socket()).unwrap();
    let mut half = UnixStream::connect(house.socket()).unwrap();
    half.write_all(&[0, 0]).unwrap();
    let mut garbage = UnixStream::connect(house.socket()).unwrap();
    garbage.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // The server closes on whoever does not speak its protocol.
    garbage
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    // Bytes that nobody has read may make the end of it a reset.
    drop(garbage.read_to_end(&mut Vec::new()));
    // One that asks for much and never reads, and one that is killed in the middle of its answer.
    let mut deaf = hello(&house);
    send(&mut deaf, "many");
    let mut killed = house
        .program("pantasks_client")
        .args(["-e", "many"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    killed
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut byte)
        .unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(house.ask("many").lines().count(), 20_000);
    drop((silent, half, deaf));
}

/// A connection over which both sides have agreed to talk.
fn hello(house: &House) -> UnixStream {
    let mut stream = UnixStream::connect(house.socket()).unwrap();
    assert_eq!(receive(&mut stream), "outrigger-pantasks 1 open");
    send(&mut stream, "outrigger-pantasks 1");
    assert_eq!(receive(&mut stream), "welcome");
    stream
}

fn send(stream: &mut impl Write, text: &str) {
    let length = u32::try_from(text.len()).unwrap();
    stream.write_all(&length.to_be_bytes()).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
}

fn receive(stream: &mut impl Read) -> String {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn over_a_port_only_who_knows_the_secret_comes_in() {
    let house = House::at_a_port();
    let server = house.serve(&["--norc"]);
    assert!(house.ask("status").contains("Scheduler is stopped"));

    let wrong = house.secret("wrong", "another secret, as long as that");
    let output = house
        .program("pantasks_client")
        .args(["-D", "PANTASKS_SERVER_SECRET"])
        .arg(&wrong)
        .args(["-e", "status"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(34), "{output:?}");

    let none = house
        .program("pantasks_client")
        .args(["-D", "PANTASKS_SERVER_SECRET", "", "-e", "status"])
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(34), "{none:?}");
    assert!(text(&none).contains("PANTASKS_SERVER_SECRET"), "{none:?}");

    // What a client has proved once proves nothing another time: the server's nonce is new.
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let first = receive(&mut stream);
    let mut again = TcpStream::connect(&server.address).unwrap();
    assert_ne!(receive(&mut again), first);
    let nonce = "00".repeat(32);
    send(&mut again, &format!("outrigger-pantasks 1 {nonce} {nonce}"));
    assert!(receive(&mut again).starts_with("refused"));
    assert!(!first.contains("secret of the right length"));
}

#[test]
fn a_port_without_a_secret_or_on_another_host_is_refused() {
    let house = House::new("PANTASKS_SERVER_PORT 20000\n");
    let output = house
        .program("pantasks_server")
        .arg("--norc")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output).contains("needs a secret"), "{output:?}");

    let house = House::at_a_port();
    let output = house
        .program("pantasks_server")
        .args(["--norc", "-D", "PANTASKS_SERVER", "192.0.2.1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output).contains("not this host"), "{output:?}");

    fs::set_permissions(
        house.path().join("secret"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let output = house
        .program("pantasks_server")
        .arg("--norc")
        .output()
        .unwrap();
    assert!(
        text(&output).contains("others can read the secret"),
        "{output:?}"
    );
}

#[test]
fn an_address_that_is_not_valid_is_refused() {
    let house = House::at_a_port();
    let _server = house.serve(&["--norc", "-D", "VALID_IP", "192.0.2.7"]);
    let output = house.client("status");
    assert_eq!(output.status.code(), Some(34), "{output:?}");
    assert!(text(&output).contains("not among VALID_IP"), "{output:?}");
}

#[test]
fn there_is_one_server_at_a_socket_and_a_killed_one_is_no_hindrance() {
    let house = House::at_a_socket();
    let mut first = house.serve(&["--norc"]);
    let second = house
        .program("pantasks_server")
        .arg("--norc")
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(text(&second).contains("listens at"), "{second:?}");

    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(house.socket().exists(), "a killed server cannot tidy up");
    let nobody = house.client("status");
    assert_eq!(nobody.status.code(), Some(32), "{nobody:?}");
    let server = house.serve(&["--norc"]);
    assert_eq!(house.ask("run"), "");
    assert_eq!(house.ask("server quit"), "");
    assert_eq!(server.end(), 0);
}

#[test]
fn the_end_of_the_server_is_the_end_of_its_jobs() {
    let house = House::at_a_socket();
    house.script(
        "job.pro",
        "task t\n periods -exec 0 -timeout 600\n nmax 1\n command sh -c \"echo $$ >pid.new; mv pid.new pid; exec sleep 600\"\nend\n\
         task tell\n periods -exec 0.02\n task.exec\n  file pid there\n  if ($there)\n   echo begun\n   stop\n  end\n  break\n  command none\n end\nend\nrun\n",
    );
    // `$$` at the end of a name's letters stays as it is: it names no variable.
    let mut server = house.serve(&["--norc", "--load", "job.pro"]);
    server.log_until("begun");
    let pid: i32 = fs::read_to_string(house.path().join("pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    kill_process(
        Pid::from_raw(i32::try_from(server.child.id()).unwrap()).unwrap(),
        Signal::TERM,
    )
    .unwrap();
    assert_eq!(server.child.wait().unwrap().code(), Some(143));
    assert!(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "the job lives on"
    );
    assert!(!house.socket().exists());
}

#[test]
fn a_client_runs_its_own_language_from_a_pipe() {
    let house = House::at_a_socket();
    let _server = house.serve(&["--norc"]);
    let mut client = house
        .program("pantasks_client")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "for i 0 2\n echo $i\n end\nstatus -jobs\n";
    client
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(21));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "0\n1\n no defined jobs\n"
    );
}

#[test]
fn a_script_can_ask_for_settings_and_who_runs_it() {
    let house = House::new("PANTASKS_SERVER_SOCKET DIR/run/socket\nCONTROLLER pcontrol\n");
    house.script("ask.pro", "version\nconfig CONTROLLER -var c\necho $c\n");
    let _server = house.serve(&["--norc"]);
    let said = house.ask("server input ask.pro");
    assert!(
        said.contains("pantasks_server") && said.ends_with("pcontrol\n"),
        "{said}"
    );
}
