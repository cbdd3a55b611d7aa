//! One image of a FITS file: reading and writing the primary HDU.

use std::{fs, path::Path};

use super::{SkyError, header::Header};

const BLOCK: usize = 2880;
const CARD: usize = 80;
/// Keys that the writer makes itself from the image.
const STRUCTURE: [&str; 9] = [
    "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "BSCALE", "BZERO", "DATAMIN", "DATAMAX",
];

/// An image with its header; pixels row by row from the bottom, NaN where there is none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Image {
    pub(super) header: Header,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<f32>,
}

/// How pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 16-bit integers over 0…65535, as cameras write them.
    Counts,
    /// 32-bit reals.
    Real,
}

impl Image {
    /// An image with one value everywhere.
    pub(super) fn filled(width: usize, height: usize, value: f32) -> Self {
        Self {
            header: Header::default(),
            width,
            height,
            pixels: vec![value; width * height],
        }
    }

    /// The pixel at column `x`, row `y`, counted from 0; none outside.
    pub(super) fn at(&self, x: i64, y: i64) -> Option<f32> {
        let column = usize::try_from(x).ok().filter(|x| *x < self.width)?;
        let row = usize::try_from(y).ok().filter(|y| *y < self.height)?;
        self.pixels.get(row * self.width + column).copied()
    }

    /// Sets the pixel at column `x`, row `y`; does nothing outside.
    pub(super) fn put(&mut self, x: i64, y: i64, value: f32) {
        let (Ok(column), Ok(row)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if column < self.width
            && let Some(pixel) = self.pixels.get_mut(row * self.width + column)
        {
            *pixel = value;
        }
    }

    /// Every pixel with its column and row.
    pub(super) fn places(&self) -> impl Iterator<Item = (i64, i64, f32)> {
        let width = self.width.max(1);
        (self.pixels.iter().enumerate())
            .map(move |(i, v)| ((i % width) as i64, (i / width) as i64, *v))
    }

    /// Reads the primary image of a file.
    ///
    /// # Errors
    /// The file cannot be read, is not FITS, holds no two-dimensional image, or ends early.
    pub(super) fn read(path: &Path) -> Result<Self, SkyError> {
        let bytes = fs::read(path).map_err(SkyError::io(path))?;
        Self::parse(&bytes).map_err(|what| SkyError::format(path, what))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if !bytes.starts_with(b"SIMPLE  =") {
            return Err("not a FITS file: it does not begin with SIMPLE".into());
        }
        let mut header = Header::default();
        let mut cards = 0_usize;
        let mut ended = false;
        for card in bytes.chunks_exact(CARD) {
            cards += 1;
            let text = String::from_utf8_lossy(card);
            if text.trim_end() == "END" {
                ended = true;
                break;
            }
            header.push_raw(&text);
        }
        if !ended {
            return Err("the header has no END: the file is cut off".into());
        }
        let size = |key: &str| {
            let number = header.number(key);
            number
                .filter(|n| (1.0..=1e6).contains(n))
                .map(|n| n as usize)
                .ok_or_else(|| format!("{key} is missing or out of range"))
        };
        if header.number("NAXIS").is_none_or(|axes| axes < 2.0) {
            return Err("the primary HDU holds no image (NAXIS below 2)".into());
        }
        let (width, height) = (size("NAXIS1")?, size("NAXIS2")?);
        let bitpix = header.number("BITPIX").unwrap_or_default() as i64;
        let sample = match bitpix {
            8 => 1,
            16 => 2,
            32 | -32 => 4,
            -64 => 8,
            other => return Err(format!("BITPIX {other} is not 8, 16, 32, -32 or -64")),
        };
        let start = (cards * CARD).div_ceil(BLOCK) * BLOCK;
        let length = width * height * sample;
        let data = bytes
            .get(start..start + length)
            .ok_or_else(|| format!("the image is cut off: {length} bytes of pixels expected"))?;
        let scale = header.number("BSCALE").unwrap_or(1.0);
        let zero = header.number("BZERO").unwrap_or(0.0);
        let pixels = data
            .chunks_exact(sample)
            .map(|raw| (decode(raw, bitpix) * scale + zero) as f32)
            .collect();
        Ok(Self {
            header,
            width,
            height,
            pixels,
        })
    }

    /// Writes the image as the only HDU of a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, path: &Path, encoding: Encoding) -> Result<(), SkyError> {
        let mut header = Header::default();
        let (bitpix, zero) = match encoding {
            Encoding::Counts => (16, 32768.0),
            Encoding::Real => (-32, 0.0),
        };
        header.set_logical("SIMPLE", true, "FITS");
        header.set_integer("BITPIX", bitpix, "bits a pixel");
        header.set_integer("NAXIS", 2, "axes");
        header.set_integer("NAXIS1", self.width as i64, "columns");
        header.set_integer("NAXIS2", self.height as i64, "rows");
        if encoding == Encoding::Counts {
            header.set_number("BZERO", zero, "unsigned counts");
            header.set_number("BSCALE", 1.0, "");
        }
        let mut own = self.header.clone();
        own.remove(&STRUCTURE);
        let mut bytes = Vec::with_capacity(BLOCK * 2 + self.pixels.len() * 4);
        for card in header.cards().chain(own.cards()).chain(["END"]) {
            let mut card = card.as_bytes().to_vec();
            card.resize(CARD, b' ');
            bytes.extend_from_slice(&card);
        }
        bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, b' ');
        for value in &self.pixels {
            match encoding {
                Encoding::Counts => {
                    let count = (f64::from(*value).round() - zero).clamp(-32768.0, 32767.0);
                    bytes.extend_from_slice(&(count as i16).to_be_bytes());
                },
                Encoding::Real => bytes.extend_from_slice(&value.to_be_bytes()),
            }
        }
        bytes.resize(bytes.len().div_ceil(BLOCK) * BLOCK, 0);
        fs::write(path, bytes).map_err(SkyError::io(path))
    }
}

