//! How a server and a client agree to talk.
//!
//! ```text
//! server  NAME VERSION open            or  NAME VERSION secret NONCE
//! client  NAME VERSION                 or  NAME VERSION NONCE PROOF
//! server  welcome                      or  welcome PROOF
//! ```
//!
//! Instead of its last line, or of its first, a server may say `refused WHY`. Over a Unix socket
//! the directory's permissions say who may come; over TCP each side proves to know the secret. The
//! talk itself is not encrypted: between networks that are not trusted it belongs into a tunnel.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    frame::{self, FrameError},
    secret::{self, Nonce, Role, Secret},
};

/// What both sides must speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// Its name: one word. It is part of every proof.
    pub name: &'static str,
    /// Its version: one word.
    pub version: &'static str,
    /// What to do where a secret is asked for and there is none.
    pub no_secret: &'static str,
}

/// How long the agreement may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of a line of it.
const LINE: u32 = 4096;

/// Why the two do not agree.
#[derive(Debug, Error)]
pub enum HelloError {
    /// The other side does not speak this protocol, or another version of it.
    #[error("it speaks another protocol ({said}), this is {expected}")]
    Protocol {
        /// What it said.
        said: String,
        /// What it should have said.
        expected: String,
    },
    /// The server refuses, and says why.
    #[error("{0}")]
    Refused(String),
    /// The server wants a secret, and the client has none.
    #[error("it asks for a secret, and there is none; {0}")]
    NoSecret(&'static str),
    /// The other side does not know the secret.
    #[error("it does not know the secret")]
    Secret,
    /// The other side takes too long.
    #[error("it said no hello within {} s", PATIENCE.as_secs())]
    Slow,
    /// The connection failed.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// There are no random numbers.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The server's part.
///
/// # Errors
/// [`HelloError`]; the client was told.
pub async fn greet<S>(
    stream: &mut S,
    protocol: &Protocol,
    secret: Option<&Secret>,
) -> Result<(), HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Protocol { name, version, .. } = protocol;
    let talk = async {
        let Some(secret) = secret else {
            frame::write(stream, &format!("{name} {version} open")).await?;
            let answer = frame::read(stream, LINE).await?;
            protocol.same_version(&answer)?;
            frame::write(stream, WELCOME).await?;
            return Ok(());
        };
        let own = secret::nonce()?;
        let hello = format!("{name} {version} secret {}", secret::hex(&own));
        frame::write(stream, &hello).await?;
        let answer = frame::read(stream, LINE).await?;
        let rest = protocol.same_version(&answer)?;
        let theirs = proven(secret, protocol, &own, rest);
        let Some(theirs) = theirs else {
            refuse(stream, "the secret is not the server's").await?;
            return Err(HelloError::Secret);
        };
        let proof = secret.proof(name, Role::Server, &own, &theirs);
        frame::write(stream, &format!("{WELCOME} {proof}")).await?;
        Ok(())
    };
    timeout(PATIENCE, talk)
        .await
        .map_err(|_| HelloError::Slow)?
}

/// Tells a client that it is not let in.
///
/// # Errors
/// [`HelloError::Frame`].
pub async fn refuse<S>(stream: &mut S, why: &str) -> Result<(), HelloError>
where
    S: AsyncWrite + Unpin,
{
    Ok(frame::write(stream, &format!("{REFUSED} {why}")).await?)
}

/// The client's part.
///
/// # Errors
/// [`HelloError`].
pub async fn enter<S>(
    stream: &mut S,
    protocol: &Protocol,
    secret: Option<&Secret>,
) -> Result<(), HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timeout(PATIENCE, entering(stream, protocol, secret))
        .await
        .map_err(|_| HelloError::Slow)?
}

async fn entering<S>(
    stream: &mut S,
    protocol: &Protocol,
    secret: Option<&Secret>,
) -> Result<(), HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Protocol { name, version, .. } = protocol;
    let hello = match frame::read(stream, LINE).await {
        Err(FrameError::TooLong(_) | FrameError::NotText) => {
            return Err(protocol.not_spoken("not a message"));
        },
        hello => hello?,
    };
    if let Some(why) = refused(&hello) {
        return Err(HelloError::Refused(why.to_owned()));
    }
    let rest = protocol.same_version(&hello)?;
    let Some(nonce) = rest.strip_prefix("secret ") else {
        frame::write(stream, &format!("{name} {version}")).await?;
        let welcome = frame::read(stream, LINE).await?;
        return match refused(&welcome) {
            Some(why) => Err(HelloError::Refused(why.to_owned())),
            None => Ok(()),
        };
    };
    let secret = secret.ok_or(HelloError::NoSecret(protocol.no_secret))?;
    let theirs = secret::bytes(nonce).ok_or_else(|| protocol.not_spoken(&hello))?;
    let own = secret::nonce()?;
    let proof = secret.proof(name, Role::Client, &theirs, &own);
    let answer = format!("{name} {version} {} {proof}", secret::hex(&own));
    frame::write(stream, &answer).await?;
    let welcome = frame::read(stream, LINE).await?;
    if let Some(why) = refused(&welcome) {
        return Err(HelloError::Refused(why.to_owned()));
    }
    let proof = welcome.strip_prefix(WELCOME).unwrap_or_default().trim();
    if secret.proves(proof, name, Role::Server, &theirs, &own) {
        Ok(())
    } else {
        Err(HelloError::Secret)
    }
}

const WELCOME: &str = "welcome";
const REFUSED: &str = "refused";

fn refused(line: &str) -> Option<&str> {
    line.strip_prefix(REFUSED).map(str::trim)
}

impl Protocol {
    /// What stands behind name and version.
    fn same_version<'a>(&self, line: &'a str) -> Result<&'a str, HelloError> {
        let rest = line.strip_prefix(self.name).map(str::trim_start);
        let (version, rest) =
            rest.map_or(("", ""), |rest| rest.split_once(' ').unwrap_or((rest, "")));
        if version == self.version {
            Ok(rest)
        } else {
            Err(self.not_spoken(line))
        }
    }

    fn not_spoken(&self, line: &str) -> HelloError {
        let said: String = line.chars().take(60).collect();
        HelloError::Protocol {
            said: said.escape_debug().to_string(),
            expected: format!("{} {}", self.name, self.version),
        }
    }
}

/// The client's nonce, if `NONCE PROOF` proves that it knows the secret.
fn proven(secret: &Secret, protocol: &Protocol, own: &Nonce, words: &str) -> Option<Nonce> {
    let (nonce, proof) = words.split_once(' ')?;
    let theirs = secret::bytes(nonce)?;
    secret
        .proves(proof, protocol.name, Role::Client, own, &theirs)
        .then_some(theirs)
}
