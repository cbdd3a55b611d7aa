//! The sky background of a frame: clipped medians over a mesh, interpolated in between.

use super::{fits::Image, statistics};

/// The level everywhere and the noise of one pixel.
#[derive(Debug, Clone)]
pub(super) struct Background {
    mesh: f64,
    levels: Image,
    /// Typical level.
    pub(super) level: f64,
    /// Deviation of one pixel around it.
    pub(super) rms: f64,
}

impl Background {
    /// Measures an image in squares of `mesh` pixels; none if it has no pixels with values.
    pub(super) fn of(image: &Image, mesh: usize) -> Option<Self> {
        let mesh = mesh.max(8);
        let columns = (image.width / mesh).max(1);
        let rows = (image.height / mesh).max(1);
        let step_x = image.width.div_ceil(columns);
        let step_y = image.height.div_ceil(rows);
        let mut cells: Vec<Vec<f64>> = vec![Vec::new(); columns * rows];
        for (x, y, value) in image.places() {
            let cell = (y as usize / step_y) * columns + x as usize / step_x;
            if value.is_finite()
                && let Some(cell) = cells.get_mut(cell)
            {
                cell.push(f64::from(value));
            }
        }
        let measured: Vec<Option<(f64, f64)>> =
            cells.iter().map(|cell| statistics::clipped(cell)).collect();
        let level = statistics::median(measured.iter().flatten().map(|m| m.0))?;
        let rms = statistics::median(measured.iter().flatten().map(|m| m.1))?;
        let mut levels = Image::filled(columns, rows, level as f32);
        for (pixel, cell) in levels.pixels.iter_mut().zip(&measured) {
            if let Some((centre, _)) = cell {
                *pixel = *centre as f32;
            }
        }
        Some(Self {
            mesh: step_x.max(step_y) as f64,
            levels: smoothed(&levels),
            level,
            rms,
        })
    }

    /// The level at a pixel.
    pub(super) fn at(&self, x: i64, y: i64) -> f64 {
        let place = |at: i64, cells: usize| {
            ((at as f64 + 0.5) / self.mesh - 0.5).clamp(0.0, (cells - 1) as f64)
        };
        let (u, v) = (place(x, self.levels.width), place(y, self.levels.height));
        let (i, j) = (u.floor() as i64, v.floor() as i64);
        let (fu, fv) = (u.fract(), v.fract());
        let level = |i, j| self.levels.at(i, j).map_or(self.level, f64::from);
        let next = |i: i64, cells: usize| (i + 1).min(cells as i64 - 1);
        let (i1, j1) = (next(i, self.levels.width), next(j, self.levels.height));
        (level(i, j) * (1.0 - fu) + level(i1, j) * fu) * (1.0 - fv)
            + (level(i, j1) * (1.0 - fu) + level(i1, j1) * fu) * fv
    }

    /// The image less its background.
    pub(super) fn subtracted(&self, image: &Image) -> Image {
        let mut out = image.clone();
        for (pixel, (x, y, value)) in out.pixels.iter_mut().zip(image.places()) {
            *pixel = (f64::from(value) - self.at(x, y)) as f32;
        }
        out
    }
}

/// Median over each cell and its neighbours, so that a bright galaxy does not count as sky.
fn smoothed(levels: &Image) -> Image {
    let mut out = levels.clone();
    for (pixel, (x, y, value)) in out.pixels.iter_mut().zip(levels.places()) {
        let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
        let values = around.filter_map(|(dx, dy)| levels.at(x + dx, y + dy).map(f64::from));
        *pixel = statistics::median(values).map_or(value, |m| m as f32);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sloping_sky_is_followed_and_stars_are_not() {
        let mut image = Image::filled(256, 256, 0.0);
        for y in 0..256 {
            for x in 0..256 {
                image.put(x, y, 1000.0 + x as f32 * 0.1);
            }
        }
        for i in 0..40 {
            image.put(100 + i % 5, 100 + i / 5, 60_000.0);
        }
        let background = Background::of(&image, 32).unwrap();
        assert!(
            (background.at(128, 40) - 1012.8).abs() < 1.0,
            "{}",
            background.at(128, 40)
        );
        assert!(
            (background.at(102, 102) - 1010.2).abs() < 2.0,
            "{}",
            background.at(102, 102)
        );
    }
}
