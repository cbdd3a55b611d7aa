//! The link and the transfers against a real sshd.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod sshd;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use outrigger::{
    config::site::{Connection, Site},
    connection::{
        Host, LinkError, Patience,
        doctor::{self, Check, Verdict},
    },
    engine::clock::{Clock, ManualClock, SystemClock},
    transfer::{
        self, Engine, FileKey, Hash, HashLedger, Item, NoLedger, Outcome, Progress, Quiet,
        TransferError, TransferOptions,
    },
};
use sshd::Sshd;

/// Names that break whatever joins words with blanks or lines with newlines.
const ODD: [&[u8]; 9] = [
    b"plain.fits",
    b"with blank",
    b"quote'\"`$HOME",
    b"new\nline",
    b"ends in newline\n",
    b"back\\slash \\n",
    b"tab\tand *?[x]",
    b"-n",
    b"\xff\xfe not UTF-8 \xc3\xa9!",
];

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn options(site: &Path) -> TransferOptions<'static> {
    TransferOptions {
        site: "lab".into(),
        streams: 3,
        engine: Engine::Tar,
        bundle: 64 << 20,
        limit: None,
        until: None,
        staging: site.join("staging"),
        ledger: &NoLedger,
    }
}

/// Files with odd names under `from`, and where they go under `to`.
fn odd_items(from: &Path, to: &Path) -> Vec<(PathBuf, PathBuf, Vec<u8>)> {
    let named = |(n, name): (usize, &&[u8])| {
        let name = OsStr::from_bytes(name);
        let source = from.join(format!("d{n}")).join(name);
        fs::create_dir_all(source.parent().unwrap()).unwrap();
        let content = vec![u8::try_from(n).unwrap(); n * 1000];
        fs::write(&source, &content).unwrap();
        (
            source,
            to.join("deep er").join(format!("d{n}")).join(name),
            content,
        )
    };
    ODD.iter().enumerate().map(named).collect()
}

fn item(local: impl Into<PathBuf>, remote: impl Into<PathBuf>) -> Item {
    Item {
        local: local.into(),
        remote: remote.into(),
        size: None,
        hash: None,
    }
}

fn done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done { .. })
}

fn there(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::AlreadyThere { .. })
}

