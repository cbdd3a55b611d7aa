use std::{collections::BTreeMap, fs, io::Read, time::Duration};

use rstest::rstest;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;

const JOB: u64 = 7;

fn executor() -> (Processes, UnboundedReceiver<Report>) {
    Processes::new(ProcessSettings {
        grace: Duration::from_millis(200),
        ..ProcessSettings::default()
    })
}

fn sh(script: &str) -> Program {
    program(&["sh", "-c", script])
}

fn program(argv: &[&str]) -> Program {
    Program {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        ..Program::default()
    }
}

async fn next_end(reports: &mut UnboundedReceiver<Report>) -> Completion {
    loop {
        if let Report::Ended(completion) = reports.recv().await.unwrap() {
            return *completion;
        }
    }
}

async fn started(reports: &mut UnboundedReceiver<Report>) -> u32 {
    match reports.recv().await.unwrap() {
        Report::Started { id: JOB, pid } => pid,
        other => panic!("{other:?}"),
    }
}

fn text(captured: &Captured) -> String {
    let mut text = String::new();
    captured.reader().read_to_string(&mut text).unwrap();
    text
}

#[rstest]
#[case::success(&["true"], Outcome::Exit(0))]
#[case::status(&["sh", "-c", "exit 42"], Outcome::Exit(42))]
#[case::signal(&["sh", "-c", "kill -SEGV $$"], Outcome::Signal(11))]
#[tokio::test]
async fn an_end_is_reported_as_it_was(#[case] argv: &[&str], #[case] end: Outcome) {
    let (local, mut reports) = executor();
    local.start(JOB, program(argv));
    let completion = next_end(&mut reports).await;
    assert_eq!((completion.id, completion.outcome), (JOB, end));
    assert!(completion.usage.unwrap().peak_memory > 0);
    assert!(local.is_empty());
}

#[tokio::test]
async fn no_shell_reads_the_words_of_a_command() {
    let (local, mut reports) = executor();
    local.start(JOB, program(&["echo", "a  b", "$HOME; ls", "*"]));
    let completion = next_end(&mut reports).await;
    assert_eq!(text(&completion.stdout), "a  b $HOME; ls *\n");
}

#[rstest]
#[case(&["no-such-program-anywhere"], "cannot run `no-such-program-anywhere`")]
#[case(&[], "no program given")]
#[tokio::test]
async fn what_cannot_be_started_says_why(#[case] argv: &[&str], #[case] why: &str) {
    let (local, mut reports) = executor();
    local.start(JOB, program(argv));
    let completion = next_end(&mut reports).await;
    assert!(matches!(&completion.outcome, Outcome::NotStarted(text) if text.contains(why)));
    assert!(text(&completion.stderr).contains(why));
}

#[tokio::test]
async fn output_of_any_size_is_kept_apart_by_stream() {
    let (local, mut reports) = executor();
    local.start(JOB, sh("head -c 3000000 /dev/zero; echo oops >&2"));
    let completion = next_end(&mut reports).await;
    assert_eq!(completion.stdout.len(), 3_000_000);
    assert!(completion.stdout.len() > IN_MEMORY);
    assert_eq!(text(&completion.stdout).len(), 3_000_000);
    assert_eq!(text(&completion.stderr), "oops\n");
}

#[tokio::test]
async fn output_is_appended_to_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let (local, mut reports) = executor();
    for script in ["echo one", "head -c 2000000 /dev/zero", "echo two"] {
        local.start(JOB, sh(script));
        next_end(&mut reports).await.stdout.append_to(&log).unwrap();
    }
    let bytes = fs::read(&log).unwrap();
    assert_eq!(bytes.len(), 2_000_008);
    assert!(bytes.starts_with(b"one\n") && bytes.ends_with(b"\0two\n"));
}

