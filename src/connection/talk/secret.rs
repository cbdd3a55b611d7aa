//! What a server and its clients share over TCP, and how each proves to have it without telling.
//!
//! A proof is HMAC-SHA256 under the secret over the protocol, the role of who proves and the nonces
//! of both sides. Both nonces are new each time, so a proof that was overheard proves nothing later;
//! the role is in it, so a proof that was heard cannot be given back.

use std::{
    fmt,
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;

/// Bytes of a nonce, of a proof and of a secret that is made here.
pub const SIZE: usize = 32;

/// A number that is used once.
pub type Nonce = [u8; SIZE];

/// The fewest bytes of a secret.
const FEWEST: usize = 16;

/// Most bytes that are read of a secret's file.
const MOST: u64 = 64 << 10;

/// Who proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The client, to the server.
    Client,
    /// The server, to the client.
    Server,
}

/// A secret. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why there is no secret.
#[derive(Debug, Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read it.
    #[error("{path}: others can read the secret; chmod 600 {path}", path = .0.display())]
    Open(PathBuf),
    /// Too short to be one.
    #[error(
        "{path}: a secret has at least {FEWEST} bytes; \
         make one: (umask 077; head -c 32 /dev/urandom | base64 > {path})",
        path = .0.display()
    )]
    Short(PathBuf),
}

impl Secret {
    /// Reads the secret in a file, without blanks and ends of line around it.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::File {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.mode();
        if mode & 0o077 != 0 {
            return Err(SecretError::Open(path.to_owned()));
        }
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
        let bytes = bytes.trim_ascii();
        if bytes.len() < FEWEST {
            return Err(SecretError::Short(path.to_owned()));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// Makes a secret in a new file that only its owner can read.
    ///
    /// # Errors
    /// [`SecretError::File`] where the file is there already or cannot be written.
    pub fn create(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::File {
            path: path.to_owned(),
            source,
        };
        let text = hex(&nonce().map_err(failed)?);
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        Ok(Self(text.into_bytes()))
    }

    /// The proof of `role` in a talk of `protocol` with these nonces, as hexadecimal digits.
    pub fn proof(&self, protocol: &str, role: Role, server: &Nonce, client: &Nonce) -> String {
        let proof = self.mac(protocol, role, server, client);
        proof.map_or_else(String::new, |mac| hex(&mac.finalize().into_bytes()))
    }

    /// Whether `proof` is that of `role` in a talk with these nonces. How long it takes does not
    /// depend on what is wrong.
    pub fn proves(
        &self,
        proof: &str,
        protocol: &str,
        role: Role,
        server: &Nonce,
        client: &Nonce,
    ) -> bool {
        let mac = self.mac(protocol, role, server, client);
        let (Some(proof), Some(mac)) = (bytes(proof), mac) else {
            return false;
        };
        mac.verify_slice(&proof).is_ok()
    }

    fn mac(
        &self,
        protocol: &str,
        role: Role,
        server: &Nonce,
        client: &Nonce,
    ) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(protocol.as_bytes());
        mac.update(match role {
            Role::Client => b" client\0",
            Role::Server => b" server\0",
        });
        mac.update(server);
        mac.update(client);
        Some(mac)
    }
}

/// A new nonce, of the system's random numbers.
///
/// # Errors
/// Where the system has none.
pub fn nonce() -> io::Result<Nonce> {
    let mut nonce = [0; SIZE];
    File::open("/dev/urandom")?.read_exact(&mut nonce)?;
    Ok(nonce)
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// A nonce or a proof of hexadecimal digits.
pub fn bytes(text: &str) -> Option<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    if text.len() != 2 * SIZE || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * index..2 * index + 2)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

    use rstest::rstest;

    use super::*;

    fn secret(text: &str, mode: u32) -> Result<Secret, SecretError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Secret::read(&path)
    }

    #[test]
    fn a_proof_holds_for_its_secret_its_protocol_its_role_and_its_nonces_alone() {
        let ours = secret("0123456789abcdef\n", 0o600).unwrap();
        let theirs = secret("0123456789abcdeF\n", 0o400).unwrap();
        let (server, client) = (nonce().unwrap(), nonce().unwrap());
        assert_ne!(server, client);
        let proof = ours.proof("talk", Role::Client, &server, &client);
        assert!(ours.proves(&proof, "talk", Role::Client, &server, &client));
        assert!(!theirs.proves(&proof, "talk", Role::Client, &server, &client));
        assert!(!ours.proves(&proof, "talks", Role::Client, &server, &client));
        assert!(!ours.proves(&proof, "talk", Role::Server, &server, &client));
        assert!(!ours.proves(&proof, "talk", Role::Client, &client, &server));
        assert!(!ours.proves("", "talk", Role::Client, &server, &client));
        assert_eq!(bytes(&hex(&server)), Some(server));
    }

    #[test]
    fn a_secret_that_is_made_is_read_back_and_never_made_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        let made = Secret::create(&path).unwrap();
        assert!(Secret::read(&path).unwrap() == made);
        let again = Secret::create(&path).unwrap_err().to_string();
        assert!(again.contains("exists"), "{again}");
    }

    #[rstest]
    #[case("0123456789abcdef", 0o640, "chmod 600")]
    #[case("0123456789abcdef", 0o604, "chmod 600")]
    #[case("0123456789abcde\n", 0o600, "at least 16 bytes")]
    fn an_open_or_short_secret_is_refused(
        #[case] text: &str,
        #[case] mode: u32,
        #[case] said: &str,
    ) {
        let error = secret(text, mode).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
