//! Define: what is eligible becomes runs.

use serde::Serialize;

use super::workplace::{RemoteError, Workplace};
use crate::{
    allocator, prepare,
    state::{
        StateError,
        back_off::{Delayed, Waiting},
        component::{Candidate, NewRun},
        event::Act,
    },
};

/// What to define.
#[derive(Debug, Clone, Default)]
pub struct DefineRequest {
    /// The stage, or an alias of it.
    pub stage: String,
    /// Label that the recipe's source is asked for.
    pub label: String,
    /// Label of the new runs, if another.
    pub set_label: Option<String>,
    /// Where they go; the first site if absent.
    pub site: Option<String>,
    /// At most so many components; 0 = all.
    pub limit: usize,
    /// Define nothing if fewer than so many are eligible.
    pub min: usize,
    /// Only tell what would be bundled.
    pub pretend: bool,
    /// Directory for the run directories, as it will be recorded; the configured one if absent.
    pub path_base: Option<String>,
}

/// What was defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Defined {
    /// The stage.
    pub stage: String,
    /// The site.
    pub site: String,
    /// The `stage_id`s that are bundled, or would be.
    pub stage_ids: Vec<i64>,
    /// The new runs.
    pub runs: Vec<i64>,
    /// Components of the stage and label that are due again only later.
    pub waiting: Waiting,
    /// What else there is to say.
    pub notes: Vec<String>,
}

impl Workplace {
    /// Bundles the eligible components of a stage into runs that fit the site, each in one
    /// transaction that claims its components. With nothing eligible nothing happens.
    pub fn define(&mut self, request: &DefineRequest) -> Result<Defined, RemoteError> {
        let label = request.set_label.as_deref().unwrap_or(&request.label);
        if !is_label(label) {
            return Err(RemoteError::Label(label.to_owned()));
        }
        let site_name = self.site_name(request.site.as_deref())?.to_owned();
        let loaded = self.loaded.recipe(&request.stage)?.clone();
        let stage = loaded.recipe.stage.clone();
        let mut defined = Defined {
            stage: stage.clone(),
            site: site_name.clone(),
            stage_ids: Vec::new(),
            runs: Vec::new(),
            waiting: self.waiting(|of| of.stage == stage && of.label == label)?,
            notes: Vec::new(),
        };

        let schemas: Vec<_> = self
            .loaded
            .recipes
            .values()
            .filter_map(|loaded| loaded.recipe.dbinfo.as_ref())
            .map(prepare::record_schema)
            .collect();
        self.store.ensure_tables(&schemas)?;
        let eligible = self.eligible(request, &loaded)?;
        if eligible.len() < request.min {
            defined.notes.push(format!(
                "{} eligible, fewer than the {} asked for: nothing defined",
                eligible.len(),
                request.min
            ));
            return Ok(defined);
        }
        defined.stage_ids = eligible
            .iter()
            .map(|candidate| candidate.stage_id)
            .collect();
        if request.pretend || eligible.is_empty() {
            return Ok(defined);
        }

        let directory = loaded.directory();
        let jobs = prepare::job_counts(
            &loaded.recipe,
            directory,
            &self.store,
            &request.label,
            &eligible,
        )?;
        let total = jobs
            .iter()
            .map(|count| u64::from(*count))
            .sum::<u64>()
            .max(1);
        let allocation = self
            .reckoning(&request.stage, &site_name)?
            .allocate(total, false)?;
        let base = match &request.path_base {
            Some(base) => base.clone(),
            None => format!("{}/{label}", self.loaded.config.runs.display()),
        };
        for part in allocator::split(&jobs, allocation.capacity_jobs) {
            if part.oversized {
                defined.notes.push(format!(
                    "component {} alone has {} jobs, more than one request of {site_name} can hold",
                    defined
                        .stage_ids
                        .get(part.components.start)
                        .copied()
                        .unwrap_or_default(),
                    part.jobs
                ));
            }
            let bundle: &[Candidate] = eligible.get(part.components.clone()).unwrap_or_default();
            let new = NewRun {
                stage: &stage,
                site: &site_name,
                label,
                base: &base,
                secret: secret(),
            };
            let act = Act::new(self.clock.now(), "define", "bundled");
            defined.runs.extend(self.store.define(new, bundle, act)?);
        }
        if defined.runs.len() > 1 {
            defined.notes.push(format!(
                "{total} jobs do not fit one request of {site_name}: split into {} runs",
                defined.runs.len()
            ));
        }
        Ok(defined)
    }

    /// The components that may be bundled again only later, of the stages and labels that `which`
    /// takes.
    pub(super) fn waiting(&self, which: impl Fn(&Delayed) -> bool) -> Result<Waiting, StateError> {
        let delayed = self.store.delayed(self.clock.now())?;
        let ours = delayed.into_iter().filter(which);
        Ok(ours.map(|delayed| delayed.waiting).collect())
    }

    /// The components that the recipe's source offers and that are free, up to the limit.
    fn eligible(
        &self,
        request: &DefineRequest,
        loaded: &crate::config::LoadedRecipe,
    ) -> Result<Vec<Candidate>, RemoteError> {
        let reader = self.store.reader()?;
        let now = self.clock.now();
        let mut eligible = Vec::new();
        prepare::candidates(
            &loaded.recipe,
            loaded.directory(),
            &reader,
            &request.label,
            &mut |candidate| {
                let full = request.limit > 0 && eligible.len() >= request.limit;
                if !full
                    && self
                        .store
                        .is_free(&loaded.recipe.stage, candidate.stage_id, now)?
                {
                    eligible.push(candidate);
                }
                Ok(())
            },
        )?;
        Ok(eligible)
    }
}

/// Whether a label can be part of a path and of a command line.
pub fn is_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with(['.', '-'])
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

/// A random number for a token.
pub(super) fn secret() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    let state = std::collections::hash_map::RandomState::new();
    state
        .build_hasher()
        .finish()
        .to_ne_bytes()
        .first_chunk()
        .map_or(0, |b| u32::from_ne_bytes(*b))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of a job are far below 2^52"
)]
pub(super) fn seconds(seconds: u64) -> f64 {
    seconds.max(1) as f64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("demo.lanl.t1", true)]
    #[case("", false)]
    #[case("../up", false)]
    #[case("a b", false)]
    #[case("-x", false)]
    fn labels_are_plain(#[case] label: &str, #[case] good: bool) {
        assert_eq!(is_label(label), good);
    }
}
