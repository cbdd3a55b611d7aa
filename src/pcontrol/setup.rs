//! What the settings file says about the controller.
//!
//! `COMMAND` is the program that opens a connection, with its options (ssh), `SHELL` the agent on
//! the hosts (pclient), as on the original; quotes keep blanks in a word of them.
//! `CONTROLLER_FENCE` is a time in seconds,
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
        let words = words(&command).map_err(|why| file.unusable(COMMAND, why))?;
        // By itself it means what is done anyhow.
        way.command = (words != ["ssh"]).then_some(words);
    }
    way.agent = file.get(SHELL)?;
    if let Some(agent) = &way.agent {
        // The shell of the host splits it, and must find what is found here.
        words(agent).map_err(|why| file.unusable(SHELL, why))?;
    }
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

/// The words of a command, as a shell would split them; at least a program.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let words = shlex::split(text)
        .ok_or("it ends within a quote, or with a backslash that has nothing behind it")?;
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err("it names no program"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ssh -F '/a b/config'", Ok(vec!["ssh", "-F", "/a b/config"]))]
    #[case(r#"ssh  -o "ProxyCommand nc %h" "#, Ok(vec!["ssh", "-o", "ProxyCommand nc %h"]))]
    #[case(r"/opt/a\ b/pclient", Ok(vec!["/opt/a b/pclient"]))]
    #[case("/opt/'a b/pclient", Err("within a quote"))]
    #[case(r#"ssh -F "a"#, Err("within a quote"))]
    #[case(r"ssh \", Err("backslash"))]
    #[case("''", Err("no program"))]
    #[case("# ssh", Err("no program"))]
    fn quotes_and_blanks_mean_what_they_mean_to_a_shell(
        #[case] text: &str,
        #[case] wanted: Result<Vec<&str>, &str>,
    ) {
        match (words(text), wanted) {
            (Ok(words), Ok(wanted)) => assert_eq!(words, wanted),
            (Err(why), Err(wanted)) => assert!(why.contains(wanted), "{why}"),
            (words, wanted) => panic!("{words:?}, not {wanted:?}"),
        }
    }
}
