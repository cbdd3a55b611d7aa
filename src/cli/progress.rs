//! Progress on stderr: bars on a terminal, lines elsewhere.

use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table::note;
use crate::{
    remote::{Observer, Standing},
    state::run::Run,
    transfer::Progress,
};

/// Shows on stderr what the driver does.
#[derive(Debug)]
pub(super) struct Screen {
    jobs: ProgressBar,
    bytes: ProgressBar,
    components: ProgressBar,
    bars: MultiProgress,
    quiet: bool,
}

impl Screen {
    pub(super) fn new(quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        let bar = |template: &str| {
            let style = ProgressStyle::with_template(template);
            let bar = bars.add(ProgressBar::new(0));
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        };
        Self {
            components: bar("prepared {pos} components {msg}"),
            bytes: bar("moved    [{bar:40}] {bytes}/{total_bytes}  {bytes_per_sec}, {eta} left"),
            jobs: bar("jobs     [{bar:40}] {pos}/{len}  {msg}"),
            bars,
            quiet,
        }
    }
}

impl Progress for Screen {
    fn expect(&self, _files: u64, bytes: u64) {
        self.bytes.inc_length(bytes);
    }

    fn bytes(&self, n: u64) {
        self.bytes.inc(n);
        let moved = self.bytes.position();
        if self.bytes.length().is_none_or(|length| length < moved) {
            self.bytes.set_length(moved);
        }
    }

    fn files(&self, _: u64) {}

    fn warn(&self, text: &str) {
        self.note(None, text);
    }
}

impl Observer for Screen {
    fn note(&self, run: Option<&Run>, text: &str) {
        if self.quiet {
            return;
        }
        let line = match run {
            Some(run) => format!("run {} ({}): {text}", run.run_id, run.stage),
            None => text.to_owned(),
        };
        if self.bars.is_hidden() {
            note(&line);
        } else {
            drop(self.bars.println(line));
        }
    }

    fn components(&self, run_id: i64, done: u64) {
        self.components.set_position(done);
        self.components.set_message(format!("of run {run_id}"));
    }

    fn round(&self, standing: &Standing) {
        self.jobs.set_length(standing.jobs);
        self.jobs.set_position(standing.jobs_done);
        self.jobs.set_message(format!(
            "{} runs on the way, {} full, {} in auth, {} in error",
            standing.active, standing.full, standing.auth, standing.error
        ));
    }
}
