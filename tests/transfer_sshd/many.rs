//! A directory with very many files.

use super::*;

/// How many, unless `OUTRIGGER_MANY_FILES` says otherwise.
const FILES: usize = 20_000;

#[rstest::rstest]
#[case::by_the_script(false)]
#[case::by_our_program(true)]
#[tokio::test(flavor = "multi_thread")]
async fn very_many_files_of_one_directory_go_there_and_come_back(#[case] program: bool) {
    let files = std::env::var("OUTRIGGER_MANY_FILES").map_or(FILES, |text| text.parse().unwrap());
    let (sshd, host) = linked().await;
    let opts = with_program(program, options(sshd.path()));
    let directory = |name: &str| sshd.path().join(name).join("one");
    let (source, site, home) = (directory("source"), directory("site"), directory("home"));
    fs::create_dir_all(&source).unwrap();
    let names: Vec<String> = (0..files).map(|n| format!("{n}.fits")).collect();
    let content = |n: usize| "x".repeat(n % 3);
    for (n, name) in names.iter().enumerate() {
        fs::write(source.join(name), content(n)).unwrap();
    }
    let items = |local: &Path| -> Vec<Item> {
        let item = |name| item(local.join(name), site.join(name));
        names.iter().map(item).collect()
    };
    let sent = transfer::push(&host, &items(&source), &opts, &Quiet).await;
    assert!(sent.unwrap().iter().all(done));
    let came = transfer::pull(&host, &items(&home), &opts, &Quiet).await;
    assert!(came.unwrap().iter().all(done));
    for (n, name) in names.iter().enumerate() {
        assert_eq!(fs::read_to_string(home.join(name)).unwrap(), content(n));
    }
    for directory in [&site, &home] {
        assert_eq!(fs::read_dir(directory).unwrap().count(), files);
    }
}
