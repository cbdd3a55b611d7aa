//! HTTP to the daemon, over a Unix socket or TCP.

use std::{path::PathBuf, time::Duration};

use reqwest::{Method, redirect::Policy};
use serde_json::Value;

use super::{RestError, read::Reply, token::Credentials};
use crate::config::site::Rest;

/// Most bytes of an answer: about 10,000 jobs of a cluster.
const MOST: usize = 128 << 20;
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_mins(1);

/// A daemon that can be asked.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    at: String,
    credentials: Option<Credentials>,
}

impl Client {
    /// For the daemon behind `socket`, else at the URL of `rest`.
    pub(super) async fn new(rest: &Rest, socket: Option<PathBuf>) -> Result<Self, RestError> {
        // Installing twice is refused and harmless.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(Policy::none());
        let (builder, base, at) = match (socket, &rest.url) {
            (Some(socket), _) => {
                let at = rest
                    .socket
                    .as_ref()
                    .unwrap_or(&socket)
                    .display()
                    .to_string();
                let builder = builder.no_proxy().unix_socket(socket);
                (builder, "http://localhost".to_owned(), at)
            },
            (None, url) => {
                let url = url.clone().unwrap_or_default();
                let base = url.trim_end_matches('/').to_owned();
                (builder, base, url)
            },
        };
        let http = builder
            .build()
            .map_err(|error| unreachable(&at, &error, true))?;
        Ok(Self {
            http,
            base,
            at,
            credentials: Credentials::of(rest).await?,
        })
    }

    /// The whole answer to one request.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, RestError> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(Credentials { user, token }) = &self.credentials {
            request = request
                .header("X-SLURM-USER-NAME", user)
                .header("X-SLURM-USER-TOKEN", token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut answer = request.send().await.map_err(|error| {
            let unsent = error.is_connect() || error.is_builder();
            unreachable(&self.at, &error, unsent)
        })?;
        let too_large = RestError::TooLarge { most: MOST };
        if answer
            .content_length()
            .is_some_and(|length| length > MOST as u64)
        {
            return Err(too_large);
        }
        let mut bytes = Vec::new();
        loop {
            let chunk = answer.chunk().await;
            match chunk.map_err(|error| unreachable(&self.at, &error, false))? {
                Some(chunk) if bytes.len() + chunk.len() > MOST => {
                    return Err(too_large);
                },
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => break,
            }
        }
        Ok(Reply {
            status: answer.status().as_u16(),
            body: bytes,
        })
    }
}

fn unreachable(at: &str, error: &reqwest::Error, unsent: bool) -> RestError {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    RestError::Unreachable {
        at: at.to_owned(),
        message,
        unsent,
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    /// What a client makes of a daemon that says `answer` and hangs up.
    async fn asked(answer: String) -> Result<Reply, RestError> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let daemon = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let client = Client::new(&Rest::default(), Some(socket)).await.unwrap();
        let reply = client.ask(Method::GET, "/openapi", None).await;
        daemon.await.unwrap();
        reply
    }

    #[tokio::test]
    async fn an_answer_comes_with_its_status() {
        let text = "HTTP/1.1 500 INTERNAL ERROR\r\nContent-Length: 2\r\n\r\n{}";
        let reply = asked(text.to_owned()).await.unwrap();
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (500, b"{}".as_slice())
        );
    }

    #[tokio::test]
    async fn a_huge_answer_is_refused_before_it_is_read() {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n[", MOST + 1);
        assert_eq!(asked(text).await, Err(RestError::TooLarge { most: MOST }));
    }

    #[tokio::test]
    async fn half_an_answer_is_none() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"jobs\": [";
        let lost = asked(text.to_owned()).await.unwrap_err();
        assert!(
            matches!(lost, RestError::Unreachable { unsent: false, .. }),
            "{lost}"
        );
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_was_sent() {
        let socket = Some("/nonexistent/sock".into());
        let client = Client::new(&Rest::default(), socket).await.unwrap();
        let lost = client.ask(Method::GET, "/openapi", None).await.unwrap_err();
        assert!(
            matches!(lost, RestError::Unreachable { unsent: true, .. }),
            "{lost}"
        );
    }
}
