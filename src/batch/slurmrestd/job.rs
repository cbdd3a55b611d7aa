//! The description of a job, in the words of each version.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::api::Wording;
use crate::{
    batch::{Submission, after_ok},
    config::site::Property,
};

/// A login shell of the batch script makes the rest of it.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The body of a submission; `properties` are the site's own and win over ours.
pub(super) fn body(
    wording: Wording,
    script: &str,
    job: &Submission<'_>,
    properties: &BTreeMap<String, Property>,
) -> Value {
    let request = job.request;
    let minutes = request.walltime.0.div_ceil(60).max(1);
    let directory = job.script.parent().unwrap_or(job.script);
    let mut description = json!({
        "name": request.name,
        "nodes": format!("{0}-{0}", request.nodes),
        "current_working_directory": directory.to_string_lossy(),
        "standard_output": request.output.to_string_lossy(),
        // Its token is taken: a second start of it could only end at once, as if all were well.
        "requeue": false,
    });
    let own = match wording {
        Wording::Options => json!({
            "time_limit": minutes,
            "open_mode": "append",
            "exclusive": "exclusive",
            "environment": {"PATH": PATH},
            // Described as a boolean, read as this word.
            "no_kill": "set",
        }),
        Wording::Fields => json!({
            "time_limit": {"set": true, "infinite": false, "number": minutes},
            "open_mode": ["APPEND"],
            "shared": ["none"],
            "environment": [format!("PATH={PATH}")],
            "kill_on_node_fail": false,
        }),
    };
    let words = [
        ("account", &request.account),
        ("qos", &request.qos),
        ("partition", &request.partition),
        ("reservation", &request.reservation),
        ("constraints", &request.constraint),
    ];
    let set = words
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), Value::from(value.clone()?))));
    let array = request.array.map(|array| array.to_string());
    let set = set.chain(array.map(|tasks| ("array".to_owned(), tasks.into())));
    if let (Value::Object(fields), Value::Object(own)) = (&mut description, own) {
        fields.extend(own);
        fields.extend(after(wording, job));
        fields.extend(set);
        fields.extend(
            properties
                .iter()
                .map(|(key, value)| (key.clone(), plain(value))),
        );
    }
    // Later versions look for it in the job.
    if let (Wording::Fields, Value::Object(fields)) = (wording, &mut description) {
        fields.insert("script".to_owned(), script.into());
    }
    json!({"script": script, "job": description})
}

/// After which jobs it begins, and that it is cancelled if it never can.
fn after(wording: Wording, job: &Submission<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Some(after) = after_ok(job.after) {
        fields.insert("dependency".to_owned(), after.into());
        match wording {
            Wording::Options => fields.insert("kill_on_invalid_dependency".to_owned(), true.into()),
            Wording::Fields => {
                fields.insert("flags".to_owned(), json!(["KILL_INVALID_DEPENDENCY"]))
            },
        };
    }
    fields
}

fn plain(property: &Property) -> Value {
    match property {
        Property::Flag(flag) => (*flag).into(),
        Property::Number(number) => (*number).into(),
        Property::Word(word) => word.as_str().into(),
        Property::Words(words) => words.as_slice().into(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::batch::{JobArray, JobRequest, request::tests::request};

    fn described(wording: Wording, request: &JobRequest) -> Value {
        let job = Submission {
            script: Path::new("/scratch3/survey/runs/12/job.sh"),
            copy: Path::new("runs/12/job.sh"),
            request,
            anew: false,
            after: &[],
        };
        let gpu = BTreeMap::from([(
            "tres_per_node".to_owned(),
            Property::Word("gres/gpu:1".into()),
        )]);
        body(wording, "#!/bin/sh\n", &job, &gpu)
    }

    #[test]
    fn up_to_v0_0_38_a_job_is_described_by_options() {
        insta::assert_snapshot!(
            described(Wording::Options, &request()),
            @r##"{"job":{"account":"ps1","current_working_directory":"/scratch3/survey/runs/12","environment":{"PATH":"/usr/local/bin:/usr/bin:/bin"},"exclusive":"exclusive","name":"or-12-1-9f3c01ab","no_kill":"set","nodes":"4-4","open_mode":"append","qos":"standard","requeue":false,"reservation":"maint_2","standard_output":"/scratch3/survey/runs/12/job.out","time_limit":480,"tres_per_node":"gres/gpu:1"},"script":"#!/bin/sh\n"}"##
        );
    }

    #[test]
    fn from_v0_0_39_on_numbers_are_objects_and_words_are_lists() {
        let body = described(Wording::Fields, &request());
        let job = &body["job"];
        assert_eq!(job["time_limit"]["number"], 480);
        assert_eq!(job["shared"], json!(["none"]));
        assert_eq!(job["environment"][0], "PATH=/usr/local/bin:/usr/bin:/bin");
    }

    #[test]
    fn an_array_is_described_as_sbatch_writes_it() {
        let mut asked = request();
        asked.array = Some(JobArray {
            tasks: 8,
            max_running: Some(3),
        });
        for wording in [Wording::Options, Wording::Fields] {
            assert_eq!(described(wording, &asked)["job"]["array"], "0-7%3");
        }
    }

    #[test]
    fn a_walltime_is_rounded_up_to_minutes() {
        let mut asked = request();
        asked.walltime = crate::config::units::Seconds(61);
        assert_eq!(described(Wording::Options, &asked)["job"]["time_limit"], 2);
    }
}
