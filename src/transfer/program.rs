//! Our own program at the far end, where it may be.

use std::{os::unix::ffi::OsStrExt, path::Path};

/// What a program like this one says of its version.
const VERSION: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// The last two words of a script that has [`ours!`] at its front: `program`, or nothing, and its
/// version.
pub(super) fn words(program: Option<&Path>) -> [&[u8]; 2] {
    let program = program.unwrap_or(Path::new(""));
    [program.as_os_str().as_bytes(), VERSION.as_bytes()]
}

/// A shell function for the front of a script, as a literal for `concat!`: `ours PROGRAM VERSION`
/// tells whether the program is there, runs, and is of that version.
macro_rules! ours {
    () => {
        r#"
ours() { [ -n "$1" ] && [ "$("$1" --version 2>/dev/null)" = "$2" ]; }
"#
    };
}
pub(super) use ours;
