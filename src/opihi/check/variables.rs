//! Variables that nothing sets, and names that do not mean what they seem to.

use std::collections::BTreeSet;

use super::{
    super::compiled::{Operator, assignment},
    finding::Finding,
    references::{Reference, Use, references},
    setters::Setters,
    walk::{Role, Spot, Walk},
};

pub(super) fn lints(walk: &Walk, setters: &Setters<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    let guarded = asked(walk);
    for spot in &walk.spots {
        let text = walk.text(spot.index);
        // A loop is written in one line and used in many: each name is told once a line.
        for reference in references(used(text)) {
            let message = wrong(reference, spot, setters)
                .filter(|_| reference.used != Use::Value || !guarded.contains(reference.name));
            if let Some((message, help)) = message
                && told.insert((spot.index, reference.name))
            {
                let mark = format!("${}", reference.name);
                let finding = Finding::new(&walk.program, spot.index, message).mark(mark);
                found.push(match help {
                    Some(help) => finding.help(help),
                    None => finding,
                });
            }
        }
    }
    targets(walk, setters, &mut found);
    vain_guards(walk, &mut found);
    found
}

/// The names that a file asks for before it uses them: people may set them.
fn asked(walk: &Walk) -> BTreeSet<&str> {
    let texts = walk.spots.iter().map(|spot| walk.text(spot.index));
    let found = texts.flat_map(references);
    let asked = found.filter(|reference| reference.used == Use::Exists);
    asked.map(|reference| reference.name).collect()
}

/// Conditions that ask for a variable and use it at once.
fn vain_guards(walk: &Walk, found: &mut Vec<Finding>) {
    for (spot, call) in walk.calls() {
        let text = call.condition.unwrap_or_default();
        let asked = references(text).filter(|reference| reference.used == Use::Exists);
        let names: BTreeSet<&str> = asked.map(|reference| reference.name).collect();
        let vain = references(text)
            .find(|reference| reference.used == Use::Value && names.contains(reference.name));
        if let Some(Reference { name, .. }) = vain {
            let message =
                format!("this fails where {name} is not set: both sides are always computed");
            let finding =
                Finding::new(&walk.program, spot.index, message).mark(format!("$?{name}"));
            found.push(finding.help(format!("write one `if` for $?{name} around another")));
        }
    }
}

/// A line without the name that it assigns to.
fn used(text: &str) -> &str {
    match assignment(text) {
        Some((target, _, _)) if target.starts_with('$') => text,
        Some((target, _, _)) => text
            .get(1..)
            .and_then(|rest| {
                let fixed = target.find('$').unwrap_or(target.len());
                rest.get(fixed..)
            })
            .unwrap_or_default(),
        None => text,
    }
}

fn wrong(
    reference: Reference<'_>,
    spot: &Spot,
    setters: &Setters<'_>,
) -> Option<(String, Option<String>)> {
    let Reference { name, used, after } = reference;
    if name.bytes().all(|b| b.is_ascii_digit()) {
        let outside = spot.within.definition.is_none() || spot.within.body.is_some();
        let plain = used != Use::Exists && outside && spot.role != Role::Data;
        return plain.then(|| {
            (
                format!("${name} is the argument of a macro, and this is in none"),
                None,
            )
        });
    }
    match used {
        Use::Exists => return None,
        Use::Stem if setters.has_stem(name) => return None,
        Use::Stem => {
            let message = format!("nothing in these files sets a variable that begins with {name}");
            return Some((message, None));
        },
        Use::Value => {},
    }
    if name == "EXIT" {
        let message = "$EXIT is the older name of what $JOB_STATUS holds: the job's exit status";
        return Some((message.to_owned(), Some("write $JOB_STATUS".to_owned())));
    }
    let dotted = dotted(name, after, setters);
    if let Some(long) = dotted {
        let message = format!("the name ends before the `.`: this is not the variable {long}");
        return Some((message, Some(format!("call it {}", long.replace('.', "_")))));
    }
    if setters.has(name) || setters.counts(name) {
        return None;
    }
    let message = format!("nothing in these files sets {name}");
    let help = name.strip_suffix(':').map(|shorter| {
        format!("the `:` belongs to the name; write ${shorter}\\: for the variable {shorter}")
    });
    Some((message, help))
}

/// The name with dots that somebody sets and that this reference seems to mean.
fn dotted<'a>(name: &str, after: &str, setters: &Setters<'a>) -> Option<&'a str> {
    let rest = after.strip_prefix('.')?;
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'.');
    let length = rest.bytes().take_while(|b| word(*b)).count();
    let rest = rest.get(..length)?;
    let named = |long: &&&str| {
        long.strip_prefix(name)
            .and_then(|long| long.strip_prefix('.'))
            == Some(rest)
    };
    setters.dotted.iter().find(named).copied()
}

/// Assignments to names that are none, and counting of what nothing has set.
fn targets(walk: &Walk, setters: &Setters<'_>, found: &mut Vec<Finding>) {
    for (spot, call) in walk.calls() {
        let text = call.text;
        let Some((target, operator, _)) = assignment(text) else {
            found.extend(dotted_target(walk, spot, text));
            continue;
        };
        if operator != Operator::Set && setters.counts(target) {
            let message = format!(
                "nothing in these files sets {target} before it is counted: it counts from 0"
            );
            found.push(Finding::new(&walk.program, spot.index, message).mark(format!("${target}")));
        }
    }
}

/// `$a.b = value`, which assigns to nothing.
fn dotted_target(walk: &Walk, spot: Spot, text: &str) -> Option<Finding> {
    let (first, rest) = text.strip_prefix('$')?.split_once(char::is_whitespace)?;
    let (before, _) = first.split_once('.')?;
    let operators = ["=", "++", "--", "+=", "-="];
    let assigns = operators
        .iter()
        .any(|operator| rest.trim_start().starts_with(operator));
    assigns.then(|| {
        let message = format!("the name ends before the `.`: this is not an assignment to {first}");
        Finding::new(&walk.program, spot.index, message)
            .mark(format!("${before}."))
            .help(format!("call it {}", first.replace('.', "_")))
    })
}
