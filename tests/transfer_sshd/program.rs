//! Our program at the far end: that it takes part, and what becomes of files where it fails.

use super::*;

#[rstest::rstest]
#[case::of_this_version(true)]
#[case::of_another_version(false)]
#[tokio::test(flavor = "multi_thread")]
async fn our_program_at_the_far_end_lands_files_if_it_is_of_this_version(#[case] same: bool) {
    let (sshd, host) = linked().await;
    let real = if same {
        format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_outrigger"))
    } else {
        "echo outrigger 0.0.1".to_owned()
    };
    let (program, asked) = listened_to(&sshd, &real);
    let opts = TransferOptions {
        program: Some(far(program)),
        streams: 1,
        ..options(sshd.path())
    };
    let source = sshd.path().join("source");
    fs::write(&source, "content").unwrap();
    let target = sshd.path().join("site/target");
    let sent = transfer::push(&host, &[item(&source, &target)], &opts, &Quiet).await;
    assert!(sent.unwrap().iter().all(done));
    assert_eq!(fs::read(&target).unwrap(), b"content");
    let asked = fs::read_to_string(asked).unwrap();
    assert_eq!(asked.lines().any(|word| word == "receive"), same, "{asked}");
}

/// With the program `local`, which lies at `remote` once it was sent.
fn sent_to(remote: &Path, local: PathBuf, sshd: &Sshd) -> TransferOptions<'static> {
    let hash = Hash::of_file(&local).unwrap();
    let sent = Some(SentProgram { local, hash });
    TransferOptions {
        program: Some(FarProgram {
            sent,
            ..far(remote)
        }),
        streams: 1,
        ..options(sshd.path())
    }
}

#[rstest::rstest]
#[case::by_files_that_go(false)]
#[case::by_files_that_come(true)]
#[tokio::test(flavor = "multi_thread")]
async fn our_program_is_sent_once_it_was_missed_and_takes_part_from_then_on(#[case] home: bool) {
    let (sshd, host) = linked().await;
    let real = format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_outrigger"));
    let (local, asked) = listened_to(&sshd, &real);
    let remote = sshd.path().join("site/bin/sent");
    let opts = sent_to(&remote, local, &sshd);
    for (name, bytes, is_there) in [
        ("few", 10, false),
        ("many", 10_000, false),
        ("more", 1, true),
    ] {
        assert_eq!(remote.exists(), is_there, "before {name}");
        let source = sshd.path().join(name);
        fs::write(&source, vec![7; bytes]).unwrap();
        let target = sshd.path().join("to").join(name);
        let items = [moving(home, &source, &target)];
        let moved = moved(home, &host, &items, &opts, &Quiet).await;
        assert!(moved.unwrap().iter().all(done));
    }
    let asked = fs::read_to_string(asked).unwrap();
    let word = if home { "send" } else { "receive" };
    let taken: Vec<&str> = asked.lines().filter(|said| *said != "--version").collect();
    assert_eq!(taken, [word]);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_program_is_not_sent_again_where_it_cannot_run() {
    let (sshd, host) = linked().await;
    let (local, asked) = listened_to(&sshd, "exit 127");
    let remote = sshd.path().join("site/bin/sent");
    let opts = sent_to(&remote, local, &sshd);
    let source = sshd.path().join("source");
    fs::write(&source, vec![7; 10_000]).unwrap();
    let mut inodes = Vec::new();
    for name in ["first", "second"] {
        let target = sshd.path().join("to").join(name);
        let moved = transfer::push(&host, &[item(&source, &target)], &opts, &Quiet).await;
        assert!(moved.unwrap().iter().all(done));
        inodes.push(fs::metadata(&remote).unwrap().ino());
    }
    assert_eq!(inodes[0], inodes[1]);
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.lines().all(|word| word == "--version"), "{asked}");
}

