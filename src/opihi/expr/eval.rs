//! What a tree comes to.

use std::borrow::Cow;

use super::{
    super::{
        expand::Values,
        number::{self, Number},
        template::{self, Part, Setting},
    },
    function::is_function,
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
    /// A variable is missing, or its value has to be read as text in its place.
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
                // The quotes themselves are literal parts.
                if !template::fill(parts, values, Setting::Quoted, &mut text) {
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
                        let answer = answer.or_else(|| function.of_one(*number));
                        let no = || Refusal::Reason("the function is not for numbers".to_owned());
                        Operand::Number(answer.ok_or_else(no)?)
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
                let yes = parts.1.eval(values)?.number()?;
                let no = parts.2.eval(values)?.number()?;
                Operand::Number(if condition.holds() { yes } else { no })
            },
        })
    }
}

/// The operand that a variable's value is, if its text is one token wherever it is put.
fn operand<'a>(part: &'a Part, values: &'a impl Values) -> Result<Operand<'a>, Refusal> {
    let value = match part {
        Part::Literal(text) => Some(&**text),
        Part::Exists(name) => {
            return Ok(Operand::Number(Number::Int(i64::from(values.exists(name)))));
        },
        Part::Value(name) => values.value(name).ok(),
        Part::Element { list, index } => template::element(values, list, index),
    };
    let value = value.ok_or(Refusal::Textual)?;
    if value.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return match number::parse(value) {
            Some(number) => Ok(Operand::Number(number)),
            None => Err(Refusal::Textual),
        };
    }
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if value.is_empty() || !value.bytes().all(word) || is_function(value) {
        return Err(Refusal::Textual);
    }
    Ok(match number::parse(value) {
        Some(number) => Operand::Number(number),
        None => Operand::Text(Cow::Borrowed(value)),
    })
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
        "||" => yes(left.holds() || right.holds()),
        "&&" => yes(left.holds() && right.holds()),
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
    let (a, b) = (i128::from(left.whole()), i128::from(right.whole()));
    let remainder = || {
        let zero = || Refusal::Reason("remainder by zero".to_owned());
        a.checked_rem(b).ok_or_else(zero)
    };
    if let (Number::Int(_), Number::Int(_)) = (left, right) {
        let whole = match sign {
            "+" => Some(a + b),
            "-" => Some(a - b),
            "*" => Some(a * b),
            "&" => Some(a & b),
            "|" => Some(a | b),
            "%" => Some(remainder()?),
            "<~" => Some(shifted(a, b)),
            "~>" => Some(shifted(a, -b)),
            _ => None,
        };
        if let Some(whole) = whole {
            return Ok(Number::int(whole));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "reals have 53 bits")]
    let real = |whole: i128| whole as f64;
    Ok(Number::Real(match sign {
        "+" => x + y,
        "-" => x - y,
        "*" => x * y,
        "/" => x / y,
        "%" => real(remainder()?),
        "@" => x.atan2(y).to_degrees(),
        "^" => x.powf(y),
        "&" => real(a & b),
        "|" => real(a | b),
        "<~" | "~>" => f64::NAN,
        _ => return Err(Refusal::Reason(format!("`{sign}` is no operator"))),
    }))
}

/// `bits` shifted to the left, or to the right where `by` is negative.
fn shifted(bits: i128, by: i128) -> i128 {
    match u32::try_from(by.unsigned_abs()) {
        Ok(left @ 0..64) if by >= 0 => bits << left,
        Ok(right @ 0..64) => bits >> right,
        _ => 0,
    }
}