/// Nothing half-written may be seen: only whole files, by their content.
fn leftovers(dir: &Path) -> Vec<PathBuf> {
    let found = Command::new("find")
        .arg(dir)
        .args(["-name", "*or-*"])
        .output()
        .unwrap();
    let text = String::from_utf8(found.stdout).unwrap();
    text.lines().map(PathBuf::from).collect()
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
    let fifos = ["started", "release"].map(|name| sshd.path().join(name).display().to_string());
    assert!(
        Command::new("mkfifo")
            .args(&fifos)
            .status()
            .unwrap()
            .success()
    );
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
async fn sessions_over_the_sites_limit_wait_for_their_turn_and_never_log_in() {
    let sshd = Sshd::start("Subsystem sftp internal-sftp\nMaxSessions 3");
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let mut many = tokio::task::JoinSet::new();
    for _ in 0..15 {
        let host = host.clone();
        many.spawn(async move { host.run(&argv(&["true"]), None).await });
    }
    for ran in many.join_all().await {
        assert!(ran.unwrap().ok());
    }
    let files = odd_items(&sshd.path().join("from"), &sshd.path().join("to"));
    let items: Vec<Item> = files.iter().map(|(from, to, _)| item(from, to)).collect();
    let mut opts = options(sshd.path());
    opts.streams = 5;
    let sent = transfer::push(&host, &items, &opts, &Quiet).await.unwrap();
    assert!(sent.iter().all(done), "{sent:?}");
    assert_eq!(sshd.logins(), 1);
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
    let fifos = ["started", "release"].map(|name| sshd.path().join(name).display().to_string());
    assert!(
        Command::new("mkfifo")
            .args(&fifos)
            .status()
            .unwrap()
            .success()
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn files_of_any_name_go_and_come_back_and_are_not_sent_twice() {
    for settings in [
        "Subsystem sftp internal-sftp",
        "# no sftp server: the old protocol",
    ] {
        let sshd = Sshd::start(settings);
        sshd.open_master();
        let remote = Host::attach("lab", &sshd.connection(5)).await.unwrap();
        for (host, name) in [(remote, "ssh"), (Host::local(), "local")] {
            let top = sshd.path().join(name);
            let site = top.join("a site's [scratch]");
            let files = odd_items(&top.join("from"), &site);
            fs::set_permissions(&files[0].0, fs::Permissions::from_mode(0o750)).unwrap();
            let opts = options(&site);
            let out: Vec<Item> = files.iter().map(|(from, to, _)| item(from, to)).collect();
            let sent = transfer::push(&host, &out, &opts, &Quiet).await.unwrap();
            assert!(sent.iter().all(done), "{sent:?}");
            let again = transfer::push(&host, &out, &opts, &Quiet).await.unwrap();
            assert!(again.iter().all(there), "{again:?}");
            let back: Vec<Item> = files
                .iter()
                .map(|(_, remote, _)| {
                    item(
                        top.join("back").join(remote.strip_prefix(&site).unwrap()),
                        remote,
                    )
                })
                .collect();
            let came = transfer::pull(&host, &back, &opts, &Quiet).await.unwrap();
            assert!(came.iter().all(done), "{came:?}");
            for path in [&out[0].remote, &back[0].local] {
                assert_eq!(
                    fs::metadata(path).unwrap().permissions().mode() & 0o777,
                    0o750
                );
            }
            for ((_, remote, content), back) in files.iter().zip(&back) {
                assert_eq!(&fs::read(remote).unwrap(), content);
                assert_eq!(&fs::read(&back.local).unwrap(), content);
            }
            let again = transfer::pull(&host, &back, &opts, &Quiet).await.unwrap();
            assert!(again.iter().all(there), "{again:?}");
            assert_eq!(leftovers(&top), Vec::<PathBuf>::new());
        }
        assert_eq!(sshd.logins(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_meets_one_file_is_its_own_outcome_and_the_others_go_on() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let remote = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    for (host, name) in [(remote, "ssh"), (Host::local(), "local")] {
        let top = sshd.path().join(name);
        let site = top.join("site");
        fs::create_dir_all(site.join("a directory")).unwrap();
        fs::write(top.join("good"), "good").unwrap();
        fs::write(site.join("a file"), "").unwrap();
        fs::write(site.join("good"), "good").unwrap();
        let wrong = Hash::of(b"something else");
        let good = top.join("good");
        let out = [
            item(top.join("missing"), site.join("x0")),
            item(&good, site.join("x1")),
            item(&top, site.join("x2")),
            item(&good, site.join("a directory")),
            item(&good, site.join("a file/x4")),
            item(&good, "relative"),
            Item {
                hash: Some(wrong),
                ..item(&good, site.join("x6"))
            },
            item(&good, site.join("x7")),
        ];
        let sent = transfer::push(&host, &out, &options(&site), &Quiet)
            .await
            .unwrap();
        let failed = |n: usize| match &sent[n] {
            Outcome::Failed(error) => error,
            other => panic!("{n}: {other:?}"),
        };
        assert!(
            matches!(failed(0), TransferError::Missing { .. }),
            "{}",
            failed(0)
        );
        assert!(
            matches!(failed(2), TransferError::Read { .. }),
            "{}",
            failed(2)
        );
        assert!(failed(3).to_string().contains("directory"), "{}", failed(3));
        assert!(
            matches!(failed(4), TransferError::Write { .. }),
            "{}",
            failed(4)
        );
        assert!(
            failed(5).to_string().contains("must be absolute"),
            "{}",
            failed(5)
        );
        assert!(
            matches!(failed(6), TransferError::Mismatch { .. }),
            "{}",
            failed(6)
        );
        assert!(done(&sent[1]) && done(&sent[7]), "{sent:?}");

        let home = top.join("home");
        let back = [
            item(home.join("y0"), site.join("missing")),
            item(home.join("y1"), site.join("good")),
            Item {
                hash: Some(wrong),
                ..item(home.join("y2"), site.join("good"))
            },
            item(good.join("not a directory/y3"), site.join("good")),
            Item {
                hash: Some(wrong),
                ..item(home.join("y4"), site.join("missing"))
            },
        ];
        let came = transfer::pull(&host, &back, &options(&site), &Quiet)
            .await
            .unwrap();
        assert!(
            matches!(came[0], Outcome::Failed(TransferError::Missing { .. })),
            "{came:?}"
        );
        assert!(done(&came[1]), "{came:?}");
        assert!(
            matches!(came[2], Outcome::Failed(TransferError::Mismatch { .. })),
            "{came:?}"
        );
        assert!(
            matches!(came[3], Outcome::Failed(TransferError::Write { .. })),
            "{came:?}"
        );
        assert!(
            matches!(came[4], Outcome::Failed(TransferError::Missing { .. })),
            "{came:?}"
        );
        assert!(!home.join("y2").exists());
        assert_eq!(leftovers(&top), Vec::<PathBuf>::new());
    }
}

/// Carriers that spoil the first file of what they carried, as long as a file `spoil` says so.
fn spoiling_carriers(sshd: &Sshd, count: u32) -> PathBuf {
    fs::write(sshd.path().join("spoil"), count.to_string()).unwrap();
    let rest = r#"
left=$(cat "$top/spoil")
[ "$left" -gt 0 ] || exit 0
echo $((left - 1)) >"$top/spoil"
"#;
    let scp = r#"#!/bin/sh
cd "$(dirname "$0")"; top=$PWD; cd "$OLDPWD"
/usr/bin/scp "$@" || exit"#;
    let files = r#"
for f in "$top"/site/staging/or-*/*/00000000 "$top"/home/.or-part-*/00000000; do
    [ -h "$f" ] || [ ! -f "$f" ] || echo spoilt >>"$f"
done
"#;
    // On the site `tar` is found in the home directory first; what it sends has another letter.
    let tar = r#"#!/bin/sh
top=$HOME
case $* in
    *-c*) left=$(cat "$top/spoil")
        [ "$left" -gt 0 ] || exec /usr/bin/tar "$@"
        echo $((left - 1)) >"$top/spoil"
        /usr/bin/tar "$@" | sed 's/content/contemt/'; exit ;;
esac
/usr/bin/tar "$@" || exit"#;
    let bundle = "\necho spoilt >>1/target\n";
    fs::create_dir_all(sshd.path().join("bin")).unwrap();
    sshd.script("bin/tar", &[tar, rest, bundle].concat());
    fs::write(sshd.path().join(".bashrc"), "PATH=$HOME/bin:$PATH\n").unwrap();
    sshd.script("scp", &[scp, rest, files].concat())
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn bytes_spoilt_on_the_way_are_sent_again_and_never_land(
    #[values(1, 9)] count: u32,
    #[values(Engine::Tar, Engine::Scp)] engine: Engine,
) {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let mut ssh = sshd.connection(5);
    let (site, home) = (sshd.path().join("site"), sshd.path().join("home"));
    let source = sshd.path().join("source");
    fs::write(&source, "content").unwrap();
    fs::create_dir_all(&site).unwrap();
    fs::copy(&source, site.join("source")).unwrap();
    for pulling in [false, true] {
        ssh.scp = spoiling_carriers(&sshd, count);
        let host = Host::attach("lab", &ssh).await.unwrap();
        let opts = TransferOptions {
            engine,
            ..options(&site)
        };
        let (outcomes, target) = if pulling {
            let items = [item(home.join("target"), site.join("source"))];
            let came = transfer::pull(&host, &items, &opts, &Quiet).await;
            (came.unwrap(), home.join("target"))
        } else {
            let items = [item(&source, site.join("target"))];
            let sent = transfer::push(&host, &items, &opts, &Quiet).await;
            (sent.unwrap(), site.join("target"))
        };
        let spoilt: &[u8] = match (engine, pulling) {
            (Engine::Tar, true) => b"contemt",
            _ => b"contentspoilt\n",
        };
        if count == 1 {
            assert!(done(&outcomes[0]), "{outcomes:?}");
            assert_eq!(fs::read(target).unwrap(), b"content");
        } else {
            assert!(
                matches!(&outcomes[0], Outcome::Failed(TransferError::Mismatch { expected, found, .. })
                    if *expected == Hash::of(b"content") && *found == Hash::of(spoilt).to_string()),
                "{outcomes:?}"
            );
            assert!(!target.exists());
        }
        assert_ne!(
            fs::read_to_string(sshd.path().join("spoil"))
                .unwrap()
                .trim(),
            count.to_string()
        );
    }
    assert_eq!(leftovers(sshd.path()), [sshd.path()]);
}

/// A file system of its own, small enough to fill.
struct Small(PathBuf);

impl Small {
    fn at(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(&path);
        assert!(
            mount.status().unwrap().success(),
            "mounting a tmpfs needs root"
        );
        Self(path)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_what_does_not_fit_and_says_so_while_the_rest_lands() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let remote = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let big = sshd.path().join("big");
    let small = sshd.path().join("small");
    fs::write(&big, vec![7; 3_000_000]).unwrap();
    fs::write(&small, "small").unwrap();
    for (host, name) in [(remote, "ssh"), (Host::local(), "local")] {
        for pulling in [false, true] {
            let full = Small::at(sshd.path().join(format!("full-{name}-{pulling}")));
            let target = |name: &str| full.0.join(name);
            let outcomes = if pulling {
                let items = [item(target("big"), &big), item(target("small"), &small)];
                let opts = options(sshd.path());
                transfer::pull(&host, &items, &opts, &Quiet).await.unwrap()
            } else {
                let items = [item(&big, target("big")), item(&small, target("small"))];
                transfer::push(&host, &items, &options(&full.0), &Quiet)
                    .await
                    .unwrap()
            };
            assert!(
                matches!(outcomes[0], Outcome::Failed(TransferError::NoSpace { .. })),
                "{outcomes:?}"
            );
            assert!(done(&outcomes[1]), "{outcomes:?}");
            assert!(!target("big").exists());
            assert_eq!(leftovers(&full.0), Vec::<PathBuf>::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn landing_on_another_file_system_than_the_staging_is_still_whole_or_not_at_all() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let other = Small::at(sshd.path().join("other"));
    let source = sshd.path().join("source");
    fs::write(&source, "content").unwrap();
    let items = [
        item(&source, sshd.path().join("site/a")),
        item(&source, other.0.join("b")),
    ];
    let opts = TransferOptions {
        streams: 1,
        ..options(sshd.path())
    };
    let sent = transfer::push(&host, &items, &opts, &Quiet).await.unwrap();
    assert!(sent.iter().all(done), "{sent:?}");
    let back = [
        item(sshd.path().join("home/a"), &items[0].remote),
        item(other.0.join("c"), &items[1].remote),
    ];
    let came = transfer::pull(&host, &back, &opts, &Quiet).await.unwrap();
    assert!(came.iter().all(done), "{came:?}");
    assert_eq!(fs::read(other.0.join("b")).unwrap(), b"content");
    assert_eq!(fs::read(other.0.join("c")).unwrap(), b"content");
    assert_eq!(leftovers(&other.0), Vec::<PathBuf>::new());
}

/// Ends the link when the first file has its outcome.
#[derive(Debug)]
struct Cut<'a>(&'a Sshd);

impl Progress for Cut<'_> {
    fn bytes(&self, _: u64) {}

    fn files(&self, _: u64) {
        self.0.drop_connections();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_cut_short_goes_on_from_what_has_landed() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let (from, site) = (sshd.path().join("from"), sshd.path().join("site"));
    fs::create_dir_all(&from).unwrap();
    let content = |n: u8| vec![n; 3_000_000];
    let mut items = Vec::new();
    for n in 0..8 {
        let name = format!("f{n}");
        fs::write(from.join(&name), content(n)).unwrap();
        items.push(item(from.join(&name), site.join(&name)));
    }
    let mut opts = options(&site);
    opts.streams = 1;
    for pulling in [false, true] {
        let cut = Cut(&sshd);
        let broken = if pulling {
            transfer::pull(&host, &items, &opts, &cut).await
        } else {
            transfer::push(&host, &items, &opts, &cut).await
        };
        assert!(broken.unwrap_err().is_down());
        let target = if pulling { &from } else { &site };
        for n in 0..8 {
            if let Ok(found) = fs::read(target.join(format!("f{n}"))) {
                assert_eq!(found, content(n));
            }
        }
        sshd.open_master();
        let outcomes = if pulling {
            transfer::pull(&host, &items, &opts, &Quiet).await.unwrap()
        } else {
            transfer::push(&host, &items, &opts, &Quiet).await.unwrap()
        };
        assert!(
            outcomes.iter().any(there) && outcomes.iter().any(done),
            "{outcomes:?}"
        );
        assert!(
            outcomes.iter().all(|one| there(one) || done(one)),
            "{outcomes:?}"
        );
        if !pulling {
            fs::remove_dir_all(&from).unwrap();
        }
    }
    assert_eq!(sshd.logins(), 3);
}

/// Writes to the file whose hash it is asked for, once: after it was looked at.
struct Meddler(Mutex<Option<PathBuf>>);

impl HashLedger for Meddler {
    fn get(&self, _: FileKey) -> Option<Hash> {
        if let Some(path) = self.0.lock().unwrap().take() {
            fs::write(path, "changed meanwhile").unwrap();
        }
        None
    }

    fn put(&self, _: FileKey, _: Hash) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_while_it_is_sent_never_lands() {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let remote = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    for (host, name) in [(remote, "ssh"), (Host::local(), "local")] {
        let site = sshd.path().join(name);
        let source = sshd.path().join("source");
        fs::write(&source, "at first").unwrap();
        let meddler = Meddler(Mutex::new(Some(source.clone())));
        let opts = TransferOptions {
            ledger: &meddler,
            ..options(&site)
        };
        let items = [item(&source, site.join("target"))];
        let sent = transfer::push(&host, &items, &opts, &Quiet).await.unwrap();
        assert!(
            matches!(sent[0], Outcome::Failed(TransferError::Changed { .. })),
            "{sent:?}"
        );
        assert!(!site.join("target").exists());
        assert_eq!(leftovers(&site), Vec::<PathBuf>::new());
    }
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
    sshd.script(
        "noisy",
        "#!/bin/sh\necho Welcome to LAB\nexec sh -c \"$SSH_ORIGINAL_COMMAND\"\n",
    );
    let noisy = sshd.path().join("noisy");
    fs::write(
        sshd.path().join("authorized"),
        format!(
            "command=\"{}\" {}",
            noisy.display(),
            fs::read_to_string(sshd.path().join("id.pub")).unwrap()
        ),
    )
    .unwrap();
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
