//! Home to site over ssh.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Engine, Item, Outcome, Progress, TransferError, TransferOptions, bundle,
    carrier::Carrier,
    cut::go_on,
    drive::{How, Job, Ledgered, Piece, Settled, bundled, drive, enough, jobs},
    facts::{self, Ask, Fact},
    far::{self, Begun, Stage},
    ferry::Ferries,
    part::{self, Expander, Road},
    plan::{self, Cutting},
    program,
    rate::Pace,
    source,
    spread::Spread,
};
use crate::connection::{Host, LinkError};

pub(super) async fn push(
    host: &Host,
    items: &[Item],
    opts: &TransferOptions<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Outcome>, LinkError> {
    let mut outcomes = Ledgered::new(items.len(), opts.ledger, progress);
    let streams = opts.streams_on(host);
    let sendable = sendable(items, opts, &mut outcomes).await?;
    if sendable.is_empty() {
        return Ok(outcomes.finish());
    }
    // Bundles and parts make directories of their own.
    let numbered = match opts.engine {
        Engine::Tar => 0,
        Engine::Scp | Engine::Rsync => streams,
    };
    let governor = opts.governor();
    let stage = Stage::new(host, &opts.staging);
    let ferries = Arc::new(Ferries::new(
        host.clone(),
        stage.clone(),
        Arc::clone(&governor),
        bundle::LAND,
        opts.far_program(),
    ));
    let small = |piece: &Piece| piece.size <= plan::FEW_BYTES;
    let bundles = opts.engine == Engine::Tar && sendable.iter().any(small);
    if bundles && host.spares_sessions() {
        // Sessions take their time to open; meanwhile the site says what it has.
        ferries.prepare(enough(&sendable, streams, host.lines()));
    }
    let program = opts.far_program();
    let (begun, there) = tokio::join!(
        stage.begin(numbered, program.as_deref()),
        ask(host, &sendable)
    );
    let lacking = lacking(host, sendable, there?, opts, &mut outcomes).await?;
    let begun = match begun? {
        Ok(begun) if !lacking.is_empty() => begun,
        begun => {
            for piece in lacking {
                if let Err(error) = &begun {
                    outcomes.set(piece.index, Outcome::Failed(error.clone()));
                }
            }
            ferries.end().await;
            drop(stage.end().await);
            return Ok(outcomes.finish());
        },
    };
    let how = How {
        site: opts.site.clone(),
        streams: enough(&lacking, streams, host.lines()),
        ahead: opts.ahead(),
        bundle: opts.bundle,
        until: opts.until,
        governor: Arc::clone(&governor),
    };
    let bytes = bundled(&lacking);
    let planned = match opts.engine {
        Engine::Tar => {
            let cutting = |piece: &Piece| cutting(&stage, &begun, piece, how.bundle);
            let all = by_source(lacking, &opts.spread, &how, cutting);
            go_on(all, |piece, part| {
                begun.has_arrived(&part::directory(&stage, piece, part), part.number)
            })
        },
        Engine::Scp | Engine::Rsync => {
            let pieces = hashed(lacking, opts, &mut outcomes).await;
            jobs(&pieces, &how, |_| Cutting::Never)
        },
    };
    let engine = opts.engine;
    let streams = how.streams;
    let carrier = Carrier::of(opts, streams);
    let expander = program.filter(|_| begun.expands).map(Expander::new);
    let work = |turn, job| {
        let (host, stage, governor) = (host.clone(), stage.clone(), Arc::clone(&governor));
        let ferries = Arc::clone(&ferries);
        let spread = Arc::clone(&opts.spread);
        let pace = opts.compress.then(|| Pace::new(&governor, streams));
        let expander = expander.clone();
        async move {
            if !matches!(job, Job::Bundle(_)) {
                ferries.leave(turn).await;
            }
            match job {
                Job::Bundle(pieces) => match engine {
                    Engine::Tar => bundle::send(ferries, turn, pieces, spread, pace).await,
                    Engine::Scp | Engine::Rsync => carrier.send(host, stage, turn, pieces).await,
                },
                Job::Part(piece, of) => {
                    let road = Road {
                        spread,
                        governor,
                        squeeze: pace.zip(expander),
                    };
                    let one = part::send(host, stage, turn, piece, of, road).await?;
                    Ok(vec![one])
                },
                Job::Assemble(piece, of) => part::assemble(host, stage, turn, piece, of, spread)
                    .await
                    .map(|one| vec![one]),
                Job::Discard(piece, of) => part::discard(host, stage, piece, of)
                    .await
                    .map(|()| Vec::new()),
            }
        }
    };
    let driven = drive(planned, &how, &mut outcomes, work).await;
    for line in opts.spread.lost() {
        progress.warn(&line);
    }
    driven?;
    // All has landed; what is left in the staging directory is swept by a later transfer.
    ferries.end().await;
    if !bundles {
        drop(stage.end().await);
    }
    if ferries.missed() {
        program::leave(host, opts, bytes).await;
    }
    Ok(outcomes.finish())
}

/// Whether a file may be cut, as the site is found.
fn cutting(stage: &Stage, begun: &Begun, piece: &Piece, bundle: u64) -> Cutting {
    if !begun.cuts {
        return Cutting::Never;
    }
    Cutting::of(piece.size, plan::FEW_BYTES, bundle, |first| {
        begun.gathers(&part::directory(stage, piece, first))
    })
}

/// Jobs that move `pieces`, such that the hosts here that have them are read at the same time.
fn by_source(
    pieces: Vec<Piece>,
    spread: &Spread,
    how: &How,
    cutting: impl Fn(&Piece) -> Cutting,
) -> VecDeque<Job> {
    let mut sources: BTreeMap<Option<usize>, Vec<Piece>> = BTreeMap::new();
    for piece in pieces {
        let host = spread.host_of(&piece.from);
        sources.entry(host).or_default().push(piece);
    }
    let mut queues: Vec<VecDeque<Job>> = sources
        .values()
        .map(|all| jobs(all, how, &cutting))
        .collect();
    let mut planned = VecDeque::new();
    while !queues.is_empty() {
        planned.extend(queues.iter_mut().filter_map(VecDeque::pop_front));
        queues.retain(|queue| !queue.is_empty());
    }
    planned
}

/// Items whose source can be read, with its state and what is known of its hash.
async fn sendable(
    items: &[Item],
    opts: &TransferOptions<'_>,
    outcomes: &mut Ledgered<'_>,
) -> Result<Vec<Piece>, LinkError> {
    let paths: Vec<PathBuf> = items.iter().map(|item| item.local.clone()).collect();
    let looking = tokio::task::spawn_blocking(move || {
        paths
            .iter()
            .map(|path| source::state(path))
            .collect::<Vec<_>>()
    });
    let states = looking.await.map_err(far::stopped("looking at files"))?;
    let mut pieces = Vec::with_capacity(items.len());
    for (index, (item, state)) in items.iter().zip(states).enumerate() {
        let piece = far::absolute(&item.remote).and(state).and_then(|key| {
            let known = opts.ledger.get(key);
            if let Some(hash) = known {
                source::as_expected(&item.local, item.hash, source::Known { key, hash })?;
            }
            Ok(Piece {
                index,
                from: item.local.clone(),
                to: item.remote.clone(),
                size: key.size,
                hash: item.hash.or(known),
                key: Some(key),
            })
        });
        match piece {
            Ok(piece) => pieces.push(piece),
            Err(error) => outcomes.set(index, Outcome::Failed(error)),
        }
    }
    Ok(pieces)
}

/// Sizes of what the site has at the pieces' targets. Where a directory is not there, none of its
/// files is, and they are not asked about.
async fn ask(host: &Host, pieces: &[Piece]) -> Result<HashMap<usize, u64>, LinkError> {
    let mut numbers: HashMap<&Path, usize> = HashMap::new();
    let mut parents: Vec<&Path> = Vec::new();
    let mut parent_of = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let parent = piece.to.parent().unwrap_or(Path::new("/"));
        let number = *numbers.entry(parent).or_insert_with(|| {
            parents.push(parent);
            parents.len() - 1
        });
        parent_of.push(number);
    }
    let there = facts::directories(host, &parents).await?;
    let asked: Vec<(usize, &Path)> = pieces
        .iter()
        .zip(parent_of)
        .filter(|(_, parent)| there.contains(parent))
        .map(|(piece, _)| (piece.index, piece.to.as_path()))
        .collect();
    let facts = facts::facts(host, &asked, Ask::Size).await?;
    let sizes = facts.into_iter().filter_map(|(index, fact)| match fact {
        Fact::File { size, .. } => Some((index, size)),
        _ => None,
    });
    Ok(sizes.collect())
}

