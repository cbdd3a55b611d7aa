//! The commands of `outrigger`: one file a verb; parse, call, print; nothing else.

use std::process::ExitCode;

/// Runs the program that argv[0] names.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
