//! The one line that a far login shell is given to run an argv.

use std::{os::unix::ffi::OsStrExt, path::Path};

use super::machine::Machine;
use crate::config::site::SshConnection;

/// Longest line in bytes: Linux refuses a single argument of 128 KiB, and sshd passes the whole
/// line as one.
pub(super) const MOST_BYTES: usize = 120_000;

/// The line that runs `argv` byte for byte under any login shell, csh and its kin too.
///
/// The words are quoted for POSIX sh, and that text travels as `printf %b` escapes inside one
/// pair of single quotes: it holds no newline, quote, `!` or backslash of its own, which csh
/// reads differently. The far `sh` stays in between so that an end by signal N arrives as exit
/// code 128 + N: the multiplex protocol itself has no word for it.
pub(crate) fn far_line(argv: &[&[u8]]) -> String {
    let mut line = String::from(r#"exec sh -c 'eval "$(printf %b "$1")"; exit $?' sh '"#);
    for (n, word) in argv.iter().enumerate() {
        if n > 0 {
            line.push(' ');
        }
        quote(word, &mut line);
    }
    line.push('\'');
    line
}

/// The line that makes a bastion run `line` on the front end: quoted once for the bastion's own
/// shell.
pub(super) fn onwards(ssh: &SshConnection, line: &str) -> String {
    let words = Machine::of(&ssh.host).onwards(ssh.user.as_deref());
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{} '{}'", words.join(" "), line.replace('\'', r"'\''"))
}

/// `word` quoted for a shell, where it needs that.
pub(super) fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=@:,+%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Into::into)
}

/// Bytes as text without newline, tab, quote, `!` or backslash of its own, for `printf %b`.
pub(crate) fn escape_b(bytes: &[u8], into: &mut String) {
    for &byte in bytes {
        match byte {
            b'\'' | b'!' | b'\\' | 0..=0x1f | 0x7f.. => {
                into.push_str("\\0");
                for shift in [6, 3, 0] {
                    into.push(char::from(b'0' + (byte >> shift & 7)));
                }
            },
            _ => into.push(char::from(byte)),
        }
    }
}

/// The bytes that [`escape_b`] wrote.
pub(crate) fn unescape_b(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match (byte, after) {
            (
                b'\\',
                [
                    b'0',
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    after @ ..,
                ],
            ) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = after;
            },
            _ => bytes.push(*byte),
        }
    }
    bytes
}

/// Paths as lines that `printf %b` reads back byte for byte.
pub(crate) fn escaped_lines<'p>(paths: impl IntoIterator<Item = &'p Path>) -> String {
    let mut text = String::new();
    for path in paths {
        escape_b(path.as_os_str().as_bytes(), &mut text);
        text.push('\n');
    }
    text
}

fn quote(word: &[u8], into: &mut String) {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-_/.,:+@%".contains(b);
    if !word.is_empty() && word.iter().all(plain) {
        into.extend(word.iter().copied().map(char::from));
        return;
    }
    let mut quoted = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    escape_b(&quoted, into);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    fn words_back(argv: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut full: Vec<&[u8]> = vec![b"printf", br"%s\000"];
        full.extend_from_slice(argv);
        let out = Command::new("sh").arg("-c").arg(far_line(&full)).output();
        let stdout = out.unwrap().stdout;
        let mut words: Vec<_> = stdout.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
        assert_eq!(words.pop(), Some(Vec::new()));
        words
    }

    #[test]
    fn a_line_has_no_byte_that_shells_disagree_about() {
        let line = far_line(&[b"sh", b"-c", b"echo 'it''s'\necho !x\\y \xff"]);
        let inner = line.rsplit(" sh '").next().unwrap().trim_end_matches('\'');
        assert!(
            inner
                .bytes()
                .all(|b| (b' '..0x7f).contains(&b) && b != b'\'' && b != b'!')
        );
    }

    #[test]
    fn the_exit_code_of_a_word_killed_by_a_signal_is_128_and_the_signal() {
        let line = far_line(&[b"sh", b"-c", b"kill -9 $$"]);
        let status = Command::new("sh")
            .arg("-c")
            .arg(line)
            .output()
            .unwrap()
            .status;
        assert_eq!(status.code(), Some(137));
    }

    #[test]
    fn a_line_for_the_machine_behind_a_bastion_passes_its_shell_unchanged() {
        let line = far_line(&[b"printf", b"%s|", b"it's", b"a\nb"]);
        let ssh = serde_yaml::from_str("{host: 'fe1:2222', user: survey}").unwrap();
        let out = Command::new("sh")
            .arg("-c")
            .arg(onwards(&ssh, &line).replacen("ssh", "printf '%s\n'", 1))
            .output();
        let said = String::from_utf8(out.unwrap().stdout).unwrap();
        let words = "-o\nBatchMode=yes\n-o\nConnectTimeout=10\n-l\nsurvey\n-p\n2222\nfe1";
        assert_eq!(said, format!("{words}\n{line}\n"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn escaped_bytes_are_read_back(bytes: Vec<u8>) {
            let mut text = String::new();
            escape_b(&bytes, &mut text);
            prop_assert_eq!(unescape_b(&text), bytes);
        }

        #[test]
        fn every_word_arrives_byte_for_byte(
            words in prop::collection::vec(prop::collection::vec(1u8..=255, 0..12), 1..5),
        ) {
            let argv: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(words_back(&argv), words);
        }
    }
}
