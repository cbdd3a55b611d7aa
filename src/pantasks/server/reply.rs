//! What a request is answered.
//!
//! A request is one message, one command line. Its reply is three messages. The original's header
//! (spec/pantasks.md §4) cannot hold more than 999999 bytes and is not used.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::talk::frame::{FrameError, LONGEST, read, write};

/// Most bytes of a request: 16 MiB.
pub const REQUEST: u32 = 16 << 20;

/// What a server answers to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Whether the command worked.
    pub worked: bool,
    /// What it wrote to the error stream.
    pub err: String,
    /// What it wrote to the log stream.
    pub out: String,
}

impl Reply {
    /// Reads a reply.
    ///
    /// # Errors
    /// [`FrameError`].
    pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Self, FrameError> {
        let status = read(stream, LONGEST).await?;
        Ok(Self {
            worked: status == WORKED,
            err: read(stream, LONGEST).await?,
            out: read(stream, LONGEST).await?,
        })
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`FrameError`].
    pub async fn write<S: AsyncWrite + Unpin>(&self, stream: &mut S) -> Result<(), FrameError> {
        write(stream, if self.worked { WORKED } else { FAILED }).await?;
        write(stream, &self.err).await?;
        write(stream, &self.out).await
    }
}

const WORKED: &str = "STATUS 1";
const FAILED: &str = "STATUS 0";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_comes_as_it_went() {
        let (mut here, mut there) = tokio::io::duplex(1 << 10);
        let reply = Reply {
            worked: true,
            err: String::new(),
            out: "é".repeat(300_000),
        };
        let (written, read) = tokio::join!(reply.write(&mut here), Reply::read(&mut there));
        written.unwrap();
        assert_eq!(read.unwrap(), reply);
    }
}
