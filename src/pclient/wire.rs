//! What a controller and the agent on a host say to each other.
//!
//! The controller's first line asks for this protocol; an agent that knows it answers with a line
//! that begins with [`WELCOME`]. From then on both send frames: a length of four bytes, the
//! highest first, one byte that says what it is, and so many bytes. Messages are JSON; output of
//! jobs is bytes as they are.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::process::{Outcome, Usage};

/// The number of this protocol: both sides have to speak the same.
pub const PROTOCOL: u32 = 1;

/// How the controller's first line begins.
pub const HELLO: &str = "outrigger-agent";

/// How the agent's answer begins.
pub const WELCOME: &str = "OUTRIGGER-AGENT";

/// Most bytes of output that are on their way: what the agent may send before it hears that they
/// were stored.
pub const WINDOW: u64 = 4 << 20;

/// Most bytes of a frame.
const LONGEST: usize = 32 << 20;

/// What a controller says first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The controller: agents of others are left alone.
    pub controller: String,
    /// The machine, as the controller calls it.
    pub machine: String,
    /// An agent that has heard nothing for so many seconds ends its jobs; none with `keep`.
    pub fence: f64,
    /// The jobs live on when the connection is lost, and wait to be asked for.
    pub keep: bool,
    /// The controller's version, for messages.
    pub version: String,
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// This agent, of all that ever were. A later one has another name.
    pub incarnation: String,
    /// The machine and account, whatever name leads there.
    #[serde(default)]
    pub account: String,
    /// What the machine calls itself.
    pub host: String,
    /// Its processors.
    pub cores: usize,
    /// The agent's version, for messages.
    pub version: String,
    /// The runs that it has, going on or over; whatever else ran here for this controller is gone.
    pub runs: Vec<u64>,
}

/// What a controller says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Order {
    /// Start a job.
    Start(Box<Start>),
    /// End a job; its end comes as any other.
    Kill {
        /// Which.
        run: u64,
    },
    /// The end of this run is stored: forget it.
    Taken {
        /// Which.
        run: u64,
    },
    /// The beat of this number was heard.
    Heard {
        /// Which.
        beat: u64,
    },
    /// So many more bytes of output may come.
    Credit {
        /// How many.
        bytes: u64,
    },
    /// End all jobs, say that it is done, and go.
    Bye,
}

/// A job to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The number of this one attempt: a job that has to be run again gets another.
    pub run: u64,
    /// The program and its arguments, as they are.
    pub argv: Vec<String>,
    /// The priority, 0 to 20 as nice(1) counts.
    #[serde(default)]
    pub nice: u8,
    /// Files that must be visible before it starts.
    #[serde(default)]
    pub block: Vec<String>,
}

/// What an agent says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Word {
    /// A job's process runs.
    Started {
        /// Which.
        run: u64,
        /// The process.
        pid: u32,
    },
    /// A job is over, and all its output was sent.
    Ended(Box<Ended>),
    /// I am here.
    Beat {
        /// A number that [`Order::Heard`] gives back.
        beat: u64,
    },
    /// All jobs are gone: the answer to [`Order::Bye`].
    Gone,
}

/// The end of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Which.
    pub run: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// From the start of the process to its end, in seconds.
    pub wall: f64,
    /// What it used.
    pub usage: Option<Usage>,
    /// Its process hangs and cannot be ended.
    #[serde(default)]
    pub hung: bool,
    /// The bytes of its output that the agent could not read, if there were such.
    #[serde(default)]
    pub unread: u64,
}

/// One of a job's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A frame that has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame<M> {
    /// A message.
    Message(M),
    /// A piece of a job's output.
    Output {
        /// Whose.
        run: u64,
        /// Which output.
        stream: Stream,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// Bytes that are no frame.
#[derive(Debug, Error)]
pub enum WireError {
    /// Longer than any frame may be.
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
    /// Of an unknown kind.
    #[error("a frame of unknown kind {0}")]
    Kind(u8),
    /// Not what it should be.
    #[error("a message cannot be understood: {0}")]
    Message(#[from] serde_json::Error),
    /// Output without the number of its run.
    #[error("a piece of output without its number")]
    Short,
}

const MESSAGE: u8 = 0;
const OUT: u8 = 1;
const ERR: u8 = 2;

/// Adds a message to `bytes`, as a frame.
pub fn put_message<M: Serialize>(bytes: &mut Vec<u8>, message: &M) {
    frame(bytes, MESSAGE, |bytes| {
        // Plain data with text keys always has a JSON form, and a Vec takes all that is written.
        drop(serde_json::to_writer(bytes, message));
    });
}

/// Adds a piece of output to `bytes`, as a frame; `fill` adds the piece itself.
pub fn put_output(bytes: &mut Vec<u8>, run: u64, stream: Stream, fill: impl FnOnce(&mut Vec<u8>)) {
    let kind = match stream {
        Stream::Out => OUT,
        Stream::Err => ERR,
    };
    frame(bytes, kind, |bytes| {
        bytes.extend_from_slice(&run.to_be_bytes());
        fill(bytes);
    });
}

fn frame(bytes: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0, 0, 0, 0, kind]);
    fill(bytes);
    let length = u32::try_from(bytes.len() - start - 5).unwrap_or(u32::MAX);
    if let Some(head) = bytes.get_mut(start..start + 4) {
        head.copy_from_slice(&length.to_be_bytes());
    }
}

