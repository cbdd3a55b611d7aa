//! Named pipes, at which a job waits until the test lets it go on.

#![allow(clippy::unwrap_used, reason = "a failed test says where")]

use std::path::Path;

use rustix::fs::{CWD, Mode, mkfifoat};

/// Makes one.
#[track_caller]
pub(crate) fn fifo(path: &Path) {
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
}
