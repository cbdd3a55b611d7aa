//! Compression where it pays: what is written first is looked at, and then all of it becomes one
//! zstd frame, or none.

use std::{
    fmt,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    time::{Duration, Instant},
};

use zstd::stream::{read::Decoder, write::Encoder};

use super::{
    counted::{Counted, to_u64},
    rate::Pace,
};

/// Bytes that are looked at.
const SAMPLE: usize = 256 << 10;
/// The level that keeps up with a link.
const LEVEL: i32 = 1;
/// Less than this share saved is not worth the work at both ends.
const WORTH: f64 = 0.1;
/// Words that say how a stream goes on.
const ZSTD: &str = "zstd\n";
const PLAIN: &str = "plain\n";

/// A writer that compresses where that pays.
pub(super) struct Squeeze<W: Write> {
    way: Way<W>,
    announce: Option<Announce>,
    /// Bytes a second that go over the link for one stream, if known.
    pace: Option<f64>,
    taken: u64,
}

/// The words before the content, which tell whether it is compressed.
type Announce = Box<dyn FnOnce(bool) -> String + Send>;

enum Way<W: Write> {
    Looking(Vec<u8>, W),
    Plain(W),
    Frame(Encoder<'static, Counted<W>>),
    /// Only while one way becomes another, or once writing has failed.
    Lost,
}

impl<W: Write> Squeeze<W> {
    /// A writer into `out`. `announce` makes what is written first, and is told whether what follows
    /// is compressed; `pace` is how many bytes a second go over the link for one stream, if that is
    /// known.
    pub(super) fn new(
        out: W,
        pace: Option<f64>,
        announce: impl FnOnce(bool) -> String + Send + 'static,
    ) -> Self {
        Self {
            way: Way::Looking(Vec::with_capacity(SAMPLE), out),
            announce: Some(Box::new(announce)),
            pace,
            taken: 0,
        }
    }

    /// A writer into `out` that never compresses.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn never(mut out: W, announce: impl FnOnce(bool) -> String) -> io::Result<Self> {
        out.write_all(announce(false).as_bytes())?;
        Ok(Self {
            way: Way::Plain(out),
            announce: None,
            pace: None,
            taken: 0,
        })
    }

    /// Ends the frame; gives `out` back, and tells how many bytes less went into it.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn finish(mut self) -> io::Result<(W, u64)> {
        self.decide()?;
        match self.way {
            Way::Plain(out) => Ok((out, 0)),
            Way::Frame(encoder) => {
                let counted = encoder.finish()?;
                Ok((counted.inner, self.taken.saturating_sub(counted.passed)))
            },
            Way::Looking(..) | Way::Lost => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Ends the looking, if that is not over.
    fn decide(&mut self) -> io::Result<()> {
        let (sample, mut out) = match std::mem::replace(&mut self.way, Way::Lost) {
            Way::Looking(sample, out) => (sample, out),
            decided => {
                self.way = decided;
                return Ok(());
            },
        };
        let begun = Instant::now();
        let squeezed = zstd::bulk::compress(&sample, LEVEL)?.len();
        let squeezes = pays(sample.len(), squeezed, begun.elapsed(), self.pace);
        if let Some(announce) = self.announce.take() {
            out.write_all(announce(squeezes).as_bytes())?;
        }
        self.way = if squeezes {
            let mut encoder = Encoder::new(Counted::new(out), LEVEL)?;
            encoder.write_all(&sample)?;
            Way::Frame(encoder)
        } else {
            out.write_all(&sample)?;
            Way::Plain(out)
        };
        Ok(())
    }
}

/// Whether it pays to compress what begins with `sample` bytes that `took` so long to become
/// `squeezed` bytes: enough is saved, and the link, with `pace` bytes a second, is what is waited
/// for.
fn pays(sample: usize, squeezed: usize, took: Duration, pace: Option<f64>) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more digits")]
    let (sample, squeezed) = (sample as f64, squeezed as f64);
    let keeps_up = pace.is_none_or(|pace| pace * took.as_secs_f64() < sample);
    squeezed < sample * (1.0 - WORTH) && keeps_up
}

impl<W: Write> Write for Squeeze<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Way::Looking(sample, _) = &mut self.way {
            let n = bytes.len().min(SAMPLE - sample.len());
            if n > 0 {
                sample.extend_from_slice(bytes.get(..n).unwrap_or_default());
                self.taken += to_u64(n);
                return Ok(n);
            }
            self.decide()?;
        }
        let n = match &mut self.way {
            Way::Plain(out) => out.write(bytes)?,
            Way::Frame(encoder) => encoder.write(bytes)?,
            Way::Looking(..) | Way::Lost => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        self.taken += to_u64(n);
        Ok(n)
    }

    /// Does not end the looking: what has been taken may still wait.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.way {
            Way::Plain(out) => out.flush(),
            Way::Frame(encoder) => encoder.flush(),
            Way::Looking(..) | Way::Lost => Ok(()),
        }
    }
}

impl<W: Write> fmt::Debug for Squeeze<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Squeeze")
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

/// What a squeezed stream was.
pub(super) enum Expanded<R: BufRead> {
    /// As it is.
    Plain(R),
    /// One frame; what follows it stays in the reader.
    Frame(Box<Decoder<'static, R>>),
}

impl<R: BufRead> Expanded<R> {
    /// The content of a frame that begins here.
    ///
    /// # Errors
    /// No memory.
    pub(super) fn frame(input: R) -> io::Result<Self> {
        Ok(Self::Frame(Box::new(
            Decoder::with_buffer(input)?.single_frame(),
        )))
    }

