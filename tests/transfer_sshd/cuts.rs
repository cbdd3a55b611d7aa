//! A link that ends: between files, and within a bundle in a header, in data, in the trailer.

use super::*;

/// The program at the far end, whose word is `receive` or `send`, lets only `bytes` through and then
/// ends the link, the first time.
fn program_cut_off(sshd: &Sshd, pulling: bool, bytes: u32) -> PathBuf {
    let cut = sshd.cutter().display().to_string();
    let once = sshd.path().join("once").display().to_string();
    let ours = env!("CARGO_BIN_EXE_outrigger");
    let (word, carried) = if pulling {
        // Having sent all, it waits to be asked for more: the cut does not wait for it.
        let then_cut = format!("{{ head -c {bytes}; exec {cut}; }}");
        ("send", format!("{ours} \"$@\" | {then_cut}"))
    } else {
        let until_then = format!("head -c {bytes} | {ours} \"$@\"");
        ("receive", format!("{until_then}\nexec {cut}"))
    };
    let first = format!("[ \"$1\" = {word} ] && mkdir {once} 2>/dev/null");
    let real = format!("{first} || exec {ours} \"$@\"\n{carried}");
    listened_to(sshd, &real).0
}

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
    #[values(false, true)] program: bool,
    // Two files of 3000 bytes: a header of 512 and six blocks of data each, then the trailer.
    #[values(0, 100, 700, 3600, 4000, 7300)] bytes: u32,
) {
    let (sshd, host) = linked().await;
    let program = if program {
        Some(far(program_cut_off(&sshd, pulling, bytes)))
    } else {
        cut_off(&sshd, pulling, bytes);
        None
    };
    let opts = TransferOptions {
        program,
        compress: false,
        streams: 1,
        ..options(sshd.path())
    };
    let mut items = Vec::new();
    for (n, name) in [(1, "one"), (2, "two")] {
        let source = sshd.path().join(name);
        fs::write(&source, vec![n; 3000]).unwrap();
        let target = sshd.path().join("to").join(name);
        items.push(moving(pulling, source, target));
    }
    let broken = moved(pulling, &host, &items, &opts, &Quiet).await;
    assert!(broken.is_err_and(|error| error.is_down()));
    let target = |name: &str| sshd.path().join("to").join(name);
    for (n, name) in [(1, "one"), (2, "two")] {
        if let Ok(found) = fs::read(target(name)) {
            assert_eq!(found, [n; 3000], "{name}");
        }
    }
    sshd.open_master();
    let moved = moved(pulling, &host, &items, &opts, &Quiet).await.unwrap();
    assert!(moved.iter().all(|one| done(one) || there(one)), "{moved:?}");
    assert_eq!(fs::read(target("one")).unwrap(), [1; 3000]);
    assert_eq!(fs::read(target("two")).unwrap(), [2; 3000]);
    assert_eq!(leftovers(&sshd.path().join("to")), Vec::<PathBuf>::new());
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

#[rstest::rstest]
#[case::by_the_script(false)]
#[case::by_our_program(true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_cut_short_goes_on_from_what_has_landed(#[case] program: bool) {
    let (sshd, host) = linked().await;
    let (from, site) = (sshd.path().join("from"), sshd.path().join("site"));
    fs::create_dir_all(&from).unwrap();
    let content = |n: u8| vec![n; 3_000_000];
    let mut items = Vec::new();
    for n in 0..8 {
        let name = format!("f{n}");
        fs::write(from.join(&name), content(n)).unwrap();
        items.push(item(from.join(&name), site.join(&name)));
    }
    let mut opts = with_program(program, options(&site));
    opts.streams = 1;
    for pulling in [false, true] {
        let cut = Cut(&sshd);
        let broken = moved(pulling, &host, &items, &opts, &cut).await;
        assert!(broken.unwrap_err().is_down());
        let target = if pulling { &from } else { &site };
        for n in 0..8 {
            if let Ok(found) = fs::read(target.join(format!("f{n}"))) {
                assert_eq!(found, content(n));
            }
        }
        sshd.open_master();
        let outcomes = moved(pulling, &host, &items, &opts, &Quiet).await.unwrap();
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
