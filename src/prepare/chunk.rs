//! Cutting the jobs of a run into `srun --multi-prog` configs (design §6).
//!
//! Pure: each config stays within the site's bytes, line length and ranks; every job is in exactly
//! one; the ranks of a config run from 0 without a gap, since srun refuses a step otherwise.

use std::{
    io::{self, Write},
    ops::Range,
};

/// One job, as a line of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkJob {
    /// Its number within the run.
    pub seq: u64,
    /// Seconds it is expected to take.
    pub seconds: u64,
    /// Where its part of `commands.sh` begins, in bytes.
    pub offset: u64,
    /// Length of that part in bytes.
    pub length: u64,
}

/// What a config may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole config.
    pub max_bytes: u64,
    /// Bytes of a line with its newline, as srun counts them.
    pub max_line: u64,
    /// Ranks.
    pub max_tasks: u32,
}

/// A job that cannot be put into any config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "job {seq} does not fit into a multi-prog config: its line takes {bytes} bytes, the site allows {allowed}; raise `chunk.{key}`"
)]
pub struct ChunkError {
    /// The job's number within the run.
    pub seq: u64,
    /// Bytes of its line.
    pub bytes: u64,
    /// Bytes that are allowed.
    pub allowed: u64,
    /// The limit: `max_bytes`, `max_line` or `max_tasks`.
    pub key: &'static str,
}

/// Sorts jobs so that the longest come first, and cuts them into configs: ranges of the sorted
/// jobs. Jobs of like length share a config, so that little is waited for. O(n log n).
///
/// # Errors
/// The first job whose line does not fit.
pub fn chunks(
    jobs: &mut [ChunkJob],
    limits: Limits,
    prefix: &str,
) -> Result<Vec<Range<usize>>, ChunkError> {
    jobs.sort_unstable_by(|a, b| (b.seconds, a.seq).cmp(&(a.seconds, b.seq)));
    let mut cuts = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (index, job) in jobs.iter().enumerate() {
        let rank = index - start;
        let line = line_length(rank, job, prefix);
        let full = rank as u64 >= u64::from(limits.max_tasks);
        if rank > 0 && (full || bytes + line > limits.max_bytes || line > limits.max_line) {
            cuts.push(start..index);
            start = index;
            bytes = 0;
        }
        let line = line_length(index - start, job, prefix);
        let allowed = [
            (line, limits.max_line, "max_line"),
            (line, limits.max_bytes, "max_bytes"),
            (1, u64::from(limits.max_tasks), "max_tasks"),
        ];
        if let Some((bytes, allowed, key)) = allowed.into_iter().find(|(is, may, _)| is > may) {
            return Err(ChunkError {
                seq: job.seq,
                bytes,
                allowed,
                key,
            });
        }
        bytes += line;
    }
    if start < jobs.len() {
        cuts.push(start..jobs.len());
    }
    Ok(cuts)
}

/// Writes the config of one chunk.
pub fn write(jobs: &[ChunkJob], prefix: &str, out: &mut impl Write) -> io::Result<()> {
    for (rank, job) in jobs.iter().enumerate() {
        let ChunkJob {
            seq,
            offset,
            length,
            ..
        } = job;
        writeln!(out, "{rank} {prefix} {seq} {offset} {length}")?;
    }
    Ok(())
}

