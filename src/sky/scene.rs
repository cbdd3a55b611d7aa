//! The sky that the made frames look at: a real frame, magnified, and planted stars.

use super::{background::Background, fits::Image, resample, rng::Rng, table::Star, wcs::Wcs};

/// Zero point of all fluxes: a star of this magnitude gives one count.
pub(super) const ZERO_POINT: f64 = 25.0;
/// Real counts are scaled down by this, so that the brightest stay below saturation.
const REAL_SCALE: f64 = 0.4;
/// Planted magnitudes lie in this range.
const MAGNITUDES: (f64, f64) = (13.0, 20.0);
/// Least distance in pixels between planted stars, and from the edge.
const APART: f64 = 16.0;
const EDGE: f64 = 24.0;

/// The scene, in pixels of the made frames, counted from 0.
#[derive(Debug)]
pub(super) struct Scene {
    signal: Image,
    noise: f64,
    magnify: f64,
    pub(super) wcs: Wcs,
    pub(super) size: (usize, usize),
    /// Planted stars with their pixel and their flux.
    pub(super) stars: Vec<Planted>,
}

/// A planted star.
#[derive(Debug, Clone)]
pub(super) struct Planted {
    pub(super) star: Star,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) flux: f64,
}

impl Scene {
    /// A scene `magnify` times as large as the real frame, around `centre` (degrees), with
    /// `scale` arcseconds a pixel; none if the frame has no values.
    pub(super) fn new(base: &Image, magnify: u32, centre: (f64, f64), scale: f64) -> Option<Self> {
        let background = Background::of(base, 64)?;
        let size = (
            base.width * magnify as usize,
            base.height * magnify as usize,
        );
        let crpix = (size.0 as f64 / 2.0 + 0.5, size.1 as f64 / 2.0 + 0.5);
        Some(Self {
            signal: background.subtracted(base),
            noise: background.rms,
            magnify: f64::from(magnify),
            wcs: Wcs::north_up(crpix, centre, scale),
            size,
            stars: Vec::new(),
        })
    }

    /// Real counts at a place; zero where the real frame ends.
    pub(super) fn real(&self, x: f64, y: f64) -> f64 {
        let place = |at: f64| (at + 0.5) / self.magnify - 0.5;
        resample::lanczos3(&self.signal, place(x), place(y))
            .map_or(0.0, |value| value * REAL_SCALE / self.magnify.powi(2))
    }

    /// Plants stars away from one another and from real objects.
    pub(super) fn plant(&mut self, count: usize, seed: u64) {
        let mut rng = Rng::new(seed, 1);
        for _ in 0..count * 400 {
            if self.stars.len() == count {
                break;
            }
            let x = rng.between(EDGE, self.size.0 as f64 - EDGE);
            let y = rng.between(EDGE, self.size.1 as f64 - EDGE);
            let near = |other: &Planted| (other.x - x).hypot(other.y - y) < APART;
            if self.stars.iter().any(near) || self.occupied(x, y) {
                continue;
            }
            // Evenly over the range, so that every bin of completeness has stars.
            let share = (self.stars.len() as f64 + 0.5) / count as f64;
            let mag = MAGNITUDES.0 + (MAGNITUDES.1 - MAGNITUDES.0) * share;
            let (ra, dec) = self.wcs.sky(x + 1.0, y + 1.0);
            self.stars.push(Planted {
                star: Star {
                    star_id: self.stars.len() as u32 + 1,
                    ra,
                    dec,
                    mag,
                },
                x,
                y,
                flux: 10_f64.powf(0.4 * (ZERO_POINT - mag)),
            });
        }
    }

    fn occupied(&self, x: f64, y: f64) -> bool {
        let reach = (8.0 / self.magnify).ceil() as i64;
        let (cx, cy) = ((x / self.magnify) as i64, (y / self.magnify) as i64);
        (cy - reach..=cy + reach)
            .flat_map(|row| (cx - reach..=cx + reach).map(move |column| (column, row)))
            .filter_map(|(column, row)| self.signal.at(column, row))
            .any(|value| f64::from(value) > 4.0 * self.noise)
    }
}
