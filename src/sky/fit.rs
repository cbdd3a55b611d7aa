//! The camera stage: how far one exposure's pointing is off, and its zero point.
//!
//! All chips of an exposure share one offset. It is found by votes of every pair of a detection
//! and a reference star, then sharpened by a clipped weighted mean over the matched pairs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;

use super::{
    SkyError,
    catalog::{self, Source},
    fits::Image,
    statistics,
    table::{self, Star},
    wcs::Wcs,
};

/// Options of `sky fit`.
#[derive(Debug, Args)]
pub struct FitArgs {
    /// Catalogues of the exposure's chips
    #[arg(long, required = true, num_args = 1..)]
    catalogs: Vec<PathBuf>,
    /// The frames they were made from, in the same order
    #[arg(long, required = true, num_args = 1..)]
    frames: Vec<PathBuf>,
    /// Reference list (CSV with the columns `star_id`, ra, dec, mag)
    #[arg(long)]
    reference: PathBuf,
    /// Largest offset in pixels
    #[arg(long, default_value_t = 20.0)]
    search: f64,
    /// JSON file to write
    #[arg(short, long)]
    output: PathBuf,
}

/// What the fit found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Solution {
    /// Pixels to add to CRPIX1.
    dx: f64,
    /// Pixels to add to CRPIX2.
    dy: f64,
    /// Deviation along one axis of the matched pairs, in pixels.
    rms: f64,
    /// Magnitude of one count.
    zp: f64,
    /// Matched pairs.
    n_matched: usize,
}

/// A detection near the place where a reference star is expected.
#[derive(Debug, Clone, Copy)]
struct Pair {
    star: u32,
    dx: f64,
    dy: f64,
    weight: f64,
    zp: f64,
}

/// Fewest pairs that make a solution.
const FEWEST: usize = 4;

pub(super) fn run(args: &FitArgs) -> Result<(), SkyError> {
    if args.catalogs.len() != args.frames.len() {
        return Err(SkyError::Data(format!(
            "{} catalogues but {} frames: give one frame for each catalogue",
            args.catalogs.len(),
            args.frames.len()
        )));
    }
    let reference: Vec<Star> = table::read(&args.reference)?;
    let mut pairs = Vec::new();
    for (catalog, frame) in args.catalogs.iter().zip(&args.frames) {
        let wcs = Wcs::of(&Image::read(frame)?.header)
            .ok_or_else(|| SkyError::format(frame, "the header has no TAN projection"))?;
        pairs.extend(candidates(
            &catalog::read(catalog)?,
            &reference,
            &wcs,
            args.search,
        ));
    }
    let solution = solve(&pairs, args.search).ok_or_else(|| {
        SkyError::Data(format!(
            "fewer than {FEWEST} reference stars of {} agree on an offset within {} pixels",
            args.reference.display(),
            args.search
        ))
    })?;
    write_json(&args.output, &solution)
}

/// Writes a record as one line of JSON.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), SkyError> {
    let text = serde_json::to_string(value).map_err(|e| SkyError::Data(e.to_string()))?;
    fs::write(path, text + "\n").map_err(SkyError::io(path))
}

fn candidates(sources: &[Source], stars: &[Star], wcs: &Wcs, search: f64) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for star in stars {
        let Some((x, y)) = wcs.pixel(star.ra, star.dec) else {
            continue;
        };
        for source in sources.iter().filter(|source| source.clean()) {
            let (dx, dy) = (source.x - x, source.y - y);
            if dx.abs().max(dy.abs()) > search {
                continue;
            }
            // A centroid is as good as the profile's width over the signal to noise.
            let noise = source.flux_err / source.flux * source.fwhm.clamp(1.0, 10.0) / 2.354_82;
            pairs.push(Pair {
                star: star.star_id,
                dx,
                dy,
                weight: 1.0 / (0.03_f64.powi(2) + noise.powi(2)),
                zp: star.mag + 2.5 * source.flux.log10(),
            });
        }
    }
    pairs
}

