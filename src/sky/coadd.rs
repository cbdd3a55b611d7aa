//! Combining warped frames: a weighted mean without what does not belong.

use std::path::PathBuf;

use clap::Args;

use super::{
    SkyError,
    fits::{Encoding, Image},
    statistics,
    warp::{Grid, VARIANCE},
    wcs::Wcs,
};

/// Options of `sky coadd`.
#[derive(Debug, Args)]
pub struct CoaddArgs {
    /// Warped frames on the grid
    #[arg(required = true)]
    warps: Vec<PathBuf>,
    #[command(flatten)]
    grid: Grid,
    /// Deviations, beside 0.3 of the value, from the median beyond which a pixel is left out
    #[arg(long, default_value_t = 4.0)]
    clip: f64,
    /// Stack to write
    #[arg(short, long)]
    output: PathBuf,
    /// Weight map to write (inverse variance)
    #[arg(long)]
    weight: PathBuf,
}

/// A warped frame and the place of its first pixel on the grid.
#[derive(Debug)]
struct Layer {
    image: Image,
    left: i64,
    bottom: i64,
    weight: f64,
}

pub(super) fn run(args: &CoaddArgs) -> Result<(), SkyError> {
    let wcs = args.grid.wcs();
    let layers: Vec<Layer> = args
        .warps
        .iter()
        .map(|path| {
            let image = Image::read(path)?;
            let own = Wcs::of(&image.header)
                .ok_or_else(|| SkyError::format(path, "the header has no TAN projection"))?;
            let (left, bottom) = (wcs.crpix.0 - own.crpix.0, wcs.crpix.1 - own.crpix.1);
            let whole = |offset: f64| (offset - offset.round()).abs() < 1e-3;
            if !(whole(left) && whole(bottom)) {
                return Err(SkyError::format(path, "not on the pixels of this grid"));
            }
            let variance = image.header.number(VARIANCE).filter(|v| *v > 0.0);
            let weight = variance
                .ok_or_else(|| SkyError::format(path, format!("the header has no {VARIANCE}")))?
                .recip();
            Ok(Layer {
                image,
                left: left.round() as i64,
                bottom: bottom.round() as i64,
                weight,
            })
        })
        .collect::<Result<_, SkyError>>()?;

    let side = args.grid.side();
    let mut stack = Image::filled(side, side, 0.0);
    let mut weights = Image::filled(side, side, 0.0);
    let mut values = Vec::new();
    for y in 0..side as i64 {
        for x in 0..side as i64 {
            values.clear();
            values.extend(layers.iter().filter_map(|layer| {
                let value = layer.image.at(x - layer.left, y - layer.bottom)?;
                value
                    .is_finite()
                    .then_some((f64::from(value), layer.weight))
            }));
            if let Some((value, weight)) = combined(&values, args.clip) {
                stack.put(x, y, value as f32);
                weights.put(x, y, weight as f32);
            }
        }
    }
    wcs.write(&mut stack.header);
    wcs.write(&mut weights.header);
    stack
        .header
        .set_integer("NCOMBINE", layers.len() as i64, "warped frames");
    stack.write(&args.output, Encoding::Real)?;
    weights.write(&args.weight, Encoding::Real)
}

/// Weighted mean and total weight of the values that agree with their median.
fn combined(values: &[(f64, f64)], clip: f64) -> Option<(f64, f64)> {
    let middle = statistics::median(values.iter().map(|(value, _)| *value))?;
    let agrees = |(value, weight): &&(f64, f64)| {
        values.len() < 3 || (value - middle).abs() <= clip / weight.sqrt() + 0.3 * middle.abs()
    };
    let (mut sum, mut total) = (0.0, 0.0);
    for (value, weight) in values.iter().filter(agrees) {
        sum += value * weight;
        total += weight;
    }
    (total > 0.0).then(|| (sum / total, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosmic_ray_is_left_out_and_the_rest_is_weighted() {
        let (value, weight) = combined(&[(10.0, 1.0), (13.0, 3.0), (5000.0, 1.0)], 4.0).unwrap();
        assert!((value - 12.25).abs() < 1e-9);
        assert!((weight - 4.0).abs() < 1e-9);
        assert_eq!(combined(&[], 4.0), None);
    }
}
