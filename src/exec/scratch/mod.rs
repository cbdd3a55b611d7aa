//! What is on a site's scratch: whether it is still there, how much it is, what may go.
//!
//! What decides is pure ([`age`], [`budget`], [`rule`]); here is what asks the site and state.db.

pub mod age;
pub mod budget;
pub(crate) mod fresh;
pub mod guard;
pub(crate) mod look;
pub mod rule;

use std::{
    collections::BTreeSet,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use guard::Guard;
use look::{LookError, Question, look};
use rule::{Candidate, Keep, Sorted, enough};

use crate::{
    config::{
        site::{ScratchClean, Site},
        units::Bytes,
    },
    connection::{Host, LinkError, escaped_lines},
    state::{
        StateError, Store,
        event::Act,
        room::Claim,
        run::{Run, RunEvent, RunFilter, RunState, Stage, Step},
        run_dir::{self, files},
        staged::{Staged, StagedKind},
    },
};

/// Removes the directory `$1`, if it is not empty, and the files of its input, a line each.
const REMOVE: &str = r#"
[ -z "$1" ] || rm -rf -- "$1" || exit 1
set --
while IFS= read -r p; do
    case $p in *\\*) q=$(printf '%b.' "$p"); q=${q%.} ;; *) q=$p ;; esac
    set -- "$@" "$q"
    if [ $# -ge 200 ]; then rm -f -- "$@" || exit 1; set --; fi
done
[ $# -eq 0 ] || rm -f -- "$@" || exit 1
echo or end
"#;

/// Why scratch could not be looked at or cleaned.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// state.db refuses.
    #[error(transparent)]
    State(#[from] StateError),
    /// The link is down.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The files of a run do not fit.
    #[error(transparent)]
    Over(#[from] budget::OverBudget),
    /// The files of a run do not fit yet; runs under way may make room.
    #[error(transparent)]
    Later(budget::OverBudget),
    /// It is not known what a run needs, so nothing may go.
    #[error(
        "run {run}, which is not over, has no list of files that can be read ({why}), so nothing can be told to be free; mend that, or `outrigger remote cancel {run}`"
    )]
    Unknown {
        /// The run.
        run: i64,
        /// What reading its manifest met.
        why: String,
    },
    /// What keeps removals and looks apart.
    #[error(transparent)]
    Guard(#[from] guard::GuardError),
    /// The site said no.
    #[error("{0}")]
    Site(String),
}

impl From<LookError> for ScratchError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Link(error) => Self::Link(error),
            cut @ LookError::Cut { .. } => Self::Site(cut.to_string()),
        }
    }
}

/// The scratch of a site.
#[derive(Debug, Clone, Copy)]
pub struct Scratch<'a> {
    /// The site's name.
    pub name: &'a str,
    /// Its settings.
    pub site: &'a Site,
    /// Directory of outrigger.yaml.
    pub root: &'a Path,
    /// Directory of the run directories.
    pub runs: &'a Path,
}

