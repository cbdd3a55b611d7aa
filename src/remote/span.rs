//! Spans of time as an operator reads them.

use jiff::Timestamp;

use crate::state::back_off::Waiting;

/// From `then` to `now`, in whole units of the largest that fits.
pub(super) fn ago(now: Timestamp, then: Timestamp) -> String {
    match now.duration_since(then).as_secs().max(0) {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// When a component that waits is due again: `due again in 4 min`; nothing if it does not wait.
pub fn due_again(due: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let due = due.filter(|due| *due > now)?;
    Some(format!("due again in {}", ago(due, now)))
}

/// That components wait, in a sentence; nothing if none does.
pub fn wait_of(waiting: &Waiting, now: Timestamp) -> Option<String> {
    let due = due_again(waiting.due_at, now)?;
    Some(match waiting.components {
        1 => format!("1 component is {due}"),
        several => format!("{several} components wait, the first is {due}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_not_due_again() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(due_again(Some(at(100)), at(100)), None);
        assert_eq!(due_again(None, at(100)), None);
        let due = due_again(Some(at(340)), at(100));
        assert_eq!(due.as_deref(), Some("due again in 4 min"));
    }
}
