//! The functions of an expression.

use super::super::number::Number;

/// Whether a function has this name.
pub(crate) fn is_function(name: &str) -> bool {
    Function::named(name).is_some()
}

/// A function by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Function(&'static str);

const ONE: [&str; 46] = [
    "abs", "int", "floor", "ceil", "exp", "ten", "log", "ln", "sqrt", "erf", "sinh", "cosh",
    "asinh", "acosh", "sin", "cos", "tan", "dsin", "dcos", "dtan", "asin", "acos", "atan", "dasin",
    "dacos", "datan", "lgamma", "rnd", "drnd", "lrnd", "mrnd", "not", "isinf", "isnan", "isword",
    "isnum", "isint", "isflt", "length", "round", "rint", "ramp", "xramp", "yramp", "zramp",
    "zero",
];

const TWO: [&str; 4] = ["min", "max", "atan2", "datan2"];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        let known = ONE.iter().chain(&TWO).find(|known| **known == name);
        known.map(|known| Self(known))
    }

    pub(super) fn arity(self) -> usize {
        if TWO.contains(&self.0) { 2 } else { 1 }
    }

    /// The functions that ask about a string as well as a number.
    pub(super) fn asks(self, text: Option<&str>, number: Option<Number>) -> Option<Number> {
        let yes = |yes: bool| Number::Int(i64::from(yes));
        Some(match self.0 {
            "isword" => yes(number.is_none()),
            "isnum" => yes(number.is_some()),
            "isint" => yes(matches!(number, Some(Number::Int(_)))),
            "isflt" => yes(matches!(number, Some(Number::Real(_)))),
            "length" => Number::int(text?.len() as i128),
            _ => return None,
        })
    }

    /// None where it does not work on one number.
    pub(super) fn of_one(self, number: Number) -> Option<Number> {
        match (self.0, number) {
            ("abs", Number::Int(i)) => return Some(Number::Int(i.abs())),
            ("int", Number::Int(_)) => return Some(number),
            _ => {},
        }
        let x = number.real();
        let yes = |yes: bool| Some(Number::Int(i64::from(yes)));
        Some(Number::Real(match self.0 {
            "not" => return yes(!number.holds()),
            "isinf" => return yes(!x.is_finite()),
            "isnan" => return yes(x.is_nan()),
            "lrnd" => return Some(Number::Int(i64::from(fastrand::u32(..) >> 1))),
            "mrnd" => return Some(Number::Int(i64::from(fastrand::i32(..)))),
            "int" => x.trunc(),
            "floor" => x.floor(),
            "ceil" => x.ceil(),
            "abs" => x.abs(),
            "exp" => x.exp(),
            "ten" => 10_f64.powf(x),
            "log" => x.log10(),
            "ln" => x.ln(),
            "sqrt" => x.sqrt(),
            "erf" => erf(x),
            "sinh" => x.sinh(),
            "cosh" => x.cosh(),
            "asinh" => x.asinh(),
            "acosh" => x.acosh(),
            "sin" => x.sin(),
            "cos" => x.cos(),
            "tan" => x.tan(),
            "dsin" => x.to_radians().sin(),
            "dcos" => x.to_radians().cos(),
            "dtan" => x.to_radians().tan(),
            "asin" => x.asin(),
            "acos" => x.acos(),
            "atan" => x.atan(),
            "dasin" => x.asin().to_degrees(),
            "dacos" => x.acos().to_degrees(),
            "datan" => x.atan().to_degrees(),
            "lgamma" => lgamma(x),
            "rnd" | "drnd" => fastrand::f64(),
            _ => return None,
        }))
    }

    pub(super) fn of_two(self, left: Number, right: Number) -> Number {
        match self.0 {
            "min" if right.real() < left.real() => right,
            "max" if right.real() > left.real() => right,
            "atan2" => Number::Real(left.real().atan2(right.real())),
            "datan2" => Number::Real(left.real().atan2(right.real()).to_degrees()),
            _ => left,
        }
    }
}

/// The error function: its series near zero, a continued fraction of the complement beyond.
fn erf(x: f64) -> f64 {
    let z = x.abs();
    if z.is_nan() {
        return z;
    }
    let value = if z < 2.5 {
        let (mut sum, mut term) = (z, z);
        for n in 1..200_u32 {
            let n = f64::from(n);
            term *= -z * z / n;
            sum += term / (2.0 * n + 1.0);
            if term.abs() < 1e-18 {
                break;
            }
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else if z > 6.5 {
        1.0
    } else {
        let fraction = (1..100_u32)
            .rev()
            .fold(z, |tail, n| z + f64::from(n) / 2.0 / tail);
        1.0 - (-z * z).exp() / fraction / std::f64::consts::PI.sqrt()
    };
    value.copysign(x)
}

/// The logarithm of the absolute gamma function: Stirling's series after shifting upwards.
fn lgamma(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    #[expect(clippy::float_cmp, reason = "where it is 0 exactly")]
    if x == 1.0 || x == 2.0 {
        return 0.0;
    }
    if x <= 0.0 {
        let sine = (std::f64::consts::PI * x).sin().abs();
        return (std::f64::consts::PI / sine).ln() - lgamma(1.0 - x);
    }
    let (mut shifted, mut below) = (x, 0.0);
    while shifted < 12.0 {
        below += shifted.ln();
        shifted += 1.0;
    }
    let inverse = 1.0 / shifted;
    let square = inverse * inverse;
    let tail = 1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0);
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * tail));
    (shifted - 0.5) * shifted.ln() - shifted + 0.5 * std::f64::consts::TAU.ln() + series - below
}
