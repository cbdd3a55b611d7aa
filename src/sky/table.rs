//! Lists of sources as comma-separated files: planted stars and the reference list.

use std::path::Path;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::SkyError;

/// A star with its true place and brightness.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Star {
    /// Number of the star.
    pub(super) star_id: u32,
    /// Right ascension in degrees.
    pub(super) ra: f64,
    /// Declination in degrees.
    pub(super) dec: f64,
    /// Magnitude.
    pub(super) mag: f64,
}

/// Reads the rows of a list.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, SkyError> {
    let bad = |error: csv::Error| SkyError::format(path, error.to_string());
    csv::Reader::from_path(path)
        .map_err(bad)?
        .into_deserialize()
        .collect::<Result<_, _>>()
        .map_err(bad)
}

/// Writes the rows of a list with their column names.
pub(super) fn write<T: Serialize>(path: &Path, rows: &[T]) -> Result<(), SkyError> {
    let bad = |error: csv::Error| SkyError::format(path, error.to_string());
    let mut writer = csv::Writer::from_path(path).map_err(bad)?;
    for row in rows {
        writer.serialize(row).map_err(bad)?;
    }
    writer.flush().map_err(SkyError::io(path))
}
