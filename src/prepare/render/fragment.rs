//! Component by component: each writes a small directory of its own, which are merged after.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    Rendered, Renderer,
    component::Worker,
    components::{COMPONENTS, ComponentLine, TsvLines},
    draft::{ComponentDraft, FileDraft, JobDraft, Jobs},
    fragment_dir,
    writer::RunWriter,
};
use crate::{
    durable,
    prepare::{PrepareError, source::SourceError},
    state::{
        Store,
        component::Component,
        run_dir::{self, jobs::JobLine, manifest::ManifestLine, tsv::TsvError},
    },
};

impl Renderer<'_> {
    /// Renders one component into `stage_<stage_id>/` of the run directory and gives that
    /// directory, with the number of its jobs or why it has none. Several processes may do so at once, each for its own components.
    ///
    /// # Errors
    /// When state.db or the directory fails. A component that cannot be prepared is no error: its
    /// fragment says why.
    pub fn render_component(
        &self,
        store: &Store,
        component: &Component,
    ) -> Result<(PathBuf, Result<u64, String>), PrepareError> {
        let rows = self.rows.open(store, self.request.label)?;
        let earlier = store.earlier(component, self.request.site.tries())?;
        let draft = Worker::new(&self.shared, rows).component(component, &earlier);
        let dir = fragment_dir(self.request.run_dir, component.stage_id);
        let outcome = match &draft.outcome {
            Ok(jobs) => Ok(jobs.jobs.len() as u64),
            Err(why) => Err(why.clone()),
        };
        replace(&dir, |temporary| {
            let mut writer = RunWriter::create(temporary, self.request.recipe.cost.clone())?;
            writer.add(draft)?;
            writer.finish()
        })?;
        Ok((dir, outcome))
    }

    /// Merges the fragments of all components of the run into its directory. The
    /// files are the same as those of [`Renderer::render`].
    ///
    /// # Errors
    /// When a component has no fragment yet, or a fragment is damaged.
    pub fn merge(&self, store: &Store, progress: &dyn Fn(u64)) -> Result<Rendered, PrepareError> {
        let run_dir = self.request.run_dir;
        let totals = replace(run_dir, |temporary| {
            let mut writer = RunWriter::create(temporary, self.request.recipe.cost.clone())?;
            let mut done = 0;
            store.each_unwritten(self.request.run_id, |component| {
                let dir = fragment_dir(run_dir, component.stage_id);
                writer.add(read(&dir, component.component_id)?)?;
                done += 1;
                progress(done);
                Ok::<_, PrepareError>(())
            })?;
            writer.finish()
        })?;
        Ok(self.rendered(run_dir, totals))
    }
}

/// Writes the files of `dir` into a directory beside it and then puts them in their place, so that
/// what stands there is whole.
pub(super) fn replace<T>(
    dir: &Path,
    write: impl FnOnce(&Path) -> Result<T, PrepareError>,
) -> Result<T, PrepareError> {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = dir.with_file_name(name);
    match fs::remove_dir_all(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(PrepareError::io(&temporary)(error));
        },
        _ => {},
    }
    fs::create_dir_all(&temporary).map_err(PrepareError::io(&temporary))?;
    let written = write(&temporary)?;
    if dir.exists() {
        for entry in fs::read_dir(&temporary).map_err(PrepareError::io(&temporary))? {
            let entry = entry.map_err(PrepareError::io(&temporary))?;
            let target = dir.join(entry.file_name());
            durable::rename(&entry.path(), &target).map_err(PrepareError::io(&target))?;
        }
        fs::remove_dir(&temporary).map_err(PrepareError::io(&temporary))?;
    } else {
        durable::rename(&temporary, dir).map_err(PrepareError::io(dir))?;
    }
    Ok(written)
}

/// Reads a fragment back.
fn read(dir: &Path, component_id: i64) -> Result<ComponentDraft, PrepareError> {
    let path = dir.join(COMPONENTS);
    if !path.exists() {
        return Err(SourceError::File {
            path: dir.to_owned(),
            message: "this component has not been prepared yet".into(),
        }
        .into());
    }
    let line = TsvLines::open(&path)?.next(ComponentLine::read)?;
    let Some(line) = line.filter(|line| line.component_id == component_id) else {
        return Err(damaged(&path, "it is of another component"));
    };
    let outcome = match line.outcome {
        Err(reason) => Err(reason),
        Ok(_) => Ok(read_jobs(dir)?),
    };
    Ok(ComponentDraft {
        component_id,
        stage_id: line.stage_id,
        next_id: line.next_id,
        outcome,
    })
}

fn read_jobs(dir: &Path) -> Result<Jobs, PrepareError> {
    let mut files: Vec<Option<ManifestLine>> = Vec::new();
    let mut lines = TsvLines::open(&dir.join(run_dir::MANIFEST))?;
    while let Some(line) = lines.next(ManifestLine::read)? {
        files.push(Some(line));
    }
    let mut inputs: Vec<(u64, FileDraft)> = Vec::new();
    let mut outputs: Vec<(u64, FileDraft)> = Vec::new();
    for line in files.iter_mut().filter_map(Option::take) {
        let entry = (line.id, line.job, line.kind.is_output());
        let file = FileDraft::new(line);
        match entry {
            (_, job, true) => outputs.push((job, file)),
            (id, _, false) => inputs.push((id, file)),
        }
    }
    let path = dir.join(run_dir::COMMANDS);
    let mut commands = fs::File::open(&path).map_err(PrepareError::io(&path))?;
    let mut outputs = outputs.into_iter().peekable();
    let mut jobs = Vec::new();
    let jobs_path = dir.join(run_dir::JOBS);
    let mut lines = TsvLines::open(&jobs_path)?;
    while let Some(line) = lines.next(JobLine::read)? {
        let mut own = Vec::new();
        while let Some((_, file)) = outputs.next_if(|(job, _)| *job == line.seq) {
            own.push(file);
        }
        let places = line
            .inputs
            .iter()
            .map(|id| inputs.binary_search_by_key(id, |(id, _)| *id))
            .collect::<Result<_, _>>()
            .map_err(|_| damaged(&jobs_path, "it names a file that is not in the manifest"))?;
        jobs.push(JobDraft {
            slice: slice(&mut commands, &line)
                .map_err(PrepareError::io(&path))?
                .ok_or_else(|| damaged(&path, "a job's part is not where jobs.tsv says"))?,
            key: line.key,
            inputs: places,
            outputs: own,
            seconds: line.seconds,
            values: line.values,
            failures: line.failures,
        });
    }
    Ok(Jobs {
        inputs: inputs.into_iter().map(|(_, file)| file).collect(),
        jobs,
    })
}

/// A job's slice without its first line, which tells the number of its first output.
fn slice(commands: &mut fs::File, line: &JobLine) -> std::io::Result<Option<Vec<u8>>> {
    commands.seek(SeekFrom::Start(line.offset))?;
    let mut slice = Vec::new();
    commands.take(line.length).read_to_end(&mut slice)?;
    let end = slice.iter().position(|byte| *byte == b'\n');
    let whole = slice.len() as u64 == line.length && slice.starts_with(b"or_base=");
    Ok(end.filter(|_| whole).map(|end| slice.split_off(end + 1)))
}

fn damaged(path: &Path, what: &str) -> PrepareError {
    PrepareError::Tsv {
        path: path.to_owned(),
        error: TsvError {
            line: 0,
            what: what.to_owned(),
            text: String::new(),
        },
    }
}
