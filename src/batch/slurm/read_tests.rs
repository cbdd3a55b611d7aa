use proptest::prelude::*;
use rstest::rstest;

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/batch/slurm/",
            $name
        ))
    };
}

const NAME: &str = "or-12-1-9f3c01ab";

fn output(stdout: &str) -> Output {
    Output {
        code: 0,
        stdout: stdout.into(),
        stderr: Vec::new(),
    }
}

fn ids(names: &[&str]) -> Vec<JobId> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn state_of(text: &str, id: &str) -> JobStatus {
    let ids = ids(&[id]);
    let states = statuses(&output(text), &ids).unwrap();
    states.into_values().next().unwrap()
}

fn queued(reason: &str) -> JobStatus {
    JobStatus::Queued {
        reason: reason.into(),
    }
}

fn running(nodes: u32, started: i64) -> JobStatus {
    JobStatus::Running {
        node_count: Some(nodes),
        started: Some(Timestamp::from_second(started).unwrap()),
    }
}

#[rstest]
#[case("101", queued("Resources"))]
#[case("102", JobStatus::Held { reason: "JobHeldUser".into() })]
#[case("103", running(4, 1_700_000_000))]
#[case("104", running(1, 1_700_000_100))]
#[case("105", queued("PartitionNodeLimit"))]
#[case("106", JobStatus::Unknown)]
#[case("123", running(1, 1_700_000_200))]
#[case("123_2", running(1, 1_700_000_200))]
#[case("123_4", queued("Priority"))]
#[case("123_1", JobStatus::Unknown)]
#[case("99", JobStatus::Unknown)]
#[case("10", JobStatus::Unknown)]
fn a_live_job_is_what_squeue_says(#[case] id: &str, #[case] state: JobStatus) {
    assert_eq!(state_of(fixture!("squeue-live.txt"), id), state);
}

#[rstest]
#[case("201", Ending::Completed)]
#[case("202", Ending::Failed { code: 9, signal: 0 })]
#[case("203", Ending::Failed { code: 0, signal: 11 })]
#[case("204", Ending::Timeout)]
#[case("205", Ending::Cancelled)]
#[case("206", Ending::Cancelled)]
#[case("207", Ending::NodeFailure)]
#[case("208", Ending::OutOfMemory)]
#[case("209", Ending::Other("PREEMPTED".into()))]
#[case("123_4", Ending::Failed { code: 2, signal: 0 })]
#[case("123", Ending::Failed { code: 2, signal: 0 })]
fn a_past_job_is_what_accounting_says(#[case] id: &str, #[case] ending: Ending) {
    let state = state_of(fixture!("sacct-ended.txt"), id);
    assert_eq!(state, JobStatus::Ended(ending));
}

#[rstest]
#[case("404543", JobStatus::Ended(Ending::Failed { code: 1, signal: 0 }))]
#[case("38295_3", JobStatus::Ended(Ending::Failed { code: 127, signal: 0 }))]
#[case("38295_4", JobStatus::Ended(Ending::Completed))]
#[case("777", JobStatus::Unknown)]
fn without_accounting_the_controller_is_asked(#[case] id: &str, #[case] state: JobStatus) {
    assert_eq!(state_of(fixture!("no-accounting.txt"), id), state);
}

#[rstest]
#[case(fixture!("controller-down.txt"))]
#[case(fixture!("accounting-down.txt"))]
#[case("")]
#[case("ssh: connect to host mu-fe port 22: Connection refused")]
fn silence_says_nothing_about_a_job(#[case] text: &str) {
    let answer = output(text);
    let asked = statuses(&answer, &ids(&["101"]));
    assert!(
        matches!(asked, Err(QueryError::Unreachable { .. })),
        "{asked:?}"
    );
    let found = found(&answer, NAME);
    assert!(
        matches!(found, Err(QueryError::Unreachable { .. })),
        "{found:?}"
    );
}

