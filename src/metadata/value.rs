//! Typed values.

use jiff::Timestamp;

/// A scalar or vector with its psLib type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// 8-bit signed integer.
    S8(i8),
    /// 16-bit signed integer.
    S16(i16),
    /// 32-bit signed integer.
    S32(i32),
    /// 64-bit signed integer.
    S64(i64),
    /// 8-bit unsigned integer.
    U8(u8),
    /// 16-bit unsigned integer.
    U16(u16),
    /// 32-bit unsigned integer.
    U32(u32),
    /// 64-bit unsigned integer.
    U64(u64),
    /// Single-precision number, written with 7 significant digits.
    F32(f32),
    /// Double-precision number, written with 15 significant digits.
    F64(f64),
    /// Text of one line.
    Str(String),
    /// `T` or `F`.
    Bool(bool),
    /// A time as ISO text, in the scale its type word names. psLib never converts between scales.
    Time(TimeScale, String),
    /// `@NAME TYPE v v …`.
    Vector(Vector),
    /// `NULL`.
    Null(NullKind),
}

/// Which kind of value is absent. Numbers have no `NULL` in this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullKind {
    /// An absent string; a blank string is written the same way.
    Str,
    /// An absent time; written with the type `TAI` whatever its scale.
    Time,
}

/// The scales of time that psLib names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeScale {
    /// Coordinated universal time.
    Utc,
    /// International atomic time.
    Tai,
    /// Universal time.
    Ut1,
    /// Terrestrial time.
    Tt,
}

/// Types of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// 8-bit signed.
    S8,
    /// 16-bit signed.
    S16,
    /// 32-bit signed.
    S32,
    /// 64-bit signed.
    S64,
    /// 8-bit unsigned.
    U8,
    /// 16-bit unsigned.
    U16,
    /// 32-bit unsigned.
    U32,
    /// 64-bit unsigned.
    U64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// Numbers of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    kind: NumberKind,
    values: Vec<Value>,
}

impl Value {
    /// A time as the original tools print a database time: its UTC clock reading under the type
    /// word `TAI`, with six decimals and no zone letter.
    pub fn time(at: Timestamp) -> Self {
        let text = at.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string();
        Self::Time(TimeScale::Tai, text)
    }

    /// A string; `NULL` where there is none.
    pub fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null(NullKind::Str), |text| Self::Str(text.into()))
    }

    /// The type's word.
    pub fn type_word(&self) -> &'static str {
        match self {
            Self::S8(_) => "S8",
            Self::S16(_) => "S16",
            Self::S32(_) => "S32",
            Self::S64(_) => "S64",
            Self::U8(_) => "U8",
            Self::U16(_) => "U16",
            Self::U32(_) => "U32",
            Self::U64(_) => "U64",
            Self::F32(_) => "F32",
            Self::F64(_) => "F64",
            Self::Str(_) | Self::Null(NullKind::Str) => "STR",
            Self::Bool(_) => "BOOL",
            Self::Time(scale, _) => scale.word(),
            Self::Null(NullKind::Time) => "TAI",
            Self::Vector(vector) => vector.kind.word(),
        }
    }

    /// The value if it is an integer that fits in 64 signed bits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::S8(n) => Some(i64::from(*n)),
            Self::S16(n) => Some(i64::from(*n)),
            Self::S32(n) => Some(i64::from(*n)),
            Self::S64(n) => Some(*n),
            Self::U8(n) => Some(i64::from(*n)),
            Self::U16(n) => Some(i64::from(*n)),
            Self::U32(n) => Some(i64::from(*n)),
            Self::U64(n) => i64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The value if it is a floating-point number, or an integer that a double holds exactly.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::F32(x) => Some(f64::from(*x)),
            Self::F64(x) => Some(*x),
            _ => i32::try_from(self.as_i64()?).ok().map(f64::from),
        }
    }

    /// The text of a string or a time.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Time(_, text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `NULL`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null(_))
    }
}

impl Vector {
    /// A vector of `values`; `None` unless all of them are numbers of type `kind`.
    pub fn new(kind: NumberKind, values: Vec<Value>) -> Option<Self> {
        values
            .iter()
            .all(|value| value.type_word() == kind.word() && !matches!(value, Value::Vector(_)))
            .then_some(Self { kind, values })
    }

    /// The elements' type.
    pub fn kind(&self) -> NumberKind {
        self.kind
    }

    /// The elements.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}

impl TimeScale {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Utc => "UTC",
            Self::Tai => "TAI",
            Self::Ut1 => "UT1",
            Self::Tt => "TT",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::Utc, Self::Tai, Self::Ut1, Self::Tt]
            .into_iter()
            .find(|scale| scale.word() == word)
    }
}

impl NumberKind {
    const ALL: [Self; 10] = [
        Self::S8,
        Self::S16,
        Self::S32,
        Self::S64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F32,
        Self::F64,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::S8 => "S8",
            Self::S16 => "S16",
            Self::S32 => "S32",
            Self::S64 => "S64",
            Self::U8 => "U8",
            Self::U16 => "U16",
            Self::U32 => "U32",
            Self::U64 => "U64",
            Self::F32 => "F32",
            Self::F64 => "F64",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}
