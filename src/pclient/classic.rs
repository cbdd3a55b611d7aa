//! The classic protocol of an agent: one job at a time, lines with a prompt, asked and never
//! telling by itself (spec/pantasks.md §5.3).

use std::{io::Read as _, time::Duration};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    opihi::Args,
    process::{Completion, Outcome, ProcessSettings, Processes, Program, Report},
};

const PROMPT: &str = "pclient: ";

/// Between the request to end and the order to.
const GRACE: Duration = Duration::from_millis(50);

/// Whether the talk goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    /// It does.
    On,
    /// It ends, with this exit code.
    Ends(u8),
}

/// One job and what is said about it.
#[derive(Debug)]
pub(super) struct Classic {
    processes: Processes,
    reports: UnboundedReceiver<Report>,
    job: Job,
    answer: Vec<u8>,
    complaint: String,
}

#[derive(Debug)]
enum Job {
    None,
    Busy,
    Over(Box<Completion>),
}

impl Classic {
    pub(super) fn new() -> Self {
        let (processes, reports) = Processes::new(ProcessSettings {
            grace: GRACE,
            ..ProcessSettings::default()
        });
        Self {
            processes,
            reports,
            job: Job::None,
            answer: Vec::new(),
            complaint: String::new(),
        }
    }

    /// What there is to say, and the prompt if more is expected.
    pub(super) fn answer(&mut self, more: bool) -> Vec<u8> {
        if more {
            self.say(PROMPT);
        }
        std::mem::take(&mut self.answer)
    }

    /// What there is to say on the error stream.
    pub(super) fn complaint(&mut self) -> String {
        std::mem::take(&mut self.complaint)
    }

    /// Waits until something happens to the job.
    pub(super) async fn event(&mut self) {
        match self.reports.recv().await {
            Some(report) => self.take(report),
            None => std::future::pending().await,
        }
    }

    /// Ends the job.
    pub(super) async fn end(&mut self) {
        self.processes.stop_all();
        while !self.processes.is_empty() {
            self.event().await;
        }
        while let Ok(report) = self.reports.try_recv() {
            self.take(report);
        }
    }

    /// Does what a line says.
    pub(super) async fn line(&mut self, line: &str) -> Going {
        let args = match Args::of_line(line) {
            Ok(args) => args,
            Err(fault) => {
                self.complain(&fault.to_string());
                return Going::On;
            },
        };
        let words: Vec<&str> = args.all().collect();
        let Some((command, words)) = words.split_first() else {
            return Going::On;
        };
        match *command {
            "job" => self.start(words).await,
            "status" => self.status(words),
            // What it forces on the original is always so here.
            "check" => {},
            "stdout" => self.output("stdout", words, |completion| &completion.stdout),
            "stderr" => self.output("stderr", words, |completion| &completion.stderr),
            "reset" => self.reset(words).await,
            "echo" => self.say(&format!("{}\n", words.join(" "))),
            "version" => self.say(concat!(
                "pclient of Outrigger ",
                env!("CARGO_PKG_VERSION"),
                "\n"
            )),
            "exit" | "quit" => {
                self.end().await;
                self.say("Goodbye\n");
                return Going::Ends(0);
            },
            other => self.complain(&format!("{other}: Command not found.")),
        }
        Going::On
    }

    fn say(&mut self, text: &str) {
        self.answer.extend_from_slice(text.as_bytes());
    }

    fn complain(&mut self, text: &str) {
        self.complaint.push_str(text);
        self.complaint.push('\n');
    }

    fn take(&mut self, report: Report) {
        if let Report::Ended(completion) = report {
            self.job = Job::Over(completion);
        }
    }

    async fn start(&mut self, words: &[&str]) {
        let (nice, argv) = match words {
            ["-nice", nice, argv @ ..] => (nice.parse().ok(), argv),
            argv => (Some(0), argv),
        };
        let (Some(nice), false) = (nice, argv.is_empty()) else {
            self.complain("USAGE: job [-nice N] (arg0) (arg1) ... (argN)");
            self.say("PCLIENT_PID: -2\n");
            return;
        };
        if !matches!(self.job, Job::None) {
            self.complain("need to clear existing child");
            self.say("PCLIENT_PID: -3\n");
            return;
        }
        let program = Program {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            nice,
            ..Program::default()
        };
        self.job = Job::Busy;
        self.processes.start(1, program);
        // The first report tells the process, or why there is none.
        let pid = match self.reports.recv().await {
            Some(Report::Started { pid, .. }) => i64::from(pid),
            Some(report) => {
                self.take(report);
                -1
            },
            None => -1,
        };
        self.say(&format!("PCLIENT_PID: {pid}\n"));
    }

    fn status(&mut self, words: &[&str]) {
        if !words.is_empty() {
            self.complain("USAGE: status");
            return;
        }
        let (word, exit, out, err) = match &self.job {
            Job::None => ("NONE", 0, 0, 0),
            Job::Busy => ("BUSY", 0, 0, 0),
            Job::Over(completion) => {
                let (word, exit) = match completion.outcome {
                    Outcome::Exit(code) => ("EXIT", code),
                    Outcome::Signal(signal) => ("CRASH", signal),
                    _ => ("EXIT", 1),
                };
                (word, exit, completion.stdout.len(), completion.stderr.len())
            },
        };
        self.say(&format!(
            "STATUS {word}\nEXITST {exit}\nSTDOUT {out}\nSTDERR {err}\n"
        ));
    }

    fn output(
        &mut self,
        name: &str,
        words: &[&str],
        of: impl Fn(&Completion) -> &crate::process::Captured,
    ) {
        if !words.is_empty() {
            self.complain(&format!("USAGE: {name}"));
            self.say("STATUS -1\n");
            return;
        }
        if let Job::Over(completion) = &self.job {
            let mut reader = of(completion).reader();
            if let Err(error) = reader.read_to_end(&mut self.answer) {
                drop(reader);
                self.complain(&error.to_string());
                self.say("STATUS -2\n");
                return;
            }
        }
        self.say("STATUS 0\n");
    }

    async fn reset(&mut self, words: &[&str]) {
        let result = if words.is_empty() {
            match self.job {
                Job::None => {
                    self.complain("no child process, cannot reset");
                    2
                },
                Job::Busy | Job::Over(_) => {
                    self.end().await;
                    let hung = matches!(&self.job, Job::Over(completion) if completion.hung);
                    self.job = Job::None;
                    i32::from(!hung)
                },
            }
        } else {
            self.complain("USAGE: reset");
            -1
        };
        self.say(&format!("RESET_RESULT: {result}\n"));
    }
}
