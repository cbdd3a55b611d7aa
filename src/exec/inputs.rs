//! The inputs of a run come to be on the site, before anything is submitted.
//!
//! The site is asked by one script what is there. What the ledger knows and nobody has written to
//! is not read again; anything else is compared by hash, and sent if it differs. Then the site is
//! asked again, since it may have purged something while the rest was on its way.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    ACTOR, Exec, Stop,
    scratch::{
        ScratchError,
        age::Age,
        fresh::{Here, is_same, is_to_touch},
        guard::Guard,
        look::{Question, Seen, look},
        rule::Candidate,
    },
};
use crate::{
    state::{
        Store,
        awaited::Awaited,
        event::Act,
        file::FileKey,
        room::Claim,
        run::Run,
        run_dir::manifest::{FileKind, ManifestLine},
        staged::{Staged, StagedKind},
    },
    transfer::{HashLedger, Item, Ledger, Outcome, Place},
};

/// How often what the site lacks is sent before it counts as missing.
const SENDINGS: u32 = 3;

/// What became of the inputs.
#[derive(Debug, Default)]
pub(super) struct Staging {
    /// Inputs that are not on the site and cannot be sent, by manifest id, with the reason.
    pub(super) missing: BTreeMap<u64, String>,
    /// How many were sent.
    pub(super) sent: usize,
    /// How many were to be touched and could not be.
    pub(super) untouched: usize,
    /// Runs that were cleaned to make room.
    pub(super) cleaned: Vec<Candidate>,
    /// Batch jobs that are to make some of them.
    pub(super) awaited: BTreeSet<Awaited>,
}

/// An input of the run.
struct Input<'a> {
    file: &'a ManifestLine,
    /// How it is sent: an earlier stage's only if its product is here.
    item: Option<Item>,
    /// What it is here.
    here: Here,
    /// What the ledger tells of it.
    row: Option<Staged>,
    /// Whether it was hashed on the site since it was last looked at.
    is_verified: bool,
    /// Whether it is on the site, as far as we know.
    is_there: bool,
    /// Whether a batch job is to make it, so that nothing is to be done about it.
    is_promised: bool,
}

