//! Lines of quoted words, as a POSIX shell cuts them; nothing else of a shell.

use std::{iter::Peekable, str::CharIndices};

use super::CommandsError;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Word {
    /// What it says.
    pub(super) text: String,
    /// Whether no part of it was quoted.
    pub(super) bare: bool,
}

/// The lines that hold words, each with the number of the line it begins in.
pub(super) fn lines(text: &str) -> Result<Vec<(usize, Vec<Word>)>, CommandsError> {
    let mut found: Vec<(usize, Vec<Word>)> = Vec::new();
    let mut row: Option<(usize, Vec<Word>)> = None;
    let mut line = 1;
    let mut characters = text.char_indices().peekable();
    while let Some(&(at, character)) = characters.peek() {
        match character {
            '\n' => {
                characters.next();
                line += 1;
                found.extend(row.take());
            },
            ' ' | '\t' => {
                characters.next();
            },
            _ => {
                let word = word(&mut characters).ok_or_else(|| CommandsError {
                    line,
                    what: "a quote is not closed",
                    text: text
                        .get(at..)
                        .unwrap_or_default()
                        .chars()
                        .take(80)
                        .collect(),
                })?;
                row.get_or_insert((line, Vec::new())).1.push(word);
                let end = characters.peek().map_or(text.len(), |(end, _)| *end);
                line += text.get(at..end).unwrap_or_default().matches('\n').count();
            },
        }
    }
    found.extend(row);
    Ok(found)
}

/// The next word; `None` if a quote in it is not closed.
fn word(characters: &mut Peekable<CharIndices<'_>>) -> Option<Word> {
    let mut word = Word {
        text: String::new(),
        bare: true,
    };
    while let Some((_, character)) =
        characters.next_if(|(_, character)| !matches!(character, ' ' | '\t' | '\n'))
    {
        word.bare &= !matches!(character, '\'' | '"' | '\\');
        match character {
            '\'' => loop {
                match characters.next()?.1 {
                    '\'' => break,
                    inner => word.text.push(inner),
                }
            },
            '"' => loop {
                match characters.next()?.1 {
                    '"' => break,
                    '\\' => match characters.next()?.1 {
                        '\n' => {},
                        special @ ('$' | '`' | '"' | '\\') => word.text.push(special),
                        other => word.text.extend(['\\', other]),
                    },
                    inner => word.text.push(inner),
                }
            },
            '\\' => match characters.next()?.1 {
                '\n' => {},
                escaped => word.text.push(escaped),
            },
            plain => word.text.push(plain),
        }
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_quoted_comes_back_whole(texts in prop::collection::vec("[^\0]{0,20}", 1..5)) {
            let quoted: Vec<_> = texts.iter().map(|text| shlex::try_quote(text).unwrap()).collect();
            let found = lines(&quoted.join(" ")).unwrap();
            let [(1, words)] = found.as_slice() else {
                panic!("{found:?}");
            };
            let read: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            prop_assert_eq!(read, texts);
        }
    }

    #[test]
    fn only_what_stands_without_quotes_is_bare() {
        let found = lines("a '||' || \\|| \"\" ''\n\n b").unwrap();
        let seen: Vec<(usize, Vec<(&str, bool)>)> = found
            .iter()
            .map(|(line, words)| {
                let words = words.iter().map(|word| (word.text.as_str(), word.bare));
                (*line, words.collect())
            })
            .collect();
        assert_eq!(
            seen,
            [
                (
                    1,
                    vec![
                        ("a", true),
                        ("||", false),
                        ("||", true),
                        ("||", false),
                        ("", false),
                        ("", false)
                    ]
                ),
                (3, vec![("b", true)])
            ]
        );
    }
}
