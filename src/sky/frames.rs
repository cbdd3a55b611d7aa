//! Making a small survey: one real frame becomes dithered exposures of several chips.
//!
//! Each exposure has its own dither, seeing, transparency and sky, and a header whose pointing
//! is wrong by a few pixels, which the camera stage has to find.

use std::{fs, io::Write as _, path::PathBuf};

use clap::Args;
use serde::Serialize;

use super::{
    SkyError,
    fits::{Encoding, Image},
    rng::Rng,
    scene::{Planted, Scene, ZERO_POINT},
    table::{self, Star},
};

/// Options of `sky frames`.
#[derive(Debug, Args)]
pub struct FramesArgs {
    /// A real frame (FITS)
    #[arg(long)]
    base: PathBuf,
    /// Directory for the frames and lists
    #[arg(long)]
    out: PathBuf,
    /// Number of exposures
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    exposures: u32,
    /// Number of chips of the camera
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    chips: u32,
    /// Number of planted stars
    #[arg(long, default_value_t = 84)]
    stars: usize,
    /// Pixels of a made frame for one of the real frame, along each side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=8))]
    magnify: u32,
    /// Centre of the field: right ascension, declination in degrees
    #[arg(long, default_value = "150,2", value_parser = super::warp::centre)]
    centre: (f64, f64),
    /// Arcseconds a pixel
    #[arg(long, default_value_t = 0.25)]
    scale: f64,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Electrons a count, read noise in electrons, saturation in counts.
const GAIN: f64 = 1.5;
const READ_NOISE: f64 = 5.0;
const SATURATION: f64 = 60_000.0;
/// Pixels: between chips, largest dither, largest pointing error of a header.
const GAP: usize = 12;
const DITHER: f64 = 14.0;
const POINTING_ERROR: f64 = 6.0;
/// Reference stars are planted stars brighter than this, with this error of place (arcsec).
const REFERENCE_LIMIT: f64 = 17.0;
const REFERENCE_ERROR: f64 = 0.01;

/// A row of `exposures.csv`.
#[derive(Debug, Serialize)]
struct ExposureRow {
    stage_id: u32,
    exp_id: u32,
    exp_name: String,
    field_id: u32,
    filter: &'static str,
    mjd: f64,
    exptime: f64,
    n_exposures: u32,
    n_chips: u32,
}

/// A row of `chips.jsonl`.
#[derive(Debug, Serialize)]
struct ChipRow<'a> {
    exp_id: u32,
    class_id: &'a str,
    path: String,
}

/// A row of `pointing.csv`: what the camera stage should find.
#[derive(Debug, Serialize)]
struct PointingRow {
    exp_id: u32,
    dx: f64,
    dy: f64,
    zp: f64,
    fwhm: f64,
}

/// What the atmosphere and the telescope did in one exposure.
#[derive(Debug, Clone)]
struct Exposure {
    dither: (f64, f64),
    error: (f64, f64),
    sigma: f64,
    transparency: f64,
    sky: f64,
    slope: (f64, f64),
}

/// A chip's name and the place of its first pixel in the focal plane.
#[derive(Debug, Clone, PartialEq)]
struct Chip {
    class_id: String,
    origin: (usize, usize),
    size: (usize, usize),
}

