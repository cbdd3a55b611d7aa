//! The `.head` file: header cards that replace a frame's own when it is resampled.

use std::{fs, path::PathBuf};

use clap::Args;

use super::{SkyError, fits::Image, header::Header, scene::ZERO_POINT, wcs::Wcs};

/// Options of `sky head`.
#[derive(Debug, Args)]
pub struct HeadArgs {
    /// The frame
    frame: PathBuf,
    /// Pixels to add to CRPIX1
    #[arg(long, allow_negative_numbers = true)]
    dx: f64,
    /// Pixels to add to CRPIX2
    #[arg(long, allow_negative_numbers = true)]
    dy: f64,
    /// Magnitude of one count of this frame; the scaled frame has 25
    #[arg(long, default_value_t = ZERO_POINT)]
    zp: f64,
    /// File to write
    #[arg(short, long)]
    output: PathBuf,
}

pub(super) fn run(args: &HeadArgs) -> Result<(), SkyError> {
    let mut wcs = Wcs::of(&Image::read(&args.frame)?.header)
        .ok_or_else(|| SkyError::format(&args.frame, "the header has no TAN projection"))?;
    wcs.crpix.0 += args.dx;
    wcs.crpix.1 += args.dy;
    let mut header = Header::default();
    wcs.write(&mut header);
    let scale = 10_f64.powf(0.4 * (ZERO_POINT - args.zp));
    header.set_number("FLXSCALE", scale, "factor to the common zero point");
    fs::write(&args.output, header.lines()).map_err(SkyError::io(&args.output))
}
