//! From parser events to a tree, within bounds.

mod open_map;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use open_map::OpenMap;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::{Node, Span, Style, Tree, Value, place::closed};
use crate::config::problem::{MAX_PROBLEMS, Problem};

/// Largest file, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Most nodes after aliases are followed; long scalars count for more.
const MAX_COST: usize = 100_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 48;

/// Reads a whole document.
pub(super) fn tree(file: PathBuf, source: Arc<str>) -> (Option<Tree>, Vec<Problem>) {
    let mut builder = Builder::new(&source);
    let whole = if source.len() > MAX_BYTES {
        let top = Span::new(&source, 0, 0);
        builder.complain(
            top,
            format!("the file is larger than {MAX_BYTES} bytes"),
            None,
        );
        None
    } else {
        builder.run()
    };
    let problems = builder
        .found
        .into_iter()
        .map(|(span, message, help)| {
            let problem = Problem::error(file.clone(), message).at(span, source.clone());
            match help {
                Some(help) => problem.help(help),
                None => problem,
            }
        })
        .collect();
    let tree = whole.map(|root| Tree { file, source, root });
    (tree, problems)
}

/// The empty span at a marker.
fn empty_at(marker: Marker, byte: usize) -> Span {
    Span {
        start: byte,
        end: byte,
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

/// What is under construction.
enum Open {
    List(Vec<Node>),
    Map(OpenMap),
}

struct Frame {
    span: Span,
    anchor: usize,
    cost_before: usize,
    open: Open,
}

/// What an alias stands for.
#[derive(Clone)]
struct Anchored {
    node: Node,
    cost: usize,
    height: usize,
}

struct Builder<'a> {
    source: &'a str,
    /// Byte offset of each character; empty for ASCII, where they are the same.
    bytes: Vec<usize>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Anchored>,
    cost: usize,
    root: Option<Node>,
    found: Vec<Complaint>,
}

/// Reading cannot go on; the reason has been noted.
struct Stop;

impl<'a> Builder<'a> {
    fn new(source: &'a str) -> Self {
        let bytes = if source.is_ascii() {
            Vec::new()
        } else {
            source.char_indices().map(|(at, _)| at).collect()
        };
        Self {
            source,
            bytes,
            frames: Vec::new(),
            anchors: BTreeMap::new(),
            cost: 0,
            root: None,
            found: Vec::new(),
        }
    }

    /// The root, or nothing if the text had to be given up.
    fn run(&mut self) -> Option<Node> {
        let mut parser = Parser::new_from_str(self.source);
        let mut documents = 0;
        while let Some(next) = parser.next_event() {
            let (event, place) = match next {
                Ok(event) => event,
                Err(error) => {
                    self.syntax(&error);
                    return None;
                },
            };
            let span = self.span(&place);
            if let Event::DocumentStart(_) = event {
                documents += 1;
                if documents > 1 {
                    self.complain(
                        span,
                        "a second document begins here",
                        Some("one file holds one document: remove the `---`".into()),
                    );
                    break;
                }
            }
            if self.take(event, span).is_err() {
                return None;
            }
        }
        let top = Span::new(self.source, 0, 0);
        let empty = Node {
            span: top,
            profile: None,
            value: Value::Map(Vec::new()),
        };
        Some(
            self.root
                .take()
                .filter(|root| !root.is_null())
                .unwrap_or(empty),
        )
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(text.into_owned(), style, tag.as_deref(), span);
                let cost_before = self.cost;
                self.spend(1 + node.text().map_or(0, str::len) / 100, span)?;
                self.put(node, anchor, cost_before)
            },
            Event::SequenceStart(anchor, tag) => {
                self.open(Open::List(Vec::new()), anchor, tag.as_deref(), span)
            },
            Event::MappingStart(anchor, tag) => {
                let map = Open::Map(OpenMap::default());
                self.open(map, anchor, tag.as_deref(), span)
            },
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(&mut self, text: String, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
        let text_tag = self.is_text_tag(tag, span);
        let style = match style {
            ScalarStyle::Plain if text_tag => Style::Quoted,
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        let span = match style {
            Style::Quoted if !text_tag => closed(self.source, span),
            _ => span,
        };
        Node {
            span,
            profile: None,
            value: Value::Scalar(text, style),
        }
    }

    fn open(
        &mut self,
        open: Open,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), Stop> {
        self.is_text_tag(tag, span);
        self.deepen(1, span)?;
        let cost_before = self.cost;
        self.spend(1, span)?;
        self.frames.push(Frame {
            span,
            anchor,
            cost_before,
            open,
        });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        let written = frame.span;
        let closes = self
            .source
            .get(end.start..)
            .is_some_and(|t| t.starts_with([']', '}']));
        let flow = written.start != written.end && closes;
        let (value, odd_key, first) = match frame.open {
            Open::List(items) => {
                let first = items.first().map(|item| item.span);
                (Value::List(items), false, first)
            },
            Open::Map(map) => {
                let odd = map.odd_key;
                let first = map.entries.first().map(|entry| entry.key_span);
                let (entries, complaints) = map.finish();
                self.note(complaints);
                (Value::Map(entries), odd, first)
            },
        };
        let span = Span {
            end: match first {
                // A comment behind the bracket is not part of the value.
                _ if flow => end.start + 1,
                Some(first) => first.end.max(written.end),
                None => written.end,
            },
            ..written
        };
        let value = if odd_key {
            let text = self.source.get(span.start..span.end).unwrap_or_default();
            Value::Scalar(text.to_owned(), Style::Quoted)
        } else {
            value
        };
        let node = Node {
            span,
            profile: None,
            value,
        };
        self.put(node, frame.anchor, frame.cost_before)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        let Some(known) = self.anchors.get(&anchor) else {
            self.complain(
                span,
                "an alias inside the value it stands for",
                Some("write the value out".into()),
            );
            return Err(Stop);
        };
        let (cost, height) = (known.cost, known.height);
        self.deepen(height, span)?;
        self.spend(cost, span)?;
        match self.anchors.get(&anchor).map(|known| known.node.clone()) {
            Some(node) => self.put(node, 0, self.cost),
            None => Ok(()),
        }
    }

    /// Puts a finished node where it belongs.
    fn put(&mut self, node: Node, anchor: usize, cost_before: usize) -> Result<(), Stop> {
        if anchor != 0 {
            let cost = self.cost.saturating_sub(cost_before) + 1;
            self.spend(cost, node.span)?;
            let height = height(&node);
            let node = node.clone();
            self.anchors.insert(anchor, Anchored { node, cost, height });
        }
        match self.frames.last_mut().map(|frame| &mut frame.open) {
            None => self.root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map(map)) => {
                let complaint = map.put(node, self.source);
                self.note(complaint);
            },
        }
        Ok(())
    }

    /// Whether a value of this height may stand here.
    fn deepen(&mut self, height: usize, span: Span) -> Result<(), Stop> {
        if self.frames.len() + height > MAX_DEPTH {
            self.complain(span, too_deep(), None);
            return Err(Stop);
        }
        Ok(())
    }

    fn spend(&mut self, cost: usize, span: Span) -> Result<(), Stop> {
        self.cost += cost;
        if self.cost > MAX_COST {
            self.complain(
                span,
                format!("more than {MAX_COST} values"),
                Some("aliases multiply what they stand for: use fewer".into()),
            );
            return Err(Stop);
        }
        Ok(())
    }

    /// Whether the tag says that a scalar is text. Tags that mean nothing here are refused.
    fn is_text_tag(&mut self, tag: Option<&Tag>, span: Span) -> bool {
        match tag {
            Some(tag) if tag.is_yaml_core_schema() => tag.suffix == "str",
            Some(tag) => {
                let message = format!("the tag `{tag}` has no meaning here");
                self.note([(span, message, Some("remove the tag".into()))]);
                false
            },
            None => false,
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = self.byte(error.marker());
        let span = Span {
            end: self.next_char(at),
            ..empty_at(*error.marker(), at)
        };
        let line_start = self
            .source
            .get(..at)
            .and_then(|t| t.rfind('\n'))
            .map_or(0, |n| n + 1);
        let line = self.source.get(line_start..).and_then(|t| t.lines().next());
        let template = line.is_some_and(|line| line.contains("{{"));
        if template
            && self
                .found
                .last()
                .is_some_and(|(before, ..)| before.line == span.line)
        {
            return;
        }
        let info = error.info();
        if info.contains("recursion limit") {
            self.complain(span, too_deep(), None);
            return;
        }
        let help = if template {
            Some("a value with a `{{ template }}` must be in quotes")
        } else if info.contains("mapping values are not allowed") {
            Some("a value with `: ` in it must be in quotes; else check the indentation")
        } else if info.contains("tab") {
            Some("indent with spaces")
        } else {
            None
        };
        self.complain(span, format!("not YAML: {info}"), help.map(Into::into));
    }

    fn complain(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        self.found.push((span, message.into(), help));
    }

    /// Notes what may come thousands of times, as long as there is room.
    fn note(&mut self, complaints: impl IntoIterator<Item = Complaint>) {
        let room = MAX_PROBLEMS.saturating_sub(self.found.len());
        self.found.extend(complaints.into_iter().take(room));
    }

    fn span(&self, place: &saphyr_parser::Span) -> Span {
        let start = self.byte(&place.start);
        Span {
            end: self.byte(&place.end).max(start),
            ..empty_at(place.start, start)
        }
    }

    fn byte(&self, marker: &Marker) -> usize {
        let at = if self.bytes.is_empty() {
            marker.index()
        } else {
            let end = self.source.len();
            self.bytes.get(marker.index()).copied().unwrap_or(end)
        };
        at.min(self.source.len())
    }

    fn next_char(&self, at: usize) -> usize {
        let next = self.source.get(at..).and_then(|rest| rest.chars().next());
        at + next.map_or(0, char::len_utf8)
    }
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels")
}

/// How many lists and maps are in one another here.
fn height(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(..) => 0,
        Value::List(items) => 1 + items.iter().map(height).max().unwrap_or(0),
        Value::Map(entries) => {
            let heights = entries.iter().map(|entry| height(&entry.value));
            1 + heights.max().unwrap_or(0)
        },
    }
}

/// Place, message and mend.
type Complaint = (Span, String, Option<String>);
