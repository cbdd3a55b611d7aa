//! One attempt of a job: its prechecks, its steps, its outputs, and the evidence of all that. What
//! `run-job.sh` does for a rank.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{fd::BorrowedFd, unix::fs::FileExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::io::Errno;

use super::{
    excerpt::Excerpt,
    message::{Ended, Given, How},
    outputs,
    programs::Programs,
    step::{Step, StepEnd, Used},
};
use crate::{
    engine::clock::Clock,
    state::run_dir::{
        commands::Commands,
        journal::{EndRecord, JobLines, STOPPED},
    },
};

/// Exit codes as a shell gives them, and of a job whose inputs are missing (`EX_NOINPUT`).
const NOT_FOUND: i32 = 127;
const NOT_STARTED: i32 = 126;
const TIMED_OUT: i32 = 124;
const NO_INPUT: i32 = 66;
/// What the journal keeps of the end of a failed job's output.
const LAST_LINES: usize = 20;
const LAST_BYTES: usize = 4000;
/// Longest part of `commands.sh` that prepare writes, in bytes, and some more.
const LONGEST: u64 = 2 << 20;

/// All that the jobs of a run have in common on a node.
#[derive(Debug)]
pub(super) struct Shop {
    /// The node's name.
    pub(super) node: String,
    /// Where this process runs.
    pub(super) directory: PathBuf,
    /// `commands.sh`.
    pub(super) commands: File,
    /// Jobs whose inputs are not on the site, with the reason.
    pub(super) refused: HashMap<u64, String>,
    /// Where programs are.
    pub(super) programs: Programs,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
}

/// An attempt that is over.
#[derive(Debug)]
pub(super) struct Attempt {
    /// What the coordinator is told.
    pub(super) ended: Ended,
    /// What the journal gets.
    pub(super) lines: JobLines,
    /// Its exit code.
    pub(super) exit_code: i32,
    /// What it said.
    pub(super) output: Excerpt,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Its precheck made it run nothing.
    Skipped,
    /// Its inputs are not on the site.
    Refused,
    /// It ran, and this is its exit code.
    Ran(i32),
    /// It was ended before its time.
    Stopped,
}

/// An attempt that is under way.
struct Course<'a> {
    shop: &'a Shop,
    stop: BorrowedFd<'a>,
    lines: JobLines,
    output: Excerpt,
    used: Option<Used>,
    problem: String,
}

impl Shop {
    /// The line that says that an attempt begins.
    pub(super) fn start(&self, given: &Given) -> JobLines {
        let mut lines = JobLines::new(given.seq, given.attempt);
        lines.start(self.clock.now().as_second(), &self.node);
        lines
    }

    /// Runs an attempt to its end, or until `stop` is readable.
    pub(super) fn run(&self, given: &Given, stop: BorrowedFd<'_>) -> Attempt {
        let begun = self.clock.instant();
        let start = self.clock.now().as_second();
        let mut course = Course {
            shop: self,
            stop,
            lines: JobLines::new(given.seq, given.attempt),
            output: Excerpt::default(),
            used: None,
            problem: String::new(),
        };
        let verdict = course.whole(given);
        let exit_code = verdict.exit_code();
        if exit_code != 0 {
            course.lines.message(course.problem.as_bytes());
            let last = course.output.last_lines(LAST_LINES, LAST_BYTES);
            course.lines.message(&last);
        }
        course.lines.end(&EndRecord {
            exit_code,
            start,
            end: self.clock.now().as_second(),
            node: self.node.clone(),
            peak_kib: course.used.map(|used| used.peak_kib),
            skipped: verdict == Verdict::Skipped,
            cpu: course.used.map(|used| used.cpu),
        });
        let took = self.clock.instant().saturating_duration_since(begun);
        Attempt {
            ended: Ended {
                seq: given.seq,
                attempt: given.attempt,
                how: verdict.how(),
                milliseconds: u64::try_from(took.as_millis()).ok(),
            },
            lines: course.lines,
            exit_code,
            output: course.output,
        }
    }

    fn commands(&self, given: &Given) -> Result<Commands, String> {
        let length = usize::try_from(given.length.min(LONGEST)).unwrap_or(0);
        let mut slice = vec![0; length];
        self.commands
            .read_exact_at(&mut slice, given.offset)
            .map_err(|error| format!("its part of commands.sh cannot be read: {error}"))?;
        Commands::read(&slice).map_err(|error| error.to_string())
    }
}

