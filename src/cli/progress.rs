//! Progress on stderr: bars on a terminal, lines elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    remote::{Observer, Standing},
    state::run::Run,
    transfer::Progress,
};

/// Shows on stderr what the driver does.
#[derive(Debug)]
pub(super) struct Screen {
    jobs: ProgressBar,
    files: ProgressBar,
    bars: indicatif::MultiProgress,
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
        let bars = indicatif::MultiProgress::with_draw_target(target);
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let jobs = bars.add(ProgressBar::new(0));
        jobs.set_style(style("jobs  [{bar:40}] {pos}/{len}  {msg}"));
        let files = bars.add(ProgressBar::no_length());
        files.set_style(style("files {human_pos} moved, {msg}"));
        Self {
            jobs,
            files,
            bars,
            quiet,
        }
    }
}

impl Progress for Screen {
    fn bytes(&self, n: u64) {
        let total = self.files.length().unwrap_or_default() + n;
        self.files.set_length(total);
        self.files
            .set_message(indicatif::HumanBytes(total).to_string());
    }

    fn files(&self, n: u64) {
        self.files.inc(n);
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
            eprintln!("{line}");
        } else {
            drop(self.bars.println(line));
        }
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
