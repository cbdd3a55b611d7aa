//! Gives rendered components their numbers and writes them, one after the other.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    components::{self, ComponentLine, TsvLines},
    draft::{ComponentDraft, DigestMap, DigestSet, FileDraft, Jobs},
    gathered::{two_homes, written_twice},
};
use crate::{
    config::recipe::Cost,
    prepare::PrepareError,
    state::run_dir::{
        self, jobs,
        jobs::JobLine,
        manifest::{self, FileKind, ManifestLine},
    },
};

/// Counts of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub(super) jobs: u64,
    pub(super) seconds: u64,
    pub(super) seconds_max: u64,
    pub(super) components_ok: u64,
    pub(super) components_failed: u64,
    pub(super) files_in: u64,
    pub(super) bytes_in: u64,
    pub(super) files_out: u64,
}

/// Writes the files of a run directory. Of what was written it remembers only hashes.
#[derive(Debug)]
pub(super) struct RunWriter {
    dir: PathBuf,
    cost: Cost,
    jobs: BufWriter<File>,
    manifest: BufWriter<File>,
    commands: BufWriter<File>,
    components: BufWriter<File>,
    next_file: u64,
    offset: u64,
    totals: Totals,
    /// By hash of the place on the site: hash of the place here, and id.
    inputs: DigestMap<(Option<u128>, u64)>,
    outputs: DigestSet,
    homes: DigestSet,
}

impl RunWriter {
    /// Makes the files in `dir`, which exists.
    pub(super) fn create(dir: &Path, cost: Cost) -> Result<Self, PrepareError> {
        let open = |name: &str, header: &str| {
            let path = dir.join(name);
            let file = File::create(&path).map_err(PrepareError::io(&path))?;
            let mut writer = BufWriter::with_capacity(1 << 18, file);
            writer
                .write_all(header.as_bytes())
                .map_err(PrepareError::io(&path))?;
            Ok::<_, PrepareError>(writer)
        };
        Ok(Self {
            dir: dir.to_owned(),
            cost,
            jobs: open(run_dir::JOBS, jobs::HEADER)?,
            manifest: open(run_dir::MANIFEST, manifest::HEADER)?,
            commands: open(run_dir::COMMANDS, "")?,
            components: open(components::COMPONENTS, components::HEADER)?,
            next_file: 0,
            offset: 0,
            totals: Totals::default(),
            inputs: DigestMap::default(),
            outputs: DigestSet::default(),
            homes: DigestSet::default(),
        })
    }

    /// Writes a component. One that contradicts an earlier one is written as failed.
    pub(super) fn add(&mut self, draft: ComponentDraft) -> Result<(), PrepareError> {
        let outcome = match draft.outcome {
            Err(reason) => Err(reason),
            Ok(jobs) => match self.conflict(&jobs)? {
                Some(reason) => Err(reason),
                None => Ok(jobs),
            },
        };
        let line = ComponentLine {
            component_id: draft.component_id,
            stage_id: draft.stage_id,
            first_seq: self.totals.jobs,
            next_id: draft.next_id,
            outcome: match &outcome {
                Ok(jobs) => Ok(jobs.jobs.len() as u64),
                Err(reason) => Err(reason.clone()),
            },
        };
        line.write(&mut self.components)
            .map_err(PrepareError::io(&self.dir))?;
        let Ok(jobs) = outcome else {
            self.totals.components_failed += 1;
            return Ok(());
        };
        self.totals.components_ok += 1;
        self.write(draft.component_id, draft.stage_id, jobs)
            .map_err(PrepareError::io(&self.dir))
    }

    /// Ends all files.
    pub(super) fn finish(mut self) -> Result<Totals, PrepareError> {
        for file in [
            &mut self.jobs,
            &mut self.manifest,
            &mut self.commands,
            &mut self.components,
        ] {
            file.flush().map_err(PrepareError::io(&self.dir))?;
        }
        Ok(self.totals)
    }

    fn write(&mut self, component_id: i64, stage_id: i64, component: Jobs) -> std::io::Result<()> {
        let Jobs { mut inputs, jobs } = component;
        let mut ids: Vec<Option<u64>> = vec![None; inputs.len()];
        for job in jobs {
            let seq = self.totals.jobs;
            self.totals.jobs += 1;
            self.totals.seconds = self.totals.seconds.saturating_add(job.seconds);
            self.totals.seconds_max = self.totals.seconds_max.max(job.seconds);
            let mut read = Vec::with_capacity(job.inputs.len());
            for place in job.inputs {
                let (Some(slot), Some(file)) = (ids.get_mut(place), inputs.get_mut(place)) else {
                    continue;
                };
                let id = match *slot {
                    Some(id) => id,
                    None => self.input(file, seq)?,
                };
                *slot = Some(id);
                read.push(id);
            }
            let base = self.next_file;
            for mut file in job.outputs {
                self.outputs.insert(file.place);
                self.homes.extend(file.home);
                self.totals.files_out += u64::from(file.line.local.is_some());
                self.file(&mut file.line, seq)?;
            }
            let head = format!("or_base={base}\n");
            self.commands.write_all(head.as_bytes())?;
            self.commands.write_all(&job.slice)?;
            let length = (head.len() + job.slice.len()) as u64;
            let line = JobLine {
                seq,
                component_id,
                stage_id,
                key: job.key,
                threads: self.cost.threads,
                seconds: job.seconds,
                memory: self.cost.memory.map(|memory| memory.0),
                offset: self.offset,
                length,
                inputs: read,
                values: job.values,
                failures: job.failures,
            };
            self.offset += length;
            line.write(&mut self.jobs)?;
        }
        Ok(())
    }

    fn input(&mut self, file: &mut FileDraft, seq: u64) -> std::io::Result<u64> {
        if let Some((_, id)) = self.inputs.get(&file.place) {
            return Ok(*id);
        }
        let id = self.next_file;
        self.inputs.insert(file.place, (file.home, id));
        if file.line.kind == FileKind::In {
            self.totals.files_in += 1;
            self.totals.bytes_in += file.line.size.unwrap_or(0);
        }
        self.file(&mut file.line, seq)?;
        Ok(id)
    }

    fn file(&mut self, line: &mut ManifestLine, seq: u64) -> std::io::Result<()> {
        line.id = self.next_file;
        line.job = seq;
        self.next_file += 1;
        line.write(&mut self.manifest)
    }

    /// Whether a component contradicts those before it.
    fn conflict(&mut self, component: &Jobs) -> Result<Option<String>, PrepareError> {
        for file in &component.inputs {
            if let Some((home, id)) = self.inputs.get(&file.place).copied()
                && home != file.home
            {
                let other = self.local_of(id)?;
                return Ok(Some(two_homes(&file.line, other.as_deref())));
            }
        }
        for file in component.jobs.iter().flat_map(|job| &job.outputs) {
            if self.outputs.contains(&file.place) {
                return Ok(Some(written_twice(&file.line.remote)));
            }
            if let (Some(home), Some(path)) = (file.home, &file.line.local)
                && self.homes.contains(&home)
            {
                return Ok(Some(written_twice(path)));
            }
        }
        Ok(None)
    }

    /// Looks up in the manifest where an input is here.
    fn local_of(&mut self, id: u64) -> Result<Option<PathBuf>, PrepareError> {
        let path = self.dir.join(run_dir::MANIFEST);
        self.manifest.flush().map_err(PrepareError::io(&path))?;
        let mut lines = TsvLines::open(&path)?;
        while let Some(line) = lines.next(ManifestLine::read)? {
            if line.id == id {
                return Ok(line.local);
            }
        }
        Ok(None)
    }
}
