//! Site to home over ssh.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use super::{
    Engine, Hash, Item, Outcome, Place, Progress, TransferError, TransferOptions,
    carrier::Carrier,
    copy,
    cut::go_on,
    drive::{How, Job, Ledgered, Piece, bundled, drive, enough, jobs},
    facts::{self, Ask, Fact},
    far::{self, Stage},
    fetch,
    freight::Freights,
    gathering::Gathering,
    plan::{self, Cutting},
    program,
    rate::Governor,
    source,
};
use crate::connection::{Host, LinkError};

/// A transfer home. Its sessions open while it is still being found out what there is to bring.
pub struct Pull<'a> {
    host: &'a Host,
    opts: &'a TransferOptions<'a>,
    governor: Arc<Governor>,
    freights: Arc<Freights>,
}

impl<'a> Pull<'a> {
    /// One that has opened nothing yet.
    pub fn new(host: &'a Host, opts: &'a TransferOptions<'a>) -> Self {
        let governor = opts.governor();
        let freights = Arc::new(Freights::new(
            host.clone(),
            Arc::clone(&governor),
            fetch::SEND,
            opts.far_program(),
            opts.compress,
        ));
        Self {
            host,
            opts,
            governor,
            freights,
        }
    }

    /// Opens a session on each line, without waiting for them: for a caller who expects files to
    /// bring. In a runtime of tokio.
    pub fn prepare(&self) {
        let takes_part = !self.host.is_local() && self.opts.engine == Engine::Tar;
        if takes_part && self.host.spares_sessions() {
            self.freights.prepare(self.host.lines());
        }
    }

    /// [`pull()`](super::pull()).
    ///
    /// # Errors
    /// As [`pull()`](super::pull()).
    pub async fn bring(
        self,
        items: &[Item],
        progress: &dyn Progress,
    ) -> Result<Vec<Outcome>, LinkError> {
        if self.host.is_local() {
            return Box::pin(copy::copy(items, copy::Way::Back, self.opts, progress)).await;
        }
        if items.iter().any(|item| !item.local.exists()) {
            self.prepare();
        }
        Box::pin(self.over_ssh(items, progress)).await
    }

    async fn over_ssh(
        self,
        items: &[Item],
        progress: &dyn Progress,
    ) -> Result<Vec<Outcome>, LinkError> {
        let Self {
            host,
            opts,
            governor,
            freights,
        } = self;
        let mut outcomes = Ledgered::new(items.len(), opts.ledger, progress);
        let mut wanted = Vec::new();
        for (index, wish) in wishes(host, items, opts).await?.into_iter().enumerate() {
            match (wish, items.get(index)) {
                (Ok(fact), Some(item)) => wanted.push((index, item, fact)),
                (Err(error), _) => outcomes.set(index, Outcome::Failed(error)),
                (Ok(_), None) => {},
            }
        }
        let present: Vec<_> = wanted
            .iter()
            .filter(|(_, item, (_, hash))| hash.is_some() && item.local.exists())
            .collect();
        let paths: Vec<PathBuf> = present
            .iter()
            .map(|(_, item, _)| item.local.clone())
            .collect();
        let known = source::known(&paths, opts.ledger).await;
        let mut here: HashMap<usize, source::Known> = present
            .iter()
            .zip(known)
            .filter_map(|((index, ..), known)| Some((*index, known.ok()?)))
            .collect();
        let mut pieces = Vec::new();
        for (index, item, (size, hash)) in wanted {
            match here.remove(&index) {
                Some(known) if Some(known.hash) == hash => {
                    let (size, hash) = (known.key.size, known.hash);
                    outcomes.set(index, Outcome::AlreadyThere { size, hash });
                },
                _ => pieces.push(Piece {
                    index,
                    from: item.remote.clone(),
                    to: item.local.clone(),
                    size,
                    hash,
                    key: None,
                }),
            }
        }
        if pieces.is_empty() {
            freights.end().await;
            return Ok(outcomes.finish());
        }
        let streams = opts.streams_on(host);
        let how = How {
            site: opts.site.clone(),
            streams: enough(&pieces, streams, host.lines()),
            ahead: opts.ahead(),
            bundle: opts.bundle,
            until: opts.until,
            governor: Arc::clone(&governor),
        };
        if opts.engine != Engine::Tar {
            return carried(host, pieces, opts, &how, outcomes).await;
        }
        let planned = jobs(&pieces, &how, |piece| cutting(piece, how.bundle));
        let (planned, gatherings) = gathered(planned, &mut outcomes);
        let work = |turn, job| {
            let (host, governor) = (host.clone(), Arc::clone(&governor));
            let gatherings = Arc::clone(&gatherings);
            let freights = Arc::clone(&freights);
            let program = opts.far_program().filter(|_| opts.compress);
            async move {
                if !matches!(job, Job::Bundle(_)) {
                    freights.leave(turn).await;
                }
                let gathering = |piece: &Piece| {
                    let gathering = gatherings.get(&piece.index).cloned();
                    gathering
                        .ok_or_else(|| LinkError::io("a part")(std::io::ErrorKind::NotFound.into()))
                };
                match job {
                    Job::Bundle(pieces) => fetch::bundle(freights, host, turn, pieces).await,
                    Job::Part(piece, of) => {
                        let into = gathering(&piece)?;
                        let one =
                            fetch::part(host, turn, into, piece, of, governor, program).await?;
                        Ok(vec![one])
                    },
                    Job::Assemble(piece, _) => {
                        fetch::assemble(host, gathering(&piece)?, piece).await
                    },
                    Job::Discard(piece, _) => {
                        gathering(&piece)?.clear(&piece);
                        Ok(Vec::new())
                    },
                }
            }
        };
        drive(planned, &how, &mut outcomes, work).await?;
        freights.end().await;
        if freights.missed() {
            program::leave(host, opts, bundled(&pieces)).await;
        }
        Ok(outcomes.finish())
    }
}