impl Scratch<'_> {
    /// What may go and what must stay.
    ///
    /// # Errors
    /// When state.db refuses, or it cannot be told what a run that is not over needs.
    pub fn sort_out(&self, store: &Store) -> Result<Sorted, ScratchError> {
        let ledger = store.staged(self.name)?;
        let runs = store.runs(&RunFilter {
            site: Some(self.name.to_owned()),
            ..RunFilter::default()
        })?;
        let mut needed = BTreeSet::new();
        for run in runs.iter().filter(|run| !run.state.is_over()) {
            needed.extend(self.named_by(run)?);
        }
        let at_home = at_home(store, self.name, &ledger)?;
        let keep = Keep {
            site: self.site,
            needed: &needed,
            at_home: &at_home,
        };
        Ok(keep.sort_out(&ledger, &runs))
    }

    /// The paths on the site that a run names in its manifest; none before it is prepared.
    fn named_by(&self, run: &Run) -> Result<Vec<PathBuf>, ScratchError> {
        let unprepared = matches!(
            run.state,
            RunState::Active(Stage::New)
                | RunState::Hold(Stage::New)
                | RunState::Error(Step::Prepare)
        );
        let directory = run_dir::place(self.root, self.runs, &run.path_base);
        if unprepared {
            return Ok(Vec::new());
        }
        let files = files::manifest(&directory).map_err(|error| ScratchError::Unknown {
            run: run.run_id,
            why: error.to_string(),
        })?;
        Ok(files.into_iter().map(|file| file.remote).collect())
    }

    /// Sees to it that what `run` wants to send fits into the budget, and claims the room for it. If it does not fit by the ledger and what others have
    /// claimed, the site is asked what of the ledger is still there; if it still does not, what may
    /// go is cleaned as `scratch_clean` says, because of `act`. Tells what was cleaned.
    ///
    /// # Errors
    /// [`ScratchError::Over`] if it does not fit, [`ScratchError::Later`] if it will once other runs
    /// are over and can be cleaned; then nothing was removed, unless others took what became free.
    pub(crate) async fn make_room(
        &self,
        store: &mut Store,
        host: &Host,
        run: i64,
        wanted: &[Claim],
        act: Act<'_>,
    ) -> Result<Vec<Candidate>, ScratchError> {
        let Some(budget) = self.site.scratch_budget else {
            return Ok(Vec::new());
        };
        if self.claim(store, run, wanted, budget)?.over == 0 {
            return Ok(Vec::new());
        }
        let _guard = Guard::remove(store.path(), self.name).await?;
        self.forget_what_is_gone(store, host).await?;
        let room = self.claim(store, run, wanted, budget)?;
        if room.over == 0 {
            return Ok(Vec::new());
        }
        let refusal = |room: Room, mend: String| budget::OverBudget {
            site: self.name.to_owned(),
            after: room.after,
            over: room.over,
            budget,
            mend,
        };
        let found = match self.sort_out(store) {
            Ok(sorted) => sorted.candidates,
            Err(error) => return Err(ScratchError::Over(refusal(room, error.to_string()))),
        };
        if self.site.scratch_clean == ScratchClean::OldestFinished {
            let later = |room| {
                let mend = "it waits until another run there is over".to_owned();
                ScratchError::Later(refusal(room, mend))
            };
            let own: Vec<Candidate> = found
                .iter()
                .filter(|candidate| candidate.state != RunState::Cancelled)
                .cloned()
                .collect();
            if let Some(chosen) = enough(&own, room.over) {
                for candidate in chosen {
                    self.clean(store, host, candidate).await?;
                    note_cleaned(store, candidate, act)?;
                }
                let room = self.claim(store, run, wanted, budget)?;
                return if room.over == 0 {
                    Ok(chosen.to_vec())
                } else {
                    Err(later(room))
                };
            }
            let alone = budget::afterwards(&self.site.scratch, &[], paths(wanted));
            let fits_alone = budget::over(alone, Some(budget)) == 0;
            if fits_alone && (room.has_claims || self.is_busy(store)?) {
                return Err(later(room));
            }
        }
        Err(ScratchError::Over(refusal(room, mend(&found, room.over))))
    }

    /// Whether the batch job of a run is there, which will be over by itself.
    fn is_busy(&self, store: &Store) -> Result<bool, StateError> {
        let stages = [
            Stage::Submitting,
            Stage::Run,
            Stage::Returning,
            Stage::Importing,
        ];
        let runs = store.runs(&RunFilter {
            site: Some(self.name.to_owned()),
            states: stages.map(RunState::Active).to_vec(),
            limit: 1,
            ..RunFilter::default()
        })?;
        Ok(!runs.is_empty())
    }

    /// Claims room for what a run wants to send, if it is within the budget.
    fn claim(
        &self,
        store: &mut Store,
        run: i64,
        wanted: &[Claim],
        budget: Bytes,
    ) -> Result<Room, StateError> {
        let mut room = Room::default();
        store.claim_room(self.name, run, wanted, |taken| {
            let claimed = taken.claimed.iter();
            let claimed = claimed.map(|(path, size)| (path.as_path(), *size));
            let coming = claimed.chain(paths(wanted));
            room.after = budget::afterwards(&self.site.scratch, &taken.ledger, coming);
            room.over = budget::over(room.after, Some(budget));
            room.has_claims = !taken.claimed.is_empty();
            room.over == 0
        })?;
        Ok(room)
    }

    async fn forget_what_is_gone(
        &self,
        store: &mut Store,
        host: &Host,
    ) -> Result<(), ScratchError> {
        let ledger = store.staged(self.name)?;
        let questions: Vec<Question<'_>> = ledger
            .iter()
            .map(|row| Question {
                path: &row.remote,
                touch: false,
            })
            .collect();
        let seen = look(host, &questions).await?;
        let gone = ledger.iter().zip(&seen).filter(|(_, seen)| seen.is_none());
        store.forget_staged(self.name, gone.map(|(row, _)| row.remote.as_path()))?;
        Ok(())
    }

    /// Removes what `candidate` names from the site and the ledger. A [`Guard`] must have been
    /// held since it was [found out](Self::sort_out) what may go.
    ///
    /// # Errors
    /// When the link is down, or the site cannot remove something.
    pub async fn clean(
        &self,
        store: &mut Store,
        host: &Host,
        candidate: &Candidate,
    ) -> Result<(), ScratchError> {
        let lines = escaped_lines(candidate.files.iter().map(PathBuf::as_path));
        let directory = candidate.directory.as_deref().unwrap_or(Path::new(""));
        let arguments: [&[u8]; 1] = [directory.as_os_str().as_bytes()];
        let answer = host
            .script_fed(REMOVE, &arguments, Some(lines.as_bytes()))
            .await?;
        if !answer.out().ends_with("or end\n") {
            return Err(ScratchError::Site(format!(
                "files of run {} cannot be removed from site {}: {}",
                candidate.run_id,
                self.name,
                answer.err().trim()
            )));
        }
        self.forget(store, candidate)?;
        Ok(())
    }

    /// Takes what was removed out of the ledger.
    fn forget(&self, store: &mut Store, candidate: &Candidate) -> Result<(), StateError> {
        let ledger = store.staged(self.name)?;
        let within = |path: &Path| {
            let directory = candidate.directory.as_deref();
            directory.is_some_and(|directory| path.starts_with(directory))
        };
        let below = ledger.iter().map(|row| row.remote.as_path());
        let below = below.filter(|path| within(path));
        let files = candidate.files.iter().map(PathBuf::as_path);
        store.forget_staged(self.name, below.chain(files))
    }
}