#[rstest]
#[case("[3-4]", &["7", "7_0", "7_3", "7_4"])]
#[case("[3,5%2]", &["7", "7_0", "7_3", "7_5"])]
#[case::cut_off_by_slurm("[3,5,...]", &["7"])]
#[case::more_than_there_are("[0-4294967295]", &["7"])]
#[case::upside_down("[5-3]", &["7", "7_0"])]
fn tasks_that_wait_together_are_told_one_by_one_or_none_is(
    #[case] waiting: &str,
    #[case] told: &[&str],
) {
    let text = format!(
        "@outrigger run squeue\n7_0|RUNNING|1|1700000000|None\n7_{waiting}|PENDING|1|N/A|Priority\n@outrigger exit 0\n@outrigger end\n"
    );
    let states = statuses(&output(&text), &ids(&["7"])).unwrap();
    let names: Vec<&str> = states.keys().map(JobId::as_str).collect();
    assert_eq!(names, told);
    assert_eq!(states.values().next(), Some(&running(1, 1_700_000_000)));
}

#[test]
fn half_an_answer_is_none() {
    let text = fixture!("squeue-live.txt");
    let half = text.split_at(text.len() / 2).0;
    let asked = statuses(&output(half), &ids(&["101"]));
    assert!(matches!(asked, Err(QueryError::Unreadable { .. })));
}

#[test]
fn a_job_is_found_by_its_whole_name_once() {
    let found = found(&output(fixture!("find-hit.txt")), NAME).unwrap();
    assert_eq!(found, ids(&["299", "301", "303"]));
}

#[test]
fn no_hit_without_accounting_means_none_there() {
    assert_eq!(found(&output(fixture!("find-none.txt")), NAME), Ok(vec![]));
}

#[rstest]
#[case("123\n", "123")]
#[case("123;mustang\n", "123")]
#[case("Submitted batch job 123\n", "123")]
#[case("Submitted batch job 123 on cluster mustang\n", "123")]
#[case("Welcome to mu-fe1\n9 users logged in\n123\n", "123")]
fn sbatch_prints_the_id(#[case] text: &str, #[case] id: &str) {
    assert_eq!(submitted(&output(text)).unwrap().as_str(), id);
}

#[rstest]
#[case(1, "", fixture!("sbatch-timed-out.txt"))]
#[case(1, "123\n", fixture!("sbatch-timed-out.txt"))]
#[case(1, "", fixture!("sbatch-controller-down.txt"))]
#[case(0, "", "")]
#[case(0, "Welcome to mu-fe1\n", "")]
#[case(1, "", "")]
#[case(137, "", "")]
#[case(255, "", "Connection to mu-fe closed by remote host.\n")]
#[case(1, "", "sbatch: error: something nobody has seen before\n")]
fn without_a_clear_answer_a_submission_is_in_doubt(
    #[case] code: i32,
    #[case] stdout: &str,
    #[case] stderr: &str,
) {
    let answer = Output {
        code,
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let got = submitted(&answer);
    assert!(matches!(got, Err(SubmitError::Doubt { .. })), "{got:?}");
}

#[rstest]
#[case(1, fixture!("sbatch-limit.txt"))]
#[case(
    1,
    "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified\n"
)]
#[case(1, "sbatch: error: Unable to open file job.sh\n")]
#[case(127, "sh: sbatch: command not found\n")]
fn a_clear_no_is_a_refusal(#[case] code: i32, #[case] stderr: &str) {
    let answer = Output {
        code,
        stdout: Vec::new(),
        stderr: stderr.into(),
    };
    let got = submitted(&answer);
    assert!(matches!(got, Err(SubmitError::Refused { .. })), "{got:?}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(stdout: Vec<u8>, stderr: Vec<u8>, code: i32) {
        let answer = Output { code, stdout, stderr };
        let _read = (submitted(&answer), found(&answer, NAME), statuses(&answer, &ids(&["1"])));
    }

    #[test]
    fn no_row_makes_the_readers_panic(lines in "([0-9_\\[\\]|%,=A-Za-z -]{0,40}\n){0,6}") {
        for command in ["squeue", "sacct", "scontrol"] {
            let text = format!("@outrigger run {command}\n{lines}\n@outrigger exit 0\n@outrigger end\n");
            let states = statuses(&output(&text), &ids(&["1", "1_2"])).unwrap();
            prop_assert_eq!(states.len(), 2);
        }
    }
}
