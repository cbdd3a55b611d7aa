//! What an agent has to send, and in which order.

use std::{collections::VecDeque, sync::Arc};

use super::wire::{Ended, Stream, WINDOW, Word, put_message, put_output};
use crate::process::{Captured, Completion};

/// About so many bytes are made ready at once.
const BATCH: usize = 64 << 10;

/// Most bytes of one output at a time: then the next job has its turn.
const PIECE: usize = 32 << 10;

/// Messages go first; then the outputs of all jobs that are over, in turn, as far as the
/// controller has room for them.
#[derive(Debug)]
pub(crate) struct Outgoing {
    messages: VecDeque<Word>,
    results: VecDeque<Result>,
    window: u64,
}

/// A job that is over and what of it was sent.
#[derive(Debug)]
struct Result {
    run: u64,
    completion: Arc<Completion>,
    sent: [u64; 2],
    unread: u64,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            messages: VecDeque::new(),
            results: VecDeque::new(),
            window: WINDOW,
        }
    }
}

impl Outgoing {
    /// A message goes out.
    pub(crate) fn say(&mut self, word: Word) {
        self.messages.push_back(word);
    }

    /// Whether the last beat still waits to go out.
    pub(crate) fn has_beat(&self) -> bool {
        let is_beat = |word: &Word| matches!(word, Word::Beat { .. });
        self.messages.iter().any(is_beat)
    }

    /// The output of a run goes out, and then its end.
    pub(crate) fn end(&mut self, run: u64, completion: Arc<Completion>) {
        self.results.push_back(Result {
            run,
            completion,
            sent: [0; 2],
            unread: 0,
        });
    }

    /// So many more bytes of output may go out.
    pub(crate) fn credit(&mut self, bytes: u64) {
        self.window = self.window.saturating_add(bytes);
    }

    /// Adds what goes out next to `bytes`, about [`BATCH`] of it.
    pub(crate) fn fill(&mut self, bytes: &mut Vec<u8>) {
        while bytes.len() < BATCH {
            if let Some(word) = self.messages.pop_front() {
                put_message(bytes, &word);
            } else if let Some(mut result) = self.next_result() {
                if result.put(bytes, &mut self.window) {
                    self.results.push_back(result);
                } else {
                    put_message(bytes, &Word::Ended(Box::new(result.ended())));
                }
            } else {
                break;
            }
        }
    }

    /// The first result, or without room for output the first that has none to send.
    fn next_result(&mut self) -> Option<Result> {
        if self.window > 0 {
            return self.results.pop_front();
        }
        let done = self
            .results
            .iter()
            .position(|result| result.next().is_none())?;
        self.results.remove(done)
    }
}

impl Result {
    /// The output that is sent next, and what of it was sent.
    fn next(&self) -> Option<(Stream, &Captured, u64)> {
        let [out, err] = self.sent;
        let completion = &self.completion;
        [
            (Stream::Out, &completion.stdout, out),
            (Stream::Err, &completion.stderr, err),
        ]
        .into_iter()
        .find(|(_, captured, sent)| *sent < captured.len())
    }

    /// Adds the next piece of output, if there is one left.
    fn put(&mut self, bytes: &mut Vec<u8>, window: &mut u64) -> bool {
        let Some((stream, captured, at)) = self.next() else {
            return false;
        };
        let (run, left) = (self.run, captured.len() - at);
        let length = PIECE.min(usize::try_from(*window).unwrap_or(PIECE));
        let mut read = 0;
        put_output(bytes, run, stream, |bytes| {
            let start = bytes.len();
            bytes.resize(start + length, 0);
            let piece = bytes.get_mut(start..).unwrap_or_default();
            read = captured.read_at(piece, at).unwrap_or(0);
            bytes.truncate(start + read);
        });
        let sent = match stream {
            Stream::Out => &mut self.sent[0],
            Stream::Err => &mut self.sent[1],
        };
        if read == 0 {
            // The disk does not give back what it took.
            *sent += left;
            self.unread += left;
        }
        *sent += read as u64;
        *window = window.saturating_sub(read as u64);
        true
    }

    fn ended(&self) -> Ended {
        let completion = &self.completion;
        Ended {
            run: self.run,
            outcome: completion.outcome.clone(),
            wall: completion.wall.as_secs_f64(),
            usage: completion.usage,
            hung: completion.hung,
            unread: self.unread,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::wire::{Decoder, Frame},
        *,
    };
    use crate::process::Outcome;

    fn completion(stdout: usize) -> Arc<Completion> {
        Arc::new(Completion {
            id: 0,
            outcome: Outcome::Exit(0),
            stdout: Captured::text(vec![b'o'; stdout]),
            stderr: Captured::text("e"),
            wall: Duration::ZERO,
            usage: None,
            hung: false,
        })
    }

    fn sent(outgoing: &mut Outgoing) -> Vec<Frame<Word>> {
        let (mut decoder, mut bytes, mut frames) = (Decoder::default(), Vec::new(), Vec::new());
        loop {
            outgoing.fill(&mut bytes);
            if bytes.is_empty() {
                return frames;
            }
            decoder.room().append(&mut bytes);
            while let Some(frame) = decoder.frame().unwrap() {
                frames.push(frame);
            }
        }
    }

    fn ends(frames: &[Frame<Word>]) -> Vec<u64> {
        frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Message(Word::Ended(ended)) => Some(ended.run),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_short_output_does_not_wait_for_a_long_one() {
        let mut outgoing = Outgoing::default();
        outgoing.end(1, completion(1 << 20));
        outgoing.end(2, completion(10));
        assert_eq!(ends(&sent(&mut outgoing)), [2, 1]);
    }

    #[test]
    fn output_stops_where_the_room_ends_and_messages_go_on() {
        let mut outgoing = Outgoing::default();
        outgoing.end(1, completion(usize::try_from(WINDOW).unwrap() + 10));
        let bytes = |frames: &[Frame<Word>]| -> usize {
            let length = |frame: &Frame<Word>| match frame {
                Frame::Output { bytes, .. } => bytes.len(),
                Frame::Message(_) => 0,
            };
            frames.iter().map(length).sum()
        };
        let first = sent(&mut outgoing);
        assert_eq!(bytes(&first), usize::try_from(WINDOW).unwrap());
        outgoing.say(Word::Beat { beat: 1 });
        assert!(outgoing.has_beat());
        assert_eq!(
            sent(&mut outgoing),
            [Frame::Message(Word::Beat { beat: 1 })]
        );
        outgoing.credit(100);
        let rest = sent(&mut outgoing);
        assert_eq!((bytes(&rest), ends(&rest)), (11, vec![1]));
    }
}
