//! Numbers of a frame and its catalogue, as the record a job returns.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::{SkyError, catalog, fit, fits::Image, scene::ZERO_POINT, statistics};

/// Options of `sky stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Frame: background, rms, `n_good`
    #[arg(long)]
    image: Option<PathBuf>,
    /// Catalogue: `n_sources`, fwhm; with the frame also depth (5 sigma, magnitudes)
    #[arg(long)]
    catalog: Option<PathBuf>,
    /// Only these numbers (separated by commas)
    #[arg(long, value_delimiter = ',')]
    select: Vec<String>,
    /// JSON file to write
    #[arg(short, long)]
    output: PathBuf,
}

pub(super) fn run(args: &StatsArgs) -> Result<(), SkyError> {
    let mut record: Map<String, Value> = Map::new();
    let mut rms = None;
    if let Some(path) = &args.image {
        let image = Image::read(path)?;
        // Resamplers write exact zeros where they have no data.
        let good: Vec<f64> = (image.pixels.iter())
            .filter(|v| v.is_finite() && **v != 0.0)
            .map(|v| f64::from(*v))
            .collect();
        let (centre, deviation) = statistics::clipped(&good)
            .ok_or_else(|| SkyError::format(path, "no pixel has a value"))?;
        rms = Some(deviation);
        record.insert("background".into(), rounded(centre));
        record.insert("rms".into(), rounded(deviation));
        record.insert("n_good".into(), good.len().into());
    }
    if let Some(path) = &args.catalog {
        let sources = catalog::read(path)?;
        let clean = sources
            .iter()
            .filter(|s| s.clean() && s.flux > 20.0 * s.flux_err);
        let fwhm = statistics::median(clean.map(|s| s.fwhm)).unwrap_or(0.0);
        record.insert("n_sources".into(), sources.len().into());
        record.insert("fwhm".into(), rounded(fwhm));
        if let Some(rms) = rms.filter(|rms| *rms > 0.0 && fwhm > 0.0) {
            // Effective pixels of a Gaussian profile: 4 pi sigma^2.
            let pixels = 4.0 * std::f64::consts::PI * (fwhm / 2.354_82).powi(2);
            let faintest = 5.0 * rms * pixels.sqrt();
            record.insert("depth".into(), rounded(ZERO_POINT - 2.5 * faintest.log10()));
        }
    }
    if !args.select.is_empty() {
        for name in &args.select {
            if !record.contains_key(name) {
                let have: Vec<&str> = record.keys().map(String::as_str).collect();
                let have = have.join(", ");
                return Err(SkyError::Data(format!(
                    "no number `{name}` here; there are: {have}"
                )));
            }
        }
        record.retain(|name, _| args.select.contains(name));
    }
    fit::write_json(&args.output, &record)
}

fn rounded(value: f64) -> Value {
    Value::from((value * 1e4).round() / 1e4)
}