impl fmt::Debug for Pull<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pull")
            .field("opts", self.opts)
            .finish_non_exhaustive()
    }
}

/// Bundles that a file must be worth to come in parts if its hash is not known: the site reads it
/// once more for that.
const UNKNOWN: u64 = 4;

/// Whether a file may come in parts.
fn cutting(piece: &Piece, bundle: u64) -> Cutting {
    let least = match piece.hash {
        Some(_) => plan::FEW_BYTES,
        None => bundle.max(plan::FEW_BYTES).saturating_mul(UNKNOWN),
    };
    Cutting::of(piece.size, least, bundle, |first| {
        Gathering::is_begun(piece, first)
    })
}

/// By item.
type Gatherings = HashMap<usize, Arc<Gathering>>;

/// A place for each file that comes in parts, and the jobs without the parts that are there. A file
/// that can have no place has failed, and its parts are no longer among the jobs.
fn gathered(
    planned: VecDeque<Job>,
    outcomes: &mut Ledgered<'_>,
) -> (VecDeque<Job>, Arc<Gatherings>) {
    let mut gatherings = Gatherings::new();
    let mut refused = HashSet::new();
    let mut possible = VecDeque::new();
    for job in planned {
        if let Job::Part(piece, part) = &job
            && !gatherings.contains_key(&piece.index)
        {
            if refused.contains(&piece.index) {
                continue;
            }
            match Gathering::of(piece, part) {
                Ok(gathering) => drop(gatherings.insert(piece.index, Arc::new(gathering))),
                Err(error) => {
                    refused.insert(piece.index);
                    outcomes.set(piece.index, Outcome::Failed(error));
                    continue;
                },
            }
        }
        possible.push_back(job);
    }
    let rest = go_on(possible, |piece, part| {
        let gathering = gatherings.get(&piece.index);
        gathering.is_some_and(|gathering| gathering.has_arrived(piece, part))
    });
    (rest, Arc::new(gatherings))
}

/// By a program that does not hash on the way.
async fn carried(
    host: &Host,
    pieces: Vec<Piece>,
    opts: &TransferOptions<'_>,
    how: &How,
    mut outcomes: Ledgered<'_>,
) -> Result<Vec<Outcome>, LinkError> {
    let stage = Stage::new(host, &opts.staging);
    if let Err(error) = stage.begin(how.streams, None).await? {
        for piece in pieces {
            outcomes.set(piece.index, Outcome::Failed(error.clone()));
        }
        return Ok(outcomes.finish());
    }
    let carrier = Carrier::of(opts, how.streams);
    let work = |turn, job| {
        let (host, stage) = (host.clone(), stage.clone());
        async move {
            match job {
                Job::Bundle(pieces) => carrier.fetch(host, stage, turn, pieces).await,
                Job::Part(..) | Job::Assemble(..) | Job::Discard(..) => Ok(Vec::new()),
            }
        }
    };
    drive(
        jobs(&pieces, how, |_| Cutting::Never),
        how,
        &mut outcomes,
        work,
    )
    .await?;
    // All has landed; what is left in the staging directory is swept by a later transfer.
    drop(stage.end().await);
    Ok(outcomes.finish())
}

/// Size (0 if not known) and hash of an item.
type Wish = (u64, Option<Hash>);

/// What each item must be: the caller's word, else the site's. The site is asked to read a file
/// only where one is here already, or where the carrier does not bring the hash along.
async fn wishes(
    host: &Host,
    items: &[Item],
    opts: &TransferOptions<'_>,
) -> Result<Vec<Result<Wish, TransferError>>, LinkError> {
    let must_know = |item: &Item| opts.engine != Engine::Tar || item.local.exists();
    let unknown = items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.hash.is_none() && item.remote.is_absolute());
    let (hash, size): (Vec<_>, Vec<_>) = unknown.partition(|(_, item)| must_know(item));
    let size = size.into_iter().filter(|(_, item)| item.size.is_none());
    let paths = |(n, item): (usize, &'_ Item)| (n, item.remote.clone());
    let mut facts = HashMap::new();
    for (list, ask) in [
        (hash.into_iter().map(paths).collect::<Vec<_>>(), Ask::Hash),
        (size.map(paths).collect(), Ask::Size),
    ] {
        let list: Vec<_> = list.iter().map(|(n, path)| (*n, path.as_path())).collect();
        facts.extend(facts::facts(host, &list, ask).await?);
    }
    let wish = |(index, item): (usize, &Item)| {
        far::absolute(&item.remote)?;
        let path = item.remote.clone();
        let place = Place::Site;
        match (item.hash, facts.remove(&index)) {
            (Some(hash), _) => Ok((item.size.unwrap_or(0), Some(hash))),
            (None, Some(Fact::File { size, hash })) => Ok((size, hash)),
            (None, Some(Fact::Unreadable(why))) => Err(TransferError::Read {
                path,
                place,
                why: why.to_owned(),
            }),
            (None, None) if item.size.is_some() => Ok((item.size.unwrap_or(0), None)),
            (None, _) => Err(TransferError::Missing { path, place }),
        }
    };
    Ok(items.iter().enumerate().map(wish).collect())
}
