//! The task language by transcripts: `tests/opihi/*.txt` are scripts and what they print, each
//! with the rule of `tests/opihi/rules.md` that it shows.
//!
//! A case is
//!
//! ```text
//! ## 1.4.3 a list's element by a variable index
//! $i = 1; $X:1 = one
//! echo $X:$i
//! ---
//! one
//! ```
//!
//! The title begins with one rule or several, joined by commas. Before the script may stand
//! `@file NAME`, the lines of a file and `@end`; `@typed LINE` for what is typed when the script
//! asks; `@config NAME VALUE`, `@history LINE`, `@env NAME VALUE`. In what is expected, `! ` begins
//! what goes to the error stream, `=> ` how the script ended where it did not simply end, and
//! `DIR` is the directory of the case. `options` and `command`, which a scheduler has, print their
//! words. `UPDATE=1` writes what is printed into the files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test says where"
)]

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use outrigger::opihi::{Flow, Host, Interpreter, Ran, Stop};

/// What a case prepares.
#[derive(Debug, Default)]
struct Setup {
    files: Vec<(String, String)>,
    typed: VecDeque<String>,
    config: BTreeMap<String, String>,
    history: Vec<String>,
    environment: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Case {
    rules: Vec<String>,
    title: String,
    body: String,
    expected: String,
}

/// The world of a case: its directory, its clock that stands still, and a shell that knows `echo`,
/// `cat`, `lines`, `hang`, and fails at anything else with 3.
#[derive(Debug)]
struct Stage {
    directory: PathBuf,
    said: Arc<Mutex<String>>,
    setup: Setup,
}

impl Stage {
    fn say(&self, text: &str) {
        self.said.lock().unwrap().push_str(text);
    }
}

impl Host for Stage {
    fn out(&mut self, text: &str) {
        self.say(text);
    }

    fn err(&mut self, text: &str) {
        for line in text.lines() {
            self.say(&format!("! {line}\n"));
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(1_000_000_000).unwrap()
    }

    fn exec(&mut self, command: &str, timeout: Option<Duration>) -> io::Result<Ran> {
        if command == "hang" && timeout.is_some() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.capture(command)
    }

    fn capture(&mut self, command: &str) -> io::Result<Ran> {
        let (stdout, code) = match command.split_once(' ') {
            Some(("echo", text)) => (format!("{text}\n"), 0),
            Some(("cat", name)) => (fs::read_to_string(self.directory.join(name))?, 0),
            _ if command == "lines" => ("one\n two\n\nthree\n".to_owned(), 0),
            _ => (String::new(), 3),
        };
        Ok(Ran {
            code,
            stdout: stdout.into_bytes(),
        })
    }

    fn pause(&mut self, time: Duration) {
        self.say(&format!("({} s later)\n", time.as_secs_f64()));
    }

    fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    fn change_directory(&mut self, path: &Path) -> io::Result<()> {
        self.directory = self.directory.join(path).canonicalize()?;
        Ok(())
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.setup.environment.get(name).cloned()
    }

    fn read_line(&mut self) -> Option<String> {
        self.setup.typed.pop_front()
    }

    fn config(&self, key: &str) -> Option<String> {
        self.setup.config.get(key).cloned()
    }

    fn reload_config(&mut self) -> io::Result<()> {
        if self.setup.config.is_empty() {
            return Err(io::Error::other("nowhere"));
        }
        Ok(())
    }

    fn history(&self) -> Vec<String> {
        self.setup.history.clone()
    }

    fn name_and_version(&self) -> (String, String) {
        ("stage".to_owned(), "1.0".to_owned())
    }
}

/// The cases of a file.
fn cases(text: &str) -> Vec<Case> {
    let text = format!("\n{text}");
    let parts = text.split("\n## ").skip(1);
    parts
        .map(|part| {
            let (head, rest) = part.split_once('\n').unwrap();
            let (rules, title) = head.split_once(' ').unwrap();
            let (body, expected) = match rest.split_once("---\n") {
                Some((body, expected)) => (body, expected),
                None => (rest.trim_end_matches("---"), ""),
            };
            Case {
                rules: rules.split(',').map(str::to_owned).collect(),
                title: title.to_owned(),
                body: body.to_owned(),
                expected: expected.trim_end_matches('\n').to_owned(),
            }
        })
        .collect()
}

/// The script of a case, and what stands before it.
fn setup(body: &str) -> (Setup, String) {
    let mut setup = Setup::default();
    let mut script = String::new();
    let mut lines = body.lines();
    while let Some(line) = lines.next() {
        let Some(word) = line.strip_prefix('@') else {
            script.push_str(line);
            script.push('\n');
            continue;
        };
        let (word, rest) = word.split_once(' ').unwrap_or((word, ""));
        let pair = || {
            let (name, value) = rest.split_once(' ').unwrap();
            (name.to_owned(), value.to_owned())
        };
        match word {
            "file" => {
                let content = lines.by_ref().take_while(|line| *line != "@end");
                let content = content.flat_map(|line| [line, "\n"]).collect();
                setup.files.push((rest.to_owned(), content));
            },
            "typed" => setup.typed.push_back(rest.to_owned()),
            "history" => setup.history.push(rest.to_owned()),
            "config" => setup.config.extend([pair()]),
            "env" => setup.environment.extend([pair()]),
            _ => panic!("@{word} is not known"),
        }
    }
    (setup, script)
}

/// What a case prints, and how it ends.
fn transcript(case: &Case) -> String {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let (setup, script) = setup(&case.body);
    for (name, content) in &setup.files {
        fs::write(root.join(name), content).unwrap();
    }
    let said = Arc::new(Mutex::new(String::new()));
    let mut interpreter = Interpreter::new(Box::new(Stage {
        directory: root.clone(),
        said: Arc::clone(&said),
        setup,
    }));
    interpreter.limit_steps(Some(20_000));
    for word in ["options", "command"] {
        interpreter.register(
            word,
            Arc::new(|interpreter, args| {
                interpreter.out(&format!("({})\n", args.line()?));
                Ok(Flow::On)
            }),
        );
    }
    let outcome = interpreter.run_text(Path::new("t"), &script);
    let mut text = said.lock().unwrap().clone();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    match outcome {
        Ok(Flow::On) => {},
        Ok(flow) => writeln!(text, "=> {flow:?}").unwrap(),
        Err(Stop::Break) => text.push_str("=> break\n"),
        Err(Stop::Quit(code)) => writeln!(text, "=> quit {code}").unwrap(),
        Err(Stop::Failed(failure)) => {
            let place = failure.place.map_or_else(String::new, |place| {
                let file = match place.file.to_str() {
                    Some("t") => String::new(),
                    file => format!("{}:", file.unwrap_or_default()),
                };
                format!(" at {file}{}", place.line)
            });
            writeln!(text, "=> fails{place}: {}", failure.fault).unwrap();
        },
    }
    let text = text.replace(root.to_str().unwrap(), "DIR");
    text.trim_end_matches('\n').to_owned()
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opihi");
    let entries = fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    files
}

/// The rules, by their names.
fn rules() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/opihi/rules.md");
    let text = fs::read_to_string(path).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("* "));
    names
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// What differs, line by line.
fn difference(expected: &str, printed: &str) -> String {
    let (expected, printed): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), printed.lines().collect());
    let mut text = String::new();
    for index in 0..expected.len().max(printed.len()) {
        match (expected.get(index), printed.get(index)) {
            (Some(a), Some(b)) if a == b => writeln!(text, "      {a}").unwrap(),
            (a, b) => {
                for (sign, line) in [('-', a), ('+', b)] {
                    if let Some(line) = line {
                        writeln!(text, "    {sign} {line}").unwrap();
                    }
                }
            },
        }
    }
    text
}

