//! Telling a human that a site needs a login.

use std::{process::Stdio, time::Duration};

use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::config::site::Notify;

/// Longest wait for a webhook.
const LIMIT: Duration = Duration::from_secs(10);

/// Tells by webhook and by command, as configured, that `site` waits for a login. What goes wrong
/// with that is returned as text: a notice that fails must not stop the work.
pub(super) async fn login_needed(notify: &Notify, site: &str, why: &str) -> Vec<String> {
    let message = json!({"schema": 1, "event": "login-needed", "site": site, "why": why});
    let mut failures = Vec::new();
    if let Some(url) = &notify.webhook
        && let Err(error) = post(url, &message).await
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

async fn post(url: &str, message: &serde_json::Value) -> Result<(), reqwest::Error> {
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
        };
        assert_eq!(login_needed(&notify, "mustang", "no master").await, [""; 0]);
        let request = hook.join().unwrap();
        assert!(request.starts_with("POST /hook"), "{request}");
        let said: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(said["site"], "mustang");
        assert!(request.contains(r#""site":"mustang""#), "{request}");
    }

    #[tokio::test]
    async fn a_notice_that_fails_says_so_and_stops_nothing() {
        let notify = Notify {
            webhook: Some("http://127.0.0.1:1/hook".into()),
            command: Some(vec!["/no/such/program".into()]),
        };
        let failures = login_needed(&notify, "mustang", "no master").await;
        assert_eq!(failures.len(), 2, "{failures:?}");
    }
}
