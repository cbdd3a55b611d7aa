use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::batch::Ending;

fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status,
        body: body.into(),
    }
}

fn states(body: &str, ids: &[&str]) -> Vec<JobStatus> {
    let ids: Vec<JobId> = ids.iter().map(|id| id.parse().unwrap()).collect();
    let jobs = reply(200, body).envelope().unwrap().jobs;
    let found = statuses(&jobs, &ids);
    ids.iter().map(|id| found[id].clone()).collect()
}

/// As 22.05 writes it.
const OPTIONS: &str = r#"{"errors": [], "jobs": [
    {"job_id": 1, "array_job_id": 0, "array_task_id": null, "array_task_string": "", "name": "or-1-1-00000000",
     "job_state": "FAILED", "state_reason": "NonZeroExitCode", "node_count": 1, "start_time": 1795864105, "exit_code": 768},
    {"job_id": 2, "array_job_id": 0, "array_task_id": null, "name": "or-1-1-00000000",
     "job_state": "RUNNING", "state_reason": "None", "node_count": 4, "start_time": 1795864105, "exit_code": 0},
    {"job_id": 3, "array_job_id": 3, "array_task_id": null, "array_task_string": "2-3%2", "name": "or-1-2-00000000",
     "job_state": "PENDING", "state_reason": "Priority", "node_count": 1, "start_time": 0, "exit_code": 0},
    {"job_id": 4, "array_job_id": 3, "array_task_id": 0, "array_task_string": "", "name": "or-1-2-00000000",
     "job_state": "COMPLETED", "state_reason": "None", "node_count": 1, "start_time": 1795864105, "exit_code": 0}]}"#;

/// As later ones write it.
const FIELDS: &str = r#"{"errors": [], "warnings": [], "jobs": [
    {"job_id": 1, "array_job_id": {"set": true, "infinite": false, "number": 0},
     "array_task_id": {"set": false, "infinite": false, "number": 0}, "name": "or-1-1-00000000",
     "job_state": ["FAILED"], "state_reason": "NonZeroExitCode", "node_count": {"set": true, "number": 1},
     "start_time": {"set": true, "number": 1795864105},
     "exit_code": {"status": ["ERROR"], "return_code": {"set": true, "number": 3},
        "signal": {"id": {"set": false, "number": 0}, "name": ""}}},
    {"job_id": 2, "array_job_id": {"set": true, "number": 0}, "array_task_id": {"set": false, "number": 0},
     "name": "or-1-1-00000000", "job_state": ["RUNNING", "POWER_UP_NODE"], "state_reason": "None",
     "node_count": {"set": true, "number": 4}, "start_time": {"set": true, "number": 1795864105}},
    {"job_id": 3, "array_job_id": {"set": true, "number": 3}, "array_task_id": {"set": false, "number": 0},
     "array_task_string": "2-3%2", "name": "or-1-2-00000000", "job_state": ["PENDING"], "state_reason": "Priority"},
    {"job_id": 4, "array_job_id": {"set": true, "number": 3}, "array_task_id": {"set": true, "number": 0},
     "name": "or-1-2-00000000", "job_state": ["COMPLETED"], "state_reason": "None"}]}"#;

#[rstest]
#[case::options(OPTIONS)]
#[case::fields(FIELDS)]
fn a_job_is_what_the_daemon_says(#[case] body: &str) {
    let queued = JobStatus::Queued {
        reason: "Priority".into(),
    };
    let found = states(body, &["1", "2", "3", "3_0", "3_2", "9"]);
    let failed = Ending::Failed { code: 3, signal: 0 };
    assert_eq!(found[0], JobStatus::Ended(failed));
    assert!(matches!(
        found[1],
        JobStatus::Running {
            node_count: Some(4),
            started: Some(_)
        }
    ));
    assert_eq!(found[2], queued);
    assert_eq!(found[3], JobStatus::Ended(Ending::Completed));
    assert_eq!(found[4], queued);
    assert_eq!(found[5], JobStatus::Unknown);
}

