//! The gnomonic (TAN) projection of FITS headers.

use super::header::Header;

/// A TAN world coordinate system; pixels count from 1 at the centre of the first, angles are
/// degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wcs {
    pub(super) crpix: (f64, f64),
    pub(super) crval: (f64, f64),
    /// `CD1_1`, `CD1_2`, `CD2_1`, `CD2_2`.
    pub(super) cd: [f64; 4],
}

impl Wcs {
    /// North up, east left, square pixels of `scale` arcseconds.
    pub(super) fn north_up(crpix: (f64, f64), crval: (f64, f64), scale: f64) -> Self {
        let step = scale / 3600.0;
        Self {
            crpix,
            crval,
            cd: [-step, 0.0, 0.0, step],
        }
    }

    /// Reads `CRPIXn`, `CRVALn` and `CDi_j` (or `CDELTn`) of a header.
    pub(super) fn of(header: &Header) -> Option<Self> {
        let number = |key| header.number(key);
        if !header.text("CTYPE1")?.ends_with("TAN") {
            return None;
        }
        let cd = match (number("CD1_1"), number("CD2_2")) {
            (Some(a), Some(d)) => [
                a,
                number("CD1_2").unwrap_or(0.0),
                number("CD2_1").unwrap_or(0.0),
                d,
            ],
            _ => [number("CDELT1")?, 0.0, 0.0, number("CDELT2")?],
        };
        let invertible = (cd[0] * cd[3] - cd[1] * cd[2]).abs() > 0.0;
        invertible.then_some(Self {
            crpix: (number("CRPIX1")?, number("CRPIX2")?),
            crval: (number("CRVAL1")?, number("CRVAL2")?),
            cd,
        })
    }

    /// Writes the keywords into a header.
    pub(super) fn write(&self, header: &mut Header) {
        header.set_text("CTYPE1", "RA---TAN", "gnomonic");
        header.set_text("CTYPE2", "DEC--TAN", "gnomonic");
        header.set_text("CUNIT1", "deg", "");
        header.set_text("CUNIT2", "deg", "");
        header.set_text("RADESYS", "ICRS", "");
        header.set_number("EQUINOX", 2000.0, "");
        header.set_number("CRVAL1", self.crval.0, "right ascension at CRPIX");
        header.set_number("CRVAL2", self.crval.1, "declination at CRPIX");
        header.set_number("CRPIX1", self.crpix.0, "");
        header.set_number("CRPIX2", self.crpix.1, "");
        let [a, b, c, d] = self.cd;
        for (key, value) in [("CD1_1", a), ("CD1_2", b), ("CD2_1", c), ("CD2_2", d)] {
            header.set_number(key, value, "");
        }
    }

    /// Right ascension and declination of a pixel.
    pub(super) fn sky(&self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d] = self.cd;
        let (u, v) = (x - self.crpix.0, y - self.crpix.1);
        let xi = (a * u + b * v).to_radians();
        let eta = (c * u + d * v).to_radians();
        let (ra0, dec0) = (self.crval.0.to_radians(), self.crval.1.to_radians());
        let denominator = dec0.cos() - eta * dec0.sin();
        let ra = ra0 + xi.atan2(denominator);
        let dec = (dec0.sin() + eta * dec0.cos()).atan2(xi.hypot(denominator));
        (ra.to_degrees().rem_euclid(360.0), dec.to_degrees())
    }

    /// Pixel of a place in the sky; none on the far side of it.
    pub(super) fn pixel(&self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        let (ra, dec) = (ra.to_radians(), dec.to_radians());
        let (ra0, dec0) = (self.crval.0.to_radians(), self.crval.1.to_radians());
        let cosine = dec0.sin() * dec.sin() + dec0.cos() * dec.cos() * (ra - ra0).cos();
        if cosine <= 0.0 {
            return None;
        }
        let xi = dec.cos() * (ra - ra0).sin() / cosine;
        let eta = (dec0.cos() * dec.sin() - dec0.sin() * dec.cos() * (ra - ra0).cos()) / cosine;
        let (xi, eta) = (xi.to_degrees(), eta.to_degrees());
        let [a, b, c, d] = self.cd;
        let determinant = a * d - b * c;
        let u = (d * xi - b * eta) / determinant;
        let v = (a * eta - c * xi) / determinant;
        Some((self.crpix.0 + u, self.crpix.1 + v))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pixel_goes_to_the_sky_and_back(
            x in -500.0..1500.0_f64, y in -500.0..1500.0_f64, ra in 0.0..360.0_f64, dec in -85.0..85.0_f64,
        ) {
            let wcs = Wcs::north_up((256.5, 256.5), (ra, dec), 0.25);
            let (r, d) = wcs.sky(x, y);
            let (px, py) = wcs.pixel(r, d).unwrap();
            prop_assert!((px - x).abs() < 1e-5 && (py - y).abs() < 1e-5);
        }
    }

    #[test]
    fn a_header_keeps_the_projection() {
        let wcs = Wcs::north_up((10.5, -3.25), (150.0, 2.0), 0.25);
        let mut header = Header::default();
        wcs.write(&mut header);
        let back = Wcs::of(&header).unwrap();
        assert!((back.cd[3] * 3600.0 - 0.25).abs() < 1e-9);
        assert!((back.crpix.1 + 3.25).abs() < 1e-9);
    }
}
