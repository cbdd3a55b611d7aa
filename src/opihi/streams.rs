//! Where the log and error streams go (`output`; spec/pantasks.md §2.2).

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
};

use super::interpreter::Interpreter;

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Log,
    Error,
}

impl Channel {
    const fn usual(self) -> &'static str {
        match self {
            Self::Log => "stdout",
            Self::Error => "stderr",
        }
    }
}

/// Both streams, as `output` set them.
#[derive(Debug)]
pub(crate) struct Streams {
    log: Stream,
    error: Stream,
}

#[derive(Debug)]
struct Stream {
    name: String,
    target: Target,
}

#[derive(Debug)]
enum Target {
    /// The host's stream of the named channel.
    Host(Channel),
    File(File),
    Buffer(String),
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            log: Stream::usual(Channel::Log),
            error: Stream::usual(Channel::Error),
        }
    }
}

impl Stream {
    fn usual(channel: Channel) -> Self {
        Self {
            name: channel.usual().to_owned(),
            target: Target::Host(channel),
        }
    }
}

impl Streams {
    fn of(&mut self, channel: Channel) -> &mut Stream {
        match channel {
            Channel::Log => &mut self.log,
            Channel::Error => &mut self.error,
        }
    }
}

impl Interpreter {
    /// Writes to the log stream, or to where `output` sent it.
    pub fn out(&mut self, text: &str) {
        self.write(Channel::Log, text);
    }

    /// Writes to the error stream, or to where `output -err` sent it.
    pub fn err(&mut self, text: &str) {
        self.write(Channel::Error, text);
    }

    fn write(&mut self, channel: Channel, text: &str) {
        match &mut self.streams.of(channel).target {
            Target::Host(Channel::Log) => self.host.out(text),
            Target::Host(Channel::Error) => self.host.err(text),
            Target::File(file) => drop(file.write_all(text.as_bytes())),
            Target::Buffer(buffer) => buffer.push_str(text),
        }
    }

    /// The name of the file that a stream goes to, `stdout` or `stderr` where it is none.
    pub(crate) fn stream_name(&mut self, channel: Channel) -> String {
        self.streams.of(channel).name.clone()
    }

    /// Sends a stream to a file, to `stdout` or to `stderr`. What cannot be written to is told,
    /// and the stream goes its usual way.
    pub(crate) fn redirect(&mut self, channel: Channel, name: &str) {
        let target = match name {
            "stdout" => Target::Host(Channel::Log),
            "stderr" => Target::Host(Channel::Error),
            name => {
                let mut open = OpenOptions::new();
                let path = self.host.path(name);
                match path.and_then(|path| open.create(true).append(true).open(path)) {
                    Ok(file) => Target::File(file),
                    Err(error) => {
                        *self.streams.of(channel) = Stream::usual(channel);
                        self.err(&format!("cannot open file {name}: {error}\n"));
                        return;
                    },
                }
            },
        };
        let name = name.to_owned();
        *self.streams.of(channel) = Stream { name, target };
    }

    /// Keeps what a stream gets from here on.
    pub(crate) fn keep(&mut self, channel: Channel) {
        self.streams.of(channel).target = Target::Buffer(String::new());
    }

    /// What a stream has kept.
    pub(crate) fn kept(&mut self, channel: Channel) -> String {
        match &mut self.streams.of(channel).target {
            Target::Buffer(buffer) => std::mem::take(buffer),
            Target::Host(_) | Target::File(_) => String::new(),
        }
    }
}
