//! `remotetool` against a golden transcript: `tests/remotetool/transcript.txt` holds commands and,
//! to the byte, what they print and how they end. `UPDATE_TRANSCRIPT=1` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a failed test says where"
)]

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use jiff::{Timestamp, civil};
use outrigger::state::{
    Store,
    back_off::BackOff,
    component::{Candidate, NewRun},
    event::Act,
    import::{Import, JobOutcome},
    job::{JobEvent, PreparedComponent},
    run::RunEvent,
};
use tempfile::TempDir;

const CONFIG: &str = "
sites:
  mustang:
    profile: lanl
    scheduler: local
    connection: none
";

const CHIP: &str = "
stage: chip
components:
  sql: >-
    SELECT column1 AS stage_id FROM
      (VALUES (11, 'demo.t1'), (41, 'demo.t1'), (42, 'demo.t1'), (43, 'demo.t1'), (51, 'demo.t3'),
              (52, 'demo.t3'), (61, 'demo.t4'))
    WHERE column2 = :label ORDER BY column1
command: [\"true\"]
cost: {threads: 2, seconds: 150}
next: camera
";

const CAMERA: &str = "
stage: camera
alias: [cam]
components:
  sql: SELECT stage_id FROM queue WHERE stage = 'camera' AND label = :label
command: [\"true\"]
cost: {threads: 2, seconds: 1700}
";

/// A workplace whose runs were made in May 2014.
struct Work {
    dir: TempDir,
    minute: i64,
}

impl Work {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("outrigger.yaml"), CONFIG).unwrap();
        fs::create_dir(dir.path().join("stages")).unwrap();
        fs::write(dir.path().join("stages/chip.yaml"), CHIP).unwrap();
        fs::write(dir.path().join("stages/camera.yaml"), CAMERA).unwrap();
        symlink(
            env!("CARGO_BIN_EXE_outrigger"),
            dir.path().join("remotetool"),
        )
        .unwrap();
        Self { dir, minute: 0 }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A minute later than before, from 2014-05-02T01:00 on.
    fn act(&mut self) -> Act<'static> {
        self.minute += 1;
        let start: Timestamp = "2014-05-02T01:00:00Z".parse().unwrap();
        let now = start + jiff::SignedDuration::from_mins(self.minute);
        Act::new(now, "test", "set up")
    }

    fn define(&mut self, store: &mut Store, stage: &str, label: &str, ids: &[i64]) -> i64 {
        let new = NewRun {
            stage,
            site: "mustang",
            label,
            base: &format!("neb://h01.0/remote/{label}"),
            secret: 7,
        };
        let candidates: Vec<_> = ids
            .iter()
            .map(|id| Candidate {
                stage_id: *id,
                row: format!("{{\"stage_id\": {id}}}"),
            })
            .collect();
        store.define(new, &candidates, self.act()).unwrap().unwrap()
    }

    /// Two jobs for each component.
    fn prepare(&mut self, store: &mut Store, run: i64) {
        let components = store.components(run).unwrap();
        let prepared = components.iter().zip((0..).step_by(2));
        let prepared = prepared.map(|(component, first_seq)| PreparedComponent {
            component_id: component.component_id,
            first_seq,
            outcome: Ok(vec!["XY01".into(), "XY02".into()]),
            path_base: format!("runs/stage_{}", component.stage_id),
            next_id: None,
        });
        store.prepared(run, prepared, self.act()).unwrap();
    }

    fn advance(&mut self, store: &mut Store, run: i64, events: &[RunEvent]) {
        for event in events {
            store.advance(run, *event, self.act()).unwrap();
        }
    }

    /// Run 1 is full: component 11 passed, 12 failed in part. Run 2 lost its link while it was
    /// submitted, run 3 afterwards. Run 4 is new.
    fn set_up(&mut self) {
        use RunEvent::{Ended, LinkDown, Returned, StageIn, Staged};
        let mut store = Store::create(&self.path().join("state.db")).unwrap();
        let store = &mut store;

        let full = self.define(store, "chip", "demo.t1", &[11, 12]);
        self.prepare(store, full);
        self.advance(store, full, &[StageIn, Staged]);
        store.submitted(full, "12345", self.act()).unwrap();
        self.advance(store, full, &[Ended, Returned]);
        let outcomes: Vec<_> = [
            JobEvent::Pass,
            JobEvent::Pass,
            JobEvent::Pass,
            JobEvent::Fail,
        ]
        .into_iter()
        .zip(0..)
        .map(|(event, seq)| outcome(seq, event))
        .collect();
        let import = Import {
            run_id: full,
            schema: None,
            next: Some("camera"),
            attempts: 1,
            back_off: BackOff::default(),
        };
        store.import(&import, &outcomes, &[], self.act()).unwrap();

        let caught = self.define(store, "chip", "demo.t1", &[13, 14]);
        self.prepare(store, caught);
        self.advance(store, caught, &[StageIn, Staged, LinkDown]);

        let waits = self.define(store, "warp", "demo.t2", &[21]);
        self.prepare(store, waits);
        self.advance(store, waits, &[StageIn, Staged]);
        store.submitted(waits, "Moab.17", self.act()).unwrap();
        self.advance(store, waits, &[LinkDown]);

        self.define(store, "camera", "demo.t2", &[31, 32, 33]);
    }

    fn remotetool(&self, words: &[String]) -> Output {
        Command::new(self.path().join("remotetool"))
            .args(words)
            .current_dir(self.path())
            .env_remove("OUTRIGGER_CONFIG")
            .output()
            .unwrap()
    }
}