/// Takes bytes as they come and hands out frames.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    at: usize,
}

impl Decoder {
    /// Where the next bytes go.
    pub fn room(&mut self) -> &mut Vec<u8> {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        &mut self.bytes
    }

    /// The next line, without its end, before the frames begin; none until it has come.
    pub fn line(&mut self) -> Option<Vec<u8>> {
        let left = self.bytes.get(self.at..)?;
        let end = left.iter().position(|byte| *byte == b'\n')?;
        let line = left.get(..end)?.to_vec();
        self.at += end + 1;
        Some(line)
    }

    /// The next frame; none until it has come.
    ///
    /// # Errors
    /// [`WireError`]; nothing that comes later can be understood.
    pub fn frame<M: DeserializeOwned>(&mut self) -> Result<Option<Frame<M>>, WireError> {
        let left = self.bytes.get(self.at..).unwrap_or_default();
        let Some((head, rest)) = left.split_first_chunk::<5>() else {
            return Ok(None);
        };
        let [first, second, third, fourth, kind] = *head;
        let length = u32::from_be_bytes([first, second, third, fourth]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(WireError::TooLong(length));
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let output = |stream| {
            let (run, bytes) = payload.split_first_chunk().ok_or(WireError::Short)?;
            Ok::<_, WireError>(Frame::Output {
                run: u64::from_be_bytes(*run),
                stream,
                bytes: bytes.to_vec(),
            })
        };
        let frame = match kind {
            MESSAGE => Frame::Message(serde_json::from_slice(payload)?),
            OUT => output(Stream::Out)?,
            ERR => output(Stream::Err)?,
            kind => return Err(WireError::Kind(kind)),
        };
        self.at += 5 + length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word() -> impl Strategy<Value = Frame<Word>> {
        prop_oneof![
            (any::<u64>(), any::<u32>())
                .prop_map(|(run, pid)| Frame::Message(Word::Started { run, pid })),
            any::<u64>().prop_map(|beat| Frame::Message(Word::Beat { beat })),
            Just(Frame::Message(Word::Gone)),
            (any::<u64>(), any::<bool>(), any::<Vec<u8>>()).prop_map(|(run, out, bytes)| {
                let stream = if out { Stream::Out } else { Stream::Err };
                Frame::Output { run, stream, bytes }
            }),
        ]
    }

    proptest! {
        #[test]
        fn frames_come_as_they_were_sent_however_they_are_cut(
            frames in prop::collection::vec(word(), 0..20),
            cut in 1..40_usize,
        ) {
            let mut bytes = b"a line\n".to_vec();
            for frame in &frames {
                match frame {
                    Frame::Message(word) => put_message(&mut bytes, word),
                    Frame::Output { run, stream, bytes: piece } => {
                        put_output(&mut bytes, *run, *stream, |bytes| bytes.extend(piece));
                    },
                }
            }
            let mut decoder = Decoder::default();
            let (mut line, mut come) = (None, Vec::new());
            for piece in bytes.chunks(cut) {
                decoder.room().extend_from_slice(piece);
                if line.is_none() {
                    line = decoder.line();
                }
                while line.is_some() && let Some(frame) = decoder.frame::<Word>().unwrap() {
                    come.push(frame);
                }
            }
            prop_assert_eq!(line, Some(b"a line".to_vec()));
            prop_assert_eq!(come, frames);
        }

        #[test]
        fn garbage_is_an_error_or_waits_for_more(bytes: Vec<u8>) {
            let mut decoder = Decoder::default();
            decoder.room().extend_from_slice(&bytes);
            while let Ok(Some(_)) = decoder.frame::<Word>() {}
        }
    }
}
