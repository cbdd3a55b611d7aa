//! The name we give a job, by which it is found again after any doubt.

use std::{fmt, str::FromStr};

/// A batch job's name: `or-<run>-<attempt>-<8 hex>` (design decision 3). The random part makes
/// it unique among all databases that ever used a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// The run.
    pub run: i64,
    /// Which submission of the run, from 1.
    pub attempt: u32,
    /// Random bits, drawn once when the token is written down.
    pub random: u32,
}

/// A text that is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job name of ours: those look like `or-12-1-9f3c01ab`")]
pub struct TokenError(String);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "or-{}-{}-{:08x}", self.run, self.attempt, self.random)
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let parsed = text.strip_prefix("or-").and_then(|rest| {
            let mut parts = rest.split('-');
            let token = Self {
                run: parts.next()?.parse().ok()?,
                attempt: parts.next()?.parse().ok()?,
                random: u32::from_str_radix(parts.next()?, 16).ok()?,
            };
            parts.next().is_none().then_some(token)
        });
        parsed
            .filter(|token| token.to_string() == text)
            .ok_or_else(|| TokenError(text.escape_debug().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    proptest! {
        #[test]
        fn a_token_is_read_back_from_its_text(run in 0..i64::MAX, attempt: u32, random: u32) {
            let token = Token { run, attempt, random };
            prop_assert_eq!(token.to_string().parse(), Ok(token));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _read = text.parse::<Token>();
        }
    }

    #[rstest]
    #[case("or-1-1-9f3c01a")]
    #[case("or-1-1-9F3C01AB")]
    #[case("or-01-1-9f3c01ab")]
    #[case("or-1-1-9f3c01ab-x")]
    #[case("or-1-1-+f3c01ab")]
    #[case("chip-1-1-9f3c01ab")]
    fn only_the_one_spelling_counts(#[case] text: &str) {
        assert!(text.parse::<Token>().is_err());
    }
}
