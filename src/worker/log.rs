//! The log of a node: what its jobs said, one frame an attempt.
//!
//! A frame is a line `@ SEQ ATTEMPT EXIT TOTAL HEAD TAIL`, then so many bytes of the beginning and
//! of the end, then a newline. What was said between the two is counted and not kept.

use std::io::{self, BufRead, Read as _};

use super::excerpt::Excerpt;

/// Most bytes of a frame's part: more than any that is written.
const LONGEST: u64 = 1 << 20;
/// Longest first line of a frame.
const LINE: u64 = 200;

/// What a job said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The job.
    pub seq: u64,
    /// Which attempt of it.
    pub attempt: u32,
    /// Its exit code.
    pub exit_code: i32,
    /// All bytes that it said.
    pub total: u64,
    /// The beginning of it.
    pub head: Vec<u8>,
    /// The end of it.
    pub tail: Vec<u8>,
}

/// A log that is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something else stands where a frame should begin.
    #[error("byte {at}: no frame begins with `{text}`")]
    Frame {
        /// Where, in bytes from the beginning.
        at: u64,
        /// What stands there.
        text: String,
    },
}

impl Frame {
    /// Bytes that were said and not kept.
    pub fn missing(&self) -> u64 {
        let kept = self.head.len() as u64 + self.tail.len() as u64;
        self.total.saturating_sub(kept)
    }
}

/// Name of a node's log.
pub(super) fn name(node: &str) -> String {
    format!("output.{node}.log")
}

/// The node whose log has this name.
pub(super) fn node(name: &str) -> Option<&str> {
    name.strip_prefix("output.")?.strip_suffix(".log")
}

/// The bytes of a frame.
pub(super) fn frame(seq: u64, attempt: u32, exit_code: i32, output: &Excerpt) -> Vec<u8> {
    let (total, head, tail) = (output.total(), output.head(), output.tail());
    let line = format!(
        "@ {seq} {attempt} {exit_code} {total} {} {}\n",
        head.len(),
        tail.len()
    );
    let mut frame = line.into_bytes();
    frame.extend_from_slice(head);
    frame.extend(tail);
    frame.push(b'\n');
    frame
}

/// Reads a log frame by frame. One at the end that is cut short counts as not written. Gives the
/// number of bytes that are whole.
///
/// # Errors
/// [`LogError`]
pub(super) fn read(mut log: impl BufRead, mut take: impl FnMut(Frame)) -> Result<u64, LogError> {
    let mut whole = 0;
    loop {
        let mut line = Vec::new();
        (&mut log).take(LINE).read_until(b'\n', &mut line)?;
        let Some(text) = line.strip_suffix(b"\n") else {
            if (line.len() as u64) < LINE {
                return Ok(whole);
            }
            return Err(no_frame(whole, &line));
        };
        let (mut frame, head, tail) = first_line(text).ok_or_else(|| no_frame(whole, text))?;
        let mut rest = Vec::new();
        let size = head + tail + 1;
        (&mut log).take(size).read_to_end(&mut rest)?;
        if (rest.len() as u64) < size {
            return Ok(whole);
        }
        if rest.pop() != Some(b'\n') {
            return Err(no_frame(whole, text));
        }
        frame.tail = rest.split_off(usize::try_from(head).unwrap_or(rest.len()));
        frame.head = rest;
        whole += line.len() as u64 + size;
        take(frame);
    }
}

/// How many bytes of a log are whole.
pub(super) fn whole(log: impl BufRead) -> io::Result<u64> {
    read(log, drop).map_err(|error| match error {
        LogError::Io(error) => error,
        error @ LogError::Frame { .. } => io::Error::new(io::ErrorKind::InvalidData, error),
    })
}

fn first_line(text: &[u8]) -> Option<(Frame, u64, u64)> {
    let text = std::str::from_utf8(text).ok()?;
    let fields: Vec<&str> = text.split(' ').collect();
    let ["@", seq, attempt, exit_code, total, head, tail] = fields.as_slice() else {
        return None;
    };
    let length = |text: &str| text.parse().ok().filter(|length| *length <= LONGEST);
    let frame = Frame {
        seq: seq.parse().ok()?,
        attempt: attempt.parse().ok()?,
        exit_code: exit_code.parse().ok()?,
        total: total.parse().ok()?,
        head: Vec::new(),
        tail: Vec::new(),
    };
    Some((frame, length(head)?, length(tail)?))
}

fn no_frame(at: u64, text: &[u8]) -> LogError {
    let text = String::from_utf8_lossy(text).chars().take(60).collect();
    LogError::Frame { at, text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_said_is_read_back_up_to_where_a_log_is_cut(
            said in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..5),
            cut in 0_usize..100,
        ) {
            let mut log = Vec::new();
            let mut ends = vec![0];
            for (seq, text) in (0..).zip(&said) {
                let mut output = Excerpt::default();
                output.add(text);
                log.extend(frame(seq, 1, 3, &output));
                ends.push(log.len());
            }
            log.truncate(log.len().saturating_sub(cut));
            let mut frames = Vec::new();
            let whole = read(log.as_slice(), |frame| frames.push(frame)).unwrap();
            let expected = ends.iter().rposition(|end| *end <= log.len()).unwrap();
            prop_assert_eq!(frames.len(), expected);
            prop_assert_eq!(whole, ends[expected] as u64);
            for (frame, text) in frames.iter().zip(&said) {
                prop_assert_eq!(frame.total, text.len() as u64);
                prop_assert!(text.starts_with(&frame.head) && text.ends_with(&frame.tail));
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            drop(read(bytes.as_slice(), drop));
        }
    }

    #[test]
    fn what_is_no_frame_is_named_with_its_place() {
        let mut log = frame(1, 1, 0, &Excerpt::default());
        log.extend(b"slurmstepd: error\n");
        let error = read(log.as_slice(), drop).unwrap_err().to_string();
        assert_eq!(error, "byte 15: no frame begins with `slurmstepd: error`");
    }
}
