//! Messages: a length of four bytes, the highest first, then so many bytes of UTF-8.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// Most bytes of any message: 1 GiB.
pub const LONGEST: u32 = 1 << 30;

/// How long a message that has begun may take, and how long one piece of one that is written.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What is written at once.
const PIECE: usize = 64 << 10;

/// Why a message did not come, or did not go.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The other side has closed.
    #[error("the connection was closed")]
    Closed,
    /// The other side takes too long.
    #[error("a message was begun and not ended in time")]
    Slow,
    /// Longer than it may be, or not a message at all.
    #[error("a message of {0} bytes is too long")]
    TooLong(u64),
    /// Not UTF-8.
    #[error("a message is not UTF-8")]
    NotText,
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads a message of at most `limit` bytes. It may be any time before it begins; from then on it
/// has [`PATIENCE`] for each piece.
///
/// # Errors
/// [`FrameError`].
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S, limit: u32) -> Result<String, FrameError> {
    let first = match stream.read_u8().await {
        Ok(byte) => byte,
        Err(error) => return Err(closed(error)),
    };
    let mut others = [0; 3];
    within(stream.read_exact(&mut others)).await?;
    let [second, third, fourth] = others;
    let length = u32::from_be_bytes([first, second, third, fourth]);
    if length > limit {
        return Err(FrameError::TooLong(length.into()));
    }
    let mut left = usize::try_from(length).map_err(|_| FrameError::TooLong(length.into()))?;
    // Room is made for what has come, not for what is announced.
    let mut bytes = Vec::new();
    while left > 0 {
        let most = u64::try_from(left.min(PIECE)).unwrap_or(0);
        let mut piece = (&mut *stream).take(most);
        let read = within(piece.read_buf(&mut bytes)).await?;
        if read == 0 {
            return Err(FrameError::Closed);
        }
        left = left.saturating_sub(read);
    }
    String::from_utf8(bytes).map_err(|_| FrameError::NotText)
}

/// Writes a message.
///
/// # Errors
/// [`FrameError`]; [`FrameError::Slow`] where the other side does not read.
pub async fn write<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> Result<(), FrameError> {
    let length = text.len();
    let short = u32::try_from(length)
        .ok()
        .filter(|length| *length <= LONGEST);
    let short = short.ok_or(FrameError::TooLong(
        u64::try_from(length).unwrap_or(u64::MAX),
    ))?;
    within(stream.write_all(&short.to_be_bytes())).await?;
    for piece in text.as_bytes().chunks(PIECE) {
        within(stream.write_all(piece)).await?;
    }
    within(stream.flush()).await
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, FrameError> {
    match timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(closed),
        Err(_) => Err(FrameError::Slow),
    }
}

fn closed(error: io::Error) -> FrameError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => FrameError::Closed,
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::too_long(b"GET / HTTP/1.1", "too long")]
    #[case::not_text(b"\0\0\0\x01\xff", "not UTF-8")]
    #[case::cut_off(b"\0\0\0\x05ab", "closed")]
    #[case::no_length(b"\0\0", "closed")]
    #[case::nothing(b"", "closed")]
    #[tokio::test]
    async fn what_is_no_message_is_told(#[case] bytes: &[u8], #[case] said: &str) {
        let mut bytes = bytes;
        let error = read(&mut bytes, 16 << 20).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_message_has_its_time_and_silence_has_any() {
        let (mut here, mut there) = tokio::io::duplex(64);
        let silence = timeout(PATIENCE * 100, read(&mut there, 16 << 20)).await;
        assert!(silence.is_err());
        here.write_all(b"\0\0\0\x05ab").await.unwrap();
        let error = read(&mut there, 16 << 20).await.unwrap_err();
        assert!(matches!(error, FrameError::Slow), "{error}");
    }
}
