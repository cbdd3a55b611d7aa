//! From parser events to a tree, within bounds.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::{Entry, Node, Span, Style, Tree, Value};
use crate::config::problem::Problem;

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

/// What is under construction.
enum Open {
    List(Vec<Node>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// Where each key was first seen.
    seen: HashMap<String, Span>,
    merges: Vec<Node>,
    key: Key,
    /// A key was a map or list: most often an unquoted `{{ template }}`.
    odd_key: bool,
}

#[derive(Default)]
enum Key {
    /// The next node is a key.
    #[default]
    Awaited,
    /// The next node is the value of this key.
    Read(String, Span),
    /// The next node is the value of a key that was refused.
    Refused,
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
    found: Vec<(Span, String, Option<String>)>,
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
        let flow = written.start != written.end;
        let (value, odd_key, first) = match frame.open {
            Open::List(items) => {
                let first = items.first().map(|item| item.span);
                (Value::List(items), false, first)
            },
            Open::Map(map) => {
                let odd = map.odd_key;
                let first = map.entries.first().map(|entry| entry.key_span);
                (Value::Map(self.merged(map)), odd, first)
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

    /// The entries of a map with what `<<` brings in under them.
    fn merged(&mut self, map: OpenMap) -> Vec<Entry> {
        let mut entries = map.entries;
        let mut known: std::collections::HashSet<String> =
            entries.iter().map(|e| e.key.clone()).collect();
        for merge in map.merges {
            let span = merge.span;
            let sources = match merge.value {
                Value::List(items) => items,
                value => vec![Node { value, ..merge }],
            };
            for source in sources {
                if let Value::Map(brought) = source.value {
                    let new = brought.into_iter().filter(|e| known.insert(e.key.clone()));
                    entries.extend(new);
                } else {
                    self.complain(span, "`<<` needs a map, or a list of maps", None);
                }
            }
        }
        entries
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
                let complaint = put_in_map(map, node, self.source);
                self.found.extend(complaint);
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
                self.complain(
                    span,
                    format!("the tag `{tag}` has no meaning here"),
                    Some("remove the tag".into()),
                );
                false
            },
            None => false,
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = self.byte(error.marker());
        let span = Span {
            end: self.next_char(at),
            ..self.at(*error.marker(), at)
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

    fn span(&self, place: &saphyr_parser::Span) -> Span {
        let start = self.byte(&place.start);
        Span {
            end: self.byte(&place.end).max(start),
            ..self.at(place.start, start)
        }
    }

    fn at(&self, marker: Marker, byte: usize) -> Span {
        Span {
            start: byte,
            end: byte,
            line: marker.line().max(1),
            column: marker.col() + 1,
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

type Complaint = (Span, String, Option<String>);

/// Takes a node as the next key or value of a map.
fn put_in_map(map: &mut OpenMap, node: Node, source: &str) -> Option<Complaint> {
    match std::mem::take(&mut map.key) {
        Key::Awaited => match node.value {
            Value::Scalar(key, style) => {
                let merge = key == "<<" && style == Style::Plain;
                if !merge && let Some(first) = map.seen.get(&key) {
                    map.key = Key::Refused;
                    let help = format!("it was given in line {} already: keep one", first.line);
                    return Some((node.span, format!("`{key}` is given twice"), Some(help)));
                }
                map.seen.insert(key.clone(), node.span);
                map.key = Key::Read(key, node.span);
                None
            },
            Value::List(_) | Value::Map(_) => {
                map.key = Key::Refused;
                map.odd_key = true;
                let braces = source
                    .get(..node.span.start)
                    .is_some_and(|before| before.ends_with('{'));
                Some(if braces {
                    let span = Span {
                        start: node.span.start - 1,
                        column: node.span.column.saturating_sub(1).max(1),
                        ..node.span
                    };
                    let help = "write `\"{{ … }}\"`: without quotes, YAML reads braces as a map";
                    (span, "a template needs quotes".into(), Some(help.into()))
                } else {
                    (node.span, "a key must be a word".into(), None)
                })
            },
        },
        Key::Read(key, _) if key == "<<" => {
            map.merges.push(node);
            None
        },
        Key::Read(key, key_span) => {
            map.entries.push(Entry {
                key,
                key_span,
                value: node,
            });
            None
        },
        Key::Refused => None,
    }
}

/// The span of a quoted scalar up to its closing quote (the parser's own may run on).
fn closed(source: &str, span: Span) -> Span {
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
