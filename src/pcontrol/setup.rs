//! What the settings file says about the controller.
//!
//! `COMMAND` is the program that opens a connection, with its options (ssh), `SHELL` the agent on
//! the hosts (pclient), as on the original. `CONTROLLER_FENCE` is a time in seconds,
//! `CONTROLLER_KEEP` 0 or 1.

use super::{cluster::Way, commands::SHORTEST_FENCE, limits::seconds, settings::Settings};
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
        let time = seconds(FENCE, &fence, SHORTEST_FENCE);
        settings.fence = time.map_err(|error| file.unusable(FENCE, error.to_string()))?;
    }
    settings.keep = match file.get(KEEP)?.as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(file.unusable(KEEP, "it has to be 0 or 1")),
    };
    Ok((settings, way))
}
