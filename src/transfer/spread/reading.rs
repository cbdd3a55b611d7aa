//! The files of one bundle as the hosts that have them send them.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{ChildStdin, ChildStdout, Stdio},
    thread::{self, JoinHandle},
};

use tar::Header;

use super::{
    super::{
        drive::Piece,
        fetch,
        lock::held,
        pack,
        program::{self, ours},
        send,
        unpack::{behind_zeros, line},
    },
    Spread,
    errand::Errand,
};
use crate::config::site::SourceHost;

/// `$1` and `$2` our own program on a host, which must be of this version.
const SEND: &str = concat!(
    ours!(),
    r#"
ours "$1" "$2" && exec "$1" send
echo "$1 is not there, or is not $2" >&2
"#
);

/// Reads the files of a bundle, in its order.
#[derive(Debug)]
pub(in super::super) struct Reader<'a> {
    spread: &'a Spread,
    /// By place in the bundle: the host that has the file, and its line in what that was asked for.
    asked: Vec<Option<(usize, usize)>>,
    /// By host; those that answer no longer are not in it.
    answers: HashMap<usize, Answer>,
}

/// A session of `outrigger send` on a host.
#[derive(Debug)]
pub(super) struct Session {
    errand: Errand,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What a host sends for one bundle.
#[derive(Debug)]
struct Answer {
    errand: Errand,
    output: BufReader<ChildStdout>,
    /// Writes what is asked for; gives back the session's input.
    asking: JoinHandle<io::Result<ChildStdin>>,
    number: u64,
    /// The file that comes next, once its header has been read.
    next: Option<Next>,
    /// Bytes of the last file, and of what fills its last block, that have not been read.
    left: u64,
}

#[derive(Debug, Clone, Copy)]
struct Next {
    line: usize,
    size: u64,
    mode: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn begin(spread: &'a Spread, pieces: &[Piece]) -> Self {
        let mut lists: HashMap<usize, Vec<PathBuf>> = HashMap::new();
        let asked = pieces.iter().map(|piece| {
            let (host, path) = spread.asked_for(&piece.from)?;
            let list = lists.entry(host).or_default();
            list.push(path);
            Some((host, list.len() - 1))
        });
        let asked = asked.collect();
        let answers = lists.into_iter().filter_map(|(place, list)| {
            let host = spread.hosts.get(place)?;
            let idle = {
                let mut idle = held(&spread.idle);
                let one = idle.iter().position(|(at, _)| *at == place);
                one.map(|one| idle.swap_remove(one).1)
            };
            let answer = match idle {
                Some(session) => session.ask(&list),
                None => {
                    let _alone = spread.door(place);
                    Session::open(host).and_then(|session| session.ask(&list))
                },
            };
            let answer = answer.map_err(|why| spread.lose(place, why)).ok()?;
            Some((place, answer))
        });
        let answers = answers.collect();
        Self {
            spread,
            asked,
            answers,
        }
    }

    /// The file of the piece at `place`, and its mode.
    ///
    /// # Errors
    /// When it is to be had neither from its host nor here.
    pub(in super::super) fn open(
        &mut self,
        place: usize,
        piece: &Piece,
    ) -> io::Result<(Box<dyn Read + '_>, u32)> {
        if let Some((host, mode)) = self.found(place, piece)
            && let Some(answer) = self.answers.get_mut(&host)
        {
            return Ok((Box::new(answer), mode));
        }
        let file = File::open(&piece.from)?;
        let mode = file.metadata()?.permissions().mode();
        Ok((Box::new(file), mode))
    }

    /// Lets the sessions go that have sent all they were asked for.
    pub(in super::super) fn finish(self) {
        for (host, answer) in self.answers {
            match answer.finish() {
                Ok(session) => held(&self.spread.idle).push((host, session)),
                Err(why) => self.spread.lose(host, why),
            }
        }
    }

