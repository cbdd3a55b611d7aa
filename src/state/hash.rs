//! Content hashes.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::Path,
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// SHA-256 of a file's content: what `sha256sum` on any site prints.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// Not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a sha256: 64 hexadecimal digits are")]
pub struct HashError(String);

impl Hash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The hash of the file at `path`, read through once.
    ///
    /// # Errors
    /// Whatever reading meets.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let (_, hash) = Self::of_copied(&mut file, &mut io::sink(), &mut vec![0; 1 << 18])?;
        Ok(hash)
    }

    /// Copies `from` to its end into `to`, by way of `buffer`; how many bytes that were, and their
    /// hash.
    ///
    /// # Errors
    /// Whatever reading and writing meet.
    pub fn of_copied(
        from: &mut impl Read,
        to: &mut impl Write,
        buffer: &mut [u8],
    ) -> io::Result<(u64, Self)> {
        let mut sum = Sha256::new();
        let mut bytes = 0;
        loop {
            let n = from.read(buffer)?;
            match buffer.get(..n) {
                Some(part) if n > 0 => {
                    sum.update(part);
                    to.write_all(part)?;
                    bytes += u64::try_from(n).unwrap_or_default();
                },
                _ => return Ok((bytes, sum.into())),
            }
        }
    }
}

impl From<Sha256> for Hash {
    fn from(sum: Sha256) -> Self {
        Self(sum.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let bad = || HashError(text.to_owned());
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(bad());
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |c: u8| {
                char::from(c)
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            };
            *byte = digit(*high).ok_or_else(bad)? << 4 | digit(*low).ok_or_else(bad)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_is_what_sha256sum_prints() {
        let hash = Hash::of(b"abc");
        insta::assert_snapshot!(hash, @"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[rstest::rstest]
    #[case("")]
    #[case("ba78")]
    #[case("zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    #[case("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0")]
    fn anything_but_64_hexadecimal_digits_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Hash>(), Err(HashError(text.to_owned())));
    }

    proptest! {
        #[test]
        fn a_printed_hash_reads_back(bytes: Vec<u8>) {
            let hash = Hash::of(&bytes);
            prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        }
    }
}
