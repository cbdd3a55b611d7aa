//! Hosts and jobs for other programs (`status -json`).

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    commands,
    finished::{AnyJob, FinishedJobs},
    pool::Wish,
};

/// The version of this form: a field that goes or changes its meaning raises it.
const SCHEMA: u32 = 1;

/// One line of JSON.
pub(super) fn json(cluster: &Cluster, finished: &FinishedJobs, now: Instant) -> String {
    let hosts: Vec<Value> = cluster
        .slots()
        .map(|(slot, state)| {
            json!({
                "id": slot.id.0,
                "host": slot.host,
                "state": state.word(),
                "why": cluster.reason(&slot.host, now),
                "about": cluster.about(&slot.host),
                "threads": slot.threads,
                "job": slot.job(),
            })
        })
        .collect();
    let jobs = commands::all(cluster, finished).into_iter();
    let jobs: Vec<Value> = jobs.map(|(id, any)| job(id, any, now)).collect();
    let text = json!({"schema": SCHEMA, "hosts": hosts, "jobs": jobs});
    format!("{text}\n")
}

fn job(id: u64, any: AnyJob<'_>, now: Instant) -> Value {
    let request = any.request();
    let (kind, wish) = match &request.claim.wish {
        Wish::Any => ("any", None),
        Wish::Desired(host) => ("desired", Some(host)),
        Wish::Required(host) => ("required", Some(host)),
    };
    let mut value = json!({
        "id": id,
        "state": any.word(),
        "host": any.host(),
        "wish": kind,
        "wished": wish,
        "seconds": any.age(now).as_secs_f64(),
        "nice": request.nice,
        "priority": request.claim.priority,
        "argv": request.argv,
    });
    if let (AnyJob::Over(over), Some(fields)) = (any, value.as_object_mut()) {
        let completion = &over.completion;
        let usage = completion.usage.as_ref();
        fields.insert("status".into(), over.status().into());
        fields.insert("stdout".into(), completion.stdout.len().into());
        fields.insert("stderr".into(), completion.stderr.len().into());
        let cpu = usage.map(|usage| usage.cpu.as_secs_f64());
        fields.insert("cpu_seconds".into(), cpu.into());
        let peak = usage.map(|usage| usage.peak_memory);
        fields.insert("peak_memory_bytes".into(), peak.into());
    }
    value
}
