//! A link that ends within a bundle: in a header, in data, in the trailer.

use super::*;

/// The site's `tar` lets only `bytes` of a bundle through and then ends the link, the first time.
fn cut_off(sshd: &Sshd, pulling: bool, bytes: u32) {
    let cut = sshd.cutter();
    let (word, carried) = if pulling {
        ("-chf", format!("/usr/bin/tar \"$@\" | head -c {bytes}"))
    } else {
        ("-xomf", format!("head -c {bytes} | /usr/bin/tar \"$@\""))
    };
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' {word} '*) mkdir \"$HOME/once\" 2>/dev/null || \
         exec /usr/bin/tar \"$@\" ;; *) exec /usr/bin/tar \"$@\" ;; esac\n{carried}\nexec {}\n",
        cut.display()
    );
    fs::create_dir_all(sshd.path().join("bin")).unwrap();
    sshd.script("bin/tar", &script);
    fs::write(sshd.path().join(".bashrc"), "PATH=$HOME/bin:$PATH\n").unwrap();
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_ends_within_a_bundle_leaves_nothing_half_written_and_the_next_brings_all(
    #[values(false, true)] pulling: bool,
    // Two files of 3000 bytes: a header of 512 and six blocks of data each, then the trailer.
    #[values(0, 100, 700, 3600, 4000, 7300)] bytes: u32,
) {
    let (sshd, host) = linked().await;
    cut_off(&sshd, pulling, bytes);
    let opts = TransferOptions {
        streams: 1,
        ..options(sshd.path())
    };
    let mut items = Vec::new();
    for (n, name) in [(1, "one"), (2, "two")] {
        let source = sshd.path().join(name);
        fs::write(&source, vec![n; 3000]).unwrap();
        let target = sshd.path().join("to").join(name);
        items.push(if pulling {
            item(target, source)
        } else {
            item(source, target)
        });
    }
    let broken = if pulling {
        transfer::pull(&host, &items, &opts, &Quiet).await
    } else {
        transfer::push(&host, &items, &opts, &Quiet).await
    };
    assert!(broken.is_err_and(|error| error.is_down()));
    let target = |name: &str| sshd.path().join("to").join(name);
    for (n, name) in [(1, "one"), (2, "two")] {
        if let Ok(found) = fs::read(target(name)) {
            assert_eq!(found, [n; 3000], "{name}");
        }
    }
    sshd.open_master();
    let moved = if pulling {
        transfer::pull(&host, &items, &opts, &Quiet).await
    } else {
        transfer::push(&host, &items, &opts, &Quiet).await
    };
    let moved = moved.unwrap();
    assert!(moved.iter().all(|one| done(one) || there(one)), "{moved:?}");
    assert_eq!(fs::read(target("one")).unwrap(), [1; 3000]);
    assert_eq!(fs::read(target("two")).unwrap(), [2; 3000]);
    assert_eq!(leftovers(&sshd.path().join("to")), Vec::<PathBuf>::new());
}
