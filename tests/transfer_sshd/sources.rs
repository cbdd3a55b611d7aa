//! Data that lies on other hosts here.

use super::*;

#[rstest::rstest]
#[case::which_send_them("exec REAL \"$@\"", true)]
#[case::which_go_away_in_the_middle_of_a_file(
    "[ $1 = send ] || exec REAL \"$@\"; REAL send | { head -c 1500; kill 0; }",
    true
)]
#[case::which_do_not_answer("", false)]
#[tokio::test(flavor = "multi_thread")]
async fn files_that_lie_on_other_hosts_here_are_read_by_those(
    #[case] program: &str,
    #[case] answers: bool,
) {
    let (sshd, host) = linked().await;
    let program_is_whole = program.starts_with("exec");
    let real = program.replace("REAL", env!("CARGO_BIN_EXE_outrigger"));
    let (program, asked) = listened_to(&sshd, &real);
    let from = sshd.path().join("from");
    let config = sshd.path().join("ssh_config");
    let command = if answers {
        let words = ["ssh", "-F", config.to_str().unwrap()];
        words.map(str::to_owned).into()
    } else {
        vec!["false".to_owned()]
    };
    let disk = |name: &str| SourceHost {
        host: "site".into(),
        under: from.join(name),
        program: program.clone(),
        command: command.clone(),
    };
    let disks = [disk("d2"), disk("d3"), disk("d3/of/another"), disk("d8")];
    let opts = TransferOptions {
        spread: Arc::new(Spread::over(&disks)),
        ..options(sshd.path())
    };
    let mut files = odd_items(&from, &sshd.path().join("to"));
    let large: Vec<u8> = (0..20_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
    fs::write(from.join("d8/large"), &large).unwrap();
    files.push((from.join("d8/large"), sshd.path().join("to/large"), large));
    let items: Vec<Item> = files.iter().map(|(from, to, _)| item(from, to)).collect();
    let told = Told::default();
    let sent = transfer::push(&host, &items, &opts, &told).await.unwrap();
    assert!(sent.iter().all(done), "{sent:?}");
    for (_, to, content) in &files {
        assert!(fs::read(to).unwrap() == *content, "{}", to.display());
    }
    let asked = fs::read_to_string(asked).unwrap_or_default();
    assert_eq!(asked.lines().any(|word| word == "send"), answers, "{asked}");
    assert_eq!(sshd.logins() > 1, answers);
    let told = told.0.into_inner().unwrap();
    if program_is_whole {
        assert!(told.is_empty(), "{told:?}");
    } else {
        assert!(told.iter().all(|line| line.starts_with("site is asked")));
        assert!(!told.is_empty());
    }
}

/// What a transfer warns of.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn bytes(&self, _: u64) {}
    fn files(&self, _: u64) {}
    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[rstest::rstest]
#[case::that_is_not_there("exit 127", " is not there, or is not outrigger ")]
#[case::of_another_version("echo outrigger 0.1.0", " is not there, or is not outrigger ")]
#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_another_host_here_is_not_asked_for_files_and_that_is_told(
    #[case] real: &str,
    #[case] why: &str,
) {
    let (sshd, host) = linked().await;
    let (program, asked) = listened_to(&sshd, real);
    let from = sshd.path().join("from");
    let config = sshd.path().join("ssh_config");
    let opts = TransferOptions {
        spread: Arc::new(Spread::over(&[SourceHost {
            host: "site".into(),
            under: from.clone(),
            program,
            command: ["ssh", "-F", config.to_str().unwrap()]
                .map(str::to_owned)
                .into(),
        }])),
        ..options(sshd.path())
    };
    let files = odd_items(&from, &sshd.path().join("to"));
    let items: Vec<Item> = files.iter().map(|(from, to, _)| item(from, to)).collect();
    let told = Told::default();
    let sent = transfer::push(&host, &items, &opts, &told).await.unwrap();
    assert!(sent.iter().all(done), "{sent:?}");
    let asked = fs::read_to_string(asked).unwrap();
    assert!(asked.lines().all(|word| word == "--version"), "{asked}");
    let told = told.0.into_inner().unwrap();
    assert!(told.len() == 1 && told[0].contains(why), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_here_that_goes_away_in_a_large_file_costs_no_byte_of_it() {
    let (sshd, host) = linked().await;
    let from = sshd.path().join("from");
    fs::create_dir(&from).unwrap();
    let large: Vec<u8> = (0..20_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
    fs::write(from.join("large"), &large).unwrap();
    let config = sshd.path().join("ssh_config");
    let cut = format!(
        "#!/bin/sh\nssh -F {} \"$@\" | head -c 2500000\necho the cable is out >&2\n",
        config.display()
    );
    let opts = TransferOptions {
        spread: Arc::new(Spread::over(&[SourceHost {
            host: "site".into(),
            under: from.clone(),
            program: "outrigger".into(),
            command: vec![sshd.script("cut-ssh", &cut).display().to_string()],
        }])),
        ..options(sshd.path())
    };
    let to = sshd.path().join("to");
    let told = Told::default();
    let items = [item(from.join("large"), &to)];
    let sent = transfer::push(&host, &items, &opts, &told).await.unwrap();
    assert!(done(&sent[0]), "{sent:?}");
    assert!(fs::read(&to).unwrap() == large);
    let told = told.0.into_inner().unwrap();
    assert!(
        told.len() == 1 && told[0].ends_with("the cable is out"),
        "{told:?}"
    );
}
