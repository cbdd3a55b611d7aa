//! Hosts and jobs for other programs (`status -json`), and what is left of them at the end.

use std::{collections::BTreeMap, time::Instant};

use serde_json::{Value, json};

use super::{
    cluster::Cluster,
    commands,
    finished::{AnyJob, FinishedJobs},
    job::Job,
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

/// Most numbers of jobs that are told one by one.
const MOST_NAMED: usize = 20;

/// What the controller leaves behind when it ends: the jobs that live on without it on hosts which
/// have not said that they have ended them. `identity` is the controller's own.
pub(super) fn left_behind<'a>(
    jobs: impl Iterator<Item = (u64, &'a Job)>,
    identity: &str,
) -> String {
    let mut hosts: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (id, job) in jobs {
        if let Some(place) = job.place.as_ref().filter(|place| place.fence.is_none()) {
            hosts.entry(&place.host).or_default().push(id);
        }
    }
    let mut text = String::new();
    for (host, jobs) in &hosts {
        let named = jobs.iter().take(MOST_NAMED).map(u64::to_string);
        let mut named = named.collect::<Vec<_>>().join(", ");
        if jobs.len() > MOST_NAMED {
            named = format!("{named} and {} more", jobs.len() - MOST_NAMED);
        }
        let line =
            format!("host {host} keeps its jobs and did not answer: {named} may go on there\n");
        text.push_str(&line);
    }
    if !hosts.is_empty() {
        // The brackets keep the command from finding the shell that runs it.
        let (first, rest) = identity.split_at_checked(1).unwrap_or((identity, ""));
        let advice = format!(
            "Nobody will ask for the ends of these jobs. To end them with their agent, run on each \
             of these hosts: pkill -f -- '--keep.*[{first}]{rest}'\n"
        );
        text.push_str(&advice);
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcontrol::{Claim, Place, Request};

    fn placed(host: &str, kept: bool) -> Job {
        let request = Request {
            argv: vec!["true".to_owned()],
            nice: 0,
            block: Vec::new(),
            claim: Claim {
                wish: Wish::Any,
                touches: Vec::new(),
                priority: 0,
            },
        };
        let now = Instant::now();
        let mut job = Job::new(request, now);
        job.place = Some(Place {
            host: host.to_owned(),
            run: 1,
            since: now,
            started: true,
            killed: false,
            fence: (!kept).then_some(std::time::Duration::from_mins(1)),
        });
        job
    }

    #[test]
    fn only_jobs_that_may_go_on_are_left_behind() {
        let mut waits = placed("po01", true);
        waits.place = None;
        let ends = placed("po02", false);
        let none = [(1, &waits), (2, &ends)];
        assert_eq!(left_behind(none.into_iter(), "abc"), "");
        let (one, two) = (placed("po03", true), placed("po02", true));
        let some = [(1, &waits), (2, &ends), (3, &one), (4, &two), (5, &one)];
        assert_eq!(
            left_behind(some.into_iter(), "abc"),
            "host po02 keeps its jobs and did not answer: 4 may go on there\n\
             host po03 keeps its jobs and did not answer: 3, 5 may go on there\n\
             Nobody will ask for the ends of these jobs. To end them with their agent, run on each \
             of these hosts: pkill -f -- '--keep.*[a]bc'\n"
        );
        let many = (0..22).map(|id| (id, &one));
        assert!(left_behind(many, "abc").contains(", 18, 19 and 2 more may go on there"));
    }
}
