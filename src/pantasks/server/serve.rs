//! Looking after clients: each has a task of its own, so that none can keep the others waiting.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, mpsc::UnboundedSender, oneshot};

use super::{
    PROTOCOL,
    listen::{Door, Stream},
    reply::{REQUEST, Reply},
};
use crate::{
    connection::talk::{frame, hello, secret::Secret},
    shell::{outlet::Outlet, request::Request},
};

/// Most clients at once.
const CLIENTS: usize = 64;

/// How long the last answers may take when the server ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// After the system could not take a client (too many open files), the next one waits so long.
const PAUSE: Duration = Duration::from_millis(100);

/// The answers that are under way.
#[derive(Debug, Clone)]
pub(super) struct Answers(Arc<Semaphore>);

impl Default for Answers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(CLIENTS)))
    }
}

impl Answers {
    /// Waits until each has gone out, but not for ever.
    pub(super) async fn gone(&self) {
        let all = u32::try_from(CLIENTS).unwrap_or(u32::MAX);
        // A client that does not read its answer cannot keep the server.
        drop(tokio::time::timeout(FAREWELL, self.0.acquire_many(all)).await);
    }
}

/// Takes clients in, for ever.
pub(super) async fn serve(
    door: &Door,
    secret: Option<Secret>,
    requests: UnboundedSender<Request>,
    answers: Answers,
    outlet: Outlet,
) {
    let room = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let (mut stream, why) = match door.next().await {
            Ok(next) => next,
            Err(error) => {
                outlet.err(&format!("cannot take a client: {error}\n"));
                tokio::time::sleep(PAUSE).await;
                continue;
            },
        };
        let place = Arc::clone(&room).try_acquire_owned().ok();
        let full = || format!("there are {CLIENTS} clients already");
        let why = why.or_else(|| place.is_none().then(full));
        let (secret, requests) = (secret.clone(), requests.clone());
        let (answers, outlet) = (answers.clone(), outlet.clone());
        tokio::spawn(async move {
            let _place = place;
            if let Some(why) = why {
                outlet.err(&format!("a client was refused: {why}\n"));
                drop(hello::refuse(&mut stream, &why).await);
                return;
            }
            if let Err(error) = hello::greet(&mut stream, &PROTOCOL, secret.as_ref()).await {
                outlet.err(&format!("a client was refused: {error}\n"));
                return;
            }
            talk(stream, &requests, &answers).await;
        });
    }
}

/// One command after the other, until the client goes or breaks the rules.
async fn talk(mut stream: Box<dyn Stream>, requests: &UnboundedSender<Request>, answers: &Answers) {
    while let Ok(text) = frame::read(&mut stream, REQUEST).await {
        let Ok(_under_way) = answers.0.acquire().await else {
            return;
        };
        let (done, answer) = oneshot::channel();
        if requests.send(Request::Client { text, done }).is_err() {
            return;
        }
        let Ok(answer) = answer.await else { return };
        let reply = Reply {
            worked: answer.worked,
            err: answer.said.err,
            out: answer.said.out,
        };
        if reply.write(&mut stream).await.is_err() {
            return;
        }
    }
}