#[rstest]
#[case::options(OPTIONS)]
#[case::fields(FIELDS)]
fn a_job_is_found_by_its_whole_name_and_an_array_once(#[case] body: &str) {
    let jobs = reply(200, body).envelope().unwrap().jobs;
    let ids = |name| {
        let found = named(&jobs, name);
        found.iter().map(JobId::to_string).collect::<Vec<_>>()
    };
    assert_eq!(ids("or-1-1-00000000"), ["1", "2"]);
    assert_eq!(ids("or-1-2-00000000"), ["3"]);
    assert!(ids("or-1-1").is_empty());
}

#[rstest]
#[case(reply(401, "Authentication failure"), "Token")]
#[case(reply(500, "Internal"), "Status")]
#[case(reply(502, "<html>Bad gateway</html>"), "Status")]
#[case(reply(200, "<html>Welcome</html>"), "NotJson")]
#[case(reply(200, ""), "NotJson")]
#[case(reply(500, r#"{"errors": []}"#), "Status")]
#[case(
    reply(
        500,
        r#"{"errors": [{"error_code": 2000, "error": "Invalid partition name specified"}]}"#
    ),
    "Said"
)]
fn each_kind_of_no_is_told_apart(#[case] reply: Reply, #[case] kind: &str) {
    let error = reply.envelope().unwrap_err();
    assert!(format!("{error:?}").starts_with(kind), "{error:?}");
}

#[rstest]
#[case(
    r#"{"errors": [{"error_code": 2000, "error": "Invalid partition name specified"}]}"#,
    "Refused"
)]
#[case(
    r#"{"errors": [{"error_number": -1, "error": "Unspecified error"}]}"#,
    "Doubt"
)]
#[case(
    r#"{"errors": [{"error_number": 1800, "error": "Unable to contact slurm controller"}]}"#,
    "Doubt"
)]
#[case(
    r#"{"errors": [{"error_number": 5004, "error": "Socket timed out on send/recv operation"}]}"#,
    "Doubt"
)]
#[case("gateway timed out", "Doubt")]
fn only_a_clear_no_refuses_a_submission(#[case] body: &str, #[case] kind: &str) {
    let error = reply(500, body).envelope().unwrap_err().at_submission();
    assert!(format!("{error:?}").starts_with(kind), "{error:?}");
}

#[test]
fn an_answer_without_an_id_leaves_a_doubt() {
    let of = |body| reply(200, body).envelope().unwrap().submitted();
    assert_eq!(of(r#"{"errors": [], "job_id": 7}"#).unwrap().as_str(), "7");
    for body in ["{}", r#"{"job_id": 0}"#, r#"{"job_id": "x"}"#] {
        assert!(matches!(of(body), Err(SubmitError::Doubt { .. })), "{body}");
    }
}

#[rstest]
#[case(r#"{"meta": {"Slurm": {"version": {"major": 22, "micro": 8, "minor": 5}}}}"#, (22, 5, 8))]
#[case(r#"{"meta": {"slurm": {"version": {"major": "24", "micro": "3", "minor": "11"}}}}"#, (24, 11, 3))]
fn the_version_is_in_every_answer(#[case] body: &str, #[case] number: (u32, u32, u32)) {
    let version = reply(200, body).envelope().unwrap().version("v0.0.38");
    assert_eq!(version.unwrap().number, number);
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(status in 100_u16..600, body: Vec<u8>) {
        let reply = Reply { status, body };
        let _read = (reply.envelope().is_ok(), reply.openapi().is_ok());
    }

    #[test]
    fn a_job_of_any_shape_is_read(state in "[A-Z]{0,9}", number: i64, exit: i64) {
        let body = serde_json::json!({"jobs": [
            {"job_id": number, "array_job_id": {"number": exit}, "job_state": [state], "exit_code": exit},
        ]});
        let jobs = reply(200, &body.to_string()).envelope().unwrap().jobs;
        let _read = (named(&jobs, ""), statuses(&jobs, &["1".parse().unwrap()]));
    }
}