pub(super) fn run(args: &FramesArgs) -> Result<(), SkyError> {
    let base = Image::read(&args.base)?;
    let mut scene = Scene::new(&base, args.magnify, args.centre, args.scale)
        .ok_or_else(|| SkyError::format(&args.base, "no pixel has a value"))?;
    scene.plant(args.stars, args.seed);
    let chips = focal_plane(scene.size, args.chips)
        .ok_or_else(|| SkyError::format(&args.base, "too small for so many chips"))?;
    fs::create_dir_all(&args.out).map_err(SkyError::io(&args.out))?;

    let mut exposures = Vec::new();
    let mut pointing = Vec::new();
    let chips_path = args.out.join("chips.jsonl");
    let mut chips_file = fs::File::create(&chips_path).map_err(SkyError::io(&chips_path))?;
    for exp_id in 1..=args.exposures {
        let exposure = Exposure::draw(args.seed, exp_id, args.exposures);
        let exp_name = format!("e{exp_id:04}");
        let mjd = 60_000.25 + f64::from(exp_id - 1) * 0.002;
        for (number, chip) in (0..).zip(&chips) {
            let mut rng = Rng::new(args.seed, 1_000_000 + u64::from(exp_id) * 1000 + number);
            let mut frame = expose(&scene, &exposure, chip, &mut rng);
            let mut wcs = scene.wcs;
            wcs.crpix.0 -= chip.origin.0 as f64 + exposure.dither.0 + exposure.error.0;
            wcs.crpix.1 -= chip.origin.1 as f64 + exposure.dither.1 + exposure.error.1;
            let header = &mut frame.header;
            header.set_text("OBJECT", &exp_name, "exposure");
            header.set_integer("EXPID", i64::from(exp_id), "number of the exposure");
            header.set_text("CHIP", &chip.class_id, "chip of the camera");
            header.set_text("FILTER", "r", "");
            header.set_number("MJD-OBS", mjd, "start");
            header.set_number("EXPTIME", 60.0, "seconds");
            header.set_number("GAIN", GAIN, "electrons a count");
            header.set_number("RDNOISE", READ_NOISE, "electrons");
            header.set_number("SATURATE", SATURATION, "counts");
            wcs.write(header);
            let path = args.out.join(format!("{exp_name}.{}.fits", chip.class_id));
            frame.write(&path, Encoding::Counts)?;
            let row = ChipRow {
                exp_id,
                class_id: &chip.class_id,
                path: path.display().to_string(),
            };
            let line = serde_json::to_string(&row).map_err(|e| SkyError::Data(e.to_string()))?;
            writeln!(chips_file, "{line}").map_err(SkyError::io(&chips_path))?;
        }
        exposures.push(ExposureRow {
            stage_id: exp_id,
            exp_id,
            exp_name,
            field_id: 1,
            filter: "r",
            mjd,
            exptime: 60.0,
            n_exposures: args.exposures,
            n_chips: args.chips,
        });
        pointing.push(PointingRow {
            exp_id,
            dx: exposure.error.0,
            dy: exposure.error.1,
            zp: ZERO_POINT + 2.5 * exposure.transparency.log10(),
            fwhm: exposure.sigma * 2.354_82,
        });
    }
    let truth: Vec<Star> = scene.stars.iter().map(|p| p.star.clone()).collect();
    table::write(&args.out.join("exposures.csv"), &exposures)?;
    table::write(&args.out.join("pointing.csv"), &pointing)?;
    table::write(&args.out.join("truth.csv"), &truth)?;
    table::write(
        &args.out.join("reference.csv"),
        &reference(&truth, args.seed),
    )?;
    eprintln!(
        "{} frames of {} exposures, {} planted stars in {}",
        args.exposures * args.chips,
        args.exposures,
        truth.len(),
        args.out.display()
    );
    Ok(())
}

/// The bright stars, each a little off its place, as a reference catalogue has them.
fn reference(truth: &[Star], seed: u64) -> Vec<Star> {
    let mut rng = Rng::new(seed, 2);
    truth
        .iter()
        .filter(|star| star.mag < REFERENCE_LIMIT)
        .map(|star| Star {
            ra: star.ra + rng.normal() * REFERENCE_ERROR / 3600.0 / star.dec.to_radians().cos(),
            dec: star.dec + rng.normal() * REFERENCE_ERROR / 3600.0,
            mag: star.mag + 0.01 * rng.normal(),
            ..star.clone()
        })
        .collect()
}