    /// The content of a stream that begins with a word that tells what it is.
    ///
    /// # Errors
    /// Those of `input`, and when it begins with something else.
    pub(super) fn announced(mut input: R) -> io::Result<Self> {
        let mut word = String::new();
        (&mut input)
            .take(to_u64(PLAIN.len()))
            .read_line(&mut word)?;
        match word.as_str() {
            PLAIN => Ok(Self::Plain(input)),
            ZSTD => Self::frame(input),
            "" => Err(io::ErrorKind::UnexpectedEof.into()),
            other => {
                let what = format!("`{}` does not announce a stream", other.escape_debug());
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            },
        }
    }
}

impl<R: BufRead> Read for Expanded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(into),
            Self::Frame(decoder) => decoder.read(into),
        }
    }
}

impl<R: BufRead> fmt::Debug for Expanded<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => PLAIN,
            Self::Frame(_) => ZSTD,
        })
    }
}

/// The first word of a stream of its own.
pub(super) fn word(squeezed: bool) -> String {
    if squeezed { ZSTD } else { PLAIN }.to_owned()
}

/// Has `write` write into `out` behind what `announce` says: compressed, if `pace` is given and it
/// pays.
///
/// # Errors
/// Those of `out` and of `write`.
pub(super) fn through<W: Write, T>(
    out: W,
    pace: Option<&Pace>,
    announce: impl FnOnce(bool) -> String + Send + 'static,
    write: impl FnOnce(&mut Squeeze<W>) -> io::Result<T>,
) -> io::Result<T> {
    let mut squeeze = match pace {
        Some(pace) => Squeeze::new(out, pace.of_one(), announce),
        None => Squeeze::never(out, announce)?,
    };
    let written = write(&mut squeeze)?;
    let (mut out, saved) = squeeze.finish()?;
    if let Some(pace) = pace {
        pace.save(saved);
    }
    out.flush()?;
    Ok(written)
}

/// Writes `input` as a stream that tells what it is: compressed where that pays.
///
/// # Errors
/// Those of `input` and `output`.
pub fn squeeze(mut input: impl Read, output: impl Write) -> io::Result<()> {
    let mut squeeze = Squeeze::new(output, None, word);
    io::copy(&mut input, &mut squeeze)?;
    squeeze.finish()?.0.flush()
}

/// Writes what [`squeeze()`] was given.
///
/// # Errors
/// Those of `input` and `output`; a stream that ends early.
pub fn expand(input: impl Read, output: impl Write) -> io::Result<()> {
    let mut content = Expanded::announced(BufReader::with_capacity(1 << 18, input))?;
    let mut output = BufWriter::with_capacity(1 << 18, output);
    io::copy(&mut content, &mut output)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_pays_where_enough_is_saved_and_the_link_is_waited_for() {
        let ms = Duration::from_millis;
        assert!(pays(100_000, 80_000, ms(1), None));
        assert!(!pays(100_000, 95_000, ms(1), None), "not enough is saved");
        assert!(pays(100_000, 50_000, ms(1), Some(60e6)));
        assert!(!pays(100_000, 50_000, ms(1), Some(200e6)), "too slow");
        assert!(!pays(0, 9, ms(0), None), "there is nothing");
    }

    #[test]
    fn noise_goes_as_it_is_and_text_becomes_less() {
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
            .take(1 << 20)
            .collect();
        let mut out = Vec::new();
        squeeze(noise.as_slice(), &mut out).unwrap();
        assert_eq!(out, [PLAIN.as_bytes(), &noise].concat());

        let text = "NAXIS1  =                 4096 / columns\n".repeat(30_000);
        let mut squeezed = Squeeze::new(Vec::new(), None, word);
        squeezed.write_all(text.as_bytes()).unwrap();
        let (out, saved) = squeezed.finish().unwrap();
        assert!(out.starts_with(ZSTD.as_bytes()) && out.len() < text.len() / 10);
        assert_eq!(saved, to_u64(text.len() + ZSTD.len() - out.len()));
    }

    #[test]
    fn a_stream_that_ends_early_is_an_error() {
        let mut out = Vec::new();
        squeeze(vec![7; 1 << 20].as_slice(), &mut out).unwrap();
        out.truncate(out.len() - 1);
        assert!(expand(out.as_slice(), io::sink()).is_err());
        assert!(expand(&b""[..], io::sink()).is_err());
        let what = expand(&b"Last login: Monday"[..], io::sink()).unwrap_err();
        assert!(what.to_string().contains("`Last l`"), "{what}");
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_and_what_follows_stays(
            piece in prop::collection::vec(any::<u8>(), 0..300), times in 0usize..3000,
        ) {
            let content = piece.repeat(times);
            let mut out = Vec::new();
            squeeze(content.as_slice(), &mut out).unwrap();
            let mut back = Vec::new();
            expand(out.as_slice(), &mut back).unwrap();
            prop_assert!(back == content);
            if out.starts_with(ZSTD.as_bytes()) {
                out.extend_from_slice(b"next");
                let mut rest = out.as_slice();
                let mut frame = Expanded::announced(&mut rest).unwrap();
                io::copy(&mut frame, &mut io::sink()).unwrap();
                drop(frame);
                prop_assert_eq!(rest, b"next");
            }
        }
    }
}
