//! How a server and a client agree to talk.
//!
//! ```text
//! server  outrigger-pantasks 1 open            or  outrigger-pantasks 1 secret NONCE
//! client  outrigger-pantasks 1                 or  outrigger-pantasks 1 NONCE PROOF
//! server  welcome                              or  welcome PROOF
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

/// The version of the protocol that both sides must have.
pub const VERSION: &str = "1";

/// How long the agreement may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of a line of it.
const LINE: u32 = 4096;

const NAME: &str = "outrigger-pantasks";

/// Why the two do not agree.
#[derive(Debug, Error)]
pub enum HelloError {
    /// The other side does not speak this protocol, or another version of it.
    #[error("it speaks another protocol ({0}), this is {NAME} {VERSION}")]
    Protocol(String),
    /// The server refuses, and says why.
    #[error("{0}")]
    Refused(String),
    /// The server wants a secret, and the client has none.
    #[error("it asks for a secret, and there is none; name its file with PANTASKS_SERVER_SECRET")]
    NoSecret,
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
pub async fn greet<S>(stream: &mut S, secret: Option<&Secret>) -> Result<(), HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let talk = async {
        let Some(secret) = secret else {
            frame::write(stream, &format!("{NAME} {VERSION} open")).await?;
            let answer = frame::read(stream, LINE).await?;
            same_version(&answer)?;
            frame::write(stream, WELCOME).await?;
            return Ok(());
        };
        let own = secret::nonce()?;
        let hello = format!("{NAME} {VERSION} secret {}", secret::hex(&own));
        frame::write(stream, &hello).await?;
        let answer = frame::read(stream, LINE).await?;
        let rest = same_version(&answer)?;
        let theirs = proven(secret, Role::Client, &own, rest);
        let Some(theirs) = theirs else {
            refuse(stream, "the secret is not the server's").await?;
            return Err(HelloError::Secret);
        };
        let proof = secret.proof(Role::Server, &own, &theirs);
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
pub async fn enter<S>(stream: &mut S, secret: Option<&Secret>) -> Result<(), HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timeout(PATIENCE, entering(stream, secret))
        .await
        .map_err(|_| HelloError::Slow)?
}

async fn entering<S>(stream: &mut S, secret: Option<&Secret>) -> Result<(), HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello = match frame::read(stream, LINE).await {
        Err(FrameError::TooLong(_) | FrameError::NotText) => {
            return Err(HelloError::Protocol("not a message".to_owned()));
        },
        hello => hello?,
    };
    if let Some(why) = refused(&hello) {
        return Err(HelloError::Refused(why.to_owned()));
    }
    let rest = same_version(&hello)?;
    let Some(nonce) = rest.strip_prefix("secret ") else {
        frame::write(stream, &format!("{NAME} {VERSION}")).await?;
        let welcome = frame::read(stream, LINE).await?;
        return match refused(&welcome) {
            Some(why) => Err(HelloError::Refused(why.to_owned())),
            None => Ok(()),
        };
    };
    let secret = secret.ok_or(HelloError::NoSecret)?;
    let theirs = secret::bytes(nonce).ok_or_else(|| HelloError::Protocol(hello.clone()))?;
    let own = secret::nonce()?;
    let proof = secret.proof(Role::Client, &theirs, &own);
    let answer = format!("{NAME} {VERSION} {} {proof}", secret::hex(&own));
    frame::write(stream, &answer).await?;
    let welcome = frame::read(stream, LINE).await?;
    if let Some(why) = refused(&welcome) {
        return Err(HelloError::Refused(why.to_owned()));
    }
    let proof = welcome.strip_prefix(WELCOME).unwrap_or_default().trim();
    if secret.proves(proof, Role::Server, &theirs, &own) {
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

/// What stands behind name and version.
fn same_version(line: &str) -> Result<&str, HelloError> {
    let rest = line.strip_prefix(NAME).map(str::trim_start);
    let (version, rest) = rest.map_or(("", ""), |rest| rest.split_once(' ').unwrap_or((rest, "")));
    if version == VERSION {
        Ok(rest)
    } else {
        let line: String = line.chars().take(60).collect();
        Err(HelloError::Protocol(line.escape_debug().to_string()))
    }
}

/// The client's nonce, if `NONCE PROOF` proves that it knows the secret.
fn proven(secret: &Secret, role: Role, own: &Nonce, words: &str) -> Option<Nonce> {
    let (nonce, proof) = words.split_once(' ')?;
    let theirs = secret::bytes(nonce)?;
    secret.proves(proof, role, own, &theirs).then_some(theirs)
}
