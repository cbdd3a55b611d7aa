//! What the settings file says about the controller.
//!
//! `COMMAND` is the program that opens a connection, with its options (ssh), `SHELL` the agent on
//! the hosts (pclient), as on the original. `CONTROLLER_FENCE` is a time in seconds,
//! `CONTROLLER_KEEP` 0 or 1.

use std::time::Duration;

use super::{cluster::Way, settings::Settings};
use crate::shell::settings::{Settings as File, SettingsError};

const COMMAND: &str = "COMMAND";
const SHELL: &str = "SHELL";
const FENCE: &str = "CONTROLLER_FENCE";
const KEEP: &str = "CONTROLLER_KEEP";

/// The controller's settings and how it reaches hosts.
///
/// # Errors
/// [`SettingsError`].
pub fn read(file: &File) -> Result<(Settings, Way), SettingsError> {
    let mut settings = Settings::default();
    let mut way = Way::default();
    if let Some(command) = file.get(COMMAND)? {
        let words = shlex::split(&command).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| file.unusable(COMMAND, "its quotes do not match"))?;
        // By itself it means what is done anyhow.
        way.command = (words != ["ssh"]).then_some(words);
    }
    way.agent = file.get(SHELL)?;
    if let Some(fence) = file.get(FENCE)? {
        let seconds = fence.parse().ok().filter(|seconds| *seconds >= 0.2);
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        settings.fence = time.ok_or_else(|| {
            file.unusable(FENCE, "it has to be a number of seconds, at least 0.2")
        })?;
    }
    settings.keep = match file.get(KEEP)?.as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(file.unusable(KEEP, "it has to be 0 or 1")),
    };
    Ok((settings, way))
}
