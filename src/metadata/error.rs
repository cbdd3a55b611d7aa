//! What can be wrong with metadata text.

/// Longest part of an offending line that an error repeats, in characters.
const SHOWN: usize = 160;

/// Why metadata text could not be read, and where.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}{}", shown(.text))]
pub struct MetadataError {
    /// Line of the text, from 1.
    pub line: usize,
    /// The offending line, cut to a readable length; empty where the line itself is unreadable.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a line of metadata text.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A name without a type.
    #[error("`{0}` has no type: a line is `NAME TYPE VALUE`")]
    NoType(String),
    /// A type without a value.
    #[error("`{0}` has no value: write NULL for an empty string or time")]
    NoValue(String),
    /// A type psLib does not have.
    #[error(
        "`{0}` is not a type: use S8, S16, S32, S64, U8, U16, U32, U64, F32, F64, STR, BOOL, UTC, \
         TAI, UT1, TT, METADATA or MULTI"
    )]
    UnknownType(String),
    /// A value that is not of its type.
    #[error("`{value}` is not a value of type {kind}")]
    BadValue {
        /// The type's word.
        kind: &'static str,
        /// The text that was to be of that type.
        value: String,
    },
    /// A form of psLib that is not read here.
    #[error("{0} is not supported: write the block out in full")]
    Unsupported(&'static str),
    /// Words after `METADATA` or `MULTI`.
    #[error("`{0}` cannot stand after METADATA or MULTI")]
    Trailing(String),
    /// A name that stands twice without being declared MULTI.
    #[error("`{0}` stands twice at this level: declare it with `{0} MULTI` first")]
    Duplicate(String),
    /// An END that closes nothing.
    #[error("END without an open METADATA block")]
    StrayEnd,
    /// Text that ends inside a block; the line is the one that opened it.
    #[error("the block `{0}` is never closed: END is missing, or the text was cut off")]
    Unclosed(String),
    /// Blocks within blocks beyond reason.
    #[error("more than {0} METADATA blocks inside each other")]
    TooDeep(usize),
    /// Bytes that are not UTF-8.
    #[error("the line is not UTF-8 text")]
    NotText,
    /// The source of the text failed.
    #[error("the text could not be read: {0}")]
    Io(#[from] std::io::Error),
}

impl MetadataError {
    pub(super) fn at(line: usize, text: &str, fault: Fault) -> Self {
        Self {
            line,
            text: text.trim().chars().take(SHOWN).collect(),
            fault,
        }
    }
}

fn shown(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(", in `{text}`")
    }
}
