//! Scripts as lists of lines, and the blocks in them (spec/pantasks.md §1.1, §1.8).

use std::{
    ops::Range,
    path::Path,
    sync::{Arc, OnceLock},
};

use super::{
    compiled::{self, Piece},
    error::{Failure, Fault, Place, Stop},
    words,
};

/// One line of a script that is neither blank nor a comment.
#[derive(Debug)]
pub struct Line {
    /// The text, stripped of blanks at both ends.
    pub text: Box<str>,
    /// Its number in the file.
    pub number: usize,
    role: Role,
    block: OnceLock<Result<Block, Fault>>,
    pieces: OnceLock<Box<[Piece]>>,
}

/// The ends of the block that a line opens, as indices of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) otherwise: Option<usize>,
    pub(crate) end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Opener,
    Else,
    End,
    Plain,
}

/// The lines of one file, or of one piece of typed text.
#[derive(Debug)]
pub struct Program {
    /// The file as it was named.
    pub file: Arc<Path>,
    /// Its lines.
    pub lines: Box<[Line]>,
}

/// Some lines of a program: the body of a macro, loop, or `task.exec`. Cloning is cheap, and what
/// was compiled of it stays compiled.
#[derive(Debug, Clone)]
pub struct Body {
    pub(crate) program: Arc<Program>,
    pub(crate) range: Range<usize>,
}

/// A walk over the lines of a list, from which block commands take their bodies.
#[derive(Debug)]
pub struct Cursor {
    pub(crate) program: Arc<Program>,
    pub(crate) next: usize,
    pub(crate) end: usize,
}

impl Program {
    /// The lines of `bytes`, the text of `file`.
    ///
    /// # Errors
    /// Where the bytes are no text, with the line.
    pub fn read(file: &Path, bytes: &[u8]) -> Result<Arc<Self>, Stop> {
        let file: Arc<Path> = Arc::from(file);
        let mut lines = Vec::new();
        for (index, raw) in bytes.split(|b| *b == b'\n').enumerate() {
            let number = index + 1;
            if raw.trim_ascii_start().starts_with(b"#") {
                continue;
            }
            let bad = |what: &str| {
                Stop::Failed(Box::new(Failure {
                    fault: Fault::NotText(what.to_owned()),
                    place: Some(Place {
                        file: Arc::clone(&file),
                        line: number,
                    }),
                    text: String::from_utf8_lossy(raw).chars().take(60).collect(),
                    trace: Vec::new(),
                }))
            };
            let text = str::from_utf8(raw).map_err(|_| bad("the line is not UTF-8"))?;
            let control = |c: char| c.is_ascii_control() && !c.is_ascii_whitespace() && c != '\x0b';
            if text.contains(control) {
                return Err(bad("the line has control characters"));
            }
            for text in text.split('\r') {
                let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
                if !text.is_empty() && !text.starts_with(['#', '!']) {
                    lines.push(Line::new(text, number));
                }
            }
        }
        settle(&mut lines);
        Ok(Arc::new(Self {
            file,
            lines: lines.into(),
        }))
    }

    /// Typed text: like a file, but a line that starts with `!` is a command of the shell.
    pub(crate) fn typed(name: &Path, text: &str) -> Arc<Self> {
        let lines = text.lines().enumerate().filter_map(|(index, text)| {
            let text = text.trim();
            (!text.is_empty() && !text.starts_with('#')).then(|| Line::new(text, index + 1))
        });
        let mut lines: Vec<Line> = lines.collect();
        settle(&mut lines);
        Arc::new(Self {
            file: Arc::from(name),
            lines: lines.into(),
        })
    }

    /// The place of line `index`.
    pub(crate) fn place(&self, index: usize) -> Option<Place> {
        self.lines.get(index).map(|line| Place {
            file: Arc::clone(&self.file),
            line: line.number,
        })
    }