/// The pieces that the site lacks. Only where a file of the same size is there is it read, on
/// both sides.
async fn lacking(
    host: &Host,
    pieces: Vec<Piece>,
    there: HashMap<usize, u64>,
    opts: &TransferOptions<'_>,
    outcomes: &mut Ledgered<'_>,
) -> Result<Vec<Piece>, LinkError> {
    let alike = |piece: &Piece| there.get(&piece.index) == Some(&piece.size);
    let (alike, mut lacking): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(alike);
    if alike.is_empty() {
        return Ok(lacking);
    }
    let asked: Vec<(usize, &Path)> = alike
        .iter()
        .map(|piece| (piece.index, piece.to.as_path()))
        .collect();
    let paths: Vec<PathBuf> = alike.iter().map(|piece| piece.from.clone()).collect();
    let (facts, known) = tokio::join!(
        facts::facts(host, &asked, Ask::Hash),
        source::known(&paths, opts.ledger),
    );
    let mut facts = facts?;
    for (mut piece, known) in alike.into_iter().zip(known) {
        let known = known.and_then(|known| source::as_expected(&piece.from, piece.hash, known));
        match (known, facts.remove(&piece.index)) {
            (Err(error), _) => outcomes.set(piece.index, Outcome::Failed(error)),
            (Ok(known), Some(Fact::File { size, hash })) if hash == Some(known.hash) => {
                let hash = known.hash;
                outcomes.set(piece.index, Outcome::AlreadyThere { size, hash });
            },
            (Ok(known), _) => {
                piece.hash = Some(known.hash);
                piece.key = Some(known.key);
                piece.size = known.key.size;
                lacking.push(piece);
            },
        }
    }
    lacking.sort_by_key(|piece| piece.index);
    Ok(lacking)
}