#[tokio::test]
async fn a_child_that_lives_on_does_not_delay_the_end() {
    let (local, mut reports) = executor();
    local.start(JOB, sh("sleep 600 & echo $!"));
    let completion = next_end(&mut reports).await;
    assert_eq!(completion.outcome, Outcome::Exit(0));
    let survivor = text(&completion.stdout).trim().parse().unwrap();
    let survivor = rustix::process::Pid::from_raw(survivor).unwrap();
    rustix::process::kill_process(survivor, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_stopped_job_is_asked_to_end_first() {
    let (local, mut reports) = executor();
    let script = "trap 'echo bye; exit 3' TERM; echo ready > \"$0\"; while :; do sleep 0.01; done";
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    local.start(JOB, program(&["sh", "-c", script, ready.to_str().unwrap()]));
    started(&mut reports).await;
    block::visible(&[ready]).await;
    assert!(local.stop(JOB));
    let completion = next_end(&mut reports).await;
    assert_eq!(completion.outcome, Outcome::Exit(3));
    assert_eq!(text(&completion.stdout), "bye\n");
    assert!(!local.stop(JOB));
}

#[tokio::test]
async fn a_job_that_does_not_listen_is_killed_with_its_whole_group() {
    let (local, mut reports) = executor();
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready");
    let script = "trap '' TERM; sleep 600 & echo $! > \"$0\"; wait; wait";
    local.start(JOB, program(&["sh", "-c", script, ready.to_str().unwrap()]));
    let leader = started(&mut reports).await;
    block::visible(&[ready]).await;
    local.stop(JOB);
    let completion = next_end(&mut reports).await;
    assert_eq!(completion.outcome, Outcome::Signal(9));
    assert!(!completion.hung);
    let group = rustix::process::Pid::from_raw(i32::try_from(leader).unwrap()).unwrap();
    while rustix::process::test_kill_process_group(group).is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_job_waits_for_its_files() {
    let dir = tempfile::tempdir().unwrap();
    let late = dir.path().join("late");
    let (local, mut reports) = executor();
    let waiting = Program {
        block: vec![late.clone()],
        ..program(&["cat", late.to_str().unwrap()])
    };
    local.start(JOB, waiting);
    local.start(8, program(&["true"]));
    assert_eq!(next_end(&mut reports).await.id, 8);
    let new = dir.path().join("new");
    fs::write(&new, "here").unwrap();
    fs::rename(&new, &late).unwrap();
    assert_eq!(text(&next_end(&mut reports).await.stdout), "here");
}

#[tokio::test]
async fn a_file_that_never_appears_ends_the_job_as_timed_out() {
    let (local, mut reports) = executor();
    let waiting = Program {
        block: vec!["/no/such/file".into()],
        block_limit: Some(Duration::from_millis(30)),
        ..program(&["true"])
    };
    local.start(JOB, waiting);
    let completion = next_end(&mut reports).await;
    assert_eq!(completion.outcome, Outcome::Blocked);
    assert!(text(&completion.stderr).contains("/no/such/file"));
}

#[tokio::test]
async fn a_job_that_still_waits_can_be_stopped() {
    let (local, mut reports) = executor();
    let waiting = Program {
        block: vec!["/no/such/file".into()],
        ..program(&["true"])
    };
    local.start(JOB, waiting);
    local.stop_all();
    assert_eq!(next_end(&mut reports).await.outcome, Outcome::Stopped);
}

#[tokio::test]
async fn a_job_gets_its_priority() {
    let dir = tempfile::tempdir().unwrap();
    let go = dir.path().join("go");
    let (local, mut reports) = executor();
    let script = "while [ ! -e \"$0\" ]; do sleep 0.01; done; nice";
    let nice = Program {
        nice: 7,
        ..program(&["sh", "-c", script, go.to_str().unwrap()])
    };
    local.start(JOB, nice);
    started(&mut reports).await;
    fs::write(&go, "").unwrap();
    assert_eq!(text(&next_end(&mut reports).await.stdout), "7\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_jobs_at_once_each_keep_their_own_output() {
    const COUNT: u64 = 400;
    let (local, mut reports) = executor();
    for n in 0..COUNT {
        local.start(n, program(&["echo", &n.to_string()]));
    }
    let mut outputs = BTreeMap::new();
    for _ in 0..COUNT {
        let completion = next_end(&mut reports).await;
        outputs.insert(completion.id, text(&completion.stdout));
    }
    let expected = (0..COUNT).map(|n| (n, format!("{n}\n")));
    assert_eq!(outputs, expected.collect());
}
