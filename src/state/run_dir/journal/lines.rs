//! Writing a job's lines.

use std::io::Write as _;

use super::{EndRecord, OutputRecord};

/// The lines of one attempt of a job, to be appended to a journal in one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLines {
    seq: u64,
    attempt: u32,
    bytes: Vec<u8>,
}

impl JobLines {
    /// No lines yet.
    pub fn new(seq: u64, attempt: u32) -> Self {
        Self {
            seq,
            attempt,
            bytes: Vec::new(),
        }
    }

    /// The job began at `start`, in seconds since 1970, on `node`.
    pub fn start(&mut self, start: i64, node: &str) {
        self.line("S", format_args!("{start}\t{node}"));
    }

    /// An output is there.
    pub fn output(&mut self, output: &OutputRecord) {
        let OutputRecord { id, size, hash } = output;
        self.line("O", format_args!("{id}\t{size}\t{hash}"));
    }

    /// Lines of the job's record file, as they are; empty lines at its end do not count.
    pub fn record(&mut self, text: &[u8]) {
        self.text("D", text);
    }

    /// Lines that tell why the job failed, without control characters.
    pub fn message(&mut self, text: &[u8]) {
        let plain: Vec<u8> = text
            .iter()
            .copied()
            .filter(|byte| matches!(byte, b'\t' | b'\n') || !byte.is_ascii_control())
            .collect();
        self.text("M", &plain);
    }

    /// The job is over.
    pub fn end(&mut self, end: &EndRecord) {
        let peak = end.peak_kib.map_or("-".into(), |kib| kib.to_string());
        let how = if end.skipped { "skipped" } else { "ran" };
        let cpu = end
            .cpu
            .map_or("-".into(), |cpu| format!("{:.3}", cpu.as_secs_f64()));
        let EndRecord {
            exit_code,
            start,
            end,
            node,
            ..
        } = end;
        self.line(
            "E",
            format_args!("{exit_code}\t{start}\t{end}\t{node}\t{peak}\t{how}\t{cpu}"),
        );
    }

    /// What is to be appended.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn text(&mut self, kind: &str, text: &[u8]) {
        let end = text.iter().rposition(|byte| *byte != b'\n');
        let Some(text) = end.and_then(|end| text.get(..=end)) else {
            return;
        };
        for line in text.split(|byte| *byte == b'\n') {
            self.head(kind);
            self.bytes.extend_from_slice(line);
            self.bytes.push(b'\n');
        }
    }

    fn line(&mut self, kind: &str, fields: std::fmt::Arguments<'_>) {
        self.head(kind);
        self.put(fields);
        self.bytes.push(b'\n');
    }

    fn head(&mut self, kind: &str) {
        let (seq, attempt) = (self.seq, self.attempt);
        self.put(format_args!("{kind}\t{seq}\t{attempt}\t"));
    }

    fn put(&mut self, fields: std::fmt::Arguments<'_>) {
        // Memory takes whatever is written to it.
        self.bytes.write_fmt(fields).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{
        super::{JobRecord, read},
        *,
    };

    fn end() -> EndRecord {
        EndRecord {
            exit_code: 3,
            start: 5,
            end: 6,
            node: "node01".into(),
            peak_kib: Some(2048),
            skipped: false,
            cpu: Some(Duration::from_millis(1_250)),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut lines = JobLines::new(4, 2);
        let output = OutputRecord {
            id: 9,
            size: 12,
            hash: "abc".into(),
        };
        lines.start(5, "node01");
        lines.output(&output);
        lines.record(b"bg\t812.4\n\nx\n\n");
        lines.message(b"bad \x01\x1b[1mvalue\tx\n");
        lines.end(&end());
        let journal = read(lines.bytes());
        assert_eq!(journal.bad, []);
        let expected = JobRecord {
            attempt: 2,
            start: Some((5, "node01".into())),
            end: Some(end()),
            outputs: vec![output],
            record: "bg\t812.4\n\nx\n".into(),
            message: "bad [1mvalue\tx\n".into(),
            failures: 1,
            is_run_again: false,
        };
        assert_eq!(journal.jobs[&4], expected);
    }

    proptest! {
        #[test]
        fn no_text_of_a_job_makes_a_line_of_another_kind(record: Vec<u8>, message: Vec<u8>) {
            let mut lines = JobLines::new(4, 2);
            lines.record(&record);
            lines.message(&message);
            let journal = read(lines.bytes());
            prop_assert!(journal.bad.is_empty());
            prop_assert!(journal.jobs.values().all(|job| job.end.is_none()));
        }
    }
}
