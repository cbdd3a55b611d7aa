//! The config format of `srun --multi-prog`, as Slurm 22.05 reads it.

use std::{collections::BTreeSet, ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

/// One task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Its rank.
    pub(super) rank: u32,
    /// Its program and arguments.
    pub(super) argv: Vec<OsString>,
}

/// Why a config cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is wrong.
    #[error("{}: {why}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, and why.
        why: LineError,
    },
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    /// The first word is no list of ranks.
    #[error("line {line}: `{text}` is not a list of ranks such as `0`, `2-5` or `10,12`")]
    Ranks {
        /// Line number, from 1.
        line: usize,
        /// The word.
        text: String,
    },
    /// A rank has two lines.
    #[error("line {line}: rank {rank} has a line already")]
    Twice {
        /// Line number, from 1.
        line: usize,
        /// The rank.
        rank: u32,
    },
    /// There is nothing to run.
    #[error("line {line}: there is no program after the rank")]
    NoProgram {
        /// Line number, from 1.
        line: usize,
    },
    /// A quote is not closed.
    #[error("line {line}: a single quote is not closed")]
    Quote {
        /// Line number, from 1.
        line: usize,
    },
}

/// Most ranks of one config.
const MAX_RANKS: usize = 1 << 20;

/// The tasks of a config, in the order of its lines.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Step>, LineError> {
    let mut steps = Vec::new();
    let mut taken = BTreeSet::new();
    for (line, words) in logical_lines(text) {
        let trimmed = words.trim_ascii();
        if trimmed.is_empty() || trimmed.starts_with(b"#") {
            continue;
        }
        let end = trimmed
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(trimmed.len());
        let (first, rest) = trimmed.split_at(end);
        let ranks = ranks(first).ok_or_else(|| LineError::Ranks {
            line,
            text: String::from_utf8_lossy(first).into_owned(),
        })?;
        for (offset, rank) in (0..).zip(ranks) {
            if !taken.insert(rank) {
                return Err(LineError::Twice { line, rank });
            }
            let argv = arguments(rest, rank, offset).ok_or(LineError::Quote { line })?;
            if argv.first().is_none_or(|program| program.is_empty()) {
                return Err(LineError::NoProgram { line });
            }
            steps.push(Step { rank, argv });
        }
    }
    Ok(steps)
}

/// Lines with their number, those that end in a backslash joined with the next.
fn logical_lines(text: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut joined = false;
    for (number, line) in (1..).zip(text.split(|b| *b == b'\n')) {
        let (body, goes_on) = match line.strip_suffix(b"\\") {
            Some(body) => (body, true),
            None => (line, false),
        };
        match lines.last_mut() {
            Some((_, last)) if joined => last.extend_from_slice(body),
            _ => lines.push((number, body.to_vec())),
        }
        joined = goes_on;
    }
    lines
}

fn ranks(word: &[u8]) -> Option<Vec<u32>> {
    let word = std::str::from_utf8(word).ok()?;
    let mut ranks = Vec::new();
    for part in word.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let range = low.parse::<u32>().ok()?..=high.parse().ok()?;
        ranks.extend(range.take(MAX_RANKS + 1 - ranks.len().min(MAX_RANKS)));
        if ranks.len() > MAX_RANKS {
            return None;
        }
    }
    (!ranks.is_empty()).then_some(ranks)
}

/// The words of a line: single quotes hold, a backslash keeps a blank, a quote or a backslash,
/// `%t` is the rank, `%o` its place in the list of ranks, `%%` nothing; double quotes and all
/// else stand for themselves. `None` if a quote is not closed.
fn arguments(text: &[u8], rank: u32, offset: u32) -> Option<Vec<OsString>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte.is_ascii_whitespace() {
            words.extend(word.take().map(OsString::from_vec));
            continue;
        }
        let word = word.get_or_insert_default();
        match byte {
            b'\'' => loop {
                match bytes.next()? {
                    b'\'' => break,
                    inner => word.push(inner),
                }
            },
            b'\\' => match bytes.next_if(|b| b.is_ascii_whitespace() || matches!(b, b'\'' | b'\\'))
            {
                Some(kept) => word.push(kept),
                None => word.push(b'\\'),
            },
            b'%' => match bytes.next_if(|b| matches!(b, b't' | b'o' | b'%')) {
                Some(b't') => word.extend(rank.to_string().into_bytes()),
                Some(b'o') => word.extend(offset.to_string().into_bytes()),
                Some(_) => {},
                None => word.push(b'%'),
            },
            other => word.push(other),
        }
    }
    words.extend(word.take().map(OsString::from_vec));
    Some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn argv(line: &str) -> Vec<String> {
        let steps = parse(format!("7 {line}").as_bytes()).unwrap();
        let words = steps[0].argv.iter();
        words
            .map(|word| word.to_str().unwrap().to_owned())
            .collect()
    }

    #[rstest]
    #[case("/bin/echo a  b", &["/bin/echo", "a", "b"])]
    #[case("p 'a b' ''", &["p", "a b", ""])]
    #[case("p \"a b\"", &["p", "\"a", "b\""])]
    #[case(r"p a\ b", &["p", "a b"])]
    #[case("p $HOME * ` ; | > #x", &["p", "$HOME", "*", "`", ";", "|", ">", "#x"])]
    #[case("p %t-%o '%t' 100%", &["p", "7-0", "%t", "100%"])]
    #[case("p a%%b", &["p", "ab"])]
    #[case("p x'y z'w", &["p", "xy zw"])]
    fn words_are_cut_as_srun_cuts_them(#[case] line: &str, #[case] words: &[&str]) {
        assert_eq!(argv(line), words);
    }

    #[test]
    fn a_line_serves_a_list_of_ranks() {
        let steps = parse(b"# all\n2-3,9 p %t %o\n\n  0 q\n1 r a\\\n b\n").unwrap();
        let seen: Vec<String> = steps
            .iter()
            .map(|step| format!("{} {}", step.rank, step.argv.join(" ".as_ref()).display()))
            .collect();
        assert_eq!(seen, ["2 p 2 0", "3 p 3 1", "9 p 9 2", "0 q", "1 r a b"]);
    }

    #[rstest]
    #[case("* p", LineError::Ranks { line: 1, text: "*".into() })]
    #[case("x p", LineError::Ranks { line: 1, text: "x".into() })]
    #[case("5-3 p", LineError::Ranks { line: 1, text: "5-3".into() })]
    #[case("0-4294967295 p", LineError::Ranks { line: 1, text: "0-4294967295".into() })]
    #[case("0 p\n0 q", LineError::Twice { line: 2, rank: 0 })]
    #[case("0", LineError::NoProgram { line: 1 })]
    #[case("0 ''", LineError::NoProgram { line: 1 })]
    #[case("\n0 p 'it's'", LineError::Quote { line: 2 })]
    fn a_wrong_line_is_named(#[case] text: &str, #[case] error: LineError) {
        assert_eq!(parse(text.as_bytes()), Err(error));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(text: Vec<u8>) {
            let _steps = parse(&text);
        }

        #[test]
        fn a_single_quoted_word_comes_back_whole(word in "[^'\n\\\\]{0,20}") {
            prop_assert_eq!(argv(&format!("p '{word}'")), ["p", word.as_str()]);
        }
    }
}