/// What there would be with what a run wants to send.
#[derive(Debug, Clone, Copy, Default)]
struct Room {
    /// Bytes that would be there.
    after: u64,
    /// How many of them are over the budget.
    over: u64,
    /// Whether other runs have claimed some of them.
    has_claims: bool,
}

fn paths(wanted: &[Claim]) -> impl Iterator<Item = (&Path, u64)> {
    wanted
        .iter()
        .map(|claim| (claim.remote.as_path(), claim.size))
}

/// A run that has lost its directory is cleaned.
fn note_cleaned(store: &mut Store, candidate: &Candidate, act: Act<'_>) -> Result<(), StateError> {
    if candidate.directory.is_none() || candidate.state == RunState::Cleaned {
        return Ok(());
    }
    match store.advance(candidate.run_id, RunEvent::Clean, act) {
        // Another program has cleaned it meanwhile.
        Ok(_) | Err(StateError::Illegal(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The products of which the verified copy here is still there, of its size.
fn at_home(store: &Store, site: &str, ledger: &[Staged]) -> Result<BTreeSet<PathBuf>, StateError> {
    let mut found = BTreeSet::new();
    for row in ledger.iter().filter(|row| row.kind == StagedKind::Product) {
        let home = store.product_on(site, &row.remote)?;
        let is_there = home.is_some_and(|product| {
            product.hash == row.hash
                && std::fs::metadata(&product.path)
                    .is_ok_and(|found| found.is_file() && found.len() == product.size)
        });
        if is_there {
            found.insert(row.remote.clone());
        }
    }
    Ok(found)
}

/// What an operator can do about `over` bytes too many.
fn mend(candidates: &[Candidate], over: u64) -> String {
    /// Runs named at most.
    const NAMED: usize = 20;
    let chosen = enough(candidates, over).unwrap_or(candidates);
    if chosen.is_empty() {
        return "no run that is over has files there that may go; wait until one is, or raise the budget".to_owned();
    }
    let bytes = chosen
        .iter()
        .fold(0_u64, |sum, candidate| sum.saturating_add(candidate.bytes));
    let runs: Vec<String> = chosen
        .iter()
        .take(NAMED)
        .map(|candidate| candidate.run_id.to_string())
        .collect();
    let more = if chosen.len() > NAMED { " …" } else { "" };
    let short = if bytes < over {
        ", which is not enough: raise the budget, or wait until other runs are over"
    } else {
        ""
    };
    format!(
        "`outrigger remote clean {}{more}` frees {bytes} bytes{short}; then `outrigger remote revert` this run",
        runs.join(" ")
    )
}

#[cfg(test)]
mod tests;
