//! Finding sources: background, smoothing, threshold, connected pixels, adaptive moments.

use std::path::PathBuf;

use clap::Args;

use super::{
    SkyError,
    background::Background,
    catalog::{self, Source},
    fits::Image,
    statistics,
    wcs::Wcs,
};

/// Options of `sky detect`.
#[derive(Debug, Args)]
pub struct DetectArgs {
    /// The frame
    frame: PathBuf,
    /// Catalogue to write
    #[arg(short, long)]
    output: PathBuf,
    /// Weight map: sources are sought where it is above zero
    #[arg(long)]
    weight: Option<PathBuf>,
    /// Deviations above the sky, in the smoothed frame
    #[arg(long, default_value_t = 4.0)]
    threshold: f64,
}

/// Half width in pixels of the smoothing kernel and its deviation.
const KERNEL: (i64, f64) = (4, 1.5);
/// Fewest connected pixels of a source.
const MIN_PIXELS: usize = 5;

pub(super) fn run(args: &DetectArgs) -> Result<(), SkyError> {
    let image = Image::read(&args.frame)?;
    let weight = args.weight.as_deref().map(Image::read).transpose()?;
    let wcs = Wcs::of(&image.header)
        .ok_or_else(|| SkyError::format(&args.frame, "the header has no TAN projection"))?;
    let sources = find(&image, weight.as_ref(), args.threshold, &wcs)
        .ok_or_else(|| SkyError::format(&args.frame, "no pixel has a value"))?;
    catalog::write(&args.output, &sources)
}

/// Finds sources, brightest first; none if the image is empty.
fn find(image: &Image, weight: Option<&Image>, threshold: f64, wcs: &Wcs) -> Option<Vec<Source>> {
    let mut image = image.clone();
    if let Some(weight) = weight {
        for (pixel, weight) in image.pixels.iter_mut().zip(&weight.pixels) {
            if weight.is_nan() || *weight <= 0.0 {
                *pixel = f32::NAN;
            }
        }
    }
    let background = Background::of(&image, 64)?;
    let signal = background.subtracted(&image);
    let mut smooth = smoothed(&signal);
    if let Some(weight) = weight {
        let typical = statistics::median(
            (weight.pixels.iter().filter(|w| **w > 0.0)).map(|w| f64::from(*w)),
        )?;
        for (pixel, weight) in smooth.pixels.iter_mut().zip(&weight.pixels) {
            *pixel *= (f64::from(*weight) / typical).max(0.0).sqrt() as f32;
        }
    }
    let values: Vec<f64> = smooth.pixels.iter().map(|v| f64::from(*v)).collect();
    let (centre, deviation) = statistics::clipped(&values)?;
    let limit = (centre + threshold * deviation) as f32;
    let gain = image.header.number("GAIN").filter(|g| *g > 0.0);
    let saturation = image.header.number("SATURATE").unwrap_or(f64::INFINITY);

    let mut sources: Vec<Source> = Vec::new();
    for (x, y) in peaks(&smooth, limit) {
        let Some(shape) = Shape::around(&signal, x, y) else {
            continue;
        };
        let level = background.at(x, y);
        let radius = (3.0 * shape.sigma).max(4.0);
        let Some((flux, area, cut)) = aperture(&signal, &shape, radius) else {
            continue;
        };
        let peak = signal.at(x, y).map_or(0.0, f64::from) + level;
        let (px, py) = (shape.x + 1.0, shape.y + 1.0);
        let twin = |s: &Source| (s.x - px).hypot(s.y - py) < 2.0;
        if flux <= 0.0 || sources.iter().any(twin) {
            continue;
        }
        let (ra, dec) = wcs.sky(px, py);
        sources.push(Source {
            x: px,
            y: py,
            ra,
            dec,
            flux,
            flux_err: (area * background.rms.powi(2) + gain.map_or(0.0, |g| flux / g)).sqrt(),
            fwhm: shape.sigma * 2.354_82,
            background: level,
            flags: i64::from(peak >= saturation) * 4 + i64::from(cut) * 8,
        });
    }
    sources.sort_by(|a, b| b.flux.total_cmp(&a.flux));
    Some(sources)
}

/// The image under a Gaussian kernel; missing pixels count as sky.
fn smoothed(image: &Image) -> Image {
    let (reach, sigma) = KERNEL;
    let weights: Vec<f32> = (-reach..=reach)
        .map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp() as f32)
        .collect();
    let total: f32 = weights.iter().sum();
    let pass = |from: &Image, (step_x, step_y): (i64, i64)| {
        let mut out = from.clone();
        for (pixel, (x, y, _)) in out.pixels.iter_mut().zip(from.places()) {
            *pixel = (-reach..=reach)
                .zip(&weights)
                .filter_map(|(i, w)| from.at(x + i * step_x, y + i * step_y).map(|v| (v, w)))
                .filter(|(v, _)| v.is_finite())
                .map(|(v, w)| v * w)
                .sum::<f32>()
                / total;
        }
        out
    };
    let mut out = pass(&pass(image, (1, 0)), (0, 1));
    for (pixel, original) in out.pixels.iter_mut().zip(&image.pixels) {
        if !original.is_finite() {
            *pixel = f32::NAN;
        }
    }
    out
}

