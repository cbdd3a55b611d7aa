//! Large files, which go in parts: what has arrived of one is not sent again.

use std::os::unix::process::ExitStatusExt;

use super::{disk::Small, *};

/// Six parts of eight blocks, the last one shorter.
const SIZE: u32 = 48_000_000;

fn content() -> Vec<u8> {
    (0..SIZE).map(|n| n.to_le_bytes()[1]).collect()
}

/// On the site `dd` writes down where in the file it is to begin; the first time that is `block`, it
/// does `then`, with `moved` for the real one that moves no more than a part of the part.
fn watched(sshd: &Sshd, block: u32, then: &str) {
    fs::create_dir_all(sshd.path().join("bin")).unwrap();
    let script = format!(
        r#"#!/bin/sh
for word; do
    case $word in
        skip=*) at=${{word#*=}}; moved() {{ /usr/bin/dd "$@" | head -c 1500000; }} ;;
        seek=*) at=${{word#*=}}; moved() {{ head -c 1500000 | /usr/bin/dd "$@"; }} ;;
    esac
done
[ -n "$at" ] || exec /usr/bin/dd "$@"
echo "$at" >>"$HOME/asked"
[ "$at" = {block} ] && mkdir "$HOME/once" 2>/dev/null || exec /usr/bin/dd "$@"
{then}
"#
    );
    sshd.script("bin/dd", &script);
    fs::write(sshd.path().join(".bashrc"), "PATH=$HOME/bin:$PATH\n").unwrap();
}

/// The blocks at which the site was asked to begin since this was called last.
fn asked(sshd: &Sshd) -> Vec<u32> {
    let path = sshd.path().join("asked");
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// A large file on one side, and the way it goes.
struct Large {
    sshd: Sshd,
    host: Host,
    pulling: bool,
    item: Item,
}

impl Large {
    async fn new(pulling: bool) -> Self {
        let (sshd, host) = linked().await;
        let (source, target) = (sshd.path().join("source"), sshd.path().join("to/target"));
        fs::write(&source, content()).unwrap();
        let item = Item {
            size: pulling.then_some(u64::from(SIZE)),
            hash: pulling.then(|| Hash::of(&content())),
            ..moving(pulling, source, target)
        };
        Self {
            sshd,
            host,
            pulling,
            item,
        }
    }

    fn target(&self) -> PathBuf {
        self.sshd.path().join("to/target")
    }

    async fn go(&self, items: &[Item], streams: u32) -> Result<Vec<Outcome>, LinkError> {
        let opts = TransferOptions {
            streams,
            ..options(self.sshd.path())
        };
        moved(self.pulling, &self.host, items, &opts, &Quiet).await
    }

    fn assert_landed(&self) {
        assert!(fs::read(self.target()).unwrap() == content());
        let to = self.target();
        assert_eq!(leftovers(to.parent().unwrap()), Vec::<PathBuf>::new());
    }
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn after_a_cut_within_a_part_only_what_has_not_arrived_goes_whatever_else_does(
    #[values(false, true)] pulling: bool,
) {
    let large = Large::new(pulling).await;
    let cut = large.sshd.cutter();
    watched(&large.sshd, 24, &format!("moved \"$@\"\n{}", cut.display()));
    let broken = large.go(std::slice::from_ref(&large.item), 1).await;
    assert!(broken.unwrap_err().is_down());
    assert_eq!(asked(&large.sshd), [0, 8, 16, 24]);
    assert!(!large.target().exists());

    large.sshd.open_master();
    let mut items = vec![large.item.clone()];
    for n in 0..18 {
        let name = format!("f{n}");
        let (source, target) = (large.sshd.path().join(&name), large.target());
        fs::write(&source, vec![n; 5_000_000]).unwrap();
        let target = target.with_file_name(name);
        items.push(moving(pulling, source, target));
    }
    let moved = large.go(&items, 3).await.unwrap();
    assert!(moved.iter().all(done), "{moved:?}");
    let mut again = asked(&large.sshd);
    again.sort_unstable();
    assert_eq!(again, [24, 32, 40]);
    large.assert_landed();
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_lost_is_sent_again_and_no_other(#[values(false, true)] pulling: bool) {
    let large = Large::new(pulling).await;
    watched(&large.sshd, 16, "moved \"$@\"; exit 1");
    let moved = large
        .go(std::slice::from_ref(&large.item), 3)
        .await
        .unwrap();
    assert!(moved.iter().all(done), "{moved:?}");
    let mut asked = asked(&large.sshd);
    asked.sort_unstable();
    assert_eq!(asked, [0, 8, 16, 16, 24, 32, 40]);
    large.assert_landed();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_bring_the_same_file_at_once_do_not_write_into_the_same_place() {
    let large = Large::new(true).await;
    let both = [large.item.clone(), large.item.clone()];
    let came = large.go(&both, 3).await.unwrap();
    assert!(came.iter().all(done), "{came:?}");
    large.assert_landed();
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_a_part_of_it_is_read_never_lands(
    #[values(false, true)] pulling: bool,
) {
    let large = Large::new(pulling).await;
    let change = r#"printf x | /usr/bin/dd of="$HOME/source" bs=1 seek=47999999 conv=notrunc 2>/dev/null
exec /usr/bin/dd "$@""#;
    watched(&large.sshd, 16, change);
    let moved = large
        .go(std::slice::from_ref(&large.item), 1)
        .await
        .unwrap();
    let right = match &moved[0] {
        Outcome::Failed(TransferError::Changed { .. }) => !pulling,
        Outcome::Failed(TransferError::Mismatch { .. }) => pulling,
        _ => false,
    };
    assert!(right, "{moved:?}");
    assert!(!large.target().exists());
    let left = leftovers(large.sshd.path());
    assert_eq!(left, [large.sshd.path()]);
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_keeps_no_part_of_a_file_that_does_not_fit(
    #[values(false, true)] pulling: bool,
) {
    let large = Large::new(pulling).await;
    let full = Small::at(large.sshd.path().join("to"));
    let small = large.sshd.path().join("small");
    fs::write(&small, "small").unwrap();
    let beside = large.target().with_file_name("beside");
    let staging = if pulling {
        large.sshd.path()
    } else {
        full.0.as_path()
    };
    let items = [large.item.clone(), moving(pulling, small, beside)];
    let opts = options(staging);
    let moved = moved(pulling, &large.host, &items, &opts, &Quiet).await;
    let moved = moved.unwrap();
    assert!(
        matches!(moved[0], Outcome::Failed(TransferError::NoSpace { .. })),
        "{moved:?}"
    );
    assert!(done(&moved[1]), "{moved:?}");
    assert!(!large.target().exists());
    assert_eq!(leftovers(&full.0), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_within_a_large_file_leaves_its_parts_to_the_next_one() {
    let large = Large::new(true).await;
    let top = large.sshd.path();
    watched(
        &large.sshd,
        24,
        r#"moved "$@"; kill -9 "$(cat "$HOME/pid")"; exec cat >/dev/null"#,
    );
    let config = format!(
        "sites:\n  lab:\n    scheduler: slurm\n    scratch: {0}\n    \
         connection: {{host: site, socket: {1}, config_file: {0}/ssh_config}}\n    \
         transfer: {{bundle: 8 MiB, streams: 1, program: none}}\n",
        top.display(),
        large.sshd.socket().display(),
    );
    fs::write(top.join("outrigger.yaml"), config).unwrap();
    let pull = || {
        let start = r#"echo $$ >"$0/pid"; exec "$@""#;
        let mut command = Command::new("sh");
        command
            .args(["-c", start])
            .arg(top)
            .args([env!("CARGO_BIN_EXE_outrigger"), "transfer", "pull", "lab"])
            .arg(top.join("source"))
            .args(["--into", "to"])
            .current_dir(top);
        command.output().unwrap()
    };
    let killed = tokio::task::block_in_place(pull);
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    assert_eq!(asked(&large.sshd), [0, 8, 16, 24]);
    assert!(!top.join("to/source").exists());
    let came = tokio::task::block_in_place(pull);
    assert!(came.status.success(), "{came:?}");
    assert_eq!(asked(&large.sshd), [24, 32, 40]);
    assert!(fs::read(top.join("to/source")).unwrap() == content());
    assert_eq!(leftovers(&top.join("to")), Vec::<PathBuf>::new());
}
