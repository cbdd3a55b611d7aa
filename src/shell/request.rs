//! What a session is asked for, by whoever talks to it.

use std::path::PathBuf;

use tokio::sync::oneshot;

use super::outlet::Captured;

/// What is asked of a session from outside.
#[derive(Debug)]
pub enum Request {
    /// Run this text; its output goes to the session's own streams.
    Typed {
        /// What stands where a file would, in errors.
        name: PathBuf,
        /// The text: one or more lines.
        text: String,
        /// Told when it is done, whether it worked.
        done: oneshot::Sender<bool>,
    },
    /// Run this command for a client, who gets the output.
    Client {
        /// One command whose words are done: nothing in it is expanded again.
        text: String,
        /// The answer.
        done: oneshot::Sender<Answer>,
    },
    /// The words that a typed word may be completed to.
    Words(oneshot::Sender<Words>),
    /// End, with this code.
    Quit(i32),
}

/// What came of a client's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether it worked.
    pub worked: bool,
    /// What it wrote.
    pub said: Captured,
}

/// Names that a line may begin with or contain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// Commands and macros.
    pub commands: Vec<String>,
    /// Tasks.
    pub tasks: Vec<String>,
    /// Books.
    pub books: Vec<String>,
    /// Variables, without their `$`.
    pub variables: Vec<String>,
}
