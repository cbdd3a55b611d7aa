//! Import of 37,200 dbinfo records in one transaction, next to the plain insertion of as many
//! rows by SQLite in the same run. `cargo bench --bench import`, `-- --times 10` for ten times.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench stops at the first thing that goes wrong"
)]

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use jiff::Timestamp;
use outrigger::state::{
    Store,
    back_off::BackOff,
    component::{Candidate, NewRun},
    event::Act,
    import::{Import, JobOutcome},
    job::{JobEvent, PreparedComponent},
    record::{ColumnKind, RecordSchema},
    run::RunEvent,
};
use serde_json::json;

const COMPONENTS: i64 = 620;
const JOBS_EACH: u64 = 60;

fn main() {
    let mut arguments = std::env::args().skip_while(|a| a != "--times").skip(1);
    let times: i64 = arguments
        .next()
        .map_or(1, |n| n.parse().expect("--times N"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("state.db");
    let components = COMPONENTS * times;
    let jobs = components.unsigned_abs() * JOBS_EACH;

    let mut store = Store::create(&path).expect("state.db");
    let run = importing(&mut store, components);
    let outcomes: Vec<JobOutcome> = (0..jobs).map(outcome).collect();
    let schema = schema();
    let import = Import {
        run_id: run,
        schema: Some(&schema),
        next: Some("camera"),
        attempts: 3,
        back_off: BackOff::default(),
    };
    let begin = Instant::now();
    let counts = store
        .import(&import, &outcomes, &[], act())
        .expect("import");
    let took = begin.elapsed();
    assert_eq!(counts.passed, jobs);

    let begin = Instant::now();
    let again = store
        .import(&import, &outcomes, &[], act())
        .expect("second import");
    let second = begin.elapsed();
    assert_eq!(again, counts);

    let limit = plain(&dir.path().join("plain.db"), jobs);
    println!("import of {jobs} records     {}", shown(took, jobs));
    println!("the same again, no change    {}", shown(second, jobs));
    println!("plain INSERT of {jobs} rows  {}", shown(limit, jobs));
    println!(
        "ratio to plain INSERT        {:.1}",
        took.as_secs_f64() / limit.as_secs_f64()
    );
}

fn shown(took: Duration, jobs: u64) -> String {
    let each = took.as_secs_f64() * 1e6 / jobs as f64;
    format!("{:8.3} s  {each:6.2} us each", took.as_secs_f64())
}

fn act() -> Act<'static> {
    Act::new(Timestamp::UNIX_EPOCH, "bench", "bench")
}

fn schema() -> RecordSchema {
    RecordSchema {
        table: "chip".into(),
        key: vec!["exp_id".into(), "class_id".into()],
        columns: IndexMap::from([
            ("exp_id".into(), ColumnKind::Integer),
            ("class_id".into(), ColumnKind::Text),
            ("bg".into(), ColumnKind::Real),
            ("bg_stdev".into(), ColumnKind::Real),
            ("n_stars".into(), ColumnKind::Integer),
            ("quality".into(), ColumnKind::Integer),
        ]),
        optional: vec![],
    }
}

fn outcome(seq: u64) -> JobOutcome {
    let record = json!({
        "exp_id": seq / JOBS_EACH, "class_id": format!("XY{:02}", seq % JOBS_EACH),
        "bg": 812.4, "bg_stdev": 21.7, "n_stars": 4711, "quality": 0,
    });
    JobOutcome {
        failures: 0,
        seq,
        event: JobEvent::Pass,
        exit_code: Some(0),
        started_at: Some(Timestamp::UNIX_EPOCH),
        ended_at: Some(Timestamp::UNIX_EPOCH),
        node: Some("node01".into()),
        memory: None,
        effort: None,
        reason: String::new(),
        by_hand: false,
        record: record.as_object().cloned(),
    }
}

fn importing(store: &mut Store, components: i64) -> i64 {
    let candidates: Vec<Candidate> = (0..components)
        .map(|stage_id| Candidate {
            stage_id,
            row: "{}".into(),
        })
        .collect();
    let new = NewRun {
        stage: "chip",
        site: "here",
        label: "b",
        base: "runs",
        secret: 1,
    };
    let run = store
        .define(new, &candidates, act())
        .expect("define")
        .expect("a run");
    let ids: Vec<i64> = store
        .components(run)
        .expect("components")
        .iter()
        .map(|c| c.component_id)
        .collect();
    let prepared = ids
        .iter()
        .zip(0..)
        .map(|(component_id, place)| PreparedComponent {
            component_id: *component_id,
            first_seq: place * JOBS_EACH,
            outcome: Ok((0..JOBS_EACH).map(|chip| format!("XY{chip:02}")).collect()),
            path_base: String::new(),
            next_id: None,
        });
    store.prepared(run, prepared, act()).expect("prepared");
    for event in [RunEvent::StageIn, RunEvent::Staged] {
        store.advance(run, event, act()).expect("advance");
    }
    store.submitted(run, "1", act()).expect("submitted");
    for event in [RunEvent::Ended, RunEvent::Returned] {
        store.advance(run, event, act()).expect("advance");
    }
    run
}

/// As many rows of the same columns, in one transaction, by SQLite alone.
fn plain(path: &std::path::Path, rows: u64) -> Duration {
    let mut connection = rusqlite::Connection::open(path).expect("plain.db");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE chip (exp_id INTEGER, class_id TEXT, bg REAL,
             bg_stdev REAL, n_stars INTEGER, quality INTEGER, PRIMARY KEY (exp_id, class_id))",
        )
        .expect("table");
    let begin = Instant::now();
    let transaction = connection.transaction().expect("transaction");
    {
        let mut insert = transaction
            .prepare("INSERT INTO chip VALUES (?, ?, ?, ?, ?, ?)")
            .expect("insert");
        for seq in 0..rows {
            let chip = format!("XY{:02}", seq % JOBS_EACH);
            insert
                .execute(rusqlite::params![
                    seq / JOBS_EACH,
                    chip,
                    812.4,
                    21.7,
                    4711,
                    0
                ])
                .expect("row");
        }
    }
    transaction.commit().expect("commit");
    begin.elapsed()
}
