//! Reaching a site: this host, or an OpenSSH ControlMaster that a human opened.
//!
//! Only [`operator`] can log in, and only when an operator says so. All else rides the masters'
//! sockets: commands by the native multiplex protocol, `scp` under options that leave no other
//! way to the site (design §4.8). A dead link is [`LinkError::Down`], a state to wait in, and its
//! text says how to bring the link back.

mod cipher;
mod dial;
pub mod doctor;
mod error;
mod far_line;
mod forward;
mod host;
pub mod life;
mod lines;
mod local;
mod machine;
mod master;
mod notice;
mod open;
mod opening;
pub mod operator;
mod record;
mod refusal;
mod rsync;
mod scp;
mod socket;
mod status;
pub mod talk;
mod told;

pub use dial::dial;
pub use error::{LinkError, Remedy};
pub(crate) use far_line::{escape_b, escaped_lines, far_line, unescape_b};
pub use host::Host;
pub use master::Patience;
pub use notice::observe;
pub use open::Asking;
pub use record::Record;
pub use refusal::{OpenError, Refusal};
pub use socket::Sockets;
pub use status::Status;

/// How long a site may take to answer [`Host::probe`] before its link counts as down.
pub const PROBE_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// What a command on a site answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Exit code; 128 + N if signal N ended it.
    pub code: i32,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// All of its standard error.
    pub stderr: Vec<u8>,
}

/// What came of a command on a site whose pipes were pumped meanwhile.
#[derive(Debug)]
pub(crate) struct Streamed<A, B> {
    /// Exit code; 128 + N if signal N ended it.
    pub(crate) code: i32,
    /// What feeding its input came to; a broken pipe where it did not want all.
    pub(crate) fed: std::io::Result<A>,
    /// What reading its output came to.
    pub(crate) taken: std::io::Result<B>,
    /// All of its standard error.
    pub(crate) stderr: Vec<u8>,
}

impl Output {
    /// Whether it exited with 0.
    pub fn ok(&self) -> bool {
        self.code == 0
    }

    /// Standard output as text, bytes that are not UTF-8 replaced.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, bytes that are not UTF-8 replaced.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}
