//! Lines of a pipe, put together to what can be run.

use std::io::{self, BufRead};

use crate::opihi::Interpreter;

/// How a pipe came to its end.
#[derive(Debug)]
pub(super) enum End {
    /// There is no more.
    Input,
    /// It cannot be read any more.
    Failed(io::Error),
    /// Nobody is left to run anything.
    Deaf,
}

/// Lines that wait for the `end` of the block they open.
#[derive(Debug, Default)]
struct Gathered {
    text: String,
    /// The number of the first line.
    first: usize,
    /// A line that is not text.
    spoiled: Option<usize>,
}

impl Gathered {
    fn take(&mut self, number: usize, line: &[u8]) {
        if self.text.is_empty() {
            self.first = number;
        }
        match std::str::from_utf8(line) {
            Ok(line) => self.text.push_str(line),
            Err(_) => {
                self.spoiled.get_or_insert(number);
                self.text.push('#');
            },
        }
        self.text.push('\n');
    }

    /// What is to be run; a complaint where a line of it is missing. `last` is its last line.
    fn finish(&mut self, last: usize) -> Result<String, String> {
        let Self {
            text,
            first,
            spoiled,
        } = std::mem::take(self);
        match spoiled {
            None => Ok(text),
            Some(bad) if first == last => Err(format!("line {bad} is not UTF-8 and is not run\n")),
            // A block that lacks a line would do something else.
            Some(bad) => Err(format!(
                "line {bad} is not UTF-8: lines {first} to {last} are not run\n"
            )),
        }
    }
}

/// Reads to the end. `run` says whether anybody is left; `tell` takes complaints.
pub(super) fn feed(
    input: &mut impl BufRead,
    mut run: impl FnMut(String) -> bool,
    mut tell: impl FnMut(&str),
) -> End {
    let (mut gathered, mut number, mut bytes) = (Gathered::default(), 0, Vec::new());
    loop {
        bytes.clear();
        let end = match input.read_until(b'\n', &mut bytes) {
            Ok(0) => Some(End::Input),
            Ok(_) => None,
            // What has come of a line or a block is not the whole of it.
            Err(error) => return End::Failed(error),
        };
        if end.is_none() {
            number += 1;
            let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            gathered.take(number, line.strip_suffix(b"\r").unwrap_or(line));
            if Interpreter::wants_more(&gathered.text) {
                continue;
            }
        }
        if !gathered.text.is_empty() {
            let text = gathered.finish(number).unwrap_or_else(|complaint| {
                tell(&complaint);
                // Whoever reads the answers waits for one.
                String::new()
            });
            if !run(text) {
                return End::Deaf;
            }
        }
        if let Some(end) = end {
            return end;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, Read};

    use super::*;

    fn fed(input: impl Read) -> (Vec<String>, String, End) {
        let (mut run, mut told) = (Vec::new(), String::new());
        let take = |text| {
            run.push(text);
            true
        };
        let end = feed(&mut BufReader::new(input), take, |text| told.push_str(text));
        (run, told, end)
    }

    #[test]
    fn a_line_that_is_not_text_is_told_with_its_number_and_the_next_is_run() {
        let (run, told, end) = fed(Cursor::new(b"echo 1\r\necho \xff\necho 2\necho 3"));
        assert_eq!(run, ["echo 1\n", "", "echo 2\n", "echo 3\n"]);
        assert_eq!(told, "line 2 is not UTF-8 and is not run\n");
        assert!(matches!(end, End::Input));
    }

    #[test]
    fn a_block_with_a_line_that_is_not_text_is_not_run_at_all() {
        let (run, told, _) = fed(Cursor::new(b"if (1)\necho \xff\nbreak\nend\necho 2\n"));
        assert_eq!(run, ["", "echo 2\n"]);
        assert_eq!(told, "line 2 is not UTF-8: lines 1 to 4 are not run\n");
    }

    #[test]
    fn a_block_without_its_end_is_handed_on_for_its_complaint() {
        let (run, told, _) = fed(Cursor::new(b"if (1)\necho 1\n"));
        assert_eq!(run, ["if (1)\necho 1\n"]);
        assert_eq!(told, "");
    }

    #[test]
    fn a_failure_to_read_is_the_end() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let (run, _, end) = fed(Cursor::new(b"echo 1\necho").chain(Broken));
        assert_eq!(run, ["echo 1\n"]);
        assert!(matches!(end, End::Failed(error) if error.to_string() == "gone"));
    }
}
