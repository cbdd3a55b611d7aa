//! Masters that an operator opens, and sockets that somebody else does.

use std::os::unix::fs::PermissionsExt;

use outrigger::{
    config::site::SshConnection,
    connection::{
        Asking, Record, Refusal, Remedy,
        operator::{Console, Operator, OperatorError},
    },
};

use super::*;

struct Nobody;

impl Console for Nobody {
    fn opening(&self, _n: usize, _of: usize, _what: &str) {}

    fn says(&self, _words: &[u8]) {}
}

/// The way to `name`, of which the ssh configuration says `lines` before all else. Our own dialler
/// is part of the program, which a test is not: ssh connects by itself.
fn named_in(sshd: &Sshd, name: &str, lines: &str) -> SshConnection {
    let path = sshd.path().join("ssh_config");
    let config = fs::read_to_string(&path).unwrap();
    let text = format!("Host {name}\nBindAddress 127.0.0.1\n{lines}\n{config}");
    fs::write(&path, text).unwrap();
    let mut ssh = sshd.connection(5);
    name.clone_into(&mut ssh.host);
    ssh
}

async fn refresh(ssh: &SshConnection) -> Result<Record, OperatorError> {
    let operator = Operator::of("lab", ssh).unwrap();
    let now = || SystemClock.now();
    operator.refresh(&now, Asking::Nobody, &Nobody).await
}

/// Processes that have `word` among theirs.
fn processes(word: &str) -> usize {
    let found = Command::new("pgrep")
        .args(["-f", "--", word])
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_cannot_switch_ends_what_it_opened_and_the_old_link_stays() {
    let sshd = Sshd::ordinary();
    let ssh = named_in(&sshd, "site", "");
    let first = refresh(&ssh).await.unwrap();
    // The link of the new generation is made there.
    let obstacle = sshd.path().join("socket.0");
    fs::create_dir(&obstacle).unwrap();
    let error = refresh(&ssh).await.unwrap_err();
    assert!(matches!(error, OperatorError::File { .. }), "{error}");
    let record = sshd.path().join("socket.json");
    assert_eq!(Record::read(&record), Some(first.clone()));
    let host = Host::attach("lab", &ssh).await.unwrap();
    assert!(host.run(&argv(&["true"]), None).await.unwrap().ok());
    let socket = sshd.socket().display().to_string();
    let masters = |generation: u32| processes(&format!("-S {socket}.{generation} "));
    assert_eq!(
        (masters(first.generation), masters(first.generation + 1)),
        (1, 0)
    );
    fs::remove_dir(obstacle).unwrap();
    let second = refresh(&ssh).await.unwrap();
    assert_eq!(second.generation, first.generation + 1);
    let operator = Operator::of("lab", &ssh).unwrap();
    assert_eq!(operator.stop(true).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_age_of_several_logins_is_that_of_the_first() {
    let sshd = Sshd::ordinary();
    let mut ssh = named_in(&sshd, "site", "");
    ssh.logins = 3;
    let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
    let operator = Operator::of("lab", &ssh).unwrap();
    // Each look at the clock finds it a minute later.
    let now = || {
        let time = clock.now();
        clock.advance(60);
        time
    };
    let record = operator
        .refresh(&now, Asking::Nobody, &Nobody)
        .await
        .unwrap();
    assert_eq!(record.opened_at.to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(sshd.logins(), 3);
    assert_eq!(operator.stop(true).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_every_user_may_write_to_holds_no_socket_of_ours() {
    let sshd = Sshd::ordinary();
    let open = sshd.path().join("tmp");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    let mut ssh = sshd.connection(5);
    ssh.socket = Some(open.join("socket"));
    let error = refresh(&ssh).await.unwrap_err();
    assert!(matches!(error, OperatorError::NotPrivate { .. }), "{error}");
    assert_eq!(fs::read_dir(open).unwrap().count(), 0);
    assert_eq!(sshd.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_rides_on_a_socket_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give a socket to another user");
        return;
    }
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let ssh = sshd.connection(5);
    let host = Host::attach("lab", &ssh).await.unwrap();
    let nobody = 65_534;
    std::os::unix::fs::chown(sshd.socket(), Some(nobody), None).unwrap();
    let refused = host.run(&argv(&["true"]), None).await.unwrap_err();
    let attached = Host::attach("lab", &ssh).await.unwrap_err();
    let probed = host.probe(Duration::from_secs(5)).await.unwrap_err();
    for error in [refused, attached, probed] {
        assert!(
            matches!(error, LinkError::NotOurs { owner, .. } if owner == nobody),
            "{error}"
        );
        assert_eq!(error.remedy(), Remedy::Change);
    }
    std::os::unix::fs::chown(sshd.socket(), Some(0), None).unwrap();
    assert!(host.run(&argv(&["true"]), None).await.unwrap().ok());
}

#[track_caller]
fn assert_refused(error: &OperatorError, refusal: Refusal, words: &str) {
    let OperatorError::Open(open) = error else {
        panic!("{error}");
    };
    assert_eq!(open.refusal, refusal, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_closes_at_once_is_told_from_one_that_refuses() {
    let sshd = Sshd::ordinary();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let ssh = named_in(
        &sshd,
        "closing",
        &format!("HostName 127.0.0.1\nPort {port}"),
    );
    let error = refresh(&ssh).await.unwrap_err();
    assert_refused(&error, Refusal::Closed, "in maintenance");
    let left = fs::read_dir(sshd.path()).unwrap().flatten();
    let sockets = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("socket."));
    let sockets: Vec<_> = sockets.map(|entry| entry.file_name()).collect();
    assert_eq!(sockets, ["socket.lock"]);
}

#[rstest::rstest]
#[case::says_nothing("", Refusal::Denied, "or a locked account")]
#[case::says_so(
    "Account locked: call the help desk.\n",
    Refusal::Locked,
    "ask the site to open it"
)]
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_account_is_one_whether_its_site(
    #[case] banner: &str,
    #[case] refusal: Refusal,
    #[case] words: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("banner");
    fs::write(&file, banner).unwrap();
    let settings = format!("Banner {}\nDenyUsers *", file.display());
    let sshd = Sshd::start(&settings);
    let ssh = named_in(&sshd, "site", "LogLevel INFO");
    let error = refresh(&ssh).await.unwrap_err();
    assert_refused(&error, refusal, words);
    assert_eq!(sshd.logins(), 0);
}
