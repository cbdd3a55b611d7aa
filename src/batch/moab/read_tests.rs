use proptest::prelude::*;
use rstest::rstest;

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/batch/moab/",
            $name
        ))
    };
}

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
    let states = statuses(&output(text), &ids(&[id])).unwrap();
    states.into_values().next().unwrap()
}

fn running(node_count: Option<u32>, started: Option<i64>) -> JobStatus {
    JobStatus::Running {
        node_count,
        started: started.map(|second| Timestamp::from_second(second).unwrap()),
    }
}

#[rstest]
#[case("5096381", running(Some(4), Some(1_553_362_801)))]
#[case("5096400", running(None, Some(1_553_362_801)))]
#[case("Moab.17", running(None, Some(1_553_362_801)))]
#[case("4761849", JobStatus::Queued { reason: "Idle".into() })]
#[case("881200", JobStatus::Held { reason: "PartitionNodeLimit".into() })]
#[case("5087810", JobStatus::Ended(Ending::Completed))]
#[case("5087811", JobStatus::Ended(Ending::Failed { code: 9, signal: 0 }))]
#[case("5087812", JobStatus::Ended(Ending::Failed { code: 0, signal: 11 }))]
#[case("7624202", JobStatus::Ended(Ending::Cancelled))]
#[case("7624203", JobStatus::Ended(Ending::Timeout))]
#[case("7624204", JobStatus::Ended(Ending::NodeFailure))]
#[case("50963", JobStatus::Unknown)]
fn a_job_is_what_showq_says(#[case] id: &str, #[case] state: JobStatus) {
    assert_eq!(state_of(fixture!("showq.txt"), id), state);
}

#[rstest]
#[case(fixture!("checkjob.txt"), "546324", JobStatus::Ended(Ending::Completed))]
#[case(fixture!("checkjob.txt"), "4761849", running(Some(4), None))]
#[case(fixture!("checkjob.txt"), "99", JobStatus::Unknown)]
#[case(fixture!("checkjob-removed.txt"), "31", JobStatus::Ended(Ending::Timeout))]
#[case(fixture!("checkjob-removed.txt"), "32", JobStatus::Held { reason: "Hold".into() })]
#[case(fixture!("checkjob-removed.txt"), "33", JobStatus::Ended(Ending::Cancelled))]
fn a_job_that_showq_lacks_is_what_checkjob_says(
    #[case] text: &str,
    #[case] id: &str,
    #[case] state: JobStatus,
) {
    assert_eq!(state_of(text, id), state);
}

#[test]
fn a_job_is_found_by_its_whole_name() {
    let answer = output(fixture!("showq.txt"));
    assert_eq!(
        found(&answer, "or-12-1-9f3c01ab"),
        Ok(ids(&["5096381", "7624202"]))
    );
    assert_eq!(found(&answer, "a <b> & c"), Ok(ids(&["5096400"])));
    assert_eq!(found(&answer, "or-12-1"), Ok(vec![]));
}

#[rstest]
#[case(fixture!("timed-out.txt"))]
#[case(fixture!("cut-off.txt"))]
#[case("@outrigger run showq\n@outrigger exit 0\n@outrigger end\n")]
#[case("")]
fn silence_says_nothing_about_a_job(#[case] text: &str) {
    assert!(found(&output(text), "or-12-1-9f3c01ab").is_err());
    assert!(statuses(&output(text), &ids(&["1"])).is_err());
}

#[rstest]
#[case("\n4761849\n", "4761849")]
#[case("\nMoab.17\n", "Moab.17")]
#[case("\n881196.admin2\n", "881196.admin2")]
#[case("<Data><job JobID=\"881218\"/></Data>", "881218")]
#[case("Welcome\nto mu-fe1\n\n4761849\n", "4761849")]
fn msub_prints_the_id(#[case] text: &str, #[case] id: &str) {
    assert_eq!(submitted(&output(text)).unwrap().as_str(), id);
}

#[rstest]
#[case(
    1,
    "",
    "ERROR:  client timed out after 30 seconds (hostname:port=mg1:42559)\n",
    true
)]
#[case(1, "", "ERROR:  lost connection to server\n", true)]
#[case(0, "", "", true)]
#[case(0, "Welcome\n", "", true)]
#[case(255, "", "", true)]
#[case(1, "", "ERROR:  cannot submit job - class 'x' does not exist\n", false)]
#[case(127, "", "sh: msub: not found\n", false)]
fn only_a_clear_no_is_a_refusal(
    #[case] code: i32,
    #[case] stdout: &str,
    #[case] stderr: &str,
    #[case] doubt: bool,
) {
    let answer = Output {
        code,
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let got = submitted(&answer).unwrap_err();
    assert_eq!(matches!(got, SubmitError::Doubt { .. }), doubt, "{got}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(stdout: Vec<u8>, stderr: Vec<u8>, code: i32) {
        let answer = Output { code, stdout, stderr };
        let _read = (submitted(&answer), found(&answer, "x"), statuses(&answer, &ids(&["1"])));
    }

    #[test]
    fn no_xml_makes_the_reader_panic(body in "[<>/&;=\"' a-zA-Z0-9?!\\[\\]-]{0,80}") {
        let _jobs = xml::jobs(&format!("<Data>{body}"));
        let _job = xml::jobs(&format!("<Data><job JobID=\"1\" {body}/></Data>"));
    }
}
