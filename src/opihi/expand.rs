//! Textual expansion of `$name` (spec/pantasks.md §1.4).
//!
//! The last `$` of the text is expanded first, over and over, until none with a name is left.
//! That is why `$X:$i` is an index. [`super::template`] does the same for lines whose values need
//! no second look.

use super::error::Fault;

/// Most bytes a line may grow to.
pub(crate) const LINE_LIMIT: usize = 1 << 20;

/// Most substitutions within one line.
const STEP_LIMIT: usize = 1000;

/// An error where a text of `size` bytes is longer than a line may be.
pub(crate) fn within_line(size: usize) -> Result<(), Fault> {
    if size > LINE_LIMIT {
        return Err(Fault::TooLong(LINE_LIMIT));
    }
    Ok(())
}

/// `text` with each `from` replaced by `to`.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> Result<String, Fault> {
    if from.is_empty() {
        return Ok(text.to_owned());
    }
    let count = text.matches(from).count();
    let kept = text.len().saturating_sub(count.saturating_mul(from.len()));
    within_line(kept.saturating_add(count.saturating_mul(to.len())))?;
    Ok(text.replace(from, to))
}

/// Where values come from.
pub(crate) trait Values {
    /// The value of `name`, which may be a macro's argument number.
    fn value(&self, name: &str) -> Result<&str, Fault>;

    /// Whether `name` has a value.
    fn exists(&self, name: &str) -> bool {
        self.value(name).is_ok()
    }
}

pub(crate) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
}

/// `text` with every `$name` from byte `from` on replaced.
pub(crate) fn expand(values: &impl Values, text: &str, from: usize) -> Result<String, Fault> {
    let mut text = text.to_owned();
    // Every `$` at or behind this is known to have no name.
    let mut before = text.len();
    for _ in 0..STEP_LIMIT {
        let Some(dollar) = text.get(..before).and_then(|t| t.rfind('$')) else {
            return Ok(text);
        };
        if dollar < from {
            return Ok(text);
        }
        let Some((end, value)) = reference(values, &text, dollar)? else {
            before = dollar;
            continue;
        };
        within_line(text.len() + value.len())?;
        let value = value.to_owned();
        text.replace_range(dollar..end, &value);
        before = dollar + value.len();
    }
    Err(Fault::TooLong(LINE_LIMIT))
}

/// The end of the reference at `dollar`, and its value; none where no name follows.
fn reference<'a>(
    values: &'a impl Values,
    text: &str,
    dollar: usize,
) -> Result<Option<(usize, &'a str)>, Fault> {
    let rest = text.get(dollar + 1..).unwrap_or_default();
    let (asks, rest) = match rest.strip_prefix('?') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let inner = text
        .get(..dollar)
        .is_some_and(|before| before.ends_with('$'));
    let in_name = |b: &u8| is_name_byte(*b) && !(inner && *b == b':');
    let length = rest.bytes().take_while(|b| in_name(b)).count();
    let name = rest.get(..length).unwrap_or_default();
    if name.is_empty() {
        return Ok(None);
    }
    let end = dollar + 1 + usize::from(asks) + length;
    if asks {
        let exists = if values.exists(name) { "1" } else { "0" };
        return Ok(Some((end, exists)));
    }
    Ok(Some((end, values.value(name)?)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rstest::rstest;

    use super::*;

    impl Values for HashMap<&str, &str> {
        fn value(&self, name: &str) -> Result<&str, Fault> {
            self.get(name)
                .copied()
                .ok_or_else(|| Fault::NoVariable(name.to_owned()))
        }
    }

    fn values() -> HashMap<&'static str, &'static str> {
        HashMap::from([
            ("a", "A"),
            ("i", "1"),
            ("X:1", "one"),
            ("ref", "X"),
            ("X:n", "2"),
            ("X", "ex"),
            ("two", "$a$i"),
            ("aA", "chain"),
            ("empty", ""),
            ("loop", "$loop"),
        ])
    }

    #[rstest]
    #[case("-$a-", "-A-")]
    #[case("$X:$i.", "one.")]
    #[case("$a\\$i", "A\\1")]
    #[case("$?a $?none $?X:$i", "1 0 1")]
    #[case("$$ref", "ex")]
    #[case("$$ref:n", "2")]
    #[case("$a$a", "chain")]
    #[case("5$ and $", "5$ and $")]
    #[case("[$empty]", "[]")]
    fn the_last_dollar_is_expanded_first(#[case] text: &str, #[case] expanded: &str) {
        assert_eq!(expand(&values(), text, 0).as_deref(), Ok(expanded));
    }

    #[rstest]
    #[case("$foo: x", Fault::NoVariable("foo:".into()))]
    #[case("$loop", Fault::TooLong(LINE_LIMIT))]
    fn what_cannot_be_expanded_is_an_error(#[case] text: &str, #[case] fault: Fault) {
        assert_eq!(expand(&values(), text, 0), Err(fault));
    }
}
