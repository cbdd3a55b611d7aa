//! Jobs whose inputs are not on the site are refused there and then, so that the others go on:
//! `refused.tsv` goes along with the run, and the wrapper of a rank records its reason.

use std::collections::BTreeMap;

use crate::state::run_dir::{jobs::JobLine, tsv::Field};

/// Jobs that read one of the `missing` files (by manifest id), with the reason of the first.
pub(super) fn refused(jobs: &[JobLine], missing: &BTreeMap<u64, String>) -> BTreeMap<u64, String> {
    if missing.is_empty() {
        return BTreeMap::new();
    }
    let why = |job: &JobLine| job.inputs.iter().find_map(|id| missing.get(id)).cloned();
    jobs.iter()
        .filter_map(|job| Some((job.seq, why(job)?)))
        .collect()
}

/// The list as the wrapper reads it: `seq`, tab, reason.
pub(super) fn list(refused: &BTreeMap<u64, String>) -> String {
    let mut list = String::new();
    for (seq, why) in refused {
        list.extend([
            &seq.to_string(),
            "\t",
            &Field(why.as_bytes()).to_string(),
            "\n",
        ]);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(seq: u64, inputs: &[u64]) -> JobLine {
        JobLine {
            seq,
            component_id: 1,
            stage_id: 1,
            key: seq.to_string(),
            threads: 1,
            seconds: 1,
            memory: None,
            offset: 0,
            length: 0,
            inputs: inputs.to_vec(),
            values: "{}".into(),
            failures: 0,
        }
    }

    #[test]
    fn only_jobs_that_read_a_missing_file_are_refused() {
        let jobs = [job(0, &[0, 1]), job(1, &[1, 2]), job(2, &[3])];
        let missing = BTreeMap::from([(2, "flat.fits: gone".to_owned())]);
        let refused = refused(&jobs, &missing);
        assert_eq!(list(&refused), "1\tflat.fits: gone\n");
    }
}
