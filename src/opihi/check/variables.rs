//! Variables that nothing sets, and names that do not mean what they seem to.

use std::collections::BTreeSet;

use super::{
    super::compiled::{Operator, assignment},
    finding::Finding,
    references::{Reference, Use, references},
    setters::Setters,
    walk::{Role, Spot, Walk},
};

/// A message and what to do about it.
type Told = Option<(String, Option<String>)>;

/// Names that do not mean what they seem to.
pub(super) fn lints(walk: &Walk, setters: &Setters<'_>) -> Vec<Finding> {
    let mut found = uses(walk, |spot, reference| misread(spot, reference, setters));
    dotted_targets(walk, &mut found);
    vain_guards(walk, &mut found);
    found
}

/// Variables that nothing sets.
pub(super) fn unset(walk: &Walk, setters: &Setters<'_>) -> Vec<Finding> {
    let asked = asked(walk);
    let mut found = uses(walk, |_, reference| {
        if asked.contains(reference.name) || misread_name(reference, setters).is_some() {
            return None;
        }
        missing(reference, setters)
    });
    counts(walk, setters, &mut found);
    found
}

/// What `wrong` says of the references of each line, each name once a line.
fn uses(walk: &Walk, wrong: impl Fn(&Spot, Reference<'_>) -> Told) -> Vec<Finding> {
    let mut found = Vec::new();
    for spot in &walk.spots {
        let text = walk.text(spot.index);
        if dotted_target(walk, *spot, text).is_some() {
            continue;
        }
        let mut told = BTreeSet::new();
        for reference in references(used(text)) {
            let Some((message, help)) = wrong(spot, reference) else {
                continue;
            };
            if told.insert(reference.name) {
                let mark = format!("${}", reference.name);
                let finding = Finding::new(&walk.program, spot.index, message).mark(mark);
                found.push(match help {
                    Some(help) => finding.help(help),
                    None => finding,
                });
            }
        }
    }
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

fn is_argument(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit())
}

fn misread(spot: &Spot, reference: Reference<'_>, setters: &Setters<'_>) -> Told {
    let name = reference.name;
    if !is_argument(name) {
        return misread_name(reference, setters);
    }
    let outside = spot.within.definition.is_none() || spot.within.body.is_some();
    let uses = reference.used != Use::Exists && spot.role != Role::Data;
    let message = format!("${name} is the argument of a macro, and this is in none");
    (outside && uses).then_some((message, None))
}

fn misread_name(reference: Reference<'_>, setters: &Setters<'_>) -> Told {
    let Reference { name, used, after } = reference;
    if used != Use::Value {
        return None;
    }
    if name == "EXIT" {
        let message = "$EXIT is the older name of what $JOB_STATUS holds: the job's exit status";
        return Some((message.to_owned(), Some("write $JOB_STATUS".to_owned())));
    }
    let long = dotted(name, after, setters)?;
    let message = format!("the name ends before the `.`: this is not the variable {long}");
    Some((message, Some(format!("call it {}", long.replace('.', "_")))))
}

fn missing(reference: Reference<'_>, setters: &Setters<'_>) -> Told {
    let Reference { name, used, .. } = reference;
    let set = match used {
        Use::Exists => true,
        Use::Stem => setters.has_stem(name),
        Use::Value => setters.has(name) || setters.counts(name),
    };
    if set || is_argument(name) {
        return None;
    }
    if used == Use::Stem {
        let message = format!("nothing in these files sets a variable that begins with {name}");
        return Some((message, None));
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

/// Counting of what nothing has set.
fn counts(walk: &Walk, setters: &Setters<'_>, found: &mut Vec<Finding>) {
    for (spot, call) in walk.calls() {
        let Some((target, operator, _)) = assignment(call.text) else {
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

/// Assignments to names that are none.
fn dotted_targets(walk: &Walk, found: &mut Vec<Finding>) {
    for (spot, call) in walk.calls() {
        if assignment(call.text).is_none() {
            found.extend(dotted_target(walk, spot, call.text));
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
