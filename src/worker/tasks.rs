//! What is left to do of a run: its jobs without those that its journals say have passed.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use super::{
    books,
    desk::Task,
    error::WorkerError,
    message::{Ended, How},
    place::Place,
    room::Need,
};
use crate::state::run_dir::{
    JOBS, REFUSED,
    jobs::JobLine,
    journal::{Standing, standings},
    shares, tsv,
};

/// The jobs of a run that have not passed, in their order; of a task of an array those of its share.
pub(super) fn left(place: &Place) -> Result<Vec<Task>, WorkerError> {
    let directory = &place.directory;
    let share = place
        .task
        .map(|task| shares::of_task(directory, task))
        .transpose()?;
    let standings = told(directory)?;
    let path = directory.join(JOBS);
    let file = File::open(&path).map_err(WorkerError::io(&path))?;
    let mut tasks = Vec::new();
    for (index, line) in BufReader::new(file).lines().enumerate().skip(1) {
        let line = line.map_err(WorkerError::io(&path))?;
        let job = JobLine::read(index + 1, &line).map_err(WorkerError::format(JOBS))?;
        if share
            .as_ref()
            .is_some_and(|share| !share.contains(&job.seq))
        {
            continue;
        }
        let standing = standings.get(&job.seq).copied().unwrap_or_default();
        if !standing.passed {
            tasks.push(Task {
                seq: job.seq,
                need: Need {
                    threads: job.threads,
                    memory: job.memory.unwrap_or(0),
                },
                seconds: job.seconds,
                offset: job.offset,
                length: job.length,
                attempt: standing.attempt,
                failures: job.failures + standing.failures,
                counted: standing.ended,
            });
        }
    }
    Ok(tasks)
}

/// What the journals of all nodes tell.
fn told(directory: &Path) -> Result<BTreeMap<u64, Standing>, WorkerError> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(WorkerError::io(directory))? {
        let entry = entry.map_err(WorkerError::io(directory))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(books::is_journal) {
            add(&entry.path(), &mut found)?;
        }
    }
    Ok(found)
}

/// What one journal tells.
fn add(journal: &Path, found: &mut BTreeMap<u64, Standing>) -> Result<(), WorkerError> {
    File::open(journal)
        .and_then(|file| standings(BufReader::new(file), found))
        .map_err(WorkerError::io(journal))
}

/// The jobs that a node's journal says have passed: a worker that comes after one that was killed
/// tells the coordinator what that could not tell any more.
pub(super) fn passed(journal: &Path) -> Result<Vec<Ended>, WorkerError> {
    let mut found = BTreeMap::new();
    add(journal, &mut found)?;
    let passed = found.iter().filter(|(_, standing)| standing.passed);
    Ok(passed
        .map(|(seq, standing)| Ended {
            seq: *seq,
            attempt: standing.attempt,
            how: How::Passed,
            milliseconds: None,
        })
        .collect())
}

/// Jobs whose inputs are not on the site, with the reason; the list is made when the run is staged
/// in.
pub(super) fn refused(directory: &Path) -> Result<HashMap<u64, String>, WorkerError> {
    let path = directory.join(REFUSED);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(WorkerError::io(&path)(error)),
    };
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            let [seq, why] = tsv::fields(index + 1, line)?;
            Ok((tsv::parse(index + 1, "seq", seq)?, why.to_owned()))
        })
        .collect::<Result<_, _>>()
        .map_err(WorkerError::format(REFUSED))
}