impl Exposure {
    /// Dithers go around a ring, so that together they cover the gaps between the chips.
    fn draw(seed: u64, exp_id: u32, exposures: u32) -> Self {
        let mut rng = Rng::new(seed, 1000 + u64::from(exp_id));
        let mut pair = |reach: f64| (rng.between(-reach, reach), rng.between(-reach, reach));
        let (error, slope) = (pair(POINTING_ERROR), pair(0.05));
        let turn = (f64::from(exp_id) + rng.between(-0.3, 0.3)) / f64::from(exposures);
        let (sine, cosine) = (std::f64::consts::TAU * turn).sin_cos();
        let radius = rng.between(0.8, 1.0) * DITHER;
        Self {
            dither: (radius * cosine, radius * sine),
            error,
            slope,
            sigma: rng.between(1.5, 1.9),
            transparency: rng.between(0.8, 1.0),
            sky: rng.between(350.0, 500.0),
        }
    }
}

/// Places the chips on a grid with gaps, within reach of every dither.
fn focal_plane((width, height): (usize, usize), chips: u32) -> Option<Vec<Chip>> {
    let columns = (1..=chips).find(|c| chips.is_multiple_of(*c) && c * c >= chips)? as usize;
    let rows = chips as usize / columns;
    let margin = DITHER as usize + 4;
    let side = |length: usize, cells: usize| {
        let free = length.checked_sub(2 * margin + GAP * (cells - 1))?;
        Some(free / cells).filter(|side| *side >= 64)
    };
    let size = (side(width, columns)?, side(height, rows)?);
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    Some(
        places
            .map(|(column, row)| Chip {
                class_id: format!("XY{column}{row}"),
                origin: (
                    margin + column * (size.0 + GAP),
                    margin + row * (size.1 + GAP),
                ),
                size,
            })
            .collect(),
    )
}

/// What one chip records of the scene.
fn expose(scene: &Scene, exposure: &Exposure, chip: &Chip, rng: &mut Rng) -> Image {
    let (left, bottom) = (
        chip.origin.0 as f64 + exposure.dither.0,
        chip.origin.1 as f64 + exposure.dither.1,
    );
    let mut frame = Image::filled(chip.size.0, chip.size.1, 0.0);
    let places: Vec<(i64, i64)> = frame.places().map(|(x, y, _)| (x, y)).collect();
    for (pixel, (x, y)) in frame.pixels.iter_mut().zip(&places) {
        *pixel = scene.real(*x as f64 + left, *y as f64 + bottom) as f32;
    }
    for star in &scene.stars {
        add_star(
            &mut frame,
            star,
            (star.x - left, star.y - bottom),
            exposure.sigma,
        );
    }
    for (pixel, (x, y)) in frame.pixels.iter_mut().zip(&places) {
        let sky = exposure.sky + exposure.slope.0 * *x as f64 + exposure.slope.1 * *y as f64;
        let counts = f64::from(*pixel) * exposure.transparency + sky;
        let variance = counts.max(0.0) / GAIN + (READ_NOISE / GAIN).powi(2);
        *pixel = (counts + variance.sqrt() * rng.normal()).clamp(0.0, 65_535.0) as f32;
    }
    frame
}

fn add_star(frame: &mut Image, star: &Planted, (cx, cy): (f64, f64), sigma: f64) {
    let reach = (6.0 * sigma).ceil() as i64;
    let (column, row) = (cx.round() as i64, cy.round() as i64);
    let peak = star.flux / (std::f64::consts::TAU * sigma * sigma);
    for y in row - reach..=row + reach {
        for x in column - reach..=column + reach {
            if let Some(value) = frame.at(x, y) {
                let rr = (x as f64 - cx).powi(2) + (y as f64 - cy).powi(2);
                let light = peak * (-0.5 * rr / (sigma * sigma)).exp();
                frame.put(x, y, value + light as f32);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(1, &[(18, 18)])]
    #[case(2, &[(18, 18), (262, 18)])]
    #[case(4, &[(18, 18), (262, 18), (18, 262), (262, 262)])]
    fn chips_lie_on_a_grid_with_gaps(#[case] chips: u32, #[case] origins: &[(usize, usize)]) {
        let plane = focal_plane((512, 512), chips).unwrap();
        let found: Vec<_> = plane.iter().map(|chip| chip.origin).collect();
        assert_eq!(found, origins);
    }

    #[test]
    fn a_frame_too_small_for_its_chips_is_refused() {
        assert_eq!(focal_plane((100, 100), 4), None);
    }
}
