//! The variables that a text uses.

use super::super::expand::is_name_byte;

/// How a name is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// `$name`.
    Value,
    /// `$name` before another `$`: the name's beginning.
    Stem,
    /// `$?name`.
    Exists,
}

/// One `$name` of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) name: &'a str,
    pub(super) used: Use,
    /// What stands behind it.
    pub(super) after: &'a str,
}

/// The references of a text, in its order.
pub(super) fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    let starts = text.match_indices('$').map(|(at, _)| at);
    starts.filter_map(move |at| {
        let inner = text.get(..at).is_some_and(|before| before.ends_with('$'));
        let rest = text.get(at + 1..)?;
        let asks = rest.starts_with('?');
        let rest = rest.strip_prefix('?').unwrap_or(rest);
        let in_name = |b: &u8| is_name_byte(*b) && !(inner && *b == b':');
        let length = rest.bytes().take_while(|b| in_name(b)).count();
        let (name, after) = rest.split_at_checked(length)?;
        let used = if asks {
            Use::Exists
        } else if after.starts_with('$') {
            Use::Stem
        } else {
            Use::Value
        };
        (!name.is_empty()).then_some(Reference { name, used, after })
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("$a.b $?c", "a Value, c Exists")]
    #[case("$X:$i-$?X:$i", "X: Stem, i Value, X: Exists, i Value")]
    #[case("$$ref:n $$1", "ref Value, 1 Value")]
    #[case("5$ $-", "")]
    fn each_name_with_its_use(#[case] text: &str, #[case] expected: &str) {
        let found: Vec<String> = references(text)
            .map(|found| format!("{} {:?}", found.name, found.used))
            .collect();
        assert_eq!(found.join(", "), expected);
    }
}
