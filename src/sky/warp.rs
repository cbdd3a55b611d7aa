//! Resampling a frame to a common grid, cut to the part that it covers.

use std::{fs, path::PathBuf};

use clap::Args;

use super::{
    SkyError,
    background::Background,
    fits::{Encoding, Image},
    header::Header,
    resample,
    wcs::Wcs,
};

/// The common grid: north up, square.
#[derive(Debug, Clone, Args)]
pub(super) struct Grid {
    /// Centre of the grid: right ascension, declination in degrees
    #[arg(long, value_parser = centre)]
    centre: (f64, f64),
    /// Arcseconds a pixel
    #[arg(long)]
    scale: f64,
    /// Pixels along each side
    #[arg(long, value_parser = clap::value_parser!(u32).range(16..=100_000))]
    size: u32,
}

/// Options of `sky warp`.
#[derive(Debug, Args)]
pub struct WarpArgs {
    /// The frame
    frame: PathBuf,
    /// Header file that gives the fitted pointing and the scale of the flux
    #[arg(long)]
    head: Option<PathBuf>,
    #[command(flatten)]
    grid: Grid,
    /// Warped frame to write; missing pixels are NaN
    #[arg(short, long)]
    output: PathBuf,
}

/// Header key of the variance of one pixel's sky, by which frames are weighted.
pub(super) const VARIANCE: &str = "SKYVAR";

impl Grid {
    /// The grid's projection.
    pub(super) fn wcs(&self) -> Wcs {
        let middle = f64::from(self.size) / 2.0 + 0.5;
        Wcs::north_up((middle, middle), self.centre, self.scale)
    }

    /// Pixels along a side.
    pub(super) fn side(&self) -> usize {
        self.size as usize
    }
}

/// Reads `ra,dec` in degrees.
pub(super) fn centre(text: &str) -> Result<(f64, f64), String> {
    let parse = |part: &str| part.trim().parse::<f64>().ok();
    text.split_once(',')
        .and_then(|(ra, dec)| Some((parse(ra)?, parse(dec)?)))
        .filter(|(_, dec)| dec.abs() < 90.0)
        .ok_or_else(|| format!("`{text}` is not `ra,dec` in degrees"))
}

pub(super) fn run(args: &WarpArgs) -> Result<(), SkyError> {
    let mut frame = Image::read(&args.frame)?;
    if let Some(path) = &args.head {
        let text = fs::read_to_string(path).map_err(SkyError::io(path))?;
        let mut header = Header::default();
        text.lines().for_each(|line| header.push_raw(line));
        let wcs = Wcs::of(&header)
            .ok_or_else(|| SkyError::format(path, "the header file has no TAN projection"))?;
        wcs.write(&mut frame.header);
        if let Some(scale) = header.number("FLXSCALE") {
            frame.header.set_number("FLXSCALE", scale, "");
        }
    }
    let from = Wcs::of(&frame.header)
        .ok_or_else(|| SkyError::format(&args.frame, "the header has no TAN projection"))?;
    warped(&frame, &from, &args.grid)
        .ok_or_else(|| SkyError::format(&args.frame, "the frame does not touch the grid"))?
        .write(&args.output, Encoding::Real)
}

/// The frame on the grid, less its sky; none if it lies outside.
fn warped(frame: &Image, from: &Wcs, grid: &Grid) -> Option<Image> {
    let background = Background::of(frame, 64)?;
    let signal = background.subtracted(frame);
    let scale = frame.header.number("FLXSCALE").unwrap_or(1.0);
    let to = grid.wcs();
    let (left, bottom, width, height) = footprint(frame, from, &to, grid.side())?;
    let mut out = Image::filled(width, height, f32::NAN);
    let places: Vec<(i64, i64)> = out.places().map(|(x, y, _)| (x, y)).collect();
    for (pixel, (x, y)) in out.pixels.iter_mut().zip(places) {
        let (ra, dec) = to.sky((x + left + 1) as f64, (y + bottom + 1) as f64);
        let value = from
            .pixel(ra, dec)
            .and_then(|(x, y)| resample::lanczos3(&signal, x - 1.0, y - 1.0));
        if let Some(value) = value {
            *pixel = (value * scale) as f32;
        }
    }
    out.header = frame.header.clone();
    let corner = Wcs {
        crpix: (to.crpix.0 - left as f64, to.crpix.1 - bottom as f64),
        ..to
    };
    corner.write(&mut out.header);
    out.header.remove(&["FLXSCALE"]);
    let variance = (background.rms * scale).powi(2);
    out.header
        .set_number(VARIANCE, variance, "variance of one pixel's sky");
    Some(out)
}

