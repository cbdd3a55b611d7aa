//! What batch scripts leave in the directories of runs and of bundles, and what that proves of batch
//! jobs.

use super::JobId;
use crate::{
    config::site::SchedulerKind,
    connection::{Host, LinkError},
};

/// Prints what the batch scripts of runs have left; see there.
const LOOK: &str = include_str!("look.sh");

/// Why a batch job whose token we closed in time is over.
pub(crate) const NEVER: &str = "its batch job never began, and now it never will";

/// Seconds past its walltime after which a batch job that began is certainly over.
const OVERTIME: i64 = 600;

/// Seconds for which a cluster's scheduler may not know a batch job before other evidence of its end
/// is looked for: "not in the queue" alone is no end.
const PATIENCE: i64 = 600;
/// The same for the embedded scheduler, which forgets nothing.
const LOCAL_PATIENCE: i64 = 10;

/// Seconds for which a scheduler may not know a batch job before one that has not begun is closed.
pub(crate) fn patience(scheduler: SchedulerKind) -> i64 {
    match scheduler {
        SchedulerKind::Local => LOCAL_PATIENCE,
        SchedulerKind::Slurm | SchedulerKind::Moab | SchedulerKind::Slurmrestd => PATIENCE,
    }
}

/// What batch jobs have left, which are given by directory, token and number of tasks. The inner error
/// is that the site did not say.
pub(crate) async fn ask(
    host: &Host,
    jobs: &[(&str, &str, Option<u32>)],
) -> Result<Result<Vec<Trace>, String>, LinkError> {
    if jobs.is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let list = list(jobs.iter().copied());
    let answer = host.script_fed(LOOK, &[], Some(list.as_bytes())).await?;
    Ok(read(&answer.out(), jobs.len()).ok_or_else(|| {
        format!(
            "the site did not say whether {} batch jobs have ended: {}",
            jobs.len(),
            answer.err().trim()
        )
    }))
}

/// What a batch script has left in its run's directory; the parts of a batch job are the tasks of an
/// array, or all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Parts that have left their end.
    ended: u32,
    /// Parts that never will begin, since we have closed them.
    closed: u32,
    /// Parts that have begun and left no end.
    open: u32,
    /// Seconds since the last one of these began.
    age: Option<i64>,
    /// Whether the token is claimed.
    is_claimed: bool,
    /// The batch job that did.
    claimant: Option<JobId>,
}

/// What a trace proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The batch job is over, and why.
    Over(&'static str),
    /// It has not begun.
    NotBegun,
    /// What has begun of an array is over, and the rest has not begun.
    RestNotBegun,
    /// Nothing: some of it may run.
    None,
}

/// What is looked for, for [`LOOK`]: directory, token and number of tasks of each run.
fn list<'a>(runs: impl Iterator<Item = (&'a str, &'a str, Option<u32>)>) -> String {
    let mut list = String::new();
    for (dir, token, tasks) in runs {
        let tasks = tasks.unwrap_or(0).to_string();
        list.extend([dir, "\n", token, "\n", &tasks, "\n"]);
    }
    list
}

/// Reads the answer of [`LOOK`] for so many runs; `None` if it is not whole.
pub(crate) fn read(answer: &str, runs: usize) -> Option<Vec<Trace>> {
    if !answer.ends_with(&format!("or end {runs}\n")) {
        return None;
    }
    let mut traces = vec![Trace::default(); runs];
    for line in answer
        .lines()
        .filter_map(|line| line.strip_prefix("or run "))
    {
        let mut words = line.split_whitespace();
        let place = words.next()?.parse::<usize>().ok()?;
        let mut number = || words.next()?.parse().ok();
        *traces.get_mut(place)? = Trace {
            ended: number()?,
            closed: number()?,
            open: number()?,
            age: words.next()?.parse().ok(),
            is_claimed: words.next()? == "claimed",
            claimant: words.next().and_then(|id| id.parse().ok()),
        };
    }
    Some(traces)
}

impl Trace {
    /// Whether all of a batch job of so many tasks have left their end, or never will begin.
    fn has_ended(&self, tasks: Option<u32>) -> bool {
        self.open == 0 && self.ended.saturating_add(self.closed) >= tasks.unwrap_or(1)
    }

    /// The batch job that claimed the token and left no end, should it be another one than `ours`.
    pub(crate) fn other_copy(&self, ours: Option<&JobId>, tasks: Option<u32>) -> Option<&JobId> {
        let claimant = self.claimant.as_ref();
        claimant.filter(|id| ours != Some(*id) && !self.has_ended(tasks))
    }

    /// What it proves of a batch job of so many tasks and seconds of walltime.
    pub(crate) fn proof(&self, tasks: Option<u32>, walltime: u64) -> Proof {
        if self.has_ended(tasks) {
            return Proof::Over(match self.ended {
                0 => NEVER,
                _ => "its batch job left its end",
            });
        }
        if self.open > 0 && !self.age.is_some_and(|age| is_past(age, walltime)) {
            return Proof::None;
        }
        let begun = self
            .ended
            .saturating_add(self.closed)
            .saturating_add(self.open);
        match tasks {
            _ if begun >= tasks.unwrap_or(1) => Proof::Over("its walltime has passed"),
            Some(_) if self.is_claimed => Proof::RestNotBegun,
            _ => Proof::NotBegun,
        }
    }
}

