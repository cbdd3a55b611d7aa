//! "did you mean".

/// The candidate that `word` most likely was meant to be, if any is close.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = plain(word);
    let reach = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&wanted, &plain(candidate));
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= reach)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` or `c`.
pub(crate) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut quoted: Vec<String> = words.into_iter().map(|w| format!("`{w}`")).collect();
    match (quoted.pop(), quoted.is_empty()) {
        (None, _) => String::new(),
        (Some(only), true) => only,
        (Some(last), false) => format!("{} or {last}", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("walltme", Some("walltime"))]
    #[case("fill-factor", Some("fill_factor"))]
    #[case("Walltime", Some("walltime"))]
    #[case("xyz", None)]
    #[case("", None)]
    fn the_closest_word_is_offered_only_when_it_is_close(
        #[case] word: &str,
        #[case] meant: Option<&str>,
    ) {
        assert_eq!(closest(word, ["walltime", "fill_factor", "nodes"]), meant);
    }

    #[test]
    fn words_are_listed_as_a_sentence_would() {
        assert_eq!(one_of(["a"]), "`a`");
        assert_eq!(one_of(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