impl Exec<'_> {
    /// Brings the inputs of `run` to the site, or says which of them cannot be had. `besides` is
    /// what else will be on scratch.
    pub(super) async fn bring_inputs(
        &self,
        store: &mut Store,
        run: &Run,
        files: &[ManifestLine],
        besides: Claim,
    ) -> Result<Staging, Stop> {
        let now = self.clock.now();
        let mut inputs = inputs(store, &run.site, files)?;
        let shipped = inputs.iter().filter(|input| input.is_shipped());
        let bytes = shipped.clone().map(|input| input.here.size).sum();
        self.progress.expect(shipped.count() as u64, bytes);

        let promises = self.promises(store, run, files)?;
        let mut staging = Staging::default();
        for sending in 0..=SENDINGS {
            let guard = Guard::look(store.path(), &run.site)
                .await
                .map_err(ScratchError::from)?;
            self.look_at(&mut inputs, &mut staging, now).await?;
            drop(guard);
            if sending == 0 {
                for input in inputs.iter_mut().filter(|input| !input.is_shipped()) {
                    let awaited = promises.job(&input.file.remote, input.is_there)?;
                    input.is_promised = awaited.is_some();
                    staging.awaited.extend(awaited);
                }
            }
            for input in lacking(&mut inputs, &staging) {
                input.find_at_home(store, &run.site)?;
            }
            if sending == 0 {
                self.tell_what_is_there(&inputs);
                let mut wanted = wanted(&inputs);
                wanted.push(besides.clone());
                let room = self.scratch(&run.site);
                let why = format!("cleaned to make room for run {}", run.run_id);
                let act = Act::new(now, ACTOR, &why);
                staging.cleaned = room
                    .make_room(store, self.host, run.run_id, &wanted, act)
                    .await?;
            }
            let lacking = lacking(&mut inputs, &staging);
            if lacking.is_empty() {
                break;
            }
            if sending == SENDINGS {
                for input in lacking {
                    let path = input.file.remote.display();
                    let why = format!("input {path} was sent and is gone from the site again");
                    staging.missing.insert(input.file.id, why);
                }
                break;
            }
            self.send(store, run, lacking, &mut staging, now).await?;
        }
        let rows: Vec<Staged> = inputs
            .into_iter()
            .filter(|input| input.is_there && !input.is_promised)
            .filter_map(|input| input.row)
            .map(|row| Staged {
                run_id: run.run_id,
                used_at: now,
                ..row
            })
            .collect();
        store.remember_staged(&run.site, &rows)?;
        Ok(staging)
    }

    /// Asks the site which inputs are there, and touches those that are old.
    async fn look_at(
        &self,
        inputs: &mut [Input<'_>],
        staging: &mut Staging,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let age = Age {
            now,
            purge: self.site.purge_age,
        };
        let questions: Vec<Question<'_>> = inputs
            .iter()
            .map(|input| Question {
                path: &input.file.remote,
                touch: input.is_to_touch(age, self),
            })
            .collect();
        let seen = look(self.host, &questions)
            .await
            .map_err(ScratchError::from)?;
        let touched: Vec<bool> = questions.iter().map(|question| question.touch).collect();
        for ((input, seen), touched) in inputs.iter_mut().zip(seen).zip(touched) {
            input.settle(seen, touched, staging, now);
        }
        Ok(())
    }

    /// Sends what is lacking, unless the right file turns out to be there. What the site cannot take stops
    /// the run; what cannot be sent is missing for the jobs that read it.
    async fn send(
        &self,
        store: &mut Store,
        run: &Run,
        lacking: Vec<&mut Input<'_>>,
        staging: &mut Staging,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let (mut going, mut items) = (Vec::new(), Vec::new());
        for input in lacking {
            match &input.item {
                Some(item) => {
                    items.push(item.clone());
                    going.push(input);
                },
                None => {
                    let path = input.file.remote.display();
                    let why = format!("input {path} is no longer on the site");
                    staging.missing.insert(input.file.id, why);
                },
            }
        }
        for (input, outcome) in going.into_iter().zip(self.push(store, run, &items).await?) {
            match outcome {
                // No fault of the jobs that read it: they must not lose a try by it.
                Outcome::Failed(error) if error.untaken() == Some(Place::Site) => {
                    return Err(Stop::Fail(format!(
                        "{error}; mend that and `outrigger remote revert {}`: what has arrived stays there",
                        run.run_id
                    )));
                },
                Outcome::Failed(error) => {
                    staging.missing.insert(input.file.id, error.to_string());
                },
                Outcome::Done { size, hash } => {
                    staging.sent += 1;
                    input.verified(size, &hash.to_string(), Some(now), run.run_id, now);
                },
                Outcome::AlreadyThere { size, hash } => {
                    input.verified(size, &hash.to_string(), None, run.run_id, now);
                },
            }
        }
        Ok(())
    }

    /// Lets the progress know of inputs that are not sent.
    fn tell_what_is_there(&self, inputs: &[Input<'_>]) {
        for input in inputs {
            match (input.is_shipped(), input.is_there) {
                (true, true) => {
                    self.progress.bytes(input.here.size);
                    self.progress.files(1);
                },
                (false, false) if input.item.is_some() => {
                    self.progress.expect(1, input.here.size);
                },
                _ => {},
            }
        }
    }
}

impl Input<'_> {
    /// Whether it comes from here, as the recipe says.
    fn is_shipped(&self) -> bool {
        self.file.kind == FileKind::In
    }

    fn is_to_touch(&self, age: Age, exec: &Exec<'_>) -> bool {
        // What is not known yet is hashed first: a touch would hide that somebody wrote to it.
        (self.row.is_some() || !self.is_shipped())
            && is_to_touch(&self.file.remote, self.row.as_ref(), age, exec.site)
    }

    /// Takes in what the site said of it.
    fn settle(&mut self, seen: Option<Seen>, touched: bool, staging: &mut Staging, now: Timestamp) {
        let same = is_same(self.row.as_ref(), &self.here, seen.as_ref());
        let verified = std::mem::take(&mut self.is_verified);
        self.is_there = seen.as_ref().is_some_and(|seen| {
            let whole = seen.size.is_none_or(|size| size == self.here.size);
            same || !self.is_shipped() || (verified && whole)
        });
        let Some(seen) = seen.filter(|_| self.is_there) else {
            return;
        };
        if touched && !seen.stamp.is_empty() && seen.stamp == seen.after {
            staging.untouched += 1;
        }
        let Some(row) = &mut self.row else {
            return;
        };
        if touched {
            row.touched_at = now;
        }
        if verified || row.stamp == seen.stamp {
            row.stamp = seen.after;
        }
    }

    /// Takes in that the site has it with this content; `sent` is when, if it was sent now.
    fn verified(
        &mut self,
        size: u64,
        hash: &str,
        sent: Option<Timestamp>,
        run_id: i64,
        now: Timestamp,
    ) {
        let old = self.row.take();
        // How long it has been there is not known: it counts as old.
        let unknown = Timestamp::UNIX_EPOCH;
        let is_product = !self.is_shipped();
        self.here = Here {
            size,
            hash: Some(hash.to_owned()),
        };
        self.is_verified = true;
        self.row = Some(Staged {
            remote: self.file.remote.clone(),
            kind: if is_product {
                StagedKind::Product
            } else {
                StagedKind::Input
            },
            run_id,
            size,
            hash: hash.to_owned(),
            stamp: String::new(),
            sent_at: sent.or(old.as_ref().map(|row| row.sent_at)).unwrap_or(now),
            touched_at: sent
                .or(old.as_ref().map(|row| row.touched_at))
                .unwrap_or(unknown),
            used_at: now,
        });
    }

    /// Looks for the copy at home of a product of an earlier stage that the site lacks.
    fn find_at_home(&mut self, store: &Store, site: &str) -> Result<(), Stop> {
        if self.is_shipped() || self.item.is_some() {
            return Ok(());
        }
        if let Some(product) = store.product_on(site, &self.file.remote)? {
            self.here.size = product.size;
            self.item = Some(Item {
                local: product.path,
                remote: product.remote,
                size: Some(product.size),
                hash: product.hash.parse().ok(),
            });
        }
        Ok(())
    }
}