/// Local maxima of the groups of connected pixels above the limit.
fn peaks(smooth: &Image, limit: f32) -> Vec<(i64, i64)> {
    let neighbours =
        |x: i64, y: i64| (-1..=1).flat_map(move |dy| (-1..=1).map(move |dx| (x + dx, y + dy)));
    let mut seen = vec![false; smooth.pixels.len()];
    let mut found = Vec::new();
    for (x, y, _) in smooth.places() {
        let mut group = Vec::new();
        let mut open = vec![(x, y)];
        while let Some((x, y)) = open.pop() {
            let above = smooth.at(x, y).is_some_and(|v| v > limit);
            let index = (y * smooth.width as i64 + x) as usize;
            match seen.get_mut(index) {
                Some(seen) if above && !*seen => *seen = true,
                _ => continue,
            }
            group.push((x, y));
            open.extend(neighbours(x, y));
        }
        if group.len() < MIN_PIXELS {
            continue;
        }
        let highest = |(x, y): &(i64, i64)| {
            let own = smooth.at(*x, *y).unwrap_or(f32::NEG_INFINITY);
            (-3..=3)
                .flat_map(|dy| (-3..=3).map(move |dx| (dx, dy)))
                .filter(|place| *place != (0, 0))
                .filter_map(|(dx, dy)| smooth.at(x + dx, y + dy))
                .all(|other| other.is_nan() || other <= own)
        };
        found.extend(group.into_iter().filter(highest));
    }
    found
}

/// Centre and width of a round source, by moments under a Gaussian window of its own width.
#[derive(Debug, Clone, Copy)]
struct Shape {
    x: f64,
    y: f64,
    sigma: f64,
}

impl Shape {
    fn around(signal: &Image, x: i64, y: i64) -> Option<Self> {
        let mut shape = Self {
            x: x as f64,
            y: y as f64,
            sigma: 1.7,
        };
        for _ in 0..12 {
            let reach = (4.0 * shape.sigma).ceil() as i64;
            let (cx, cy) = (shape.x.round() as i64, shape.y.round() as i64);
            let (mut sum, mut sx, mut sy, mut srr) = (0.0, 0.0, 0.0, 0.0);
            for row in cy - reach..=cy + reach {
                for column in cx - reach..=cx + reach {
                    let Some(value) = signal.at(column, row).filter(|v| v.is_finite()) else {
                        continue;
                    };
                    let (dx, dy) = (column as f64 - shape.x, row as f64 - shape.y);
                    let rr = dx * dx + dy * dy;
                    let w = (-0.5 * rr / shape.sigma.powi(2)).exp() * f64::from(value);
                    sum += w;
                    sx += w * dx;
                    sy += w * dy;
                    srr += w * rr;
                }
            }
            if sum <= 0.0 {
                return None;
            }
            // The window halves a Gaussian's first moment and, at equal widths, its variance.
            shape.x += 2.0 * sx / sum;
            shape.y += 2.0 * sy / sum;
            let measured = 0.5 * srr / sum;
            let inverse = 1.0 / measured.max(1e-3) - 1.0 / shape.sigma.powi(2);
            let wanted = if inverse > 0.0 {
                inverse.recip().sqrt()
            } else {
                6.0
            };
            shape.sigma = wanted.clamp(0.8, 6.0);
            if (shape.x - x as f64).hypot(shape.y - y as f64) > 4.0 {
                return None;
            }
        }
        Some(shape)
    }
}

/// Flux within a circle, the pixels in it, and whether some of them are missing.
fn aperture(signal: &Image, shape: &Shape, radius: f64) -> Option<(f64, f64, bool)> {
    let reach = radius.ceil() as i64 + 1;
    let (cx, cy) = (shape.x.round() as i64, shape.y.round() as i64);
    let (mut flux, mut area, mut missing) = (0.0, 0.0, 0.0);
    for row in cy - reach..=cy + reach {
        for column in cx - reach..=cx + reach {
            let distance = (column as f64 - shape.x).hypot(row as f64 - shape.y);
            let share = (radius + 0.5 - distance).clamp(0.0, 1.0);
            match signal.at(column, row).filter(|v| v.is_finite()) {
                Some(value) => {
                    flux += share * f64::from(value);
                    area += share;
                },
                None => missing += share,
            }
        }
    }
    (area > 0.0).then_some((flux, area, missing > 0.02 * area))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sky::rng::Rng;

    #[test]
    fn a_star_in_noise_is_found_where_it_is_and_as_bright_as_it_is() {
        let (cx, cy, sigma, total) = (61.3, 70.8, 1.7, 20_000.0);
        let mut rng = Rng::new(3, 0);
        let mut image = Image::filled(128, 128, 0.0);
        for y in 0..128 {
            for x in 0..128 {
                let rr = (x as f64 - cx).powi(2) + (y as f64 - cy).powi(2);
                let star = total / (std::f64::consts::TAU * sigma * sigma)
                    * (-0.5 * rr / (sigma * sigma)).exp();
                image.put(x, y, (800.0 + star + 20.0 * rng.normal()) as f32);
            }
        }
        let wcs = Wcs::north_up((64.0, 64.0), (150.0, 2.0), 0.25);
        let sources = find(&image, None, 4.0, &wcs).unwrap();
        let [star] = sources.as_slice() else {
            panic!("one source expected: {sources:?}");
        };
        assert!((star.x - 1.0 - cx).abs() < 0.05 && (star.y - 1.0 - cy).abs() < 0.05);
        assert!((star.flux / total - 1.0).abs() < 0.05, "{}", star.flux);
        assert!((star.fwhm - 4.0).abs() < 0.3, "{}", star.fwhm);
        assert_eq!(star.flags, 0);
    }

    #[test]
    fn noise_alone_has_no_sources() {
        let mut rng = Rng::new(4, 0);
        let mut image = Image::filled(128, 128, 0.0);
        for pixel in &mut image.pixels {
            *pixel = (800.0 + 20.0 * rng.normal()) as f32;
        }
        let wcs = Wcs::north_up((64.0, 64.0), (150.0, 2.0), 0.25);
        assert!(find(&image, None, 5.0, &wcs).unwrap().is_empty());
    }
}
