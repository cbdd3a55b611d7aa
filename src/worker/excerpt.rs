//! The beginning and the end of what a job says, and how much it was.

use std::collections::VecDeque;

/// Bytes that are kept of the beginning.
const HEAD: usize = 4096;
/// Bytes that are kept of the end.
const TAIL: usize = 4096;

/// What is kept of a job's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Excerpt {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Excerpt {
    /// Takes the next bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let room = HEAD - self.head.len().min(HEAD);
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        let kept = rest.len().min(TAIL);
        let over = (self.tail.len() + kept).saturating_sub(TAIL);
        self.tail.drain(..over.min(self.tail.len()));
        self.tail.extend(rest.iter().skip(rest.len() - kept));
    }

    /// All bytes that were taken.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The beginning.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// What was kept behind the beginning; bytes may be missing between the two.
    pub(super) fn tail(&self) -> impl ExactSizeIterator<Item = u8> + '_ {
        self.tail.iter().copied()
    }

    /// The last lines, at most so many and of so many bytes together.
    pub(super) fn last_lines(&self, lines: usize, bytes: usize) -> Vec<u8> {
        let is_whole = self.total == (self.head.len() + self.tail.len()) as u64;
        let head = if is_whole { self.head.as_slice() } else { &[] };
        let kept: Vec<u8> = head.iter().copied().chain(self.tail()).collect();
        let body = kept.strip_suffix(b"\n").unwrap_or(&kept);
        let begin = body
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(lines.saturating_sub(1))
            .map_or(0, |(at, _)| at + 1);
        let begin = begin.max(kept.len().saturating_sub(bytes));
        kept.get(begin..).unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn beginning_and_end_are_kept_however_it_comes(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..12),
        ) {
            let mut excerpt = Excerpt::default();
            for piece in &pieces {
                excerpt.add(piece);
            }
            let all = pieces.concat();
            prop_assert_eq!(excerpt.total(), all.len() as u64);
            prop_assert_eq!(excerpt.head(), &all[..all.len().min(HEAD)]);
            let rest = &all[all.len().min(HEAD)..];
            let tail: Vec<u8> = excerpt.tail().collect();
            prop_assert_eq!(tail, &rest[rest.len().saturating_sub(TAIL)..]);
        }
    }

    #[test]
    fn the_last_lines_are_those_of_tail() {
        let mut excerpt = Excerpt::default();
        excerpt.add(b"a\nbb\nccc\n");
        assert_eq!(excerpt.last_lines(2, 100), b"bb\nccc\n");
        assert_eq!(excerpt.last_lines(9, 100), b"a\nbb\nccc\n");
        assert_eq!(excerpt.last_lines(2, 5), b"\nccc\n");
        excerpt.add(&vec![b'x'; 20_000]);
        assert_eq!(excerpt.last_lines(1, 4000), [b'x'; 4000]);
        assert_eq!(Excerpt::default().last_lines(3, 9), b"");
    }
}
