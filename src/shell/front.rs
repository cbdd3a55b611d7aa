//! Who talks to a session: a human at a terminal, a pipe, signals.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::{Handle, Runtime},
    signal::unix::{SignalKind, signal},
    sync::{mpsc::UnboundedSender, oneshot},
};

use super::{
    feed::{End, feed},
    outlet::Outlet,
    request::{Request, Words},
    terminal::{Terminal, Typed},
};

/// How long completion waits for a session that is busy.
const PATIENCE: Duration = Duration::from_millis(300);

/// The code of a session whose input cannot be read any more.
const UNREADABLE: i32 = 1;

/// Streams that end in the process's own.
pub fn own_streams() -> Outlet {
    Outlet::new(
        Box::new(|text| {
            let mut out = io::stdout().lock();
            drop(out.write_all(text.as_bytes()));
            drop(out.flush());
        }),
        Box::new(|text| drop(io::stderr().lock().write_all(text.as_bytes()))),
    )
}

/// The terminal of this process and streams that go well with it, if there is one.
pub fn terminal(
    history: &Path,
    requests: &UnboundedSender<Request>,
    runtime: &Runtime,
) -> Option<(Terminal, Outlet)> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return None;
    }
    let (requests, handle) = (requests.clone(), runtime.handle().clone());
    let mut terminal = Terminal::open(history, move || words(&requests, &handle)).ok()?;
    let (out, err) = terminal.sinks().ok()?;
    Some((terminal, Outlet::new(out, err)))
}

/// Reads from a human until there is no more, on a thread of its own.
pub fn converse(terminal: Terminal, prompt: &'static str, requests: UnboundedSender<Request>) {
    converse_and(terminal, prompt, requests, || {});
}

/// The same, where Ctrl-C in a line that is being typed does something besides.
pub fn converse_and(
    mut terminal: Terminal,
    prompt: &'static str,
    requests: UnboundedSender<Request>,
    interrupted: impl Fn() + Send + 'static,
) {
    std::thread::spawn(move || {
        loop {
            match terminal.read(prompt) {
                Typed::Text(text) => {
                    if !ask(&requests, text) {
                        return;
                    }
                },
                Typed::Interrupted => interrupted(),
                Typed::End => {
                    // The scheduler may have gone before.
                    requests.send(Request::Quit(0)).unwrap_or_default();
                    return;
                },
            }
        }
    });
}

/// Reads lines from a pipe until its end, on a thread of its own; then the session ends with the
/// code `end`, or with 1 if it cannot be read.
pub fn read_pipe(requests: UnboundedSender<Request>, end: i32) {
    std::thread::spawn(move || {
        let streams = own_streams();
        let run = |text| ask(&requests, text);
        let tell = |text: &str| streams.err(&format!("standard input: {text}"));
        let code = match feed(&mut io::stdin().lock(), run, tell) {
            End::Deaf => return,
            End::Input => end,
            End::Failed(error) => {
                streams.err(&format!("standard input cannot be read: {error}\n"));
                UNREADABLE
            },
        };
        requests.send(Request::Quit(code)).unwrap_or_default();
    });
}

/// Ctrl-C stops the script that is running; a request to end ends the program after its jobs.
pub fn watch_signals(
    runtime: &Runtime,
    interrupt: Arc<AtomicBool>,
    requests: UnboundedSender<Request>,
) -> io::Result<()> {
    let _inside = runtime.enter();
    let mut ctrl_c = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    runtime.spawn(async move {
        loop {
            let code = tokio::select! {
                _ = ctrl_c.recv() => None,
                _ = terminate.recv() => Some(128 + 15),
                _ = hang_up.recv() => Some(128 + 1),
            };
            interrupt.store(true, Ordering::Relaxed);
            if let Some(code) = code {
                requests.send(Request::Quit(code)).unwrap_or_default();
            }
        }
    });
    Ok(())
}

/// Asks for text to be run, and waits until it was. False where nobody is left to run it.
fn ask(requests: &UnboundedSender<Request>, text: String) -> bool {
    let (done, answer) = oneshot::channel();
    let request = Request::Typed {
        name: "terminal".into(),
        text,
        done,
    };
    requests.send(request).is_ok() && answer.blocking_recv().is_ok()
}

fn words(requests: &UnboundedSender<Request>, handle: &Handle) -> Words {
    let (done, answer) = oneshot::channel();
    if requests.send(Request::Words(done)).is_err() {
        return Words::default();
    }
    let answer = handle.block_on(async { tokio::time::timeout(PATIENCE, answer).await });
    answer.ok().and_then(Result::ok).unwrap_or_default()
}
