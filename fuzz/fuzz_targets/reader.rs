//! Any bytes are a script or are refused.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use outrigger::opihi::{Interpreter, Program};

fuzz_target!(|bytes: &[u8]| {
    drop(Program::read(Path::new("script"), bytes));
    if let Ok(text) = str::from_utf8(bytes) {
        Interpreter::wants_more(text);
    }
});