/// Whether a batch job that began so many seconds ago is over whatever befell it.
fn is_past(age: i64, walltime: u64) -> bool {
    i64::try_from(walltime).is_ok_and(|walltime| age > walltime.saturating_add(OVERTIME))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Write as _,
        path::Path,
        process::{Command, Stdio},
    };

    use rstest::rstest;

    use super::*;

    const TOKEN: &str = "or-1-1-00000000";

    #[test]
    fn only_a_passed_walltime_proves_the_end_of_a_job_that_began() {
        assert!(!is_past(3600, 3600) && !is_past(3600 + OVERTIME, 3600));
        assert!(is_past(3601 + OVERTIME, 3600));
        assert!(!is_past(i64::MAX, u64::MAX));
    }

    #[rstest]
    #[case::it_left_its_end("1 0 0 - claimed 17", None, Proof::Over("its batch job left its end"))]
    #[case::it_runs("0 0 1 9 claimed 17", None, Proof::None)]
    #[case::it_ran_too_long("0 0 1 9999 claimed 17", None, Proof::Over("its walltime has passed"))]
    #[case::it_has_not_begun("0 0 0 - free", None, Proof::NotBegun)]
    #[case::it_never_will("0 1 0 - claimed", None, Proof::Over(NEVER))]
    #[case::all_tasks_left_theirs(
        "2 1 0 - claimed 17",
        Some(3),
        Proof::Over("its batch job left its end")
    )]
    #[case::one_runs("2 0 1 9 claimed 17", Some(3), Proof::None)]
    #[case::one_ran_too_long(
        "2 0 1 9999 claimed 17",
        Some(3),
        Proof::Over("its walltime has passed")
    )]
    #[case::one_has_not_begun("2 0 0 - claimed 17", Some(3), Proof::RestNotBegun)]
    #[case::one_has_not_begun_and_one_ran_too_long(
        "1 0 1 9999 claimed 17",
        Some(3),
        Proof::RestNotBegun
    )]
    #[case::the_first_died_as_it_began("0 0 0 - claimed", Some(3), Proof::RestNotBegun)]
    #[case::none_has_begun("0 0 0 - free", Some(3), Proof::NotBegun)]
    fn a_trace_proves_what_it_does(
        #[case] line: &str,
        #[case] tasks: Option<u32>,
        #[case] proof: Proof,
    ) {
        let traces = read(&format!("or run 0 {line}\nor end 1\n"), 1).unwrap();
        assert_eq!(traces[0].proof(tasks, 3600), proof);
    }

    fn look(runs: &[(&Path, Option<u32>)]) -> Vec<Trace> {
        let list = list(
            runs.iter()
                .map(|(dir, tasks)| (dir.to_str().unwrap(), TOKEN, *tasks)),
        );
        let mut sh = Command::new("sh")
            .args(["-c", LOOK])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        sh.stdin.take().unwrap().write_all(list.as_bytes()).unwrap();
        let said = sh.wait_with_output().unwrap().stdout;
        read(&String::from_utf8(said).unwrap(), runs.len()).unwrap()
    }

    #[test]
    fn what_batch_scripts_left_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (one, array) = (dir.path().join("one"), dir.path().join("array"));
        let claim = |dir: &Path| dir.join(format!("{TOKEN}.claim"));
        fs::create_dir_all(&one).unwrap();
        for task in ["0", "1", "3"] {
            fs::create_dir_all(claim(&array).join(task)).unwrap();
        }
        fs::write(claim(&array).join("job_id"), "17\n").unwrap();
        fs::write(claim(&array).join("3/closed"), "").unwrap();
        fs::write(array.join("ended.0"), format!("0 1 {TOKEN}\n")).unwrap();
        fs::write(array.join("ended.1"), "0 1 or-1-0-00000000\n").unwrap();
        let traces = look(&[(&one, None), (&array, Some(5))]);
        assert_eq!(traces[0], Trace::default());
        let Trace { age, .. } = traces[1];
        assert!(age.is_some_and(|age| (0..60).contains(&age)), "{age:?}");
        assert_eq!(
            traces[1],
            Trace {
                ended: 1,
                closed: 1,
                open: 1,
                age,
                is_claimed: true,
                claimant: "17".parse().ok(),
            }
        );
        assert_eq!(traces[1].proof(Some(5), 60), Proof::None);
        fs::create_dir(claim(&one)).unwrap();
        fs::write(claim(&one).join("job_id"), "closed\n").unwrap();
        fs::write(claim(&array).join("job_id"), "closed\n").unwrap();
        for (trace, tasks) in look(&[(&one, None), (&array, Some(5))])
            .iter()
            .zip([None, Some(5)])
        {
            assert_eq!(trace.proof(tasks, 60), Proof::Over(NEVER));
            assert_eq!(trace.claimant, None);
        }
        fs::write(one.join("ended"), format!("0 1 {TOKEN}\n")).unwrap();
        assert!(look(&[(&one, None)])[0].has_ended(None));
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(read("or run 0 1 0 0 - claimed 17\n", 1), None);
        assert_eq!(read("or run 0 1 0\nor end 1\n", 1), None);
    }
}
