//! What is asked while nothing is read (`drain`): what cannot wait, and the rest in its order.

use std::collections::VecDeque;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use crate::shell::request::Request;

/// Whether a request is served though jobs are waited for. `human`: it comes from a terminal, not
/// from a pipe, whose lines all count on what stands before them. `interrupted`: a signal came.
fn is_urgent(request: &Request, human: bool, interrupted: bool) -> bool {
    match request {
        // The end of a pipe stands behind its last line; signals do not stand in line.
        Request::Quit(_) => human || interrupted,
        Request::Typed { text, .. } => human && is_farewell(text),
        // Completion of a word.
        Request::Words(_) => true,
        Request::Client { .. } => false,
    }
}

/// Whether a line ends the program.
fn is_farewell(text: &str) -> bool {
    let first = text.split_whitespace().next();
    first.is_some_and(|word| matches!(word, "exit" | "quit"))
}

/// Requests that wait until all jobs are over, and what ends that early.
#[derive(Debug, Default)]
pub(super) struct Meanwhile {
    requests: VecDeque<Request>,
    interrupts: Option<Signal>,
}

impl Meanwhile {
    /// Gives a request back that cannot wait, and keeps any other.
    pub(super) fn defer(
        &mut self,
        mut request: Request,
        human: bool,
        interrupted: bool,
    ) -> Option<Request> {
        if is_urgent(&request, human, interrupted) {
            return Some(request);
        }
        if human && let Request::Typed { done, .. } = &mut request {
            // Else nobody would read what is typed next, which may be `quit`.
            let (unheard, _) = oneshot::channel();
            let heard = std::mem::replace(done, unheard);
            heard.send(true).unwrap_or_default();
        }
        self.requests.push_back(request);
        None
    }

    /// The next request that has waited.
    pub(super) fn next(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// How many lines wait.
    pub(super) fn lines(&self) -> usize {
        let is_line = |request: &&Request| matches!(request, Request::Typed { .. });
        self.requests.iter().filter(is_line).count()
    }

    /// Minds interrupts from now on, or no more. Earlier ones were for something else.
    pub(super) fn mind(&mut self, minds: bool) {
        if !minds {
            self.interrupts = None;
        } else if self.interrupts.is_none() {
            self.interrupts = signal(SignalKind::interrupt()).ok();
        }
    }

    /// Waits for an interrupt, if they are minded.
    pub(super) async fn interrupted(&mut self) {
        match &mut self.interrupts {
            Some(interrupts) => drop(interrupts.recv().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn typed(text: &str) -> (Request, oneshot::Receiver<bool>) {
        let (done, answer) = oneshot::channel();
        let request = Request::Typed {
            name: "terminal".into(),
            text: text.to_owned(),
            done,
        };
        (request, answer)
    }

    #[rstest]
    #[case("quit", true)]
    #[case("  exit 3", true)]
    #[case("exits", false)]
    #[case("status", false)]
    #[case("", false)]
    fn a_human_who_is_done_does_not_wait_and_a_pipe_does(#[case] text: &str, #[case] ends: bool) {
        assert_eq!(is_urgent(&typed(text).0, true, false), ends);
        assert!(!is_urgent(&typed(text).0, false, false));
    }

    #[rstest]
    #[case::the_end_of_a_pipe(false, false, false)]
    #[case::the_end_of_a_terminal(true, false, true)]
    #[case::a_signal(false, true, true)]
    fn an_end_waits_for_the_lines_before_it_alone(
        #[case] human: bool,
        #[case] interrupted: bool,
        #[case] urgent: bool,
    ) {
        assert_eq!(is_urgent(&Request::Quit(0), human, interrupted), urgent);
    }

    #[test]
    fn lines_wait_in_their_order_and_a_human_may_type_on() {
        for human in [true, false] {
            let mut meanwhile = Meanwhile::default();
            for text in ["first", "second"] {
                let (request, mut answer) = typed(text);
                assert!(meanwhile.defer(request, human, false).is_none());
                assert_eq!(answer.try_recv().is_ok(), human);
            }
            assert_eq!(meanwhile.lines(), 2);
            for wanted in ["first", "second"] {
                let next = meanwhile.next();
                assert!(matches!(next, Some(Request::Typed { text, .. }) if text == wanted));
            }
        }
    }
}
