//! Small image programs that the binary carries: making, measuring and combining test frames.
//!
//! They let a survey be shown and tested where no astronomy package is installed, and they are
//! simple on purpose: one HDU, one projection (TAN), stars that are round.

#![allow(
    clippy::many_single_char_names,
    reason = "x, y, u, v and the terms of a matrix are the field's own names"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "pixel places and counts are small; images have far fewer than 2^31 pixels a side"
)]

mod background;
mod catalog;
mod check;
mod coadd;
mod detect;
mod error;
mod fit;
mod fits;
mod frames;
mod head;
mod header;
mod normalise;
mod picture;
mod resample;
mod rng;
mod scene;
mod statistics;
mod stats;
mod table;
mod warp;
mod wcs;

use std::process::ExitCode;

use clap::Subcommand;

pub use error::SkyError;

/// The programs of `outrigger sky`.
#[derive(Debug, Subcommand)]
pub enum SkyCommand {
    /// Make dithered, noisy exposures of several chips from one real frame, with planted stars
    #[command(
        after_help = "Example:\n  outrigger sky frames --base ccd.fits --out raw --exposures 6 --chips 4"
    )]
    Frames(frames::FramesArgs),
    /// Find sources in a frame and write an ASCII catalogue
    #[command(
        after_help = "Example:\n  outrigger sky detect raw/exp01.chip1.fits --output exp01.chip1.cat"
    )]
    Detect(detect::DetectArgs),
    /// Fit the pointing offset and zero point of one exposure to a reference list
    #[command(
        after_help = "Example:\n  outrigger sky fit --catalogs 1.cat 2.cat --frames 1.fits 2.fits --reference ref.csv -o fit.json"
    )]
    Fit(fit::FitArgs),
    /// Write the header file that gives a frame its fitted pointing (`.head`)
    #[command(
        after_help = "Example:\n  outrigger sky head exp01.chip1.fits --dx 3.2 --dy=-1.7 --output exp01.chip1.head"
    )]
    Head(head::HeadArgs),
    /// Resample a frame to a common grid
    #[command(
        after_help = "Example:\n  outrigger sky warp 1.fits --centre 150,2 --scale 0.25 --size 1200 -o 1.warp.fits"
    )]
    Warp(warp::WarpArgs),
    /// Combine warped frames
    #[command(
        after_help = "Example:\n  outrigger sky coadd 1.fits 2.fits --centre 150,2 --scale 1 --size 900 -o s.fits --weight w.fits"
    )]
    Coadd(coadd::CoaddArgs),
    /// Measure a frame, a catalogue or both, and write the numbers as JSON
    #[command(
        after_help = "Example:\n  outrigger sky stats --image stack.fits --catalog stack.cat --output stack.json"
    )]
    Stats(stats::StatsArgs),
    /// Compare a catalogue with the planted stars: completeness and position errors
    #[command(
        after_help = "Example:\n  outrigger sky check --catalog stack.cat --truth raw/truth.csv --require 0.9"
    )]
    Check(check::CheckArgs),
    /// Draw a frame as a PNG
    #[command(after_help = "Example:\n  outrigger sky png stack.fits --output stack.png")]
    Png(picture::PngArgs),
    /// Take out of a FITS file what differs from one run to the next (dates, user, host)
    #[command(after_help = "Example:\n  outrigger sky normalise stack.fits stack.weight.fits")]
    Normalise(normalise::NormaliseArgs),
    /// Compare FITS files without what differs from one run to the next
    #[command(after_help = "Example:\n  outrigger sky compare here/stack.fits there/stack.fits")]
    Compare(normalise::CompareArgs),
}

/// Runs one program: exit code 0, or 1 with the reason on standard error.
pub fn main(command: SkyCommand) -> ExitCode {
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("outrigger sky: {error}");
            ExitCode::FAILURE
        },
    }
}

/// Runs one program.
///
/// # Errors
/// Whatever kept it from its output, with the file it happened on.
pub fn run(command: SkyCommand) -> Result<(), SkyError> {
    match command {
        SkyCommand::Frames(args) => frames::run(&args),
        SkyCommand::Detect(args) => detect::run(&args),
        SkyCommand::Fit(args) => fit::run(&args),
        SkyCommand::Head(args) => head::run(&args),
        SkyCommand::Warp(args) => warp::run(&args),
        SkyCommand::Coadd(args) => coadd::run(&args),
        SkyCommand::Stats(args) => stats::run(&args),
        SkyCommand::Check(args) => check::run(&args),
        SkyCommand::Png(args) => picture::run(&args),
        SkyCommand::Normalise(args) => normalise::run(&args),
        SkyCommand::Compare(args) => normalise::compare(&args),
    }
}
