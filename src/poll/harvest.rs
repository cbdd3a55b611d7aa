//! Harvest: the jobs' journal and the products come home.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{Brought, Poll, Stop, haul::Haul};
use crate::{
    state::{
        Store,
        run::Run,
        run_dir::{
            self,
            decision::Decision,
            files::{self, RunDirError},
            journal::{self, Journal},
            manifest::{FileKind, ManifestLine},
            tsv::Field,
        },
        transfer::{Begun, Way},
    },
    transfer::{self, Hash, Item, Outcome, Place, TransferOptions},
};

/// Prints all node journals of the run directory `$1`. One that cannot be read is no reason to
/// take its jobs for lost.
const JOURNALS: &str = r#"cd "$1" || exit 9
for file in journal.*.tsv; do
  [ ! -e "$file" ] || cat "$file" || exit 8
done"#;

impl Poll<'_> {
    /// Brings the journal and the products of a run home, verified by the hashes that the jobs
    /// recorded; what was imported while its batch job ran is home already. A product that cannot be
    /// written here stops the run, with nothing lost: it is still on the site. A product that the
    /// site no longer has fails its job alone.
    pub(super) async fn harvest(
        &self,
        store: &mut Store,
        run: &Run,
        run_dir: &Path,
        home: &Path,
    ) -> Result<String, Stop> {
        let decision = Decision::read(run_dir)?;
        let bytes = self.journals(&decision).await?;
        files::write(run_dir, run_dir::JOURNAL, &bytes)?;
        let mut haul = Haul::new(run_dir, decision, journal::read(&bytes))?;
        let imported = store.imported_jobs(run.run_id)?;
        haul.keep(|job| !imported.contains(&job));
        self.bring(store, run, &mut haul, home)
            .await
            .map_err(|stop| match stop {
                Stop::Fail(why) => Stop::Fail(format!(
                    "{why}; mend that and `outrigger remote revert {}`: the products are still on the site",
                    run.run_id
                )),
                other => other,
            })?;
        let brought = &haul.brought;
        files::write(run_dir, run_dir::RETURNED, returned(brought).as_bytes())?;
        let home = brought.values().filter(|result| result.is_ok()).count();
        Ok(format!("{home} of {} products are home", brought.len()))
    }

    /// The journals of a run's nodes, one after the other.
    pub(super) async fn journals(&self, decision: &Decision) -> Result<Vec<u8>, Stop> {
        let remote = decision.remote_dir.to_string_lossy().into_owned();
        let answer = self.host.script(JOURNALS, &[remote]).await?;
        if answer.ok() {
            return Ok(answer.stdout);
        }
        Err(Stop::Fail(format!(
            "its directory {} on the site cannot be read: {}",
            decision.remote_dir.display(),
            answer.err().trim()
        )))
    }

    /// Brings the products of a haul home and notes there which have come.
    pub(super) async fn bring(
        &self,
        store: &mut Store,
        run: &Run,
        haul: &mut Haul,
        home: &Path,
    ) -> Result<(), Stop> {
        let ledger = transfer::Ledger::new(store)?;
        let options =
            TransferOptions::of(self.site_name, self.site, self.program, self.left, &ledger);
        let wanted = wanted(&haul.files, &haul.journal);
        let items: Vec<Item> = wanted.iter().map(|want| want.item(home)).collect();
        if items.is_empty() {
            return Ok(());
        }
        let bytes = wanted.iter().map(|want| want.size).sum();
        self.progress.expect(wanted.len() as u64, bytes);
        let begun = Begun {
            site: self.site_name,
            way: Way::Pull,
            run_id: Some(run.run_id),
            files: items.len(),
            at: self.clock.now(),
        };
        let id = store.begin_transfer(begun)?;
        let outcomes = transfer::pull(self.host, &items, &options, self.progress).await;
        store.remember_hashes(&ledger.into_fresh())?;
        store.end_transfer(id, transfer::told(&outcomes), self.clock.now())?;
        let mut brought: Brought = BTreeMap::new();
        for (want, outcome) in wanted.iter().zip(outcomes?) {
            let result = match outcome {
                Outcome::Done { .. } | Outcome::AlreadyThere { .. } => Ok(()),
                Outcome::Failed(error) if error.untaken() == Some(Place::Here) => {
                    let local = want.file.local.as_deref().unwrap_or(Path::new(""));
                    return Err(Stop::Fail(format!(
                        "job {}: {}: {error}",
                        want.file.job,
                        local.display()
                    )));
                },
                Outcome::Failed(error) => Err(error.to_string()),
            };
            brought.insert(want.file.id, result);
        }
        haul.brought = brought;
        Ok(())
    }
}

/// A product to bring home, with the evidence of the job that made it.
struct Wanted<'a> {
    file: &'a ManifestLine,
    size: u64,
    hash: Option<Hash>,
}

impl Wanted<'_> {
    fn item(&self, home: &Path) -> Item {
        let local = self.file.local.clone().unwrap_or_default();
        Item {
            local: home.join(local),
            remote: self.file.remote.clone(),
            size: Some(self.size),
            hash: self.hash,
        }
    }
}

/// The products that ended jobs recorded and that have a place here.
fn wanted<'a>(files: &'a [ManifestLine], journal: &Journal) -> Vec<Wanted<'a>> {
    let evidence: BTreeMap<u64, (u64, &str)> = journal
        .jobs
        .values()
        .filter(|job| job.end.as_ref().is_some_and(|end| end.exit_code == 0))
        .flat_map(|job| &job.outputs)
        .map(|output| (output.id, (output.size, output.hash.as_str())))
        .collect();
    files
        .iter()
        .filter(|file| matches!(file.kind, FileKind::Out | FileKind::OutOptional))
        .filter_map(|file| {
            let (size, hash) = evidence.get(&file.id)?;
            Some(Wanted {
                file,
                size: *size,
                hash: hash.parse().ok(),
            })
        })
        .collect()
}

/// `returned.tsv`: manifest id and `ok`, or why it did not come home.
fn returned(brought: &Brought) -> String {
    brought
        .iter()
        .map(|(id, result)| match result {
            Ok(()) => format!("{id}\tok\t\n"),
            Err(why) => format!("{id}\tfailed\t{}\n", Field(why.as_bytes())),
        })
        .collect()
}

/// Reads `returned.tsv` back.
pub(super) fn read_returned(text: &str) -> Result<Brought, RunDirError> {
    use run_dir::tsv;
    let line = |number: usize, line: &str| {
        let [id, word, why] = tsv::fields(number, line)?;
        let result = if word == "ok" {
            Ok(())
        } else {
            Err(tsv::text(number, "reason", why)?)
        };
        Ok((tsv::parse(number, "id", id)?, result))
    };
    text.lines()
        .enumerate()
        .map(|(index, text)| line(index + 1, text))
        .collect::<Result<_, _>>()
        .map_err(RunDirError::format(run_dir::RETURNED))
}

/// Where a product is here.
pub(super) fn at_home(home: &Path, file: &ManifestLine) -> Option<PathBuf> {
    file.local.as_ref().map(|local| home.join(local))
}
