//! A frame as a picture: the sky dark, faint things seen, bright ones not burnt out.

use std::{fs, io::BufWriter, path::PathBuf};

use clap::Args;

use super::{SkyError, fits::Image, statistics};

/// Options of `sky png`.
#[derive(Debug, Args)]
pub struct PngArgs {
    /// The frame
    frame: PathBuf,
    /// Picture to write
    #[arg(short, long)]
    output: PathBuf,
    /// Share of the pixels below white
    #[arg(long, default_value_t = 0.998)]
    white: f64,
}

pub(super) fn run(args: &PngArgs) -> Result<(), SkyError> {
    let image = Image::read(&args.frame)?;
    let grey = stretched(&image, args.white)
        .ok_or_else(|| SkyError::format(&args.frame, "no pixel has a value"))?;
    let file = fs::File::create(&args.output).map_err(SkyError::io(&args.output))?;
    let size = (image.width as u32, image.height as u32);
    let mut encoder = png::Encoder::new(BufWriter::new(file), size.0, size.1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let bad = |error: png::EncodingError| SkyError::format(&args.output, error.to_string());
    let mut writer = encoder.write_header().map_err(bad)?;
    writer.write_image_data(&grey).map_err(bad)?;
    writer.finish().map_err(bad)
}

/// Grey values, top row first, by an inverse hyperbolic sine between the sky and the share of
/// pixels that is white. Pixels without a value are black.
fn stretched(image: &Image, white: f64) -> Option<Vec<u8>> {
    let values: Vec<f64> = (image.pixels.iter())
        .filter(|v| v.is_finite() && **v != 0.0)
        .map(|v| f64::from(*v))
        .collect();
    let (sky, noise) = statistics::clipped(&values)?;
    let noise = noise.max(1e-6);
    let black = sky - 1.5 * noise;
    let curve = |value: f64| ((value - black) / (3.0 * noise)).max(0.0).asinh();
    let top = curve(statistics::quantile(values, white)?).max(1e-6);
    let rows = image.pixels.chunks(image.width.max(1)).rev();
    let grey = |v: &f32| {
        if v.is_finite() && *v != 0.0 {
            (255.0 * curve(f64::from(*v)) / top).clamp(0.0, 255.0) as u8
        } else {
            0
        }
    };
    Some(rows.flatten().map(grey).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_row_of_the_sky_is_the_top_row_of_the_picture() {
        let mut image = Image::filled(4, 3, 10.0);
        image.put(1, 2, 1000.0);
        let grey = stretched(&image, 1.0).unwrap();
        assert_eq!(grey.get(1), Some(&255));
        assert!(grey.iter().enumerate().all(|(i, v)| i == 1 || *v < 255));
    }
}