fn decode(raw: &[u8], bitpix: i64) -> f64 {
    match (bitpix, raw) {
        (16, [a, b]) => f64::from(i16::from_be_bytes([*a, *b])),
        (32, [a, b, c, d]) => f64::from(i32::from_be_bytes([*a, *b, *c, *d])),
        (-32, [a, b, c, d]) => f64::from(f32::from_be_bytes([*a, *b, *c, *d])),
        (-64, _) => raw.try_into().map_or(f64::NAN, f64::from_be_bytes),
        (_, [a]) => f64::from(*a),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp() -> Image {
        let mut image = Image::filled(5, 3, 0.0);
        for (i, pixel) in image.pixels.iter_mut().enumerate() {
            *pixel = i as f32 * 100.0;
        }
        image.header.set_text("OBJECT", "ramp", "");
        image
    }

    #[rstest::rstest]
    #[case(Encoding::Counts)]
    #[case(Encoding::Real)]
    fn an_image_is_read_back_as_it_was_written(#[case] encoding: Encoding) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ramp.fits");
        ramp().write(&path, encoding).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len() % 2880, 0);
        let back = Image::read(&path).unwrap();
        assert_eq!(back.pixels, ramp().pixels);
        assert_eq!((back.width, back.height), (5, 3));
        assert_eq!(back.header.text("OBJECT").as_deref(), Some("ramp"));
    }

    #[test]
    fn a_frame_that_is_cut_off_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("short.fits");
        ramp().write(&path, Encoding::Real).unwrap();
        let whole = fs::read(&path).unwrap();
        for (length, word) in [(2885, "cut off"), (400, "no END"), (3, "not a FITS file")] {
            fs::write(&path, &whole[..length]).unwrap();
            let error = Image::read(&path).unwrap_err().to_string();
            assert!(
                error.contains("short.fits") && error.contains(word),
                "{error}"
            );
        }
    }
}
