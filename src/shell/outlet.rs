//! Where text goes: to the program's own streams, or to the client whose command is running.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Takes text as it comes, whole lines or parts of lines.
pub type Sink = Box<dyn FnMut(&str) + Send>;

/// The log and the error stream of a session. Clones share the same streams.
#[derive(Clone)]
pub struct Outlet(Arc<Mutex<Streams>>);

struct Streams {
    out: Sink,
    err: Sink,
    captured: Option<Captured>,
}

/// What was written while a client's command ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The log stream.
    pub out: String,
    /// The error stream.
    pub err: String,
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

impl Outlet {
    /// Streams that end in these sinks.
    pub fn new(out: Sink, err: Sink) -> Self {
        Self(Arc::new(Mutex::new(Streams {
            out,
            err,
            captured: None,
        })))
    }

    /// Writes to the log stream.
    pub fn out(&self, text: &str) {
        let mut streams = self.streams();
        match &mut streams.captured {
            Some(captured) => captured.out.push_str(text),
            None => (streams.out)(text),
        }
    }

    /// Writes to the error stream.
    pub fn err(&self, text: &str) {
        let mut streams = self.streams();
        match &mut streams.captured {
            Some(captured) => captured.err.push_str(text),
            None => (streams.err)(text),
        }
    }

    /// Keeps what is written from now on, until [`Self::release`].
    pub fn capture(&self) {
        self.streams().captured = Some(Captured::default());
    }

    /// What was kept; text goes to the sinks again.
    pub fn release(&self) -> Captured {
        self.streams().captured.take().unwrap_or_default()
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
