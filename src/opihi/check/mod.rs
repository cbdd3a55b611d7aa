//! What can be told of scripts without running them.

mod commands;
mod compare;
mod finding;
mod references;
mod setters;
mod table;
#[cfg(test)]
mod tests;
mod variables;
mod walk;

use super::interpreter::Interpreter;

pub use finding::Finding;
pub use walk::{Call, Role, Spot, Walk, Within, calls};

use setters::Setters;
use table::Table;

/// What would bite later in the files that `interpreter` has loaded, or that a load of others led
/// to. Commands are those of the interpreter, and macros and variables those of all files; where a
/// file is missing (not `whole`), what it might define is not asked for.
pub fn check(interpreter: &Interpreter, walks: &[Walk], whole: bool) -> Vec<Finding> {
    let table = Table::of(interpreter, walks);
    let setters = Setters::of(interpreter, walks, &table);
    let mut found = Vec::new();
    for walk in walks {
        if whole {
            found.extend(commands::unknown(walk, &table));
            found.extend(variables::unset(walk, &setters));
        }
        found.extend(commands::lints(walk, &table));
        found.extend(variables::lints(walk, &setters));
        found.extend(compare::lints(walks, walk));
    }
    found
}