/// Bytes of a line, with its newline.
fn line_length(rank: usize, job: &ChunkJob, prefix: &str) -> u64 {
    let digits = |n: u64| u64::from(n.checked_ilog10().unwrap_or(0)) + 1;
    let numbers = [rank as u64, job.seq, job.offset, job.length];
    numbers.into_iter().map(digits).sum::<u64>() + prefix.len() as u64 + 5
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREFIX: &str = "/bin/sh run-job.sh";

    fn any_jobs() -> impl Strategy<Value = Vec<ChunkJob>> {
        prop::collection::vec((0_u64..5, any::<u32>(), any::<u32>()), 0..300).prop_map(|jobs| {
            (0..)
                .zip(jobs)
                .map(|(seq, (seconds, offset, length))| ChunkJob {
                    seq,
                    seconds,
                    offset: offset.into(),
                    length: length.into(),
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn every_chunk_is_within_its_limits_and_every_job_in_one(
            mut jobs in any_jobs(),
            max_bytes in 60_u64..2000,
            max_line in 56_u64..100,
            max_tasks in 1_u32..40,
        ) {
            let limits = Limits { max_bytes, max_line, max_tasks };
            let before = jobs.clone();
            let cuts = chunks(&mut jobs, limits, PREFIX).unwrap();
            let mut seen = Vec::new();
            for cut in cuts {
                let members = &jobs[cut];
                let mut text = Vec::new();
                write(members, PREFIX, &mut text).unwrap();
                prop_assert!(text.len() as u64 <= max_bytes);
                prop_assert!(!members.is_empty() && members.len() <= max_tasks as usize);
                for (rank, line) in String::from_utf8(text).unwrap().lines().enumerate() {
                    prop_assert!((line.len() as u64) < max_line);
                    prop_assert_eq!(line.split(' ').next().unwrap(), rank.to_string());
                }
                seen.extend(members.iter().map(|job| job.seq));
            }
            prop_assert!(jobs.is_sorted_by_key(|job| std::cmp::Reverse(job.seconds)));
            seen.sort_unstable();
            prop_assert_eq!(seen, before.iter().map(|job| job.seq).collect::<Vec<_>>());
        }

        #[test]
        fn a_line_is_as_long_as_it_is_reckoned(seq: u64, offset: u64, length: u64) {
            let job = ChunkJob { seq, seconds: 0, offset, length };
            let mut text = Vec::new();
            write(&[job], PREFIX, &mut text).unwrap();
            prop_assert_eq!(text.len() as u64, line_length(0, &job, PREFIX));
        }
    }

    #[test]
    fn a_job_that_cannot_fit_is_named() {
        let mut jobs = [ChunkJob {
            seq: 7,
            seconds: 1,
            offset: 0,
            length: 10,
        }];
        let limits = Limits {
            max_bytes: 20,
            max_line: 100,
            max_tasks: 4,
        };
        let error = chunks(&mut jobs, limits, PREFIX).unwrap_err();
        insta::assert_snapshot!(error, @"job 7 does not fit into a multi-prog config: its line takes 28 bytes, the site allows 20; raise `chunk.max_bytes`");
    }

    #[test]
    fn the_newline_counts_as_part_of_a_line() {
        let job = ChunkJob {
            seq: 7,
            seconds: 1,
            offset: 0,
            length: 10,
        };
        let mut line = Vec::new();
        write(&[job], PREFIX, &mut line).unwrap();
        let cut = |max_line| {
            let limits = Limits {
                max_bytes: 60_000,
                max_line,
                max_tasks: 4,
            };
            chunks(&mut [job], limits, PREFIX)
        };
        let bytes = line.len() as u64;
        assert_eq!(cut(bytes).map(|cuts| cuts.len()), Ok(1));
        assert_eq!(cut(bytes - 1).unwrap_err().key, "max_line");
    }

    #[test]
    fn the_longest_jobs_come_first() {
        let job = |seq, seconds| ChunkJob {
            seq,
            seconds,
            offset: 0,
            length: 1,
        };
        let mut jobs = [job(0, 10), job(1, 30), job(2, 10), job(3, 20)];
        let limits = Limits {
            max_bytes: 60_000,
            max_line: 16_382,
            max_tasks: 2,
        };
        let cuts = chunks(&mut jobs, limits, PREFIX).unwrap();
        assert_eq!(cuts, [0..2, 2..4]);
        assert_eq!(jobs.map(|job| job.seq), [1, 3, 0, 2]);
    }
}