    /// All lines.
    pub fn body(self: &Arc<Self>) -> Body {
        Body {
            program: Arc::clone(self),
            range: 0..self.lines.len(),
        }
    }

    /// Whether line `index` opens a block.
    pub(crate) fn opens(&self, index: usize) -> bool {
        self.lines
            .get(index)
            .is_some_and(|line| line.role == Role::Opener)
    }

    /// Where the block that line `opener` opens has its `else` and `end`.
    pub(crate) fn block(&self, opener: usize) -> Result<Block, Fault> {
        let Some(line) = self.lines.get(opener) else {
            return Err(Fault::NoEnd(String::new()));
        };
        line.block.get_or_init(|| self.find_block(opener)).clone()
    }

    fn find_block(&self, opener: usize) -> Result<Block, Fault> {
        let text = |index: usize| self.lines.get(index).map_or("", |line| &line.text);
        let is_if = first_word(text(opener)) == "if";
        let mut depth = 1_usize;
        let mut otherwise = None;
        for (index, line) in self.lines.iter().enumerate().skip(opener + 1) {
            match line.role {
                Role::Opener => depth += 1,
                Role::End if depth == 1 => {
                    return Ok(Block {
                        otherwise,
                        end: index,
                    });
                },
                Role::End => depth -= 1,
                Role::Else if depth == 1 && is_if => {
                    if otherwise.replace(index).is_some() {
                        return Err(Fault::TwoElses);
                    }
                },
                Role::Else | Role::Plain => {},
            }
        }
        Err(Fault::NoEnd(text(opener).to_owned()))
    }

    /// The block of line `opener` that ends before line `end` for want of an `end` of its own.
    fn open_block(&self, opener: usize, end: usize) -> Block {
        let mut depth = 0_usize;
        let mut otherwise = None;
        for index in opener + 1..end {
            match self.lines.get(index).map(|line| line.role) {
                Some(Role::Opener) => depth += 1,
                Some(Role::End) => depth = depth.saturating_sub(1),
                Some(Role::Else) if depth == 0 => otherwise = otherwise.or(Some(index)),
                _ => {},
            }
        }
        Block { otherwise, end }
    }
}

/// Takes their roles from the lines that are a list's data: they open and close nothing.
fn settle(lines: &mut [Line]) {
    let mut data = false;
    for line in lines {
        if data && line.role != Role::End {
            line.role = Role::Plain;
        } else {
            data = line.role == Role::Opener && first_word(&line.text) == "list";
        }
    }
}

impl Line {
    fn new(text: &str, number: usize) -> Self {
        Self {
            text: text.into(),
            number,
            role: role(text),
            block: OnceLock::new(),
            pieces: OnceLock::new(),
        }
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        self.pieces.get_or_init(|| compiled::line(&self.text))
    }
}

impl Body {
    /// Lines that were put together by the program; `name` stands where a file would.
    pub fn of(name: &Path, text: &str) -> Self {
        Program::typed(name, text).body()
    }

    /// The lines.
    pub fn lines(&self) -> &[Line] {
        let lines = self.program.lines.get(self.range.clone());
        lines.unwrap_or_default()
    }
}

impl Cursor {
    /// The next line, for commands that read lines of their own kind (`task`).
    pub fn next_line(&mut self) -> Option<&Line> {
        let index = self.advance()?;
        self.program.lines.get(index)
    }

    /// The place of the line that was read last.
    pub fn place(&self) -> Option<Place> {
        self.program.place(self.next.checked_sub(1)?)
    }

    /// The line that was read last.
    pub fn last_line(&self) -> Option<&Line> {
        self.program.lines.get(self.next.checked_sub(1)?)
    }

    /// The body that the line read last opens, up to its `end`; the walk goes on behind it.
    ///
    /// # Errors
    /// Where it has no `end` within the list.
    pub fn take_body(&mut self) -> Result<Body, Fault> {
        let opener = self.next.saturating_sub(1);
        let block = self.take_block()?;
        Ok(Body {
            program: Arc::clone(&self.program),
            range: opener + 1..block.end,
        })
    }

