//! Source catalogues as Source Extractor's `ASCII_HEAD` text: a `#` line for each column, then
//! one line a source.

use std::{fs, path::Path};

use super::SkyError;

/// One source of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Source {
    /// Column of the centroid, from 1.
    pub(super) x: f64,
    /// Row of the centroid, from 1.
    pub(super) y: f64,
    /// Right ascension in degrees.
    pub(super) ra: f64,
    /// Declination in degrees.
    pub(super) dec: f64,
    /// Total flux in counts.
    pub(super) flux: f64,
    /// Error of the flux.
    pub(super) flux_err: f64,
    /// Full width at half maximum in pixels.
    pub(super) fwhm: f64,
    /// Sky level at the source.
    pub(super) background: f64,
    /// Bits: 1 neighbours, 2 blended, 4 saturated, 8 cut by the edge.
    pub(super) flags: i64,
}

impl Source {
    /// Whether the source is whole and not saturated.
    pub(super) fn clean(&self) -> bool {
        self.flags & UNUSABLE == 0 && self.flux > 0.0
    }
}

/// Flags of a source that is saturated or cut by the edge.
const UNUSABLE: i64 = 0b1100;

const COLUMNS: [(&str, &str); 10] = [
    ("NUMBER", "Running object number"),
    ("XWIN_IMAGE", "Windowed position along x [pixel]"),
    ("YWIN_IMAGE", "Windowed position along y [pixel]"),
    ("ALPHAWIN_J2000", "Windowed right ascension [deg]"),
    ("DELTAWIN_J2000", "Windowed declination [deg]"),
    ("FLUX_AUTO", "Total flux [count]"),
    ("FLUXERR_AUTO", "Error of the flux [count]"),
    ("FWHM_IMAGE", "Full width at half maximum [pixel]"),
    ("BACKGROUND", "Background at the centroid [count]"),
    ("FLAGS", "Extraction flags"),
];

/// Reads a catalogue; windowed positions are preferred over isophotal ones.
///
/// # Errors
/// The file cannot be read, lacks a column, or has a line that is not numbers.
pub(super) fn read(path: &Path) -> Result<Vec<Source>, SkyError> {
    let text = fs::read_to_string(path).map_err(SkyError::io(path))?;
    let mut names = Vec::new();
    let mut rows: Vec<(usize, Vec<f64>)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.split_whitespace();
            let column = words.next().and_then(|word| word.parse::<usize>().ok());
            if let (Some(column), Some(name)) = (column, words.next()) {
                names.push((name.to_owned(), column.saturating_sub(1)));
            }
        } else if !line.trim().is_empty() {
            let values: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
            let values = values.map_err(|_| {
                SkyError::format(path, format!("line {} is not all numbers", number + 1))
            })?;
            rows.push((number + 1, values));
        }
    }
    let column = |wanted: &[&str]| {
        wanted
            .iter()
            .find_map(|name| names.iter().find(|(n, _)| n == name))
            .map(|(_, index)| *index)
            .ok_or_else(|| {
                let wanted = wanted.join(" or ");
                SkyError::format(path, format!("the catalogue has no column {wanted}"))
            })
    };
    let columns = [
        column(&["XWIN_IMAGE", "X_IMAGE"])?,
        column(&["YWIN_IMAGE", "Y_IMAGE"])?,
        column(&["ALPHAWIN_J2000", "ALPHA_J2000"])?,
        column(&["DELTAWIN_J2000", "DELTA_J2000"])?,
        column(&["FLUX_AUTO"])?,
        column(&["FLUXERR_AUTO"])?,
        column(&["FWHM_IMAGE"])?,
        column(&["BACKGROUND"])?,
        column(&["FLAGS"])?,
    ];
    rows.iter()
        .map(|(line, values)| {
            let short = || SkyError::format(path, format!("line {line} has too few columns"));
            let mut picked = [0.0; 9];
            for (slot, index) in picked.iter_mut().zip(columns) {
                *slot = *values.get(index).ok_or_else(short)?;
            }
            let [x, y, ra, dec, flux, flux_err, fwhm, background, flags] = picked;
            Ok(Source {
                x,
                y,
                ra,
                dec,
                flux,
                flux_err,
                fwhm,
                background,
                flags: flags as i64,
            })
        })
        .collect()
}

/// Writes a catalogue with the columns the other tools read.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(path: &Path, sources: &[Source]) -> Result<(), SkyError> {
    let names = COLUMNS
        .iter()
        .enumerate()
        .map(|(i, (name, meaning))| format!("# {:>3} {name:<22} {meaning}\n", i + 1));
    let rows = sources.iter().enumerate().map(|(i, s)| {
        format!(
            "{:>6} {:>11.4} {:>11.4} {:>12.7} {:>12.7} {:>13.3} {:>12.3} {:>7.2} {:>11.3} {:>3}\n",
            i + 1,
            s.x,
            s.y,
            s.ra,
            s.dec,
            s.flux,
            s.flux_err,
            s.fwhm,
            s.background,
            s.flags
        )
    });
    let out: String = names.chain(rows).collect();
    fs::write(path, out).map_err(SkyError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.cat");
        let source = Source {
            x: 12.25,
            y: 99.5,
            ra: 150.012_345,
            dec: -2.5,
            flux: 1234.5,
            flux_err: 10.0,
            fwhm: 3.5,
            background: 800.0,
            flags: 2,
        };
        write(&path, &[source]).unwrap();
        assert_eq!(read(&path).unwrap(), [source]);
    }

    #[rstest::rstest]
    #[case("#   1 NUMBER x\n 1\n", "no column XWIN_IMAGE or X_IMAGE")]
    #[case("#   1 NUMBER x\n what\n", "line 2 is not all numbers")]
    fn what_is_missing_is_named(#[case] text: &str, #[case] said: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.cat");
        fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("a.cat"), "{error}");
    }
}
