//! The journal that the jobs of a run leave on the site: `journal.<node>.tsv`, written by the
//! wrapper of each rank or by the node's worker, each job's lines in one go.
//!
//! | line | fields after `seq` and `attempt` |
//! |---|---|
//! | `S` | start (seconds since 1970), node: the job began |
//! | `O` | manifest id, size, SHA-256: an output is there |
//! | `D` | a line of the job's record file, as it is |
//! | `M` | a line of the end of a failed job's log, as it is |
//! | `E` | exit code, start, end, node, peak KiB or `-`, `ran` or `skipped`, and CPU seconds if known: the job is over |
//!
//! Only a job with an `E` line is over; what a kill cut short counts as not written.

mod lines;
mod standing;

use std::{collections::BTreeMap, time::Duration};

pub use lines::JobLines;
pub use standing::{Standing, standings};

use super::tsv::{self, TsvError};

/// An output that a job left, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRecord {
    /// Its line of the manifest.
    pub id: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256 in hex.
    pub hash: String,
}

/// Exit code of an attempt that was ended from outside: walltime, cancellation or shutdown.
pub const STOPPED: i32 = 143;

/// Whether an attempt that exited so has failed by itself.
pub fn has_failed(exit_code: i32) -> bool {
    exit_code != 0 && exit_code != STOPPED
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndRecord {
    /// Exit code, 128 + N for signal N.
    pub exit_code: i32,
    /// When it began, in seconds since 1970.
    pub start: i64,
    /// When it ended, in seconds since 1970.
    pub end: i64,
    /// Node it ran on.
    pub node: String,
    /// Peak memory in KiB.
    pub peak_kib: Option<u64>,
    /// Whether its precheck made it run nothing.
    pub skipped: bool,
    /// User and system time that its processes used.
    pub cpu: Option<Duration>,
}

/// What the journal says of one job: of its latest attempt that ended, else of its latest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobRecord {
    /// Which attempt.
    pub attempt: u32,
    /// When and where it began.
    pub start: Option<(i64, String)>,
    /// How it ended; `None` if it did not.
    pub end: Option<EndRecord>,
    /// The outputs it left.
    pub outputs: Vec<OutputRecord>,
    /// The record file it wrote.
    pub record: String,
    /// The end of its log, if it failed.
    pub message: String,
    /// How many of all its attempts failed by themselves.
    pub failures: u32,
    /// Whether an attempt began after the latest that ended.
    pub is_run_again: bool,
}

/// All that a run's journal says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Journal {
    /// By number of the job.
    pub jobs: BTreeMap<u64, JobRecord>,
    /// Lines that are not understood.
    pub bad: Vec<TsvError>,
}

/// Reads one or several node journals put one after the other. Bytes that are not UTF-8 are
/// replaced; a last line without its newline is one that a kill cut short and is left out.
pub fn read(bytes: &[u8]) -> Journal {
    let whole = bytes
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default());
    let mut attempts: BTreeMap<(u64, u32), JobRecord> = BTreeMap::new();
    let mut bad = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Err(error) = take(index + 1, line, &mut attempts) {
            bad.push(error);
        }
    }
    let mut jobs: BTreeMap<u64, JobRecord> = BTreeMap::new();
    for ((seq, attempt), record) in attempts {
        let job = jobs.entry(seq).or_default();
        let failed = record
            .end
            .as_ref()
            .is_some_and(|end| has_failed(end.exit_code));
        let failures = job.failures + u32::from(failed);
        job.is_run_again = record.end.is_none() && job.end.is_some();
        if record.end.is_some() || job.end.is_none() {
            *job = JobRecord { attempt, ..record };
        }
        job.failures = failures;
    }
    Journal { jobs, bad }
}

