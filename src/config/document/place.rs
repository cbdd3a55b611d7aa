//! Places in a text.

use serde::Serialize;

use super::Style;

/// A stretch of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// First byte after it.
    pub end: usize,
    /// Line of the first byte, from 1.
    pub line: usize,
    /// Character of the first byte in its line, from 1.
    pub column: usize,
}

impl Span {
    /// The stretch `start..end` (bytes) of `source`, moved to character boundaries inside it.
    pub fn new(source: &str, start: usize, end: usize) -> Self {
        let start = source.floor_char_boundary(start.min(source.len()));
        let end = source.ceil_char_boundary(end.clamp(start, source.len()));
        let before = source.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        Self {
            start,
            end,
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: in_line.trim_start_matches('\u{feff}').chars().count() + 1,
        }
    }
}

/// Where byte `offset` of a scalar's text stands in the source, if that can be told.
pub(super) fn inside(
    source: &str,
    whole: Span,
    text: &str,
    style: &Style,
    offset: usize,
) -> Option<Span> {
    let written = source.get(whole.start..whole.end)?;
    let rest = text.get(offset..)?;
    let width = rest.chars().next().map_or(0, char::len_utf8);
    if *style != Style::Block {
        // An anchor or a tag may stand before the text, a closing quote after it.
        let at = written.rfind(text)?;
        let start = whole.start + at + offset;
        return Some(Span::new(source, start, start + width));
    }
    let before = text.get(..offset)?;
    let row = before.matches('\n').count();
    let in_row = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1);
    let row_text = text.split('\n').nth(row)?;
    let line_start = source
        .get(..whole.start)?
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let mut at = line_start;
    for (index, line) in source.get(line_start..)?.split_inclusive('\n').enumerate() {
        if index == row {
            let written = line.trim_end_matches(['\n', '\r']);
            let indent = written.strip_suffix(row_text)?.len();
            let start = at + indent + in_row;
            return Some(Span::new(source, start, start + width));
        }
        at += line.len();
    }
    None
}

/// The span of a quoted scalar up to its closing quote (the parser's own may run on).
pub(super) fn closed(source: &str, span: Span) -> Span {
    let text = source.get(span.start..span.end).unwrap_or_default();
    let Some(open) = text.find(['"', '\'']) else {
        return span;
    };
    let mut bytes = text.bytes().enumerate().skip(open);
    let quote = bytes.next().map(|(_, byte)| byte);
    let mut previous_quote = None;
    while let Some((at, byte)) = bytes.next() {
        if quote == Some(b'"') && byte == b'\\' {
            bytes.next();
        } else if Some(byte) == quote {
            if quote == Some(b'"') {
                return to(span, at);
            }
            previous_quote = match previous_quote {
                Some(before) if before + 1 == at => None,
                _ => Some(at),
            };
        } else if let Some(before) = previous_quote {
            return to(span, before);
        }
    }
    previous_quote.map_or(span, |at| to(span, at))
}

/// The span ended after the byte at `last`, counted from its start.
fn to(span: Span, last: usize) -> Span {
    Span {
        end: span.start + last + 1,
        ..span
    }
}