/// The pieces with their hashes, for carriers that do not hash on the way.
async fn hashed(
    pieces: Vec<Piece>,
    opts: &TransferOptions<'_>,
    outcomes: &mut Ledgered<'_>,
) -> Vec<Piece> {
    let paths: Vec<PathBuf> = pieces.iter().map(|piece| piece.from.clone()).collect();
    let known = source::known(&paths, opts.ledger).await;
    let mut hashed = Vec::with_capacity(pieces.len());
    for (mut piece, known) in pieces.into_iter().zip(known) {
        match known.and_then(|known| source::as_expected(&piece.from, piece.hash, known)) {
            Ok(known) => {
                piece.hash = Some(known.hash);
                piece.key = Some(known.key);
                hashed.push(piece);
            },
            Err(error) => outcomes.set(piece.index, Outcome::Failed(error)),
        }
    }
    hashed
}

/// A source that can no longer be read is a better reason than that nothing arrived.
pub(super) fn source_at_fault((piece, settled): (Piece, Settled)) -> (Piece, Settled) {
    let settled = match settled {
        Settled::Again(TransferError::Write { .. }) => match std::fs::File::open(&piece.from) {
            Err(error) => Settled::Failed(source::unreadable(&piece.from, &error)),
            Ok(_) => settled,
        },
        other => other,
    };
    (piece, settled)
}