/// The inputs that the site lacks and that may still be had.
fn lacking<'i, 'f>(inputs: &'i mut [Input<'f>], staging: &Staging) -> Vec<&'i mut Input<'f>> {
    let missing = &staging.missing;
    inputs
        .iter_mut()
        .filter(|input| !input.is_there && !input.is_promised)
        .filter(|input| !missing.contains_key(&input.file.id))
        .collect()
}

/// The inputs among `files`, with what is known of them here and in the ledger.
fn inputs<'f>(
    store: &Store,
    site: &str,
    files: &'f [ManifestLine],
) -> Result<Vec<Input<'f>>, Stop> {
    let rows = store.staged(site)?;
    let mut rows: BTreeMap<PathBuf, Staged> = rows
        .into_iter()
        .map(|row| (row.remote.clone(), row))
        .collect();
    let hashes = Ledger::new(store)?;
    let inputs = files.iter().filter(|file| !file.kind.is_output());
    let input = |file: &'f ManifestLine| {
        let local = file.local.as_deref();
        let item = (file.kind == FileKind::In).then(|| Item {
            local: local.unwrap_or(Path::new("")).to_owned(),
            remote: file.remote.clone(),
            size: None,
            hash: None,
        });
        Input {
            file,
            item,
            here: here(file, &hashes),
            row: rows.remove(&file.remote),
            is_verified: false,
            is_there: false,
            is_promised: false,
        }
    };
    Ok(inputs.map(input).collect())
}

/// What an input is here, without reading it.
fn here(file: &ManifestLine, hashes: &dyn HashLedger) -> Here {
    let found = file.local.as_deref().map(std::fs::metadata);
    match found {
        Some(Ok(metadata)) => Here {
            size: metadata.len(),
            hash: hashes
                .get(FileKey::of(&metadata))
                .map(|hash| hash.to_string()),
        },
        _ => Here {
            size: file.size.unwrap_or_default(),
            hash: None,
        },
    }
}

/// The room that inputs which are sent from here will take.
fn wanted(inputs: &[Input<'_>]) -> Vec<Claim> {
    inputs
        .iter()
        .filter(|input| input.item.is_some())
        .map(|input| Claim {
            remote: input.file.remote.clone(),
            size: input.here.size,
            kind: StagedKind::Input,
        })
        .collect()
}
