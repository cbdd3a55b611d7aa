//! Telling a human about a link: by webhook and by command, each thing once.

use std::{future::Future, io, process::Stdio, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    life::{Notice, Standing, notices},
    local,
};
use crate::{
    config::site::Notify,
    state::{StateError, Store},
};

/// Longest wait for a webhook or a command.
const LIMIT: Duration = Duration::from_secs(10);

/// Pauses before a notice that was not taken is sent again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// A notice that did not get through.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    /// It was surely not taken, and may be another time.
    #[error("{0}")]
    Refused(String),
    /// It may have been taken, or never will be.
    #[error("{0}")]
    Lost(String),
}

/// Tells what is new about the link to `site`; the texts are for the log of whoever looked: what
/// was told, and what went wrong with telling it, which must not stop the work. `needed`: runs
/// wait for the link.
///
/// What is to be told is remembered before it is sent, so that of several programs that look, one
/// alone sends it; that one sends it again, for a while, where it was not taken.
///
/// # Errors
/// Only state.db's: what was told is remembered there.
pub async fn observe(
    store: &mut Store,
    notify: &Notify,
    site: &str,
    standing: &Standing,
    needed: bool,
    now: Timestamp,
) -> Result<Vec<String>, StateError> {
    let before = Duration::from_secs(notify.before_expiry.0);
    let due = store.tell_link(site, |told| notices(told, standing, needed, before, now))?;
    let mut log = Vec::new();
    for notice in due {
        log.push(text(site, &notice));
        log.extend(send(notify, &message(site, &notice), &PAUSES).await);
    }
    Ok(log)
}

/// A notice as one line for people.
fn text(site: &str, notice: &Notice) -> String {
    match notice {
        Notice::Down { why } => format!("site {site} waits for a login: {why}"),
        Notice::Back => format!("site {site}: the link is back"),
        Notice::Ending { at } => {
            format!("site {site}: the link ends at {at}; outrigger connection refresh {site}")
        },
    }
}

/// A notice as programs get it.
fn message(site: &str, notice: &Notice) -> Value {
    let text = text(site, notice);
    let schema = 1;
    match notice {
        Notice::Down { why } => json!({
            "schema": schema, "event": "login-needed", "site": site, "text": text, "why": why,
        }),
        Notice::Back => json!({
            "schema": schema, "event": "link-back", "site": site, "text": text,
        }),
        Notice::Ending { at } => json!({
            "schema": schema, "event": "link-ending", "site": site, "text": text, "ends_at": at,
        }),
    }
}

/// Sends a message both ways at once; what went wrong.
async fn send(notify: &Notify, message: &Value, pauses: &[Duration]) -> Vec<String> {
    let webhook = async {
        let url = notify.webhook.as_ref()?;
        let sent = again(pauses, || post(url, message)).await;
        sent.err().map(|error| format!("notice to {url}: {error}"))
    };
    let command = async {
        let [program, arguments @ ..] = notify.command.as_deref()? else {
            return None;
        };
        let text = format!("{message}\n");
        let sent = again(pauses, || pipe(program, arguments, &text)).await;
        let failed = |error| format!("notice by {program}: {error}");
        sent.err().map(failed)
    };
    let (webhook, command) = tokio::join!(webhook, command);
    webhook.into_iter().chain(command).collect()
}

/// Sends once more after each of `pauses`, as long as it is refused.
async fn again<F>(pauses: &[Duration], send: impl Fn() -> F) -> Result<(), Unsent>
where
    F: Future<Output = Result<(), Unsent>>,
{
    for pause in pauses {
        match send().await {
            Err(Unsent::Refused(_)) => sleep(*pause).await,
            sent => return sent,
        }
    }
    send().await
}

