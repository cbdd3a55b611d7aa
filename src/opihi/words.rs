//! Words of an expanded line (spec/pantasks.md §1.3).

use super::{error::Fault, source::parenthesised};

/// The words of a command, the command's own name first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    text: String,
    ends: Vec<usize>,
}

impl Args {
    /// How many words there are, the command's name among them.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no word at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Word `index`; 0 is the command.
    pub fn get(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..end)
    }

    /// The words behind the command.
    pub fn rest(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        (1..self.len()).filter_map(|index| self.get(index))
    }

    /// All words, the command's name first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The words of a line that [`Args::line`] wrote. Nothing in it is expanded.
    ///
    /// # Errors
    /// Where its quotes do not match.
    pub fn of_line(line: &str) -> Result<Self, Fault> {
        args(line)
    }

    /// The words as a line that [`Args::of_line`] splits into the same words: those that would
    /// not hold together stand in quotes. (As a typed line it would be expanded a second time.)
    ///
    /// # Errors
    /// Where a word has a double quote at its start, or one along with blanks outside
    /// parentheses: no quotes can hold it. Only a program can make such a word, no script can.
    pub fn line(&self) -> Result<String, Fault> {
        let mut line = String::new();
        for (index, word) in self.all().enumerate() {
            if index > 0 {
                line.push(' ');
            }
            if holds_together(word) {
                line.push_str(word);
            } else if word.contains('"') {
                return Err(Fault::Quotes);
            } else {
                line.push('"');
                line.push_str(word);
                line.push('"');
            }
        }
        Ok(line)
    }

    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    pub(crate) fn open(&mut self) -> &mut String {
        &mut self.text
    }

    pub(crate) fn close(&mut self) {
        self.ends.push(self.text.len());
    }

    pub(crate) fn push(&mut self, word: &str) {
        self.text.push_str(word);
        self.close();
    }
}

impl<'a> FromIterator<&'a str> for Args {
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        let mut args = Self::default();
        for word in words {
            args.push(word);
        }
        args
    }
}

/// A word of a line, and whether it stood in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    pub(crate) text: &'a str,
    pub(crate) quoted: bool,
}

/// The words of `text`: blanks separate; `"…"` and `(…)` that begin a word are one word each.
pub(crate) fn split(text: &str) -> Result<Vec<Word<'_>>, Fault> {
    let mut words = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = next(rest)?;
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Ok(words)
}

/// The words of `text` as the arguments of a command.
pub(crate) fn args(text: &str) -> Result<Args, Fault> {
    Ok(split(text)?.into_iter().map(|word| word.text).collect())
}

/// Whether `word` is read as one word without quotes.
fn holds_together(word: &str) -> bool {
    next(word).is_ok_and(|(read, rest)| !read.quoted && rest.is_empty() && !word.is_empty())
        && !word.starts_with(|c: char| c.is_ascii_whitespace())
}

/// The first word of `text`, which has no blank at its start, and what follows it.
pub(crate) fn next(text: &str) -> Result<(Word<'_>, &str), Fault> {
    if let Some(inner) = text.strip_prefix('"') {
        let (text, rest) = inner.split_once('"').ok_or(Fault::Quotes)?;
        return Ok((Word { text, quoted: true }, rest));
    }
    let length = if text.starts_with('(') {
        parenthesised(text).ok_or(Fault::Parentheses)?
    } else if text.starts_with(';') {
        1
    } else {
        let end = |b: u8| b.is_ascii_whitespace() || b == b';';
        text.bytes().position(end).unwrap_or(text.len())
    };
    let (text, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    Ok((
        Word {
            text,
            quoted: false,
        },
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a  b\tc", &["a", "b", "c"])]
    #[case(r#"echo "a b" """#, &["echo", "a b", ""])]
    #[case(r#"say x"y z"#, &["say", "x\"y", "z"])]
    #[case("if ((1) == (2)) echo x", &["if", "((1) == (2))", "echo", "x"])]
    #[case("if(1) x", &["if(1)", "x"])]
    #[case("it's 'a b'", &["it's", "'a", "b'"])]
    #[case("", &[])]
    fn a_line_is_split_at_blanks_outside_quotes_and_parentheses(
        #[case] line: &str,
        #[case] words: &[&str],
    ) {
        assert_eq!(args(line).unwrap().all().collect::<Vec<_>>(), words);
    }

    #[rstest]
    #[case(&["echo", "a b", ""], r#"echo "a b" """#)]
    #[case(&["if", "(\"a b\" == (c))", "x;y"], r#"if ("a b" == (c)) "x;y""#)]
    #[case(&["say", "x\"y", "(z"], r#"say x"y "(z""#)]
    #[case(&["say", "(x", "y"], r#"say "(x" y"#)]
    #[case(&["say", "(a)b", "$v {1} \\"], r#"say "(a)b" "$v {1} \""#)]
    fn words_make_a_line_that_splits_into_them(#[case] words: &[&str], #[case] line: &str) {
        let args: Args = words.iter().copied().collect();
        assert_eq!(args.line().as_deref(), Ok(line));
        assert_eq!(Args::of_line(line), Ok(args));
    }

    #[rstest]
    #[case("\"a")]
    #[case("a \"b")]
    fn what_no_quotes_can_hold_is_an_error(#[case] word: &str) {
        let args: Args = ["echo", word].into_iter().collect();
        assert_eq!(args.line(), Err(Fault::Quotes));
    }

    #[test]
    fn what_is_not_closed_is_an_error() {
        assert_eq!(args("echo \"a"), Err(Fault::Quotes));
        assert_eq!(args("echo (a"), Err(Fault::Parentheses));
    }
}
