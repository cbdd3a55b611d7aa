//! Reads what `showbf` says: how many nodes are free for how long.

use crate::{
    batch::{Foresight, JobRequest, QueryError, answer::said},
    config::units::Seconds,
    connection::Output,
};

/// Nodes that are free from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Window {
    nodes: u32,
    /// For how long; `None` is for ever.
    lasts: Option<Seconds>,
}

/// When each request would begin: at once if it fits into a window, else nobody knows.
pub(super) fn begins(
    answer: &Output,
    requests: &[JobRequest],
) -> Result<Vec<Foresight>, QueryError> {
    if !answer.ok() {
        return Err(QueryError::Unreachable {
            message: said(answer),
        });
    }
    let text = answer.out();
    let windows = windows(&text).ok_or_else(|| QueryError::Unreadable {
        message: said(answer),
    })?;
    let tell = |request: &JobRequest| {
        if windows.iter().any(|window| window.holds(request)) {
            Foresight::Now
        } else {
            Foresight::Unknown("it fits no backfill window".to_owned())
        }
    };
    Ok(requests.iter().map(tell).collect())
}

impl Window {
    fn holds(self, request: &JobRequest) -> bool {
        let long = self.lasts.is_none_or(|lasts| lasts >= request.walltime);
        self.nodes >= request.nodes && long
    }
}

/// The windows that are open now; `None` without the table's header, whose words tell the columns.
fn windows(text: &str) -> Option<Vec<Window>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.by_ref().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        (words.contains(&"Nodes") && words.contains(&"Duration")).then_some(words)
    })?;
    let column = |name: &str| header.iter().position(|word| *word == name);
    let (nodes, lasts) = (column("Nodes")?, column("Duration")?);
    let offset = column("StartOffset");
    let open = lines.filter_map(|line| {
        let cells: Vec<&str> = line.split_ascii_whitespace().collect();
        let begins = offset.and_then(|at| cells.get(at)?.parse::<Seconds>().ok());
        let later = begins.is_some_and(|begins| begins > Seconds(0));
        (!later).then_some(())?;
        Some(Window {
            nodes: cells.get(nodes)?.parse().ok()?,
            lasts: match *cells.get(lasts)? {
                "INFINITY" => None,
                text => Some(text.parse().ok()?),
            },
        })
    });
    Some(open.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::request::tests::request;

    const TOLD: &str = "
backfill window (user: 'survey' group: 'survey' partition: ALL) Fri Nov 27 16:08:02

Partition     Tasks  Nodes      Duration   StartOffset       StartDate
---------     -----  -----  ------------  ------------  --------------
ALL             240     10       4:00:00      00:00:00  16:08:02_11/27
ALL              48      2      INFINITY      00:00:00  16:08:02_11/27
ALL            2400    100    1:00:00:00       4:00:00  20:08:02_11/27
";

    fn output(code: i32, text: &str) -> Output {
        Output {
            code,
            stdout: text.into(),
            stderr: Vec::new(),
        }
    }

    fn asking(nodes: u32, hours: u64) -> JobRequest {
        JobRequest {
            nodes,
            walltime: Seconds(hours * 3600),
            ..request()
        }
    }

    #[test]
    fn what_fits_a_window_that_is_open_begins_at_once() {
        let requests = [asking(10, 4), asking(2, 48), asking(10, 5), asking(100, 1)];
        let told = begins(&output(0, TOLD), &requests).unwrap();
        let now: Vec<bool> = told.iter().map(|when| *when == Foresight::Now).collect();
        assert_eq!(now, [true, true, false, false]);
    }

    #[test]
    fn without_its_table_nothing_is_foreseen() {
        assert!(begins(&output(0, "ERROR: client timed out\n"), &[asking(1, 1)]).is_err());
        assert!(begins(&output(1, TOLD), &[asking(1, 1)]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s).*") {
            let _either = begins(&output(0, &text), &[asking(1, 1)]);
            let _windows = windows(&format!("Nodes Duration\n{text}"));
        }
    }
}
