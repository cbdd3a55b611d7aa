//! When a task may make jobs: ranges of dates, of hours of the day, of hours of the week.
//!
//! A range holds from its start to its end, and the second that its end names belongs to it
//! (spec/pantasks.md §3.2). Hours are hours of the range's time zone, UTC unless it names one.

mod occurrence;
mod parse;
#[cfg(test)]
mod tests;

use jiff::{Timestamp, tz::TimeZone};

use occurrence::Span;
pub use parse::{RangeError, zone};

/// One `trange` line.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// The words that defined it, for people.
    text: String,
    span: Span,
    zone: TimeZone,
    exclude: bool,
    nmax: Option<u64>,
    submitted: u64,
    counted_since: Option<Timestamp>,
}

impl Range {
    /// Reads the words after `trange`: `START STOP`, `START + 12h`, with `-exclude`, `-nmax N`
    /// and `-tz ZONE` anywhere among them. `default_zone` is where a range without `-tz` lives.
    ///
    /// # Errors
    /// [`RangeError`] names the word that cannot be read and what would have been right.
    pub fn parse(words: &[&str], default_zone: &TimeZone) -> Result<Self, RangeError> {
        parse::range(words, default_zone)
    }

    /// Whether the range forbids what it covers instead of allowing it.
    pub fn excludes(&self) -> bool {
        self.exclude
    }

    /// The jobs that the range allows before it is spent (`-nmax`).
    pub fn nmax(&self) -> Option<u64> {
        self.nmax
    }

    /// The jobs submitted since the range was last entered by one.
    pub fn submitted(&self) -> u64 {
        self.submitted
    }

    /// The start and stop as they were written.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn covers(&self, now: Timestamp) -> bool {
        self.span.entered(now, &self.zone).is_some()
    }

    /// Whether the range, which covers `now`, has submitted all it may since it was entered.
    fn spent(&self, now: Timestamp) -> bool {
        let counted = self.counted_since.is_some()
            && self.counted_since == self.span.entered(now, &self.zone);
        self.nmax
            .is_some_and(|nmax| nmax <= if counted { self.submitted } else { 0 })
    }

    fn count(&mut self, now: Timestamp) {
        let Some(entered) = self.span.entered(now, &self.zone) else {
            return;
        };
        if self.counted_since != Some(entered) {
            self.counted_since = Some(entered);
            self.submitted = 0;
        }
        self.submitted += 1;
    }
}

/// All ranges of one task. Without any, every moment is allowed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// Adds one range.
    pub fn add(&mut self, range: Range) {
        self.0.push(range);
    }

    /// Forgets all ranges (`trange -reset`).
    pub fn reset(&mut self) {
        self.0.clear();
    }

    /// The ranges in the order of their definition.
    pub fn iter(&self) -> impl Iterator<Item = &Range> {
        self.0.iter()
    }

    /// Whether a job may be made at `now`: no excluding range covers it, and, where there are
    /// allowing ranges, one of them covers it and is not spent.
    pub fn allows(&self, now: Timestamp) -> bool {
        let mut included = None;
        for range in &self.0 {
            let covers = range.covers(now);
            if range.exclude {
                if covers {
                    return false;
                }
            } else {
                let valid = covers && !range.spent(now);
                included = Some(included.unwrap_or(false) || valid);
            }
        }
        included.unwrap_or(true)
    }

    /// A moment after `now` until which [`Self::allows`] will not change its answer while
    /// nothing is submitted; `None` when it never will again.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        const LOOK_AHEAD: usize = 64;
        let allowed = self.allows(now);
        let mut at = now;
        for _ in 0..LOOK_AHEAD {
            at = self.next_edge(at)?;
            if self.allows(at) != allowed {
                break;
            }
        }
        Some(at)
    }

    /// Counts a job submitted at `now` against the ranges that cover it.
    pub fn count(&mut self, now: Timestamp) {
        for range in &mut self.0 {
            range.count(now);
        }
    }

    fn next_edge(&self, after: Timestamp) -> Option<Timestamp> {
        self.0
            .iter()
            .filter_map(|range| range.span.next_edge(after, &range.zone))
            .min()
    }
}
