//! Rows with the same exact columns and the same cells form a timeline. It is cut at every
//! beginning and end of a validity, so that each piece has one best row, found beforehand.

use std::{cmp::Ordering, collections::BTreeSet};

use super::{table::TableRow, time::Time};

/// Pieces of time, ascending, each from its beginning to the next one's.
pub(super) type Timeline = Vec<(Option<Time>, Option<usize>)>;

/// The best row at a time; with none, of all time.
pub(super) fn piece(timeline: &Timeline, at: Option<&Time>) -> Option<usize> {
    let Some(at) = at else {
        return timeline.first()?.1;
    };
    // What does not compare is never found; the explanation says so.
    let begun = |start: &Option<Time>| match start {
        None => true,
        Some(start) => matches!(start.compare(at), Some(Ordering::Less | Ordering::Equal)),
    };
    let comparable = timeline
        .iter()
        .find_map(|(start, _)| start.as_ref())
        .is_none_or(|start| start.compare(at).is_some());
    if !comparable {
        return None;
    }
    let after = timeline.partition_point(|(start, _)| begun(start));
    timeline.get(after.checked_sub(1)?)?.1
}

/// Cuts the time of some rows into pieces with one best row each.
pub(super) fn timeline(rows: &[TableRow], rank: &[usize], members: &[usize]) -> Timeline {
    let mut cuts: Vec<(Option<Time>, bool, usize)> = Vec::new();
    for &index in members {
        let Some(row) = rows.get(index) else { continue };
        let never = match (&row.from, &row.until) {
            (Some(from), Some(until)) => until.compare(from) != Some(Ordering::Greater),
            _ => false,
        };
        if never {
            continue;
        }
        cuts.push((row.from, true, index));
        if row.until.is_some() {
            cuts.push((row.until, false, index));
        }
    }
    let order = |a: &Option<Time>, b: &Option<Time>| match (a, b) {
        (Some(a), Some(b)) => a.compare(b).unwrap_or(Ordering::Equal),
        (a, b) => a.is_some().cmp(&b.is_some()),
    };
    cuts.sort_by(|a, b| order(&a.0, &b.0));
    let mut pieces: Timeline = vec![(None, None)];
    let mut valid: BTreeSet<(usize, usize)> = BTreeSet::new();
    for group in cuts.chunk_by(|a, b| order(&a.0, &b.0) == Ordering::Equal) {
        for (_, begins, index) in group {
            let entry = (rank.get(*index).copied().unwrap_or(0), *index);
            if *begins {
                valid.insert(entry);
            } else {
                valid.remove(&entry);
            }
        }
        let start = group.first().and_then(|(time, _, _)| *time);
        let best = valid.last().map(|(_, index)| *index);
        match pieces.last_mut() {
            Some(last) if start.is_none() => last.1 = best,
            _ => pieces.push((start, best)),
        }
    }
    pieces
}
