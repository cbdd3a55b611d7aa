//! The files of one bundle as the hosts that have them send them.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{ChildStdin, ChildStdout, Stdio},
    thread::{self, JoinHandle},
};

use tar::Header;

use super::{
    super::{
        drive::Piece,
        fetch,
        lock::held,
        pack, send,
        unpack::{behind_zeros, line},
    },
    Kept, Spread, command,
};
use crate::config::site::SourceHost;

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
    child: Kept,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What a host sends for one bundle.
#[derive(Debug)]
struct Answer {
    child: Kept,
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
        let mut lists: HashMap<usize, Vec<&Path>> = HashMap::new();
        let asked = pieces.iter().map(|piece| {
            let host = spread.asked_for(&piece.from)?;
            let list = lists.entry(host).or_default();
            list.push(&piece.from);
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
            let session = idle.map_or_else(|| Session::open(host), Some);
            let answer = session.and_then(|session| session.ask(&list).ok());
            if answer.is_none() {
                spread.lose(place);
            }
            Some((place, answer?))
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
                Err(_) => self.spread.lose(host),
            }
        }
    }

    /// The host that sends the file next, as large as it is expected, and its mode.
    fn found(&mut self, place: usize, piece: &Piece) -> Option<(usize, u32)> {
        let (host, line) = self.asked.get(place).copied().flatten()?;
        match self.answers.get_mut(&host)?.reach(line) {
            Ok(next) => Some((host, next.filter(|next| next.size == piece.size)?.mode)),
            Err(_) => {
                self.answers.remove(&host);
                self.spread.lose(host);
                None
            },
        }
    }
}

impl Session {
    fn open(host: &SourceHost) -> Option<Self> {
        let program = host.program.as_os_str().as_encoded_bytes();
        let mut child = command(host, &[program, b"send"])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let child = Kept(child);
        let (input, output) = (input?, BufReader::with_capacity(1 << 18, output?));
        Some(Self {
            child,
            input,
            output,
        })
    }

    fn ask(self, paths: &[&Path]) -> io::Result<Answer> {
        // No file can hold a number that nobody knows before.
        let number = fastrand::u64(..);
        let list = format!(
            "{number} {} -\n{}",
            paths.len(),
            fetch::names(paths.iter().copied())
        );
        let Self {
            child,
            mut input,
            mut output,
        } = self;
        // The host sends the first files while it is still being asked for the last ones.
        let asking = thread::spawn(move || {
            input.write_all(list.as_bytes())?;
            Ok(input)
        });
        until(&mut output, &format!("or begin {number}\n"))?;
        Ok(Answer {
            child,
            output,
            asking,
            number,
            next: None,
            left: 0,
        })
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

    fn finish(mut self) -> io::Result<Session> {
        self.reach(usize::MAX)?;
        until(&mut self.output, &format!("or over {}\n", self.number))?;
        let broken = |_| io::Error::other("who asks has stopped");
        let input = self.asking.join().map_err(broken)??;
        Ok(Session {
            child: self.child,
            input,
            output: self.output,
        })
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
