//! `components.tsv`: what became of each component, read back when a run is recorded.

use std::{
    fs::File,
    io::{BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
};

use crate::{
    prepare::PrepareError,
    state::{
        job::PreparedComponent,
        run_dir::{
            self,
            jobs::JobLine,
            tsv::{self, Field, TsvError},
        },
    },
};

/// Name of the file.
pub(super) const COMPONENTS: &str = "components.tsv";
/// First line of the file.
pub(super) const HEADER: &str = "component\tstage_id\tfirst_seq\tjobs\tnext_id\treason\n";

/// One component's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ComponentLine {
    pub(super) component_id: i64,
    pub(super) stage_id: i64,
    pub(super) first_seq: u64,
    pub(super) next_id: Option<i64>,
    /// Number of its jobs, or why it has none.
    pub(super) outcome: Result<u64, String>,
}

impl ComponentLine {
    pub(super) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let next = self
            .next_id
            .map_or_else(|| "-".to_owned(), |id| id.to_string());
        let (jobs, reason) = match &self.outcome {
            Ok(jobs) => (jobs.to_string(), ""),
            Err(reason) => ("-".to_owned(), reason.as_str()),
        };
        writeln!(
            out,
            "{}\t{}\t{}\t{jobs}\t{next}\t{}",
            self.component_id,
            self.stage_id,
            self.first_seq,
            Field(reason.as_bytes())
        )
    }

    pub(super) fn read(number: usize, line: &str) -> Result<Self, TsvError> {
        let [component, stage_id, first_seq, jobs, next_id, reason] = tsv::fields(number, line)?;
        let outcome = match tsv::optional(number, "jobs", jobs)? {
            Some(jobs) => Ok(jobs),
            None => Err(tsv::text(number, "reason", reason)?),
        };
        Ok(Self {
            component_id: tsv::parse(number, "component", component)?,
            stage_id: tsv::parse(number, "stage_id", stage_id)?,
            first_seq: tsv::parse(number, "first_seq", first_seq)?,
            next_id: tsv::optional(number, "next_id", next_id)?,
            outcome,
        })
    }
}

/// The lines of a `.tsv` file with their numbers, the header left out.
#[derive(Debug)]
pub(super) struct TsvLines {
    path: PathBuf,
    lines: Lines<BufReader<File>>,
    number: usize,
}

impl TsvLines {
    pub(super) fn open(path: &Path) -> Result<Self, PrepareError> {
        let file = File::open(path).map_err(PrepareError::io(path))?;
        let mut lines = BufReader::with_capacity(1 << 16, file).lines();
        lines.next().transpose().map_err(PrepareError::io(path))?;
        Ok(Self {
            path: path.to_owned(),
            lines,
            number: 1,
        })
    }

    pub(super) fn next<T>(
        &mut self,
        read: impl Fn(usize, &str) -> Result<T, TsvError>,
    ) -> Result<Option<T>, PrepareError> {
        let Some(line) = self.lines.next() else {
            return Ok(None);
        };
        let line = line.map_err(PrepareError::io(&self.path))?;
        self.number += 1;
        read(self.number, &line)
            .map(Some)
            .map_err(PrepareError::tsv(&self.path))
    }
}

/// Reads the components of a run directory together with the keys of their jobs.
#[derive(Debug)]
pub(super) struct Outcomes {
    run_dir: PathBuf,
    components: TsvLines,
    jobs: TsvLines,
}

impl Outcomes {
    /// `files` is where the files are, `run_dir` what is recorded as the run's directory.
    pub(super) fn open(files: &Path, run_dir: &Path) -> Result<Self, PrepareError> {
        Ok(Self {
            run_dir: run_dir.to_owned(),
            components: TsvLines::open(&files.join(COMPONENTS))?,
            jobs: TsvLines::open(&files.join(run_dir::JOBS))?,
        })
    }

    pub(super) fn next(&mut self) -> Result<Option<PreparedComponent>, PrepareError> {
        let Some(line) = self.components.next(ComponentLine::read)? else {
            return Ok(None);
        };
        let outcome = match line.outcome {
            Err(reason) => Err(reason),
            Ok(count) => {
                let mut keys = Vec::new();
                for _ in 0..count {
                    let job = self
                        .jobs
                        .next(JobLine::read)?
                        .ok_or_else(|| PrepareError::Tsv {
                            path: self.run_dir.join(run_dir::JOBS),
                            error: TsvError {
                                line: 0,
                                what: "it ends too early".into(),
                                text: String::new(),
                            },
                        })?;
                    keys.push(job.key);
                }
                Ok(keys)
            },
        };
        Ok(Some(PreparedComponent {
            component_id: line.component_id,
            first_seq: line.first_seq,
            outcome,
            path_base: super::fragment_dir(&self.run_dir, line.stage_id)
                .to_string_lossy()
                .into_owned(),
            next_id: line.next_id,
        }))
    }
}