async fn post(url: &str, message: &Value) -> Result<(), Unsent> {
    // Installing twice is refused and harmless.
    drop(rustls::crypto::ring::default_provider().install_default());
    let lost = |error: reqwest::Error| Unsent::Lost(error.to_string());
    let client = reqwest::Client::builder()
        .timeout(LIMIT)
        .build()
        .map_err(lost)?;
    let answer = match client.post(url).json(message).send().await {
        Ok(answer) => answer.error_for_status(),
        Err(error) => Err(error),
    };
    answer.map(drop).map_err(|error| {
        let is_busy = |status: reqwest::StatusCode| {
            status.is_server_error() || status == reqwest::StatusCode::TOO_MANY_REQUESTS
        };
        if error.is_connect() || error.status().is_some_and(is_busy) {
            Unsent::Refused(error.to_string())
        } else {
            lost(error)
        }
    })
}

/// Runs a command with `text` for its input, which it need not read.
async fn pipe(program: &str, arguments: &[String], text: &str) -> Result<(), Unsent> {
    let lost = |error: io::Error| Unsent::Lost(error.to_string());
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(lost)?;
    let ended = async {
        local::feed(child.stdin.take(), Some(text.as_bytes())).await?;
        child.wait().await
    };
    match timeout(LIMIT, ended).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        // Its own word that it did not do it.
        Ok(Ok(status)) if status.code().is_some() => Err(Unsent::Refused(status.to_string())),
        Ok(Ok(status)) => Err(Unsent::Lost(status.to_string())),
        Ok(Err(error)) => Err(lost(error)),
        Err(_) => {
            let limit = LIMIT.as_secs();
            Err(Unsent::Lost(format!("it did not end within {limit} s")))
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::create(&dir.path().join("state.db")).unwrap();
        (dir, store)
    }

    #[tokio::test]
    async fn a_webhook_and_a_command_get_the_same_message() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let hook = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = String::new();
            let mut buffer = [0; 4096];
            while !request.contains("login-needed") {
                let read = stream.read(&mut buffer).unwrap();
                request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            request
        });
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("said");
        let command = [
            "/bin/sh",
            "-c",
            "cat > \"$1\"",
            "sh",
            file.to_str().unwrap(),
        ];
        let notify = Notify {
            webhook: Some(url),
            command: Some(command.map(str::to_owned).to_vec()),
            ..Notify::default()
        };
        let (_dir, mut store) = store();
        let now = Timestamp::UNIX_EPOCH;
        let down = Standing::Down("no master".into());
        let told = observe(&mut store, &notify, "mustang", &down, true, now).await;
        assert_eq!(told.unwrap(), ["site mustang waits for a login: no master"]);
        let again = observe(&mut store, &notify, "mustang", &down, true, now).await;
        assert_eq!(again.unwrap(), [""; 0]);
        let request = hook.join().unwrap();
        assert!(request.starts_with("POST /hook"), "{request}");
        let said: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(said["site"], "mustang");
        assert!(request.contains(r#""site":"mustang""#), "{request}");
    }

    #[tokio::test]
    async fn a_notice_that_fails_says_so_and_stops_nothing() {
        let notify = Notify {
            webhook: Some("http://127.0.0.1:1/hook".into()),
            command: Some(vec!["/no/such/program".into()]),
            ..Notify::default()
        };
        let failures = send(&notify, &json!({}), &[Duration::ZERO]).await;
        assert_eq!(failures.len(), 2, "{failures:?}");
    }

    #[tokio::test]
    async fn a_command_that_says_that_it_failed_is_given_the_message_again() {
        let dir = tempfile::tempdir().unwrap();
        let script = "echo x >>\"$1\"; [ $(wc -l <\"$1\") -gt 2 ]";
        let file = dir.path().join("tries");
        let words = ["sh", "-c", script, "sh", file.to_str().unwrap()];
        let notify = Notify {
            command: Some(words.map(str::to_owned).to_vec()),
            ..Notify::default()
        };
        let pauses = [Duration::ZERO; 5];
        assert_eq!(send(&notify, &json!({}), &pauses).await, [""; 0]);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "x\nx\nx\n");
    }

    #[tokio::test]
    async fn a_command_need_not_read_what_it_is_given() {
        let notify = Notify {
            command: Some(vec!["true".into()]),
            ..Notify::default()
        };
        // More than a pipe holds.
        let message = json!({"why": "x".repeat(1 << 20)});
        assert_eq!(send(&notify, &message, &[]).await, [""; 0]);
    }
}