fn outcome(seq: u64, event: JobEvent) -> JobOutcome {
    JobOutcome {
        failures: 0,
        seq,
        event,
        exit_code: None,
        started_at: None,
        ended_at: None,
        node: None,
        memory: None,
        effort: None,
        reason: String::new(),
        by_hand: false,
        record: None,
    }
}

/// Times that are not of the set-up become `NOW`.
fn without_today(text: &str) -> String {
    let word = |word: &str| match word.parse::<civil::DateTime>() {
        Ok(time) if word.contains('T') && time.year() != 2014 => "NOW".to_owned(),
        _ => word.to_owned(),
    };
    let words: Vec<String> = text.split(' ').map(word).collect();
    words.join(" ")
}

/// The transcript with what each command prints now.
fn played(transcript: &str, work: &Work) -> String {
    let mut text = String::new();
    let kept = |line: &&str| line.starts_with("$ ") || line.starts_with('#');
    for line in transcript.lines().filter(kept) {
        if let Some(command) = line.strip_prefix("$ remotetool ") {
            let output = work.remotetool(&shlex::split(command).unwrap());
            writeln!(text, "{line}").unwrap();
            for line in String::from_utf8(output.stdout).unwrap().lines() {
                writeln!(text, "{}", without_today(line)).unwrap();
            }
            for line in String::from_utf8(output.stderr).unwrap().lines() {
                writeln!(text, "! {line}").unwrap();
            }
            writeln!(text, "[exit {}]", output.status.code().unwrap()).unwrap();
        } else {
            writeln!(text, "{line}").unwrap();
        }
    }
    text
}

#[test]
fn every_mode_prints_and_ends_as_the_transcript_says() {
    let mut work = Work::new();
    work.set_up();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/remotetool/transcript.txt");
    let golden = fs::read_to_string(&file).unwrap();
    let played = played(&golden, &work);
    if std::env::var_os("UPDATE_TRANSCRIPT").is_some() {
        fs::write(&file, &played).unwrap();
    }
    for (number, (line, expected)) in played.lines().zip(golden.lines()).enumerate() {
        assert_eq!(line, expected, "line {}", number + 1);
    }
    assert_eq!(played, golden);

    let store = Store::open(&work.path().join("state.db")).unwrap();
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn the_verb_of_outrigger_is_the_same_program() {
    let mut work = Work::new();
    work.set_up();
    let words = ["-listrun", "-simple"].map(str::to_owned);
    let by_name = work.remotetool(&words);
    let by_verb = Command::new(env!("CARGO_BIN_EXE_outrigger"))
        .arg("--config")
        .arg(work.path())
        .arg("remotetool")
        .args(&words)
        .output()
        .unwrap();
    assert!(!by_name.stdout.is_empty());
    assert_eq!(by_verb.stdout, by_name.stdout);
    assert_eq!(by_verb.status.code(), Some(0));
}

#[test]
fn without_a_configuration_it_ends_with_the_code_of_the_configuration() {
    let work = Work::new();
    fs::remove_file(work.path().join("outrigger.yaml")).unwrap();
    let output = work.remotetool(&["-listrun".to_owned()]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_database_that_is_refused_ends_with_the_code_of_the_system() {
    let work = Work::new();
    let output = work.remotetool(&["-listrun".to_owned()]);
    assert_eq!(output.status.code(), Some(2));
    fs::write(work.path().join("state.db"), "no database\n".repeat(900)).unwrap();
    let output = work.remotetool(&["-listrun".to_owned()]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_database_that_is_named_as_a_file_is_used() {
    let mut work = Work::new();
    work.set_up();
    fs::rename(work.path().join("state.db"), work.path().join("other.db")).unwrap();
    let words = |name: &str| ["-listrun", "-simple", "-dbname", name].map(str::to_owned);
    let named = work.remotetool(&words("other.db"));
    assert_eq!(named.status.code(), Some(0));
    assert_eq!(String::from_utf8(named.stdout).unwrap().lines().count(), 4);
    assert_eq!(work.remotetool(&words("gpc1")).status.code(), Some(2));
}
