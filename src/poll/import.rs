//! Import: the verdicts on all jobs go into state.db in one transaction.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::Timestamp;

use super::{ACTOR, Poll, PollError, Stop, harvest, haul::Haul, legacy};
use crate::{
    durable,
    state::{
        Store,
        back_off::BackOff,
        event::Act,
        file::Product,
        import::{Counts, Import, JobOutcome},
        job::JobEvent,
        legacy::Begun,
        run::Run,
        run_dir::{
            self,
            decision::{Decision, Report},
            files::{self, RunDirError},
            journal::{self, OutputRecord},
            manifest::ManifestLine,
        },
        staged::{Staged, StagedKind},
    },
};

impl Poll<'_> {
    /// Judges the jobs of a run from its directory here and imports them, but for those that were
    /// imported while its batch job ran; the run is full then.
    pub(super) async fn import(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
        home: &Path,
    ) -> Result<Counts, Stop> {
        let decision = Decision::read(run_dir)?;
        let path = run_dir.join(run_dir::JOURNAL);
        let bytes = std::fs::read(&path).map_err(RunDirError::io(&path))?;
        let mut haul = Haul::new(run_dir, decision, journal::read(&bytes))?;
        haul.brought = harvest::read_returned(&files::text(run_dir, run_dir::RETURNED)?)?;
        let imported = store.imported_jobs(run.run_id)?;
        haul.keep(|job| !imported.contains(&job));
        let mut outcomes = haul.judge();
        self.run_legacy(store, run, &haul, &mut outcomes, home)
            .await?;
        let products = self.on_both_sides(store, run, &haul, home)?;
        let act = Act::new(self.clock.now(), ACTOR, "imported");
        Ok(store
            .import(&self.how(run, &haul), &outcomes, &products, act)
            .map_err(PollError::from)?)
    }

    /// How the jobs of a haul are imported.
    pub(super) fn how<'a>(&self, run: &Run, haul: &'a Haul) -> Import<'a> {
        let decision = &haul.decision;
        let schema = decision.schema.as_ref();
        Import {
            run_id: run.run_id,
            schema: schema.filter(|_| decision.report != Report::Legacy),
            next: decision.next.as_deref(),
            attempts: self.site.tries(),
            back_off: BackOff {
                after: Duration::from_secs(self.site.back_off_after().0),
                at_most: Duration::from_secs(self.site.back_off.at_most.0),
            },
        }
    }

    /// The products of a haul that are home; what its jobs left on the site goes to the ledger of
    /// its scratch.
    pub(super) fn on_both_sides(
        &self,
        store: &mut Store,
        run: &Run,
        haul: &Haul,
        home: &Path,
    ) -> Result<Vec<Product>, PollError> {
        let is_home = |file: &&ManifestLine| haul.brought.get(&file.id).is_some_and(Result::is_ok);
        let product = |file: &ManifestLine| {
            let record = haul.journal.jobs.get(&file.job)?;
            let output = record.outputs.iter().find(|output| output.id == file.id)?;
            Some(Product {
                seq: file.job,
                path: harvest::at_home(home, file)?,
                remote: file.remote.clone(),
                size: output.size,
                hash: output.hash.clone(),
            })
        };
        let products = haul
            .files
            .iter()
            .filter(is_home)
            .filter_map(product)
            .collect();
        let on_site = on_site(haul, run.run_id, self.clock.now());
        store.remember_staged(&run.site, &on_site)?;
        Ok(products)
    }

    /// Runs the legacy dbinfo lines of jobs that passed. Each is noted before and after, so that
    /// none is run twice; one that was cut short fails its job and says so.
    pub(super) async fn run_legacy(
        &self,
        store: &mut Store,
        run: &Run,
        haul: &Haul,
        outcomes: &mut [JobOutcome],
        home: &Path,
    ) -> Result<(), Stop> {
        if haul.decision.report != Report::Legacy {
            return Ok(());
        }
        for outcome in outcomes
            .iter_mut()
            .filter(|outcome| outcome.event == JobEvent::Pass)
        {
            let record = haul.journal.jobs.get(&outcome.seq);
            let line = record.map_or("", |job| job.record.as_str());
            let id = (run.run_id, outcome.seq);
            if let Err(refusal) = self.legacy_line(store, id, line, home).await? {
                outcome.event = JobEvent::Fail;
                outcome.reason = refusal.why;
                outcome.by_hand = refusal.by_hand;
                outcome.failures += 1;
            }
        }
        Ok(())
    }

    /// Runs the legacy dbinfo line of one job, `(run, seq)`, unless it was run before.
    async fn legacy_line(
        &self,
        store: &mut Store,
        (run_id, seq): (i64, u64),
        line: &str,
        home: &Path,
    ) -> Result<Result<(), Refusal>, PollError> {
        let failed = |why| Refusal {
            why,
            by_hand: false,
        };
        let command = match legacy::read(line, self.allowed) {
            Ok(command) => command,
            Err(why) => return Ok(Err(failed(why))),
        };
        Ok(
            match store.begin_legacy(run_id, seq, line, self.clock.now())? {
                Begun::Done => Ok(()),
                Begun::Cut => Err(Refusal {
                    why: format!(
                        "its dbinfo command was interrupted; look whether it took effect: {}",
                        line.trim()
                    ),
                    by_hand: true,
                }),
                Begun::Fresh => {
                    let done = execute(&command, home).await;
                    store.end_legacy(run_id, seq, done.is_ok())?;
                    done.map_err(failed)
                },
            },
        )
    }
}

/// What the jobs of a run left on the site, for the ledger of its scratch: products that are home
/// too, and files that are nowhere else.
fn on_site(haul: &Haul, run_id: i64, now: Timestamp) -> Vec<Staged> {
    let files = haul.files.iter();
    let ids: BTreeMap<u64, &ManifestLine> = files.map(|file| (file.id, file)).collect();
    let left = |(file, output): (&ManifestLine, &OutputRecord), written: Timestamp| Staged {
        remote: file.remote.clone(),
        kind: if haul.brought.get(&file.id).is_some_and(Result::is_ok) {
            StagedKind::Product
        } else {
            StagedKind::Kept
        },
        run_id,
        size: output.size,
        hash: output.hash.clone(),
        stamp: String::new(),
        sent_at: written,
        touched_at: written,
        used_at: now,
    };
    let jobs = haul.journal.jobs.values();
    jobs.flat_map(|job| {
        let end = job.end.as_ref().map(|end| end.end);
        let written = end.and_then(|end| Timestamp::from_second(end).ok());
        let outputs = job.outputs.iter();
        let known = outputs.filter_map(|output| Some((*ids.get(&output.id)?, output)));
        known.map(move |pair| left(pair, written.unwrap_or(now)))
    })
    .collect()
}

/// Why a legacy dbinfo line did not take effect.
struct Refusal {
    why: String,
    /// Whether it may have taken effect after all, so that a human must look.
    by_hand: bool,
}

/// Runs a command in the directory of outrigger.yaml, from which a relative program is taken.
async fn execute(command: &legacy::Command, home: &Path) -> Result<(), String> {
    let program = home.join(&command.program);
    durable::step("legacy dbinfo");
    let output = tokio::process::Command::new(&program)
        .current_dir(home)
        .args(&command.arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{}: {}: {}",
        program.display(),
        output.status,
        said.trim().lines().next_back().unwrap_or("")
    ))
}