/// First column and row, width and height of the part of the grid that the frame can reach.
fn footprint(frame: &Image, from: &Wcs, to: &Wcs, side: usize) -> Option<(i64, i64, usize, usize)> {
    let (w, h) = (frame.width as f64, frame.height as f64);
    let mut low = (f64::INFINITY, f64::INFINITY);
    let mut high = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    for (x, y) in [
        (0.5, 0.5),
        (w + 0.5, 0.5),
        (0.5, h + 0.5),
        (w + 0.5, h + 0.5),
    ] {
        let (ra, dec) = from.sky(x, y);
        let (x, y) = to.pixel(ra, dec)?;
        low = (low.0.min(x), low.1.min(y));
        high = (high.0.max(x), high.1.max(y));
    }
    let range = |low: f64, high: f64| {
        let first = (low.floor() as i64 - 1).max(0);
        let end = (high.ceil() as i64 + 1).min(side as i64);
        usize::try_from(end - first)
            .ok()
            .filter(|length| *length > 0)
            .map(|length| (first, length))
    };
    let (left, width) = range(low.0, high.0)?;
    let (bottom, height) = range(low.1, high.1)?;
    Some((left, bottom, width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_lands_where_the_header_says_and_keeps_its_flux() {
        let grid = Grid {
            centre: (150.0, 2.0),
            scale: 0.25,
            size: 256,
        };
        let mut frame = Image::filled(128, 128, 100.0);
        let (cx, cy, sigma) = (60.0, 50.0, 1.8);
        for y in 0..128 {
            for x in 0..128 {
                let rr = (x as f64 - cx).powi(2) + (y as f64 - cy).powi(2);
                frame.put(
                    x,
                    y,
                    (100.0 + 500.0 * (-0.5 * rr / (sigma * sigma)).exp()) as f32,
                );
            }
        }
        let mut from = grid.wcs();
        from.crpix = (from.crpix.0 - 40.3, from.crpix.1 - 30.6);
        let out = warped(&frame, &from, &grid).unwrap();
        let own = Wcs::of(&out.header).unwrap();
        let (ra, dec) = from.sky(cx + 1.0, cy + 1.0);
        let (x, y) = own.pixel(ra, dec).unwrap();
        let (mut sum, mut sx, mut sy) = (0.0, 0.0, 0.0);
        for (px, py, value) in out.places().filter(|(_, _, v)| v.is_finite()) {
            sum += f64::from(value);
            sx += f64::from(value) * (px as f64 + 1.0);
            sy += f64::from(value) * (py as f64 + 1.0);
        }
        assert!((sx / sum - x).abs() < 0.02 && (sy / sum - y).abs() < 0.02);
        let total = 500.0 * std::f64::consts::TAU * sigma * sigma;
        assert!((sum / total - 1.0).abs() < 0.01, "{}", sum / total);
    }

    #[test]
    fn a_frame_elsewhere_is_refused() {
        let grid = Grid {
            centre: (150.0, 2.0),
            scale: 0.25,
            size: 64,
        };
        let from = Wcs::north_up((32.0, 32.0), (151.0, 2.0), 0.25);
        assert!(warped(&Image::filled(64, 64, 1.0), &from, &grid).is_none());
    }
}
