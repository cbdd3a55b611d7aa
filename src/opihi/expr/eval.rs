//! What a tree comes to.

use std::borrow::Cow;

use super::{
    super::{
        error::Fault,
        expand::{Values, is_name_byte},
        number::{self, Number},
        template::{self, Part, Setting},
    },
    parse::Expr,
};

/// A number, or a string with the quotes it was written with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand<'a> {
    Number(Number),
    Text(Cow<'a, str>),
}

/// Why there is no value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refusal {
    /// A variable is missing.
    Fault(Fault),
    /// A variable's value has to be read as text in its place.
    Textual,
    /// It is no expression.
    Reason(String),
}

impl Operand<'_> {
    pub(crate) fn owned<'b>(self) -> Operand<'b> {
        match self {
            Self::Number(number) => Operand::Number(number),
            Self::Text(text) => Operand::Text(Cow::Owned(text.into_owned())),
        }
    }

    fn number(&self) -> Result<Number, Refusal> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => Err(Refusal::Reason(format!("{text} is no number"))),
        }
    }
}

impl Expr {
    pub(crate) fn eval<'a>(&'a self, values: &'a impl Values) -> Result<Operand<'a>, Refusal> {
        Ok(match self {
            Self::Number(number) => Operand::Number(*number),
            Self::Text(text) => Operand::Text(Cow::Borrowed(text)),
            Self::Quoted(parts) => {
                let mut text = String::new();
                if !quoted(parts, values, &mut text)? {
                    return Err(Refusal::Textual);
                }
                Operand::Text(Cow::Owned(text))
            },
            Self::Reference(part) => operand(part, values)?,
            Self::Negate(inner) => Operand::Number(match inner.eval(values)?.number()? {
                Number::Int(i) => Number::int(-i128::from(i)),
                Number::Real(r) => Number::Real(-r),
            }),
            Self::Call(function, arguments) => {
                let mut operands = Vec::with_capacity(2);
                for argument in arguments {
                    operands.push(argument.eval(values)?);
                }
                match operands.as_slice() {
                    [left, right] => {
                        Operand::Number(function.of_two(left.number()?, right.number()?))
                    },
                    [Operand::Text(text)] => {
                        let answer = function.asks(Some(text), None);
                        let no = || Refusal::Reason(format!("{text} is no number"));
                        Operand::Number(answer.ok_or_else(no)?)
                    },
                    [Operand::Number(number)] => {
                        let answer = function.asks(None, Some(*number));
                        Operand::Number(answer.unwrap_or_else(|| function.of_one(*number)))
                    },
                    _ => return Err(Refusal::Reason("an argument is missing".to_owned())),
                }
            },
            Self::Binary(sign, sides) => {
                // Both sides, always: the original has no short circuit.
                let left = sides.0.eval(values)?;
                let right = sides.1.eval(values)?;
                Operand::Number(binary(sign, &left, &right)?)
            },
            Self::Choose(parts) => {
                let condition = parts.0.eval(values)?.number()?;
                let yes = parts.1.eval(values)?;
                let no = parts.2.eval(values)?;
                if condition.truth() { yes } else { no }
            },
        })
    }
}

/// The value between the quotes; the quotes themselves are literal parts.
fn quoted(parts: &[Part], values: &impl Values, out: &mut String) -> Result<bool, Refusal> {
    template::fill(parts, values, Setting::Quoted, out).map_err(Refusal::Fault)
}

/// The operand that a variable's value is, if its text is one token wherever it is put.
fn operand<'a>(part: &'a Part, values: &'a impl Values) -> Result<Operand<'a>, Refusal> {
    let value = match part {
        Part::Literal(text) => text,
        Part::Exists(name) => {
            return Ok(Operand::Number(Number::Int(i64::from(values.exists(name)))));
        },
        Part::Value(name) => values.value(name).map_err(Refusal::Fault)?,
        Part::Element { list, index } => {
            let index = values.value(index).map_err(Refusal::Fault)?;
            if !index.bytes().all(is_name_byte) {
                return Err(Refusal::Textual);
            }
            template::element(values, list, index).map_err(Refusal::Fault)?
        },
    };
    if value.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return match number::parse(value) {
            Some(number) => Ok(Operand::Number(number)),
            None => Err(Refusal::Textual),
        };
    }
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if !value.is_empty() && value.bytes().all(word) {
        return Ok(Operand::Text(Cow::Borrowed(value)));
    }
    Err(Refusal::Textual)
}

fn binary(sign: &str, left: &Operand<'_>, right: &Operand<'_>) -> Result<Number, Refusal> {
    let yes = |yes: bool| Number::Int(i64::from(yes));
    if let (Operand::Text(_), _) | (_, Operand::Text(_)) = (left, right) {
        let same = left == right;
        return match sign {
            "==" => Ok(yes(same)),
            "!=" => Ok(yes(!same)),
            _ => Err(Refusal::Reason(format!("`{sign}` is not for strings"))),
        };
    }
    let (left, right) = (left.number()?, right.number()?);
    let (x, y) = (left.real(), right.real());
    #[expect(clippy::float_cmp, reason = "the language compares exactly")]
    Ok(match sign {
        "||" => yes(left.truth() || right.truth()),
        "&&" => yes(left.truth() && right.truth()),
        "==" => yes(x == y),
        "!=" => yes(x != y),
        "<" => yes(x < y),
        ">" => yes(x > y),
        "<=" => yes(x <= y),
        ">=" => yes(x >= y),
        "<<" => {
            if y < x {
                right
            } else {
                left
            }
        },
        ">>" => {
            if y > x {
                right
            } else {
                left
            }
        },
        _ => arithmetic(sign, left, right)?,
    })
}

fn arithmetic(sign: &str, left: Number, right: Number) -> Result<Number, Refusal> {
    let (x, y) = (left.real(), right.real());
    if let (Number::Int(a), Number::Int(b)) = (left, right) {
        let (wide_a, wide_b) = (i128::from(a), i128::from(b));
        let whole = match sign {
            "+" => Some(wide_a + wide_b),
            "-" => Some(wide_a - wide_b),
            "*" => Some(wide_a * wide_b),
            "&" => Some(wide_a & wide_b),
            "|" => Some(wide_a | wide_b),
            "%" => Some(
                wide_a
                    .checked_rem(wide_b)
                    .ok_or_else(|| Refusal::Reason("remainder by zero".to_owned()))?,
            ),
            _ => None,
        };
        if let Some(whole) = whole {
            return Ok(Number::int(whole));
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "bits of reals saturate")]
    let bits = |x: f64| i128::from(x as i64);
    Ok(match sign {
        "+" => Number::Real(x + y),
        "-" => Number::Real(x - y),
        "*" => Number::Real(x * y),
        "/" => Number::Real(x / y),
        "%" => Number::Real(x % y),
        "@" => Number::Real(x.atan2(y).to_degrees()),
        "^" => Number::Real(x.powf(y)),
        "&" => Number::int(bits(x) & bits(y)),
        "|" => Number::int(bits(x) | bits(y)),
        _ => return Err(Refusal::Reason(format!("`{sign}` is no operator"))),
    })
}