    /// The host that sends the file next, as large as it is expected, and its mode.
    fn found(&mut self, place: usize, piece: &Piece) -> Option<(usize, u32)> {
        let (host, line) = self.asked.get(place).copied().flatten()?;
        match self.answers.get_mut(&host)?.reach(line) {
            Ok(next) => Some((host, next.filter(|next| next.size == piece.size)?.mode)),
            Err(error) => {
                let mut answer = self.answers.remove(&host)?;
                self.spread.lose(host, answer.errand.why(&error));
                None
            },
        }
    }
}

impl Session {
    /// The error is why the host cannot be asked.
    fn open(host: &SourceHost) -> Result<Self, String> {
        let [program, version] = program::words(Some(&host.program));
        let script: [&[u8]; 6] = [b"sh", b"-c", SEND.as_bytes(), b"sh", program, version];
        let begun = Errand::begin(host, &script, Stdio::piped());
        let (mut errand, output) = begun.map_err(|error| error.to_string())?;
        let input = errand.input().ok_or("it cannot be told anything")?;
        let output = BufReader::with_capacity(1 << 18, output);
        Ok(Self {
            errand,
            input,
            output,
        })
    }

    /// The error is why the host does not answer.
    fn ask(self, paths: &[PathBuf]) -> Result<Answer, String> {
        // No file can hold a number that nobody knows before.
        let number = fastrand::u64(..);
        let names = fetch::names(paths.iter().map(PathBuf::as_path));
        let list = format!("{number} {} -\n{names}", paths.len());
        let Self {
            mut errand,
            mut input,
            mut output,
        } = self;
        // The host sends the first files while it is still being asked for the last ones.
        let asking = thread::Builder::new().spawn(move || {
            input.write_all(list.as_bytes())?;
            Ok(input)
        });
        let asking = asking.map_err(|error| format!("this host has no thread left: {error}"))?;
        match until(&mut output, &format!("or begin {number}\n")) {
            Ok(()) => Ok(Answer {
                errand,
                output,
                asking,
                number,
                next: None,
                left: 0,
            }),
            Err(error) => Err(errand.why(&error)),
        }
    }
}

impl Answer {
    /// The file of a line, if it comes; those before it are passed over.
    fn reach(&mut self, line: usize) -> io::Result<Option<Next>> {
        loop {
            match self.next {
                Some(next) if next.line > line => return Ok(None),
                Some(next) if next.line == line => {
                    self.next = None;
                    return Ok(Some(next));
                },
                _ => self.next = Some(self.header()?),
            }
        }
    }

    /// The next header; a line that no file has at the end of all.
    fn header(&mut self) -> io::Result<Next> {
        self.skip()?;
        let mut block = [0; pack::BLOCK];
        self.output.read_exact(&mut block)?;
        if block == [0; pack::BLOCK] {
            return Ok(Next {
                line: usize::MAX,
                size: 0,
                mode: 0,
            });
        }
        let header = Header::from_byte_slice(&block);
        let size = header.entry_size()?;
        let line = send::line(&header.path_bytes()).ok_or(io::ErrorKind::InvalidData)?;
        self.left = pack::filled(size);
        Ok(Next {
            line,
            size,
            mode: header.mode()?,
        })
    }

    fn skip(&mut self) -> io::Result<()> {
        let left = std::mem::take(&mut self.left);
        let skipped = io::copy(&mut (&mut self.output).take(left), &mut io::sink())?;
        if skipped < left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// The error is why the host has not sent all.
    fn finish(mut self) -> Result<Session, String> {
        let over = format!("or over {}\n", self.number);
        let ended = self.reach(usize::MAX);
        if let Err(error) = ended.and_then(|_| until(&mut self.output, &over)) {
            return Err(self.errand.why(&error));
        }
        let asked = self.asking.join().unwrap_or_else(|_| {
            // What panics has said so itself.
            Err(io::ErrorKind::BrokenPipe.into())
        });
        match asked {
            Ok(input) => Ok(Session {
                errand: self.errand,
                input,
                output: self.output,
            }),
            Err(error) => Err(self.errand.why(&error)),
        }
    }
}

impl Read for &mut Answer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let n = self.output.read(into.get_mut(..room).unwrap_or_default())?;
        self.left -= u64::try_from(n).unwrap_or_default();
        Ok(n)
    }
}

/// Reads lines up to this one.
fn until(output: &mut impl BufRead, wanted: &str) -> io::Result<()> {
    while behind_zeros(&line(output)?) != wanted.as_bytes() {}
    Ok(())
}