#[rstest::rstest]
#[case::where_it_pays(true)]
#[case::not_where_the_site_says_so(false)]
#[tokio::test(flavor = "multi_thread")]
async fn large_files_are_compressed_both_ways_where_that_pays(#[case] compress: bool) {
    let (sshd, host) = linked().await;
    let real = format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_outrigger"));
    let (program, asked) = listened_to(&sshd, &real);
    let opts = TransferOptions {
        program: Some(far(program)),
        compress,
        ..options(sshd.path())
    };
    let source = sshd.path().join("source");
    let content: Vec<u8> = (0..23_456_789u32).map(|n| n.to_le_bytes()[1]).collect();
    fs::write(&source, &content).unwrap();
    let (there, home) = (sshd.path().join("site/there"), sshd.path().join("home"));
    let sent = transfer::push(&host, &[item(&source, &there)], &opts, &Quiet).await;
    assert!(sent.unwrap().iter().all(done));
    let wanted = Item {
        size: Some(23_456_789),
        hash: Some(Hash::of(&content)),
        ..item(&home, &there)
    };
    let came = transfer::pull(&host, &[wanted], &opts, &Quiet).await;
    assert!(came.unwrap().iter().all(done));
    assert!(fs::read(&home).unwrap() == content);
    let asked = fs::read_to_string(asked).unwrap();
    for word in ["expand", "squeeze"] {
        assert_eq!(asked.lines().any(|said| said == word), compress, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_goes_away_between_two_sessions_leaves_the_script_in_its_place() {
    let (sshd, host) = linked().await;
    let ours = env!("CARGO_BIN_EXE_outrigger");
    let real = format!(
        "[ \"$1\" = --version ] && exec {ours} --version\n\
         echo 'or takes zstd'; rm -f \"$0\"; exit 1"
    );
    let (program, asked) = listened_to(&sshd, &real);
    let opts = TransferOptions {
        program: Some(far(program)),
        streams: 1,
        ..options(sshd.path())
    };
    let source = sshd.path().join("source");
    let content = "NAXIS = 2\n".repeat(200_000);
    fs::write(&source, &content).unwrap();
    let target = sshd.path().join("site/target");
    let items = [item(&source, &target)];
    let pushing = transfer::push(&host, &items, &opts, &Quiet);
    let sent = tokio::time::timeout(PATIENCE, pushing).await.unwrap();
    assert!(sent.unwrap().iter().all(done));
    assert_eq!(fs::read_to_string(&target).unwrap(), content);
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.lines().any(|word| word == "receive"), "{asked}");
}

#[rstest::rstest]
#[case::while_it_takes(false)]
#[case::while_it_sends(true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_far_end_that_is_killed_when_all_has_been_said_to_it_is_missed_at_once(
    #[case] home: bool,
) {
    let (sshd, host) = linked().await;
    let ours = env!("CARGO_BIN_EXE_outrigger");
    let once = sshd.path().join("once").display().to_string();
    let real = format!(
        "[ \"$1\" != --version ] && mkdir {once} 2>/dev/null || exec {ours} \"$@\"\n\
         read -r line\nkill -9 $$"
    );
    let (program, _) = listened_to(&sshd, &real);
    let opts = TransferOptions {
        program: Some(far(program)),
        compress: false,
        streams: 1,
        ..options(sshd.path())
    };
    let (from, to) = (sshd.path().join("from"), sshd.path().join("to"));
    fs::write(&from, "content").unwrap();
    let items = [moving(home, &from, &to)];
    let moved = moved(home, &host, &items, &opts, &Quiet);
    let moved = tokio::time::timeout(PATIENCE, moved).await.unwrap();
    assert!(moved.unwrap().iter().all(done));
    assert_eq!(fs::read(&to).unwrap(), b"content");
    assert!(Path::new(&once).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_go_as_they_are_where_what_expands_them_fails() {
    let (sshd, host) = linked().await;
    let ours = env!("CARGO_BIN_EXE_outrigger");
    let real = format!("[ \"$1\" = expand ] && exit 1\nexec {ours} \"$@\"");
    let (program, asked) = listened_to(&sshd, &real);
    let opts = TransferOptions {
        program: Some(far(program)),
        ..options(sshd.path())
    };
    let source = sshd.path().join("source");
    let content: Vec<u8> = (0..23_456_789u32).map(|n| n.to_le_bytes()[1]).collect();
    fs::write(&source, &content).unwrap();
    let target = sshd.path().join("site/target");
    let sent = transfer::push(&host, &[item(&source, &target)], &opts, &Quiet).await;
    let sent = sent.unwrap();
    assert!(sent.iter().all(done), "{sent:?}");
    assert!(fs::read(&target).unwrap() == content);
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.lines().any(|word| word == "expand"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_cannot_be_read_is_asked_for_again_in_another_session() {
    let (sshd, host) = linked().await;
    let ours = env!("CARGO_BIN_EXE_outrigger");
    let once = sshd.path().join("once").display().to_string();
    // The session lives on: what it is told is waited for.
    let real = format!(
        "[ \"$1\" = send ] && mkdir {once} 2>/dev/null || exec {ours} \"$@\"\n\
         read -r k _\necho \"or begin $k zstd\"\nhead -c 4096 /dev/zero\ncat >/dev/null"
    );
    let (program, _) = listened_to(&sshd, &real);
    let opts = TransferOptions {
        program: Some(far(program)),
        streams: 1,
        ..options(sshd.path())
    };
    let there = sshd.path().join("there");
    fs::write(&there, "content").unwrap();
    let here = sshd.path().join("here");
    let items = [item(&here, &there)];
    let pulling = transfer::pull(&host, &items, &opts, &Quiet);
    let came = tokio::time::timeout(PATIENCE, pulling).await.unwrap();
    assert!(came.unwrap().iter().all(done));
    assert_eq!(fs::read(&here).unwrap(), b"content");
    assert!(Path::new(&once).exists());
}
