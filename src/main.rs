//! One binary; argv[0] decides which program it is.

use std::process::ExitCode;

fn main() -> ExitCode {
    outrigger::cli::main()
}
