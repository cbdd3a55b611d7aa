//! Writers that know how much has gone through them.

use std::io::{self, Write};

/// Counts what goes through.
#[derive(Debug)]
pub(super) struct Counted<W> {
    pub(super) out: W,
    /// Bytes.
    pub(super) written: u64,
}

impl<W: Write> Counted<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, written: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.written += to_u64(n);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A count of bytes, as files count.
pub(super) fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
