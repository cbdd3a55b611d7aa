//! Macros that change a task that nothing defines.

use std::collections::BTreeSet;

use super::definitions::Definition;
use crate::opihi::Finding;

/// Definitions in macros that only change a task, while no file has that task.
pub(super) fn lints(all: &[Definition<'_>], known: &BTreeSet<String>) -> Vec<Finding> {
    let made = all.iter().filter(|definition| definition.has_command());
    let made: BTreeSet<&str> = made.map(|definition| definition.name).collect();
    let open = made.iter().any(|name| name.contains('$'));
    let unknown = |definition: &&Definition<'_>| {
        let name = definition.name;
        definition.in_macro
            && !definition.has_command()
            && !name.contains('$')
            && !made.contains(name)
            && !known.contains(name)
    };
    if open {
        return Vec::new();
    }
    let found = all.iter().filter(unknown).map(|definition| {
        let name = definition.name;
        let message = format!("this macro fails: no file that was loaded defines the task {name}");
        Finding::new(&definition.walk.program, definition.opener, message).mark(name)
    });
    found.collect()
}
