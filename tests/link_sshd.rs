//! The link and its examination against a real sshd.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise"
)]

mod fifo;
#[path = "link_sshd/nested.rs"]
mod nested;
#[path = "link_sshd/operator.rs"]
mod operator;
mod sshd;

use std::{fs, os::unix::ffi::OsStrExt, process::Command, time::Duration};

use outrigger::{
    config::site::{Connection, Site},
    connection::{
        Host, LinkError, Patience,
        doctor::{self, Check, Verdict},
    },
    engine::clock::{Clock, ManualClock, SystemClock},
};
use sshd::Sshd;

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Named pipes: one tells that a command on the site has begun, and one lets it end.
fn fifos(sshd: &Sshd) -> [String; 2] {
    ["started", "release"].map(|name| {
        let path = sshd.path().join(name);
        fifo::fifo(&path);
        path.display().to_string()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_on_the_site_word_for_word() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let words = [
        "printf",
        "<%s>",
        "a b",
        "it's",
        "$HOME `x` !y",
        "new\nline\n",
        "",
        "é",
    ];
    let output = host.run(&argv(&words), None).await.unwrap();
    assert_eq!(output.out(), "<a b><it's><$HOME `x` !y><new\nline\n><><é>");
    let output = host
        .script("echo \"$2\"; echo err >&2; exit 7", &argv(&["a", "b c"]))
        .await
        .unwrap();
    assert_eq!(
        (output.code, output.out(), output.err()),
        (7, "b c\n".into(), "err\n".into())
    );
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_arrive_and_a_signal_is_not_a_lost_link() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let remote = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    for host in [remote, Host::local()] {
        for (text, code) in [("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)] {
            assert_eq!(host.script(text, &[]).await.unwrap().code, code, "{text}");
        }
        let absent = host.run(&argv(&["/no/such/program"]), None).await.unwrap();
        assert_eq!(absent.code, 127);
        assert!(absent.err().contains("/no/such/program"));
        // The login shell's own end leaves no exit code at all.
        let shell = host.script("kill -9 $PPID $$", &[]);
        if !host.is_local() {
            assert_eq!(shell.await.unwrap().code, 137);
        }
        host.probe(Duration::from_secs(5)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn megabytes_through_both_pipes_at_once_do_not_block() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let remote = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let bytes: Vec<u8> = (0..5_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    for host in [remote, Host::local()] {
        let echoed = host.run(&argv(&["cat"]), Some(&bytes)).await.unwrap();
        assert_eq!(echoed.stdout, bytes);
        let ignored = host.run(&argv(&["true"]), Some(&bytes)).await.unwrap();
        assert!(ignored.ok());
        let count = sshd.path().join("count");
        let text = "exec >/dev/null 2>&1; wc -c >\"$1\"";
        let to = [count.as_os_str().as_bytes()];
        host.script_fed(text, &to, Some(&bytes)).await.unwrap();
        assert_eq!(fs::read_to_string(count).unwrap().trim(), "5000000");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_master_the_link_is_down_and_says_how_to_open_it() {
    let sshd = Sshd::ordinary();
    let error = Host::attach("lab", &sshd.connection(5)).await.unwrap_err();
    assert!(error.is_down());
    let text = error.to_string();
    assert!(
        text.contains("no master has its control socket at"),
        "{text}"
    );
    assert!(
        text.contains("log in with: outrigger connection start lab"),
        "{text}"
    );
    drop(std::os::unix::net::UnixListener::bind(sshd.socket()).unwrap());
    let stale = Host::attach("lab", &sshd.connection(5)).await.unwrap_err();
    assert!(stale.to_string().contains("is stale"), "{stale}");
    assert_eq!(sshd.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_without_a_master_cannot_log_in() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let ride = || {
        let mut ssh = Command::new("ssh");
        ssh.args(host.ssh_rider_options())
            .args(["site", "echo", "hello"]);
        ssh.output().unwrap()
    };
    assert_eq!(ride().stdout, b"hello\n");
    sshd.drop_connections();
    while host.probe(Duration::from_secs(5)).await.is_ok() {}
    let lost = ride();
    assert_eq!((lost.status.code(), lost.stdout), (Some(255), Vec::new()));
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lost_in_flight_is_down_and_a_new_master_brings_it_back() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let fifos = fifos(&sshd);
    let [started, release] = fifos.clone();
    let riding = host.clone();
    let held =
        tokio::spawn(async move { riding.script(r#"echo >"$1"; read x <"$2""#, &fifos).await });
    tokio::task::spawn_blocking(move || fs::read(started).unwrap())
        .await
        .unwrap();
    sshd.drop_connections();
    let error = held.await.unwrap().unwrap_err();
    assert!(error.is_down(), "{error}");
    tokio::task::spawn_blocking(move || fs::write(release, "\n").unwrap())
        .await
        .unwrap();
    let again = host.run(&argv(&["true"]), None).await.unwrap_err();
    assert!(again.is_down(), "{again}");
    sshd.open_master();
    assert!(host.run(&argv(&["true"]), None).await.unwrap().ok());
    assert_eq!(sshd.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_link_is_down_within_its_time_limit() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let patience = Patience {
        between: Duration::from_millis(100),
        limit: Duration::from_millis(300),
        tries: 3,
    };
    let ssh = sshd.connection(5);
    let host = Host::attach_with("lab", &ssh, patience).await.unwrap();
    assert!(host.run(&argv(&["true"]), None).await.unwrap().ok());
    sshd.freeze_connections();
    let error = host.run(&argv(&["true"]), None).await.unwrap_err();
    assert!(
        error.to_string().contains("no answer within 0.3 s"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_keeps_refusing_sessions_is_busy_and_not_down() {
    let sshd = Sshd::start("MaxSessions 1");
    sshd.open_master();
    let patience = Patience {
        tries: 2,
        ..Patience::default()
    };
    let ssh = sshd.connection(5);
    let host = Host::attach_with("lab", &ssh, patience).await.unwrap();
    let fifos = fifos(&sshd);
    let [started, release] = fifos.clone();
    let holder = host.clone();
    let held =
        tokio::spawn(async move { holder.script(r#"echo >"$1"; read x <"$2""#, &fifos).await });
    tokio::task::spawn_blocking(move || fs::read(started).unwrap())
        .await
        .unwrap();
    let refused = host.run(&argv(&["true"]), None).await.unwrap_err();
    assert!(
        matches!(refused, LinkError::Busy { tries: 2, .. }),
        "{refused}"
    );
    host.probe(Duration::from_secs(5)).await.unwrap();
    let mut rider = Command::new("ssh");
    rider.args(host.ssh_rider_options()).args(["site", "true"]);
    assert_eq!(rider.output().unwrap().status.code(), Some(255));
    tokio::task::spawn_blocking(move || fs::write(release, "\n").unwrap())
        .await
        .unwrap();
    assert!(held.await.unwrap().unwrap().ok());
    assert_eq!(sshd.logins(), 1);
}

fn site(sshd: &Sshd, sessions: u32, more: &str) -> Site {
    let scratch = sshd.path().join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    let text = format!("scratch: {}\n{more}", scratch.display());
    let mut site: Site = serde_yaml::from_str(&text).unwrap();
    site.connection = Connection::Ssh(Box::new(sshd.connection(sessions)));
    site
}

async fn examined(site: &Site, clock: &dyn Clock) -> Vec<Check> {
    let version = argv(&["sh", "-c", "echo sched 1.2"]);
    doctor::examine("lab", site, &version, &|| clock.now()).await
}

fn named<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    let found = checks.iter().find(|check| check.name == name);
    found.unwrap_or_else(|| panic!("no check `{name}` in {checks:#?}"))
}

#[track_caller]
fn assert_fails(checks: &[Check], name: &str, detail: &str, mend: &str) {
    let check = named(checks, name);
    assert_eq!(check.ok, Verdict::Fail, "{check:?}");
    assert!(check.detail.contains(detail), "{check:?}");
    assert!(
        check.mend.as_ref().is_some_and(|text| text.contains(mend)),
        "{check:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_site_passes_every_check() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let ssh = site(&sshd, 5, "resident: [/bin/sh]");
    let mut local = ssh.clone();
    local.connection = Connection::None;
    for site in [ssh, local] {
        let checks = examined(&site, &SystemClock).await;
        for check in &checks {
            assert!(check.ok != Verdict::Fail, "{check:?}");
            assert_eq!(check.mend.is_some(), check.ok == Verdict::Warn, "{check:?}");
        }
        for name in ["master", "shell", "tools", "clock", "resident", "scheduler"] {
            assert_eq!(named(&checks, name).ok, Verdict::Pass);
        }
        assert_eq!(named(&checks, "scheduler").detail, "sched 1.2");
    }
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_master_doctor_tries_the_nearest_hop_and_says_how_to_open_one() {
    let sshd = Sshd::ordinary();
    let mut site = site(&sshd, 5, "");
    let checks = examined(&site, &SystemClock).await;
    assert_eq!(named(&checks, "hop site").ok, Verdict::Pass);
    assert_fails(
        &checks,
        "master",
        "no master",
        "log in with: outrigger connection start lab",
    );
    assert_eq!(named(&checks, "scratch").ok, Verdict::Skipped);
    let Connection::Ssh(ssh) = &mut site.connection else {
        panic!("over ssh");
    };
    ssh.jump = Some("127.0.0.1:1".into());
    let checks = examined(&site, &SystemClock).await;
    assert_fails(&checks, "hop 127.0.0.1:1", "refused", "check the network");
    assert_eq!(named(&checks, "hop site").ok, Verdict::Skipped);
    assert_eq!(sshd.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_a_banner_a_missing_scratch_a_skewed_clock_and_too_many_sessions() {
    let sshd = Sshd::start("MaxSessions 4");
    let noisy = "#!/bin/sh\necho Welcome to LAB\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n";
    sshd.only(&sshd.script("noisy", noisy));
    sshd.open_master();
    let more = "scheduler: slurm\nscheduler_path: /no/such\nresident: [/no/such/file]";
    let mut site = site(&sshd, 6, more);
    site.scratch = sshd.path().join("no such");
    let clock = ManualClock::at("2020-01-01T00:00:00Z".parse().unwrap());
    let version = argv(&["/no/such/sinfo", "--version"]);
    let checks = doctor::examine("lab", &site, &version, &|| clock.now()).await;
    assert_fails(&checks, "shell", "`Welcome to LAB`", "start-up file");
    assert_fails(&checks, "scratch", "does not exist", "mkdir -p");
    assert_fails(&checks, "clock", "ahead of ours", "chronyc");
    assert_fails(&checks, "resident", "/no/such/file", "`resident`");
    assert_fails(&checks, "scheduler", "exit code 127", "scheduler_path");
    assert_fails(&checks, "multi-prog", "no srun", "scheduler_path");
    assert_fails(
        &checks,
        "sessions",
        "bears 4 at once",
        "`connection.sessions` to 2",
    );
    assert_eq!(sshd.logins(), 1);
}