fn solve(pairs: &[Pair], search: f64) -> Option<Solution> {
    let mut centre = vote(pairs, search)?;
    let mut reach = 3.0_f64;
    let mut solution = None;
    for _ in 0..10 {
        let near = nearest(pairs, centre, reach);
        if near.len() < FEWEST {
            return None;
        }
        let total: f64 = near.iter().map(|p| p.weight).sum();
        let mean =
            |value: fn(&Pair) -> f64| near.iter().map(|p| p.weight * value(p)).sum::<f64>() / total;
        centre = (mean(|p| p.dx), mean(|p| p.dy));
        let squares: f64 = near
            .iter()
            .map(|p| (p.dx - centre.0).powi(2) + (p.dy - centre.1).powi(2))
            .sum();
        let rms = (squares / (2 * near.len()) as f64).sqrt();
        reach = (3.5 * rms).clamp(0.2, reach);
        solution = Some(Solution {
            dx: centre.0,
            dy: centre.1,
            rms,
            zp: statistics::median(near.iter().map(|p| p.zp))?,
            n_matched: near.len(),
        });
    }
    solution
}

/// The whole-pixel offset that most pairs agree on, counting the bins around each.
fn vote(pairs: &[Pair], search: f64) -> Option<(f64, f64)> {
    let mut votes: BTreeMap<(i64, i64), u32> = BTreeMap::new();
    for pair in pairs {
        let (x, y) = (pair.dx.round() as i64, pair.dy.round() as i64);
        for bin in (-1..=1).flat_map(|j| (-1..=1).map(move |i| (x + i, y + j))) {
            *votes.entry(bin).or_default() += 1;
        }
    }
    let ((x, y), _) = votes
        .into_iter()
        .filter(|((x, y), _)| (*x as f64).abs().max((*y as f64).abs()) <= search)
        .max_by_key(|(_, count)| *count)?;
    Some((x as f64, y as f64))
}

/// For each star the pair nearest to the offset, within reach.
fn nearest(pairs: &[Pair], (dx, dy): (f64, f64), reach: f64) -> Vec<Pair> {
    let distance = |pair: &Pair| (pair.dx - dx).hypot(pair.dy - dy);
    let mut best: BTreeMap<u32, Pair> = BTreeMap::new();
    for pair in pairs.iter().filter(|pair| distance(pair) <= reach) {
        let kept = best.entry(pair.star).or_insert(*pair);
        if distance(pair) < distance(kept) {
            *kept = *pair;
        }
    }
    best.into_values().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sky::rng::Rng;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_offset_is_found_among_strangers(
            dx in -8.0..8.0_f64, dy in -8.0..8.0_f64, seed in 0_u64..1000,
        ) {
            let wcs = Wcs::north_up((128.0, 128.0), (150.0, 2.0), 0.25);
            let mut rng = Rng::new(seed, 0);
            let mut stars = Vec::new();
            let mut sources = Vec::new();
            let source = |x, y| Source { x, y, flux: 1e4, flux_err: 100.0, fwhm: 4.0, ..Source::default() };
            for star_id in 0..30 {
                let (x, y) = (rng.between(0.0, 256.0), rng.between(0.0, 256.0));
                let (ra, dec) = wcs.sky(x, y);
                stars.push(Star { star_id, ra, dec, mag: 15.0 });
                if star_id % 4 != 0 {
                    sources.push(source(x + dx + 0.03 * rng.normal(), y + dy + 0.03 * rng.normal()));
                }
                sources.push(source(rng.between(0.0, 256.0), rng.between(0.0, 256.0)));
            }
            let found = solve(&candidates(&sources, &stars, &wcs, 20.0), 20.0).unwrap();
            prop_assert!((found.dx - dx).abs() < 0.05 && (found.dy - dy).abs() < 0.05, "{found:?}");
            prop_assert!((found.zp - 25.0).abs() < 1e-6);
        }
    }

    #[test]
    fn too_few_stars_give_no_solution() {
        assert_eq!(solve(&[], 20.0), None);
    }
}