fn take(
    number: usize,
    line: &str,
    attempts: &mut BTreeMap<(u64, u32), JobRecord>,
) -> Result<(), TsvError> {
    let short = || TsvError {
        line: number,
        what: "too few fields".into(),
        text: line.to_owned(),
    };
    let mut parts = line.splitn(4, '\t');
    let mut part = || parts.next().ok_or_else(short);
    let (kind, seq, attempt, rest) = (part()?, part()?, part()?, part()?);
    let key = (
        tsv::parse(number, "seq", seq)?,
        tsv::parse(number, "attempt", attempt)?,
    );
    let record = attempts.entry(key).or_default();
    match kind {
        "S" => {
            let [start, node] = tsv::fields(number, rest)?;
            record.start = Some((tsv::parse(number, "start", start)?, node.to_owned()));
        },
        "O" => {
            let [id, size, hash] = tsv::fields(number, rest)?;
            record.outputs.push(OutputRecord {
                id: tsv::parse(number, "id", id)?,
                size: tsv::parse(number, "size", size)?,
                hash: hash.to_owned(),
            });
        },
        "D" => add_line(&mut record.record, rest),
        "M" => add_line(&mut record.message, rest),
        "E" => {
            let (ended, cpu) = match rest.match_indices('\t').nth(5) {
                Some((at, _)) => {
                    let (ended, cpu) = rest.split_at(at);
                    (ended, seconds(number, cpu.trim_start())?)
                },
                None => (rest, None),
            };
            let [exit, start, end, node, peak, how] = tsv::fields(number, ended)?;
            record.end = Some(EndRecord {
                exit_code: tsv::parse(number, "exit code", exit)?,
                start: tsv::parse(number, "start", start)?,
                end: tsv::parse(number, "end", end)?,
                node: node.to_owned(),
                peak_kib: tsv::optional(number, "peak", peak)?,
                skipped: how == "skipped",
                cpu,
            });
        },
        _ => {
            let what = "unknown kind of line".into();
            return Err(TsvError {
                line: number,
                what,
                text: line.to_owned(),
            });
        },
    }
    Ok(())
}

/// Seconds with a fraction, or `-`.
fn seconds(number: usize, text: &str) -> Result<Option<Duration>, TsvError> {
    let seconds: Option<f64> = tsv::optional(number, "CPU seconds", text)?;
    seconds
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|_| TsvError {
                line: number,
                what: "bad CPU seconds".into(),
                text: text.to_owned(),
            })
        })
        .transpose()
}

fn add_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_job_is_over_only_with_its_last_line() {
        let journal = read(b"S\t4\t1\t1700000000\tnode01\nO\t4\t1\t9\t0\tabc\nE\t4\t1\t0\t17");
        let job = &journal.jobs[&4];
        assert_eq!(job.end, None);
        assert_eq!(job.start, Some((1_700_000_000, "node01".into())));
        assert!(journal.bad.is_empty());
    }

    #[test]
    fn the_last_attempt_that_ended_counts() {
        let text = format!(
            "S\t4\t1\t1\tn1\nE\t4\t1\t3\t1\t2\tn1\t-\tran\nS\t4\t2\t5\tn2\nO\t4\t2\t9\t12\t{HASH}\n\
             D\t4\t2\tbg\t812.4\nE\t4\t2\t0\t5\t6\tn2\t2048\tran\nS\t4\t3\t8\tn3\n"
        );
        let journal = read(text.as_bytes());
        let job = &journal.jobs[&4];
        assert_eq!((job.attempt, job.failures), (2, 1));
        assert!(job.is_run_again);
        assert_eq!(job.record, "bg\t812.4\n");
        assert_eq!(job.end.as_ref().unwrap().peak_kib, Some(2048));
        assert_eq!(job.outputs[0].size, 12);
    }

    #[test]
    fn cpu_seconds_may_stand_at_the_end_and_old_lines_have_none() {
        let journal = read(
            b"E\t1\t1\t0\t1\t2\tn\t-\tran\t12.34\nE\t2\t1\t0\t1\t2\tn\t-\tran\t-\n\
              E\t3\t1\t0\t1\t2\tn\t-\tran\nE\t4\t1\t0\t1\t2\tn\t-\tran\t-1\nE\t5\t1\t0\t1\t2\tn\t-\tran\t1\t2\n",
        );
        let cpu = |seq: u64| journal.jobs[&seq].end.as_ref().and_then(|end| end.cpu);
        assert_eq!(cpu(1), Some(Duration::from_millis(12_340)));
        assert_eq!((cpu(2), cpu(3), cpu(4)), (None, None, None));
        let bad: Vec<&str> = journal.bad.iter().map(|bad| bad.what.as_str()).collect();
        assert_eq!(bad, ["bad CPU seconds", "bad CPU seconds"]);
    }

    #[test]
    fn noise_is_reported_and_the_rest_is_read() {
        let journal = read(b"slurmstepd: error: oops\nE\t1\t1\t0\t1\t2\tn\t-\tskipped\n");
        assert_eq!(journal.bad.len(), 1);
        assert!(journal.jobs[&1].end.as_ref().unwrap().skipped);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            read(&bytes);
        }
    }
}
