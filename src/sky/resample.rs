//! Values of an image between its pixels.

use super::fits::Image;

/// The value at a place counted from 0, by a Lanczos kernel of three lobes; none where the
/// kernel meets the edge or a missing pixel.
pub(super) fn lanczos3(image: &Image, x: f64, y: f64) -> Option<f64> {
    let (x0, y0) = (x.floor(), y.floor());
    let columns = weights(x - x0);
    let rows = weights(y - y0);
    let mut sum = 0.0;
    let mut total = 0.0;
    for (j, row) in rows.iter().enumerate() {
        for (i, column) in columns.iter().enumerate() {
            let value = image.at(x0 as i64 + i as i64 - 2, y0 as i64 + j as i64 - 2)?;
            if !value.is_finite() {
                return None;
            }
            sum += row * column * f64::from(value);
            total += row * column;
        }
    }
    Some(sum / total)
}

fn weights(fraction: f64) -> [f64; 6] {
    std::array::from_fn(|i| {
        let t = (i as f64 - 2.0 - fraction) * std::f64::consts::PI;
        if t.abs() < 1e-9 {
            1.0
        } else {
            3.0 * t.sin() * (t / 3.0).sin() / (t * t)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_pixel_it_is_the_pixel_and_a_flat_image_stays_flat() {
        let mut image = Image::filled(9, 9, 5.0);
        image.put(4, 4, 9.0);
        assert!((lanczos3(&image, 4.0, 4.0).unwrap() - 9.0).abs() < 1e-6);
        let flat = Image::filled(9, 9, 5.0);
        assert!((lanczos3(&flat, 4.3, 3.8).unwrap() - 5.0).abs() < 1e-6);
        assert_eq!(lanczos3(&flat, 0.5, 4.0), None);
    }
}
