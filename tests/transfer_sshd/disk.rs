//! Disks of the site: full ones, and more than one.

use super::*;

/// A file system of its own, small enough to fill.
pub(super) struct Small(pub(super) PathBuf);

impl Small {
    pub(super) fn at(path: PathBuf) -> Self {
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

#[rstest::rstest]
#[case::by_the_script(false)]
#[case::by_our_program(true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_what_does_not_fit_and_says_so_while_the_rest_lands(
    #[case] program: bool,
) {
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
                let opts = with_program(program, options(sshd.path()));
                transfer::pull(&host, &items, &opts, &Quiet).await.unwrap()
            } else {
                let items = [item(&big, target("big")), item(&small, target("small"))];
                transfer::push(
                    &host,
                    &items,
                    &with_program(program, options(&full.0)),
                    &Quiet,
                )
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

#[rstest::rstest]
#[case::by_the_script(false)]
#[case::by_our_program(true)]
#[tokio::test(flavor = "multi_thread")]
async fn landing_on_another_file_system_than_the_staging_is_still_whole_or_not_at_all(
    #[case] program: bool,
) {
    let (sshd, host) = linked().await;
    let other = Small::at(sshd.path().join("other"));
    let source = sshd.path().join("source");
    fs::write(&source, "content").unwrap();
    let items = [
        item(&source, sshd.path().join("site/a")),
        item(&source, other.0.join("b")),
    ];
    let opts = TransferOptions {
        streams: 1,
        ..with_program(program, options(sshd.path()))
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
