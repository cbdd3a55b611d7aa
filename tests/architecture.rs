//! The dependency rule of docs/architecture.md: a room uses only rooms of the floors below it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a failed test says where"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The floors from the ground up. Rooms of one floor do not use each other.
const FLOORS: [&[&str]; 8] = [
    &["durable"],
    &["axis", "metadata", "config", "state"],
    &["engine", "connection", "opihi", "process"],
    &[
        "batch",
        "allocator",
        "transfer",
        "pclient",
        "shell",
        "worker",
    ],
    &["prepare", "exec", "poll", "pcontrol", "sitehost"],
    &["remote", "pantasks", "gates", "blackboard"],
    &["sky", "remotetool", "monitor"],
    &["cli"],
];

fn floor(room: &str) -> usize {
    let floor = FLOORS.iter().position(|rooms| rooms.contains(&room));
    floor.unwrap_or_else(|| panic!("src/{room} is not on any floor: place it, or name it aright"))
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Rooms that a source text uses through `crate::room` or `crate::{room, …}`.
fn uses(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(inner) = rest.strip_prefix('{') {
            let (mut depth, mut word) = (0, String::new());
            for c in inner.chars() {
                match c {
                    '}' if depth == 0 => break,
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.insert(std::mem::take(&mut word));
                    },
                    c => word.push(c),
                }
            }
            rooms.insert(word);
        } else {
            rooms.insert(
                rest.split(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .next()
                    .unwrap()
                    .into(),
            );
        }
    }
    let name = |use_: &String| {
        let word: String = use_
            .trim()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        (!word.is_empty()).then_some(word)
    };
    rooms.iter().filter_map(name).collect()
}

#[test]
fn a_use_of_several_rooms_is_seen_whole() {
    let text =
        "use crate::{\n  batch::{A, B},\n  state::{run::{X}, Y},\n};\nlet z = crate::exec::f();";
    let found: Vec<String> = uses(text).into_iter().collect();
    assert_eq!(found, ["batch", "exec", "state"]);
}

#[test]
fn no_arrow_runs_up_or_across() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(&src).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.is_dir() {
            continue;
        }
        let room = dir.file_name().unwrap().to_str().unwrap().to_owned();
        let own = floor(&room);
        for file in sources(&dir) {
            for used in uses(&fs::read_to_string(&file).unwrap()) {
                if used != room {
                    seen += 1;
                    if floor(&used) >= own {
                        wrong.push(format!("{} uses {used}", file.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 20, "the test no longer sees what rooms use");
}

#[test]
fn only_the_one_place_reads_the_clock_or_writes_a_state() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let text = fs::read_to_string(&file).unwrap();
        let place = file
            .strip_prefix(&src)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        for word in [
            "UPDATE runs SET state",
            "UPDATE components SET state",
            "UPDATE jobs SET state",
        ] {
            if text.contains(word) && !place.starts_with("state/") {
                wrong.push(format!("{place}: {word}"));
            }
        }
        for word in ["Timestamp::now(", "SystemTime::now("] {
            if text.contains(word) && place != "engine/clock.rs" {
                wrong.push(format!("{place}: {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rooms in which a run lives.
const OF_A_RUN: [&str; 7] = [
    "state", "prepare", "exec", "poll", "remote", "batch", "transfer",
];

#[test]
fn what_outlives_a_process_is_a_step_that_a_test_can_die_at() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for file in OF_A_RUN.iter().flat_map(|room| sources(&src.join(room))) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        if name.ends_with("tests") || file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for word in ["fs::rename(", "fs::write(", ".persist("] {
            if code.contains(word) {
                wrong.push(format!("{}: {word}: see src/durable", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