impl Verdict {
    fn exit_code(self) -> i32 {
        match self {
            Self::Skipped => 0,
            Self::Refused => NO_INPUT,
            Self::Ran(code) => code,
            Self::Stopped => STOPPED,
        }
    }

    fn how(self) -> How {
        match self {
            Self::Skipped | Self::Ran(0) => How::Passed,
            Self::Refused => How::Refused,
            Self::Ran(_) => How::Failed,
            Self::Stopped => How::Stopped,
        }
    }
}

impl Course<'_> {
    fn whole(&mut self, given: &Given) -> Verdict {
        if let Some(why) = self.shop.refused.get(&given.seq) {
            self.fault(why);
            return Verdict::Refused;
        }
        let commands = match self.shop.commands(given) {
            Ok(commands) => commands,
            Err(why) => {
                self.fault(&why);
                return Verdict::Ran(1);
            },
        };
        if !commands.need.iter().all(|file| outputs::has_bytes(file)) {
            let record = commands.otherwise.join("\n");
            self.lines.record(record.as_bytes());
            return Verdict::Skipped;
        }
        let exit = match self.steps(&commands) {
            Ok(exit) | Err(StepEnd::Exited(exit)) => exit,
            Err(StepEnd::Stopped) => {
                self.fault("ended by a signal: walltime, cancellation or shutdown");
                return Verdict::Stopped;
            },
            Err(StepEnd::TimedOut) => {
                let limit = commands.limit.unwrap_or_default();
                self.fault(&format!("killed after {limit} s (cost.limit)"));
                TIMED_OUT
            },
        };
        let evidence = outputs::evidence(commands.base, &commands.outputs);
        for output in &evidence.there {
            self.lines.output(output);
        }
        if exit != 0 {
            return Verdict::Ran(exit);
        }
        for problem in &evidence.problems {
            self.fault(problem);
        }
        if self.problem.is_empty()
            && let Some(record) = &commands.record
        {
            match outputs::record(record) {
                Ok(text) => self.lines.record(&text),
                Err(problem) => self.fault(&problem),
            }
        }
        Verdict::Ran(i32::from(!self.problem.is_empty()))
    }

    /// Runs the steps; the first that fails ends the job.
    fn steps(&mut self, commands: &Commands) -> Result<i32, StepEnd> {
        let deadline = commands
            .limit
            .map(|limit| Instant::now() + Duration::from_secs(limit));
        for argv in &commands.steps {
            let (end, used) = self.step(commands, argv, deadline);
            let so_far = self.used.get_or_insert_default();
            so_far.cpu += used.cpu;
            so_far.peak_kib = so_far.peak_kib.max(used.peak_kib);
            match end {
                StepEnd::Exited(0) => {},
                end => return Err(end),
            }
        }
        Ok(0)
    }

    fn step(
        &mut self,
        commands: &Commands,
        argv: &[OsString],
        deadline: Option<Instant>,
    ) -> (StepEnd, Used) {
        let Some((name, arguments)) = argv.split_first() else {
            return (StepEnd::Exited(NOT_STARTED), Used::default());
        };
        let program = self.shop.programs.find(name);
        let elsewhere = commands.directory != self.shop.directory;
        let mut step = Step {
            program: &program,
            name,
            arguments,
            directory: elsewhere.then_some(commands.directory.as_path()),
            deadline,
        };
        let mut ended = step.run(&mut self.output, self.stop);
        let script: Vec<OsString>;
        if let Err(error) = &ended
            && Errno::from_io_error(error) == Some(Errno::NOEXEC)
        {
            // A script without its `#!` line is the shell's, as it is in a shell.
            script = std::iter::once(program.clone().into_os_string())
                .chain(arguments.iter().cloned())
                .collect();
            step = Step {
                program: Path::new("/bin/sh"),
                name: OsStr::new("sh"),
                arguments: &script,
                ..step
            };
            ended = step.run(&mut self.output, self.stop);
        }
        ended.unwrap_or_else(|error| {
            let said = format!("outrigger: {}: {error}\n", name.display());
            self.output.add(said.as_bytes());
            let code = match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_STARTED,
            };
            (StepEnd::Exited(code), Used::default())
        })
    }

    fn fault(&mut self, what: &str) {
        self.problem.extend(["outrigger: ", what, "\n"]);
    }
}
