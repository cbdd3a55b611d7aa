//! The programs that the binary is when it is called by their names: stand-ins for old tools,
//! each with its own command line, output and exit codes.

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::Args;

use crate::{pantasks, pclient, pcontrol, remotetool};

/// A program: called with where outrigger.yaml is, and its arguments.
pub(super) type Program = fn(&Path, &[OsString]) -> ExitCode;

const PROGRAMS: &[(&str, Program)] = &[
    ("pantasks", pantasks::program::main),
    ("pantasks_client", pantasks::client::program::main),
    ("pantasks_server", pantasks::server::program::main),
    ("pclient", pclient::program::main),
    ("pcontrol", pcontrol::program::main),
    ("remotetool", remotetool::main),
];

/// The program that argv\[0] names.
pub(super) fn named(argv0: Option<&OsString>) -> Option<Program> {
    let name = Path::new(argv0?).file_name()?;
    let mut programs = PROGRAMS.iter();
    programs
        .find(|(known, _)| name == *known)
        .map(|(_, program)| *program)
}

/// The arguments of a program, which reads them itself.
#[derive(Debug, Args)]
pub(super) struct Words {
    /// Its own arguments; -help lists them.
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    pub(super) words: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_part_of_argv0_names_the_program() {
        let named = |name: &str| super::named(Some(&name.into())).is_some();
        assert!(named("remotetool"));
        assert!(named("/usr/bin/remotetool"));
        assert!(!named("outrigger"));
        assert!(!named("/remotetool/outrigger"));
        assert!(super::named(None).is_none());
    }
}