#[test]
fn every_script_prints_what_its_transcript_says() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut count = 0;
    let mut report = String::new();
    for path in files() {
        let text = fs::read_to_string(&path).unwrap();
        let mut updated = text.split("\n## ").next().unwrap().to_owned();
        if text.starts_with("## ") {
            updated.clear();
        }
        for case in cases(&text) {
            count += 1;
            let printed = transcript(&case);
            if printed != case.expected {
                let name = path.file_name().unwrap().to_string_lossy();
                let Case { rules, title, .. } = &case;
                writeln!(report, "{name}: {} {title}", rules.join(",")).unwrap();
                report.push_str(&difference(&case.expected, &printed));
            }
            let Case {
                rules, title, body, ..
            } = &case;
            let head = format!("\n## {} {title}\n{body}---\n", rules.join(","));
            updated.push_str(&head);
            if !printed.is_empty() {
                updated.push_str(&printed);
                updated.push('\n');
            }
        }
        if update {
            fs::write(&path, updated.trim_start_matches('\n')).unwrap();
        }
    }
    assert!(count >= 300, "only {count} cases");
    assert!(update || report.is_empty(), "\n{report}");
}

#[test]
fn every_case_names_rules_that_there_are() {
    let rules = rules();
    let mut unknown = String::new();
    for path in files() {
        for case in cases(&fs::read_to_string(&path).unwrap()) {
            for rule in case.rules.iter().filter(|rule| !rules.contains(*rule)) {
                writeln!(unknown, "{}: {rule} {}", path.display(), case.title).unwrap();
            }
        }
    }
    assert!(unknown.is_empty(), "\n{unknown}");
}

#[test]
fn every_rule_has_a_case() {
    let mut shown = BTreeSet::new();
    for path in files() {
        for case in cases(&fs::read_to_string(&path).unwrap()) {
            shown.extend(case.rules);
        }
    }
    let rules = rules();
    let missing: Vec<_> = rules.difference(&shown).map(String::as_str).collect();
    assert!(missing.is_empty(), "no case shows {}", missing.join(", "));
}
