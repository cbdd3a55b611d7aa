//! Telling a human about a link: by webhook and by command, each thing once.

use std::{process::Stdio, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::life::{Notice, Standing, notices};
use crate::{
    config::site::Notify,
    state::{StateError, Store},
};

/// Longest wait for a webhook.
const LIMIT: Duration = Duration::from_secs(10);

/// Tells what is new about the link to `site`; the texts are for the log of whoever looked: what
/// was told, and what went wrong with telling it, which must not stop the work. `needed`: runs
/// wait for the link.
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
        log.extend(send(notify, &message(site, &notice)).await);
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

async fn send(notify: &Notify, message: &Value) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(url) = &notify.webhook
        && let Err(error) = post(url, message).await
    {
        failures.push(format!("notice to {url}: {error}"));
    }
    if let Some([program, arguments @ ..]) = notify.command.as_deref()
        && let Err(error) = pipe(program, arguments, &message.to_string()).await
    {
        failures.push(format!("notice by {program}: {error}"));
    }
    failures
}

async fn post(url: &str, message: &Value) -> Result<(), reqwest::Error> {
    // Installing twice is refused and harmless.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().timeout(LIMIT).build()?;
    client
        .post(url)
        .json(message)
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}

async fn pipe(program: &str, arguments: &[String], message: &str) -> std::io::Result<()> {
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(message.as_bytes()).await?;
        stdin.write_all(b"\n").await?;
    }
    let status = tokio::time::timeout(LIMIT, child.wait())
        .await
        .map_err(|elapsed| std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed))??;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(status.to_string()))
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
        let (_dir, mut store) = store();
        let down = Standing::Down("no master".into());
        let now = Timestamp::UNIX_EPOCH;
        let log = observe(&mut store, &notify, "mustang", &down, true, now).await;
        assert_eq!(log.unwrap().len(), 3);
    }
}
