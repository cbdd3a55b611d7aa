//! Transfers against a real sshd.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at the first surprise"
)]

#[path = "transfer_sshd/cuts.rs"]
mod cuts;
#[path = "transfer_sshd/disk.rs"]
mod disk;
#[path = "transfer_sshd/many.rs"]
mod many;
#[path = "transfer_sshd/parts.rs"]
mod parts;
#[path = "transfer_sshd/program.rs"]
mod program;
#[path = "transfer_sshd/programs.rs"]
mod programs;
#[path = "transfer_sshd/sources.rs"]
mod sources;
#[expect(dead_code, reason = "not every test uses every part")]
mod sshd;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use outrigger::{
    config::site::SourceHost,
    connection::{Host, LinkError},
    state::run_dir::decision::SentProgram,
    transfer::{
        self, Engine, FarProgram, FileKey, Hash, HashLedger, Item, NoLedger, Outcome, Progress,
        Quiet, Spread, TransferError, TransferOptions,
    },
};
use sshd::Sshd;

/// By when a transfer that could hang has come to its end.
const PATIENCE: Duration = Duration::from_mins(1);

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

/// An sshd with a master to it.
async fn linked() -> (Sshd, Host) {
    let sshd = Sshd::ordinary();
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    (sshd, host)
}

/// A program that is `real` and writes down the first word of what it is asked, and where it does.
fn listened_to(sshd: &Sshd, real: &str) -> (PathBuf, PathBuf) {
    let asked = sshd.path().join("asked");
    let script = format!("#!/bin/sh\necho \"$1\" >>{}\n{real}\n", asked.display());
    (sshd.script("far-outrigger", &script), asked)
}

fn options(site: &Path) -> TransferOptions<'static> {
    TransferOptions {
        site: "lab".into(),
        streams: 3,
        engine: Engine::Tar,
        bundle: 64 << 20,
        limit: None,
        compress: true,
        spread: Arc::default(),
        program: None,
        until: None,
        staging: site.join("staging"),
        ledger: &NoLedger,
    }
}

/// What lands files at the far end: the script, or our own program.
fn with_program(program: bool, options: TransferOptions<'static>) -> TransferOptions<'static> {
    TransferOptions {
        program: program.then(|| far(env!("CARGO_BIN_EXE_outrigger"))),
        ..options
    }
}

/// Our program, which is on the site at `path`.
fn far(path: impl Into<PathBuf>) -> FarProgram {
    FarProgram {
        remote: path.into(),
        sent: None,
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

/// What moves a file from the one side to the other: from the site to here where that is `pulling`.
fn moving(pulling: bool, from: impl Into<PathBuf>, to: impl Into<PathBuf>) -> Item {
    if pulling {
        item(to, from)
    } else {
        item(from, to)
    }
}

/// Moves files, from the site to here where that is `pulling`.
async fn moved(
    pulling: bool,
    host: &Host,
    items: &[Item],
    opts: &TransferOptions<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, LinkError> {
    if pulling {
        transfer::pull(host, items, opts, progress).await
    } else {
        transfer::push(host, items, opts, progress).await
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
async fn sessions_over_the_sites_limit_wait_for_their_turn_and_never_log_in() {
    let sshd = Sshd::start("Subsystem sftp internal-sftp\nMaxSessions 3");
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let mut many = tokio::task::JoinSet::new();
    for _ in 0..15 {
        let host = host.clone();
        many.spawn(async move { host.run(&["true".to_owned()], None).await });
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

#[rstest::rstest]
#[case::by_the_script(false)]
#[case::by_our_program(true)]
#[tokio::test(flavor = "multi_thread")]
async fn files_of_any_name_go_and_come_back_and_are_not_sent_twice(#[case] program: bool) {
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
            let opts = with_program(program, options(&site));
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

#[rstest::rstest]
#[case::by_the_script(false)]
#[case::by_our_program(true)]
#[tokio::test(flavor = "multi_thread")]
async fn what_meets_one_file_is_its_own_outcome_and_the_others_go_on(#[case] program: bool) {
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
        let sent = transfer::push(&host, &out, &with_program(program, options(&site)), &Quiet)
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
        let came = transfer::pull(&host, &back, &with_program(program, options(&site)), &Quiet)
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
#[case::not_there("exit 127")]
#[case::killed("echo half; kill -9 $$")]
#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_tar_does_not_work_sends_nothing_and_nobody_waits_for_it(#[case] fault: &str) {
    let sshd = Sshd::ordinary();
    fs::create_dir_all(sshd.path().join("bin")).unwrap();
    let tar = format!("#!/bin/sh\ncase $* in *-c*) echo no tar here >&2; {fault} ;; esac\n");
    sshd.script("bin/tar", &tar);
    fs::write(sshd.path().join(".bashrc"), "PATH=$HOME/bin:$PATH\n").unwrap();
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(5)).await.unwrap();
    let source = sshd.path().join("source");
    fs::write(&source, "content").unwrap();
    let target = sshd.path().join("target");
    let (items, opts) = ([item(&target, &source)], options(sshd.path()));
    let pulling = transfer::pull(&host, &items, &opts, &Quiet);
    let came = tokio::time::timeout(PATIENCE, pulling).await.unwrap();
    let Outcome::Failed(why) = &came.unwrap()[0] else {
        panic!("it cannot have come");
    };
    assert!(why.to_string().contains("no tar here"), "{why}");
    assert!(!target.exists());
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

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_comes_home_in_parts_whole_and_with_its_permissions() {
    let (sshd, host) = linked().await;
    let source = sshd.path().join("source");
    let content: Vec<u8> = (0..12_345_678u32).map(|n| n.to_le_bytes()[1]).collect();
    fs::write(&source, &content).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o750)).unwrap();
    let wanted = Item {
        size: Some(12_345_678),
        hash: Some(Hash::of(&content)),
        ..item(sshd.path().join("home/target"), &source)
    };
    let target = wanted.local.clone();
    let came = transfer::pull(&host, &[wanted], &options(sshd.path()), &Quiet).await;
    assert!(came.unwrap().iter().all(done));
    assert!(fs::read(&target).unwrap() == content);
    assert_eq!(
        fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o750
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_session_is_enough_both_ways_also_for_what_is_missing() {
    let sshd = Sshd::start("Subsystem sftp internal-sftp\nMaxSessions 1");
    sshd.open_master();
    let host = Host::attach("lab", &sshd.connection(1)).await.unwrap();
    let files = odd_items(&sshd.path().join("from"), &sshd.path().join("to"));
    let out: Vec<Item> = files.iter().map(|(from, to, _)| item(from, to)).collect();
    let opts = options(sshd.path());
    let sent = transfer::push(&host, &out, &opts, &Quiet).await.unwrap();
    assert!(sent.iter().all(done), "{sent:?}");
    let home = sshd.path().join("home");
    let mut back: Vec<Item> = files
        .iter()
        .enumerate()
        .map(|(n, (_, to, _))| item(home.join(n.to_string()), to))
        .collect();
    let mut gone = item(home.join("gone"), sshd.path().join("no such file"));
    gone.size = Some(10);
    back.push(gone);
    let came = transfer::pull(&host, &back, &opts, &Quiet).await.unwrap();
    let (gone, came) = came.split_last().unwrap();
    assert!(came.iter().all(done), "{came:?}");
    assert!(
        matches!(gone, Outcome::Failed(TransferError::Missing { .. })),
        "{gone:?}"
    );
    assert_eq!(sshd.logins(), 1);
}
