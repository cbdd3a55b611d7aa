//! Who comes to an agent that outlives its connections, and who is refused there.

use std::{io, time::Duration};

use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixListener, UnixStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use super::{
    program::{read_hello, refusal},
    wire::{Decoder, Hello},
};

/// How long a connection may take to say who it is.
const INTRODUCTION: Duration = Duration::from_secs(30);

/// Between two tries to let somebody in while there are too many open files.
const A_WHILE: Duration = Duration::from_millis(100);

/// A connection that may be served.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) stream: UnixStream,
    /// What has come behind the first line.
    pub(super) decoder: Decoder,
    pub(super) hello: Hello,
}

/// Lets visitors in, none of whom waits for another, for an agent that was started with `own`.
pub(super) fn open(listener: UnixListener, own: Hello) -> UnboundedReceiver<Visitor> {
    let (visitors, receiver) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(meet(stream, own.clone(), visitors.clone()))),
                Err(_) => tokio::time::sleep(A_WHILE).await,
            }
        }
    });
    receiver
}

/// Hears who it is. A connection that says nothing, or breaks, is forgotten.
async fn meet(stream: UnixStream, own: Hello, visitors: UnboundedSender<Visitor>) {
    match timeout(INTRODUCTION, introduce(stream, &own)).await {
        Ok(Ok(Some(visitor))) => drop(visitors.send(visitor)),
        Ok(Ok(None)) => {},
        Ok(Err(error)) => eprintln!("a connection was lost before it said who it is: {error}"),
        Err(_) => eprintln!("a connection did not say who it is"),
    }
}

async fn introduce(mut stream: UnixStream, own: &Hello) -> io::Result<Option<Visitor>> {
    let mut decoder = Decoder::default();
    let Some(hello) = read_hello(&mut stream, &mut decoder).await? else {
        return Ok(None);
    };
    match hello.and_then(|hello| admitted(own, hello)) {
        Ok(hello) => Ok(Some(Visitor {
            stream,
            decoder,
            hello,
        })),
        Err(why) => {
            let why = refused(&why, std::process::id());
            eprintln!("a connection was refused: {why}");
            stream.write_all(&refusal(&why)).await?;
            Ok(None)
        },
    }
}

/// What a controller is told that cannot have this agent.
fn refused(why: &str, pid: u32) -> String {
    format!(
        "{why}; this agent was started earlier (process {pid}) and the jobs that it keeps go on: \
         come with the version that started them, or kill it and they are run again"
    )
}

/// A greeting that an agent can heed which was started with `own`.
fn admitted(own: &Hello, hello: Hello) -> Result<Hello, String> {
    let of = |hello: &Hello| format!("{} for {}", hello.controller, hello.machine);
    if of(own) != of(&hello) {
        return Err(format!(
            "the agent of controller {} was asked for as that of {}",
            of(own),
            of(&hello)
        ));
    }
    if !hello.keep {
        return Err(
            "the controller wants no jobs to be kept, and this agent keeps them".to_owned(),
        );
    }
    Ok(hello)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_heeds_only_its_own_controller() {
        let own = Hello {
            controller: "c".to_owned(),
            machine: "m".to_owned(),
            fence: 60.0,
            keep: true,
            version: "1".to_owned(),
        };
        let later = Hello {
            fence: 5.0,
            version: "2".to_owned(),
            ..own.clone()
        };
        assert_eq!(admitted(&own, later.clone()), Ok(later));
        for other in [
            Hello {
                controller: "d".to_owned(),
                ..own.clone()
            },
            Hello {
                machine: "n".to_owned(),
                ..own.clone()
            },
            Hello {
                keep: false,
                ..own.clone()
            },
        ] {
            assert!(admitted(&own, other).is_err());
        }
    }
}
