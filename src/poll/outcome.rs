//! The verdict on each job: pure, from what prepare planned, what the journal says, and what came
//! home (design decision 6).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report;
use crate::state::{
    import::{Effort, JobOutcome},
    job::JobEvent,
    run_dir::{
        decision::Report,
        jobs::JobLine,
        journal::{EndRecord, JobRecord, Journal},
        manifest::ManifestLine,
    },
};

/// By manifest id: whether a product came home, or why not.
pub type Brought = BTreeMap<u64, Result<(), String>>;

/// Judges every job of a run. A job has passed if it exited with 0, every required output was
/// there, what should come home did, and its record can be read.
pub fn judge(
    jobs: &[JobLine],
    files: &[ManifestLine],
    journal: &Journal,
    brought: &Brought,
    report: Report,
) -> Vec<JobOutcome> {
    let mut outputs: BTreeMap<u64, Vec<&ManifestLine>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.kind.is_output()) {
        outputs.entry(file.job).or_default().push(file);
    }
    let none = Vec::new();
    jobs.iter()
        .map(|job| {
            let outputs = outputs.get(&job.seq).unwrap_or(&none);
            match journal.jobs.get(&job.seq) {
                Some(record) => verdict(job, outputs, record, brought, report),
                None => lost(
                    job.seq,
                    None,
                    "it never started: its batch job ended before its turn",
                ),
            }
        })
        .collect()
}

fn verdict(
    job: &JobLine,
    outputs: &[&ManifestLine],
    record: &JobRecord,
    brought: &Brought,
    report: Report,
) -> JobOutcome {
    let Some(end) = &record.end else {
        let mut outcome = lost(
            job.seq,
            record.start.as_ref(),
            "it started and left no end: killed at walltime, or its node went down",
        );
        outcome.started_at = record.start.as_ref().and_then(|(at, _)| second(*at));
        return outcome;
    };
    let judged = failure(outputs, record, end, brought)
        .map_or_else(|| report::record(report, &job.values, record), Err);
    // What left an end of 0 and failed all the same failed by its products or its record.
    let failed_at_home = judged.is_err() && end.exit_code == 0;
    let (event, reason, fields) = match judged {
        Ok(fields) => (JobEvent::Pass, String::new(), fields),
        Err(why) => (JobEvent::Fail, why, None),
    };
    JobOutcome {
        seq: job.seq,
        event,
        exit_code: Some(end.exit_code),
        started_at: second(end.start),
        ended_at: second(end.end),
        node: Some(end.node.clone()),
        memory: end.peak_kib.map(|kib| kib.saturating_mul(1024)),
        effort: (!end.skipped).then_some(Effort {
            threads: job.threads,
            cpu: end.cpu,
        }),
        reason,
        by_hand: false,
        failures: record.failures + u32::from(failed_at_home),
        record: fields,
    }
}

/// Why a job that ended has failed, if it has.
fn failure(
    outputs: &[&ManifestLine],
    record: &JobRecord,
    end: &EndRecord,
    brought: &Brought,
) -> Option<String> {
    if end.exit_code != 0 {
        let mut lines = record.message.trim().lines();
        if let Some(ours) = lines
            .clone()
            .find_map(|line| line.strip_prefix("outrigger: "))
        {
            return Some(ours.to_owned());
        }
        let said = lines.next_back().unwrap_or_default();
        let how = match end.exit_code {
            code @ 129.. => format!("was killed by signal {}", code - 128),
            code => format!("exited with {code}"),
        };
        return Some(if said.is_empty() {
            how
        } else {
            format!("{how}: {said}")
        });
    }
    if end.skipped {
        return None;
    }
    outputs.iter().find_map(|file| {
        let there = record.outputs.iter().any(|output| output.id == file.id);
        match brought.get(&file.id) {
            Some(Err(why)) => Some(format!(
                "{} did not come home: {why}",
                file.remote.display()
            )),
            _ if !there && file.kind.is_required() => {
                Some(format!("output {} is missing", file.remote.display()))
            },
            _ => None,
        }
    })
}

fn lost(seq: u64, start: Option<&(i64, String)>, why: &str) -> JobOutcome {
    JobOutcome {
        seq,
        event: JobEvent::Lose,
        exit_code: None,
        started_at: None,
        ended_at: None,
        node: start.map(|(_, node)| node.clone()),
        memory: None,
        effort: None,
        reason: why.to_owned(),
        by_hand: false,
        failures: 0,
        record: None,
    }
}

fn second(at: i64) -> Option<Timestamp> {
    Timestamp::from_second(at).ok()
}
