//! How many planted stars a catalogue has, and how far off they are.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{
    SkyError,
    catalog::{self, Source},
    fit,
    scene::ZERO_POINT,
    statistics,
    table::{self, Star},
};

/// Options of `sky check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The catalogue
    #[arg(long)]
    catalog: PathBuf,
    /// The planted stars (CSV with the columns `star_id`, ra, dec, mag)
    #[arg(long)]
    truth: PathBuf,
    /// Arcseconds within which a source is the star
    #[arg(long, default_value_t = 0.5)]
    tolerance: f64,
    /// Arcseconds a pixel, to state errors in pixels
    #[arg(long, default_value_t = 0.25)]
    scale: f64,
    /// Stars brighter than this count for `bright_completeness`
    #[arg(long, default_value_t = 18.0)]
    bright: f64,
    /// Fail if `bright_completeness` is below this share
    #[arg(long, default_value_t = 0.0)]
    require: f64,
    /// JSON file to write
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What the comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Report {
    planted: usize,
    found: usize,
    bright_completeness: f64,
    bins: Vec<Bin>,
    /// Arcseconds.
    median_position_error: f64,
    /// Arcseconds along one axis, of the bright stars.
    bright_rms: f64,
    /// Pixels along one axis, of the bright stars.
    bright_rms_pixels: f64,
    /// Mean offsets in right ascension (on the sky) and declination, arcseconds.
    mean_offset: (f64, f64),
    /// Median of measured less true magnitude, of the bright stars.
    magnitude_offset: f64,
}

/// Stars of one magnitude.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Bin {
    from: i64,
    planted: usize,
    found: usize,
    median_position_error: Option<f64>,
}

/// A planted star and the source that is it.
#[derive(Debug, Clone, Copy)]
struct Found {
    mag: f64,
    dra: f64,
    ddec: f64,
    dmag: f64,
}

pub(super) fn run(args: &CheckArgs) -> Result<(), SkyError> {
    let sources = catalog::read(&args.catalog)?;
    let stars: Vec<Star> = table::read(&args.truth)?;
    let report = compare(&sources, &stars, args);
    println!("magnitude  planted  found  complete  median error");
    for bin in &report.bins {
        let error = bin
            .median_position_error
            .map_or_else(|| "-".to_owned(), |error| format!("{error:.3}\""));
        let share = 100.0 * bin.found as f64 / bin.planted.max(1) as f64;
        println!(
            "{:>4}-{:<4} {:>8} {:>6} {:>8.0}% {error:>13}",
            bin.from,
            bin.from + 1,
            bin.planted,
            bin.found,
            share
        );
    }
    println!(
        "all: {} of {} found; brighter than {}: {:.1}% complete, position error {:.3}\" = {:.3} \
         pixels rms along an axis, magnitudes off by {:+.3}",
        report.found,
        report.planted,
        args.bright,
        100.0 * report.bright_completeness,
        report.bright_rms,
        report.bright_rms_pixels,
        report.magnitude_offset
    );
    if let Some(path) = &args.json {
        fit::write_json(path, &report)?;
    }
    if report.bright_completeness < args.require {
        return Err(SkyError::Data(format!(
            "only {:.1}% of the stars brighter than {} were found; {:.1}% are required",
            100.0 * report.bright_completeness,
            args.bright,
            100.0 * args.require
        )));
    }
    Ok(())
}

fn compare(sources: &[Source], stars: &[Star], args: &CheckArgs) -> Report {
    let found: Vec<Option<Found>> = stars
        .iter()
        .map(|star| identify(sources, star, args.tolerance))
        .collect();
    let seen: Vec<Found> = found.iter().flatten().copied().collect();
    let bright: Vec<Found> = (seen.iter().copied())
        .filter(|f| f.mag < args.bright)
        .collect();
    let bright_planted = stars.iter().filter(|star| star.mag < args.bright).count();
    let error = |f: &Found| f.dra.hypot(f.ddec);
    let squares: f64 = bright.iter().map(|f| error(f).powi(2)).sum();
    let rms = (squares / (2 * bright.len().max(1)) as f64).sqrt();
    let mean = |value: fn(&Found) -> f64| {
        bright.iter().map(value).sum::<f64>() / bright.len().max(1) as f64
    };
    let first = stars
        .iter()
        .map(|s| s.mag.floor() as i64)
        .min()
        .unwrap_or(0);
    let last = stars
        .iter()
        .map(|s| s.mag.floor() as i64)
        .max()
        .unwrap_or(-1);
    let bins = (first..=last)
        .map(|from| {
            let inside = |mag: f64| mag.floor() as i64 == from;
            let errors: Vec<f64> = (seen.iter().filter(|f| inside(f.mag))).map(error).collect();
            Bin {
                from,
                planted: stars.iter().filter(|star| inside(star.mag)).count(),
                found: errors.len(),
                median_position_error: statistics::median(errors),
            }
        })
        .filter(|bin| bin.planted > 0)
        .collect();
    Report {
        planted: stars.len(),
        found: seen.len(),
        bright_completeness: bright.len() as f64 / bright_planted.max(1) as f64,
        bins,
        median_position_error: statistics::median(seen.iter().map(error)).unwrap_or(0.0),
        bright_rms: rms,
        bright_rms_pixels: rms / args.scale,
        mean_offset: (mean(|f| f.dra), mean(|f| f.ddec)),
        magnitude_offset: statistics::median(bright.iter().map(|f| f.dmag)).unwrap_or(0.0),
    }
}

/// The source nearest to a star, within the tolerance in arcseconds.
fn identify(sources: &[Source], star: &Star, tolerance: f64) -> Option<Found> {
    let cosine = star.dec.to_radians().cos();
    sources
        .iter()
        .map(|source| {
            let turn = (source.ra - star.ra + 180.0).rem_euclid(360.0) - 180.0;
            Found {
                mag: star.mag,
                dra: turn * cosine * 3600.0,
                ddec: (source.dec - star.dec) * 3600.0,
                dmag: ZERO_POINT - 2.5 * source.flux.max(1e-9).log10() - star.mag,
            }
        })
        .filter(|f| f.dra.hypot(f.ddec) <= tolerance)
        .min_by(|a, b| a.dra.hypot(a.ddec).total_cmp(&b.dra.hypot(b.ddec)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_its_nearest_source_and_one_too_far_is_missed() {
        let star = |star_id, ra| Star {
            star_id,
            ra,
            dec: 0.0,
            mag: 15.0,
        };
        let source = |ra, dec| Source {
            ra,
            dec,
            flux: 1e4,
            ..Source::default()
        };
        let args = CheckArgs {
            catalog: PathBuf::new(),
            truth: PathBuf::new(),
            tolerance: 0.5,
            scale: 0.25,
            bright: 18.0,
            require: 0.0,
            json: None,
        };
        let sources = [
            source(359.999_99, 0.0),
            source(0.0, 0.000_1),
            source(10.001, 0.0),
        ];
        let report = compare(&sources, &[star(1, 0.0), star(2, 10.0)], &args);
        assert_eq!((report.planted, report.found), (2, 1));
        assert!((report.median_position_error - 0.036).abs() < 1e-6);
        assert!(report.magnitude_offset.abs() < 1e-9);
    }
}
