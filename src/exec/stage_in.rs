//! Stage-in: what the site lacks is sent; what must be there already is looked for.

use std::path::Path;

use super::{
    Exec, Stop,
    inputs::Staging,
    refuse,
    scratch::{
        Scratch, ScratchError,
        look::{Question, look},
    },
};
use crate::{
    state::{
        Store, awaited,
        room::Claim,
        run::Run,
        run_dir::{self, decision::Decision, files, manifest::FileKind},
        staged::{Staged, StagedKind},
        transfer::{Begun, Way},
    },
    transfer::{self, Item, Outcome, TransferOptions},
};

impl Exec<'_> {
    /// Sends the run directory and the inputs, verified; tells what was sent.
    pub(super) async fn stage_in(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
    ) -> Result<String, Stop> {
        let decision = Decision::read(run_dir)?;
        let files = files::manifest(run_dir)?;
        let jobs = files::jobs(run_dir)?;

        let questions: Vec<Question<'_>> = decision
            .resident
            .iter()
            .map(|path| Question { path, touch: false })
            .collect();
        let seen = look(self.host, &questions)
            .await
            .map_err(ScratchError::from)?;
        let mut gone = decision.resident.iter().zip(&seen);
        if let Some((path, _)) = gone.find(|(_, seen)| seen.is_none()) {
            let path = path.display();
            return Err(Stop::Fail(format!(
                "resident path {path} is not on site {}; put it there, or take it out of `resident`",
                run.site
            )));
        }

        let run_items = run_files(run_dir, &decision);
        let size = run_items
            .iter()
            .filter_map(|item| std::fs::metadata(&item.local).ok())
            .map(|metadata| metadata.len())
            .sum();
        let besides = Claim {
            remote: decision.remote_dir.clone(),
            size,
            kind: StagedKind::Directory,
        };
        let staging = self.bring_inputs(store, run, &files, besides).await?;

        self.expect_promised(store, run, &staging.awaited).await?;
        let refused = refuse::refused(&jobs, &staging.missing);
        if !jobs.is_empty() && refused.len() == jobs.len() {
            let why = refused.values().next().cloned().unwrap_or_default();
            return Err(Stop::Fail(format!("no job has all its inputs: {why}")));
        }
        files::write(run_dir, run_dir::REFUSED, refuse::list(&refused).as_bytes())?;
        let mut bytes = 0_u64;
        for (item, outcome) in run_items
            .iter()
            .zip(self.push(store, run, &run_items).await?)
        {
            match outcome {
                Outcome::Failed(error) => {
                    return Err(Stop::Fail(format!("{}: {error}", item.local.display())));
                },
                Outcome::Done { size, .. } | Outcome::AlreadyThere { size, .. } => bytes += size,
            }
        }
        let now = self.clock.now();
        let directory = Staged {
            remote: decision.remote_dir,
            kind: StagedKind::Directory,
            run_id: run.run_id,
            size: bytes,
            hash: String::new(),
            stamp: String::new(),
            sent_at: now,
            touched_at: now,
            used_at: now,
        };
        store.remember_staged(&run.site, &[directory])?;
        let inputs = files.iter().filter(|file| file.kind == FileKind::In);
        Ok(told(&staging, inputs.count(), refused.len()))
    }

    /// The scratch of the site.
    pub(super) fn scratch<'s>(&'s self, name: &'s str) -> Scratch<'s> {
        Scratch {
            name,
            site: self.site,
            root: self.root,
            runs: self.runs,
        }
    }

    pub(super) async fn push(
        &self,
        store: &mut Store,
        run: &Run,
        items: &[Item],
    ) -> Result<Vec<Outcome>, Stop> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let begun = Begun {
            site: self.site_name,
            way: Way::Push,
            run_id: Some(run.run_id),
            files: items.len(),
            at: self.clock.now(),
        };
        let id = store.begin_transfer(begun)?;
        let ledger = transfer::Ledger::new(store)?;
        let options =
            TransferOptions::of(self.site_name, self.site, self.program, self.left, &ledger);
        let outcomes = transfer::push(self.host, items, &options, self.progress).await;
        let fresh = ledger.into_fresh();
        store.remember_hashes(&fresh)?;
        store.end_transfer(id, transfer::told(&outcomes), self.clock.now())?;
        Ok(outcomes?)
    }
}

/// What stage-in did, for the run's story.
fn told(staging: &Staging, inputs: usize, refused: usize) -> String {
    let sent = staging.sent;
    let mut why = format!("{sent} of {inputs} inputs sent, the others were there");
    if !staging.cleaned.is_empty() {
        let runs = staging.cleaned.iter().map(|run| run.run_id.to_string());
        let runs: Vec<String> = runs.collect();
        let bytes: u64 = staging.cleaned.iter().map(|run| run.bytes).sum();
        why = format!("{why}; run {} cleaned for {bytes} bytes", runs.join(", "));
    }
    if !staging.awaited.is_empty() {
        let runs = awaited::runs(&staging.awaited);
        why = format!("{why}; it begins after run {runs}");
    }
    if staging.untouched > 0 {
        let untouched = staging.untouched;
        why = format!("{why}; {untouched} old inputs cannot be touched and may be purged");
    }
    if refused > 0 {
        why = format!("{why}; {refused} jobs refused for want of inputs");
    }
    why
}

/// The files that the batch job needs: those of the run directory, and the worker's program. That
/// lies under its hash, so it goes once.
fn run_files(run_dir: &Path, decision: &Decision) -> Vec<Item> {
    let chunks = usize::try_from(decision.chunks).unwrap_or_default();
    let list = match decision.worker {
        Some(_) => run_dir::JOBS,
        None => run_dir::WRAPPER,
    };
    let has_shares = decision.worker.is_some() && decision.allocation.tasks.is_some();
    let names = [
        run_dir::COMMANDS,
        list,
        run_dir::BATCH_SCRIPT,
        run_dir::REFUSED,
    ];
    let program = decision.worker.as_ref().and_then(|worker| {
        let sent = worker.sent.as_ref()?;
        Some(Item {
            local: sent.local.clone(),
            remote: worker.remote.clone(),
            size: None,
            hash: Some(sent.hash),
        })
    });
    names
        .into_iter()
        .chain(has_shares.then_some(run_dir::SHARES))
        .map(str::to_owned)
        .chain((0..chunks).map(run_dir::chunk_name))
        .map(|name| Item {
            local: run_dir.join(&name),
            remote: decision.remote_dir.join(&name),
            size: None,
            hash: None,
        })
        .chain(program)
        .collect()
}
