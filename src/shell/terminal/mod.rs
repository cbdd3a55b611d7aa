//! A human at a terminal: lines with history and completion, and text that comes in between
//! without breaking the line being typed.

mod complete;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rustyline::{
    CompletionType, Config, Editor, ExternalPrinter, error::ReadlineError, history::FileHistory,
};

use super::{outlet::Sink, request::Words};

/// A terminal that lines are read from.
pub struct Terminal {
    editor: Editor<complete::Typist, FileHistory>,
    history: PathBuf,
    editing: Arc<AtomicBool>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal")
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

/// What came of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A line, or a block up to its `end`.
    Text(String),
    /// Ctrl-C: what was typed is dropped.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
}

impl Terminal {
    /// The terminal of this process. `history` is read and, line by line, written; `words` tells
    /// what a word may be completed to.
    ///
    /// # Errors
    /// Where the terminal cannot be used.
    pub fn open(
        history: &Path,
        words: impl Fn() -> Words + Send + 'static,
    ) -> rustyline::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .auto_add_history(false)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(complete::Typist::new(Box::new(words))));
        // The first use of a terminal has no history yet.
        editor.load_history(history).unwrap_or_default();
        Ok(Self {
            editor,
            history: history.to_owned(),
            editing: Arc::default(),
        })
    }

    /// Sinks for the log and the error stream that leave the line being typed whole.
    ///
    /// # Errors
    /// Where the terminal cannot be used.
    pub fn sinks(&mut self) -> rustyline::Result<(Sink, Sink)> {
        let printer: Arc<Mutex<dyn ExternalPrinter + Send>> =
            Arc::new(Mutex::new(self.editor.create_external_printer()?));
        let sink = |error: bool| {
            let printer = Arc::clone(&printer);
            let editing = Arc::clone(&self.editing);
            let mut pending = String::new();
            let sink: Sink = Box::new(move |text: &str| {
                if !editing.load(Ordering::SeqCst) {
                    let whole = std::mem::take(&mut pending) + text;
                    plain(error, &whole);
                    return;
                }
                pending.push_str(text);
                // Only whole lines can be put above the line being typed.
                let Some(end) = pending.rfind('\n') else {
                    return;
                };
                let rest = pending.split_off(end + 1);
                let lines = std::mem::replace(&mut pending, rest);
                if let Ok(mut printer) = printer.lock()
                    && printer.print(lines.clone()).is_err()
                {
                    plain(error, &lines);
                }
            });
            sink
        };
        Ok((sink(false), sink(true)))
    }

    /// Reads a line; a line that opens a block goes on up to the block's `end`.
    pub fn read(&mut self, prompt: &str) -> Typed {
        self.editing.store(true, Ordering::SeqCst);
        let read = self.editor.readline(prompt);
        self.editing.store(false, Ordering::SeqCst);
        match read {
            Ok(text) => {
                if !text.trim().is_empty() {
                    self.remember(&text);
                }
                Typed::Text(text)
            },
            Err(ReadlineError::Interrupted) => Typed::Interrupted,
            Err(_) => Typed::End,
        }
    }

    /// A history that cannot be written is no reason to stop.
    fn remember(&mut self, text: &str) {
        let added = self.editor.add_history_entry(text).unwrap_or(false);
        if added {
            self.editor
                .append_history(&self.history)
                .unwrap_or_default();
        }
    }
}

/// Writes to the process's own streams; a closed one is no reason to stop a scheduler.
fn plain(error: bool, text: &str) {
    if error {
        drop(io::stderr().lock().write_all(text.as_bytes()));
    } else {
        let mut out = io::stdout().lock();
        drop(out.write_all(text.as_bytes()));
        drop(out.flush());
    }
}
