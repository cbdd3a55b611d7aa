//! The token that a daemon may want. It is never part of an argv, a message or a log.

use std::fmt;

use reqwest::header::HeaderValue;

use super::RestError;
use crate::config::site::Rest;

/// The headers that say who asks.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) user: HeaderValue,
    pub(super) token: HeaderValue,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Those of `rest`, read anew; `None` where none are configured.
    pub(super) async fn of(rest: &Rest) -> Result<Option<Self>, RestError> {
        let text = match (&rest.token_file, rest.token_command.as_deref()) {
            (Some(path), _) => {
                let read = tokio::fs::read_to_string(path).await;
                read.map_err(|error| refused(format!("{}: {error}", path.display())))?
            },
            (None, Some([program, arguments @ ..])) => printed(program, arguments).await?,
            (None, _) => return Ok(None),
        };
        let token = secret(&text).ok_or_else(|| {
            refused("what should be a token is empty, or more than a word".into())
        })?;
        let mut token = HeaderValue::from_str(token)
            .map_err(|_unprintable| refused("the token holds a character that none may".into()))?;
        token.set_sensitive(true);
        let user = match &rest.user {
            Some(user) => user.clone(),
            None => std::env::var("USER")
                .map_err(|_unset| refused("`rest.user` is not set, and neither is USER".into()))?,
        };
        let user = HeaderValue::from_str(&user)
            .map_err(|_unprintable| refused(format!("`{user}` cannot be a user's name")))?;
        Ok(Some(Self { user, token }))
    }
}

fn refused(message: String) -> RestError {
    RestError::Token { message }
}

async fn printed(program: &str, arguments: &[String]) -> Result<String, RestError> {
    let output = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| refused(format!("{program}: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(refused(format!(
            "{program}: {}: {}",
            output.status,
            said.trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The token in a text: alone, or as `scontrol token` prints it.
fn secret(text: &str) -> Option<&str> {
    let word = text.trim();
    let word = word.strip_prefix("SLURM_JWT=").unwrap_or(word);
    (!word.is_empty() && !word.contains(char::is_whitespace)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stands_alone_or_as_scontrol_prints_it() {
        assert_eq!(secret("ey.J.x\n"), Some("ey.J.x"));
        assert_eq!(secret("SLURM_JWT=ey.J.x\n"), Some("ey.J.x"));
        assert_eq!(secret("\n"), None);
        assert_eq!(secret("scontrol: error: no such command"), None);
    }

    #[tokio::test]
    async fn credentials_do_not_show_the_token() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "verysecret\n").unwrap();
        let rest = Rest {
            token_file: Some(file.path().to_owned()),
            user: Some("survey".to_owned()),
            ..Rest::default()
        };
        let found = Credentials::of(&rest).await.unwrap().unwrap();
        assert!(!format!("{found:?}{:?}", found.token).contains("verysecret"));
    }

    #[tokio::test]
    async fn a_command_that_fails_is_no_token() {
        let rest = Rest {
            token_command: Some(vec![
                "sh".into(),
                "-c".into(),
                "echo gone >&2; exit 3".into(),
            ]),
            user: Some("survey".to_owned()),
            ..Rest::default()
        };
        let error = Credentials::of(&rest).await.unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }
}
