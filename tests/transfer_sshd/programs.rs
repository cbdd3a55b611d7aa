//! Engines that are programs of their own.

use std::time::Instant;

use super::*;

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn rsync_carries_odd_names_both_ways_over_the_one_login_and_leaves_nothing_else() {
    let (sshd, host) = linked().await;
    let opts = TransferOptions {
        engine: Engine::Rsync,
        ..options(sshd.path())
    };
    let files = odd_items(&sshd.path().join("from"), &sshd.path().join("to"));
    let items: Vec<Item> = files.iter().map(|(from, to, _)| item(from, to)).collect();
    let pushed = transfer::push(&host, &items, &opts, &Quiet).await.unwrap();
    assert!(pushed.iter().all(done), "{pushed:?}");
    for (_, to, content) in &files {
        assert_eq!(&fs::read(to).unwrap(), content);
    }
    let again = transfer::push(&host, &items, &opts, &Quiet).await.unwrap();
    assert!(again.iter().all(there), "{again:?}");
    let back = sshd.path().join("back");
    let homewards: Vec<Item> = files
        .iter()
        .enumerate()
        .map(|(n, (_, to, _))| item(back.join(n.to_string()), to))
        .collect();
    let pulled = transfer::pull(&host, &homewards, &opts, &Quiet)
        .await
        .unwrap();
    assert!(pulled.iter().all(done), "{pulled:?}");
    for (n, (_, _, content)) in files.iter().enumerate() {
        assert_eq!(&fs::read(back.join(n.to_string())).unwrap(), content);
    }
    for dir in ["to", "back", "from"] {
        assert!(leftovers(&sshd.path().join(dir)).is_empty(), "{dir}");
    }
    assert_eq!(sshd.logins(), 1);
}

#[rstest::rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_carries_files_keeps_to_the_limit(
    #[values(Engine::Scp, Engine::Rsync)] engine: Engine,
) {
    let (sshd, host) = linked().await;
    let opts = TransferOptions {
        engine,
        // Two streams of half of it each.
        streams: 2,
        limit: Some(500_000),
        bundle: 400_000,
        ..options(sshd.path())
    };
    let files: Vec<PathBuf> = (0..4)
        .map(|n| {
            let path = sshd.path().join(format!("{n}"));
            let content: Vec<u8> = (0..100_000u32)
                .map(|x| x + n)
                .flat_map(u32::to_le_bytes)
                .collect();
            fs::write(&path, content).unwrap();
            path
        })
        .collect();
    let there = sshd.path().join("there");
    let out: Vec<Item> = (0..)
        .zip(&files)
        .map(|(n, file)| item(file, there.join(format!("{n}"))))
        .collect();
    let begin = Instant::now();
    let pushed = transfer::push(&host, &out, &opts, &Quiet).await.unwrap();
    assert!(pushed.iter().all(done), "{pushed:?}");
    // What is in pipes and buffers has gone, though it has not arrived.
    let least = Duration::from_secs(2);
    assert!(begin.elapsed() > least, "{:?}", begin.elapsed());
    let back: Vec<Item> = (0..4)
        .map(|n| {
            item(
                sshd.path().join(format!("back{n}")),
                there.join(format!("{n}")),
            )
        })
        .collect();
    let begin = Instant::now();
    let pulled = transfer::pull(&host, &back, &opts, &Quiet).await.unwrap();
    assert!(pulled.iter().all(done), "{pulled:?}");
    assert!(begin.elapsed() > least, "{:?}", begin.elapsed());
}