    /// Like [`Cursor::take_body`]; a body without `end` goes to the end of the list, and the
    /// second value is false.
    pub fn take_body_or_rest(&mut self) -> (Body, bool) {
        let opener = self.next.saturating_sub(1);
        let (block, closed) = match self.take_block() {
            Ok(block) => (block, true),
            Err(_) => (self.take_rest(), false),
        };
        let program = Arc::clone(&self.program);
        let range = opener + 1..block.end;
        (Body { program, range }, closed)
    }

    /// The block that the line read last opens, as if its `end` stood at the end of the list.
    pub(crate) fn take_rest(&mut self) -> Block {
        let opener = self.next.saturating_sub(1);
        self.next = self.end;
        self.program.open_block(opener, self.end)
    }

    pub(crate) fn take_block(&mut self) -> Result<Block, Fault> {
        let opener = self.next.saturating_sub(1);
        let block = self.program.block(opener)?;
        if block.end >= self.end {
            let text = self.program.lines.get(opener).map_or("", |line| &line.text);
            return Err(Fault::NoEnd(text.to_owned()));
        }
        self.next = block.end + 1;
        Ok(block)
    }

    pub(crate) fn advance(&mut self) -> Option<usize> {
        let index = self.next;
        (index < self.end).then(|| {
            self.next += 1;
            index
        })
    }
}

/// The word that a line starts with.
pub(crate) fn first_word(text: &str) -> &str {
    text.split_ascii_whitespace().next().unwrap_or_default()
}

/// Whether `word` closes a block, by its first three letters as in `endif`.
pub fn is_end(word: &str) -> bool {
    word.get(..3).is_some_and(|s| s.eq_ignore_ascii_case("end"))
}

fn is_else(word: &str) -> bool {
    word.get(..4)
        .is_some_and(|s| s.eq_ignore_ascii_case("else"))
}

fn role(text: &str) -> Role {
    let mut words = text.split_ascii_whitespace();
    let opens = match words.next().unwrap_or_default() {
        "if" => condition(text).is_some_and(|(_, rest)| rest.is_empty()),
        "for" | "foreach" | "while" | "task" | "task.exec" | "task.exit" => true,
        "macro" => macro_opens(words.next()),
        "list" => list_opens(words),
        word if is_end(word) => return Role::End,
        word if is_else(word) => return Role::Else,
        _ => false,
    };
    if opens { Role::Opener } else { Role::Plain }
}

fn macro_opens(word: Option<&str>) -> bool {
    !matches!(
        word,
        None | Some("delete" | "list" | "edit" | "read" | "write")
    )
}

/// Whether a `list` with these words is the block form: `list NAME`, `list NAME -excel`.
pub(crate) fn list_opens<'a>(words: impl Iterator<Item = &'a str>) -> bool {
    let mut words = words.filter(|word| !matches!(*word, "-excel" | "-excel-style"));
    let named = words.next().is_some_and(|name| !name.starts_with('-'));
    named && words.next().is_none_or(|option| !option.starts_with('-'))
}

/// The condition of an `if` or `while` line, and what follows it.
pub(crate) fn condition(text: &str) -> Option<(&str, &str)> {
    let (_, after) = text.split_once(|c: char| c.is_ascii_whitespace())?;
    let (word, rest) = words::next(after.trim_start()).ok()?;
    (!word.text.is_empty()).then(|| (word.text, rest.trim()))
}

/// How many bytes the parentheses that `text` starts with take. Those within quotes do not count.
pub(crate) fn parenthesised(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut bytes = text.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            b'"' => {
                let mut ahead = bytes.clone();
                if ahead.any(|(_, byte)| byte == b'"') {
                    bytes = ahead;
                }
            },
            _ => {},
        }
        if depth == 0 {
            return (index > 0).then_some(index + 1);
        }
    }
    None
}
