//! Which task of an array has which job, where its tasks start workers: `shares.tsv`.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

use super::{
    SHARES,
    files::RunDirError,
    tsv::{self, TsvError},
};

/// The line with the fields' names, newline included.
pub const HEADER: &str = "seq\ttask\n";

/// The line, newline included, that gives the job `seq` to a task.
pub fn line(seq: u64, task: u32) -> String {
    format!("{seq}\t{task}\n")
}

/// The jobs of a task, from the run directory.
///
/// # Errors
/// When the file cannot be read, or is not what prepare wrote.
pub fn of_task(directory: &Path, task: u32) -> Result<HashSet<u64>, RunDirError> {
    let path = directory.join(SHARES);
    let file = File::open(&path).map_err(RunDirError::io(&path))?;
    let mut jobs = HashSet::new();
    for (index, text) in BufReader::new(file).lines().enumerate().skip(1) {
        let text = text.map_err(RunDirError::io(&path))?;
        let (seq, whose) = read(index + 1, &text).map_err(RunDirError::format(SHARES))?;
        if whose == task {
            jobs.insert(seq);
        }
    }
    Ok(jobs)
}

fn read(number: usize, text: &str) -> Result<(u64, u32), TsvError> {
    let [seq, task] = tsv::fields(number, text)?;
    Ok((
        tsv::parse(number, "seq", seq)?,
        tsv::parse(number, "task", task)?,
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_task_has_its_own_jobs_and_a_broken_line_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let lines = [(0, 1), (1, 0), (2, 1)].map(|(seq, task)| line(seq, task));
        let text = format!("{HEADER}{}", lines.concat());
        fs::write(directory.path().join(SHARES), &text).unwrap();
        let share = |task| of_task(directory.path(), task);
        assert_eq!(share(1).unwrap(), HashSet::from([0, 2]));
        assert_eq!(share(0).unwrap(), HashSet::from([1]));
        assert_eq!(share(2).unwrap(), HashSet::new());
        fs::write(directory.path().join(SHARES), text + "3\tx\n").unwrap();
        let error = share(0).unwrap_err().to_string();
        assert!(
            error.contains("shares.tsv") && error.contains("line 5: bad task: `x`"),
            "{error}"
        );
    }
}
