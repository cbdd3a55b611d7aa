//! Running what was prepared, with the shell that is strictest about POSIX.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use outrigger::state::run_dir::journal::{self, Journal};

use crate::bench::{Bench, TOKEN};

const STAGE: &str = r#"
stage: count
components: {file: rows.jsonl}
inputs:
  - {local: "in/{{ name }}", remote: "raw/{{ name }}"}
pre:
  - [mkdir, -p, "{{ root }}/out/{{ stage_id }}"]
command: {sh: "{{ sh | safe }}"}
outputs:
  - {remote: "out/{{ stage_id }}/{{ name }}", local: "products/{{ name }}"}
  - {remote: "out/{{ stage_id }}/extra", local: "products/{{ stage_id }}.extra", required: false}
dbinfo:
  table: count
  key: [id]
  columns: {id: integer, bytes: integer}
  values: {id: "{{ stage_id }}"}
  from: "out/{{ stage_id }}/record"
  format: lines
"#;

const GOOD: &str = "cat {{ input(0) }} >{{ output(0) }}; printf 'bytes %s' \"$(wc -c <{{ input(0) }})\" >out/{{ stage_id }}/record";

fn stage(sh: &str) -> String {
    STAGE.replace(
        "{{ sh | safe }}",
        &sh.replace('\\', "\\\\").replace('"', "\\\""),
    )
}

fn row(id: i64, name: &str) -> String {
    serde_json::json!({"stage_id": id, "name": name}).to_string() + "\n"
}

/// Runs the batch script as a scheduler would; gives its exit code and what it printed.
fn run_script(bench: &Bench) -> (Option<i32>, String) {
    let output = Command::new("dash")
        .arg("job.sh")
        .current_dir(bench.remote_dir())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn read_journal(dir: &Path) -> Journal {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("journal.") && name.ends_with(".tsv") {
            bytes.extend(fs::read(path).unwrap());
        }
    }
    journal::read(&bytes)
}

fn prepared(recipe: &str, rows: &str, files: &[(&str, &str)]) -> Bench {
    let mut all = vec![("rows.jsonl", rows)];
    all.extend(files);
    let bench = Bench::new(recipe, &all);
    let rendered = bench.render();
    assert_eq!(
        rendered.components_failed,
        0,
        "{:?}",
        bench.outcomes(&rendered)
    );
    bench.launch(&rendered);
    bench.stage_in();
    bench
}

#[test]
fn a_run_leaves_a_record_of_every_job() {
    let names = [
        "plain",
        "a b",
        "it's",
        "$HOME `x` \"q\"",
        "new\nline",
        "tab\tü",
        "-n",
        "back\\slash",
        "*",
    ];
    let rows: String = (1..).zip(names).map(|(id, name)| row(id, name)).collect();
    let paths: Vec<String> = names.iter().map(|name| format!("in/{name}")).collect();
    let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "four")).collect();
    let bench = prepared(&stage(GOOD), &rows, &files);

    let (code, printed) = run_script(&bench);
    assert_eq!((code, printed.as_str()), (Some(0), ""));
    let journal = read_journal(&bench.remote_dir());
    assert_eq!(journal.bad, []);
    assert_eq!(journal.jobs.len(), names.len());
    let manifest = bench.manifest();
    for (seq, job) in &journal.jobs {
        let end = job.end.as_ref().unwrap();
        assert_eq!(
            (end.exit_code, end.skipped),
            (0, false),
            "{seq}: {}",
            job.message
        );
        assert!(end.start <= end.end && job.start.is_some());
        assert_eq!(job.record, "bytes 4\n");
        let [output] = job.outputs.as_slice() else {
            panic!("{job:?}");
        };
        let line = &manifest[output.id as usize];
        assert_eq!((line.job, output.size), (*seq, 4));
        // SHA-256 of `four`.
        assert_eq!(
            output.hash,
            "04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00"
        );
    }
    assert_eq!(
        fs::read_dir(bench.remote_dir().join("log"))
            .unwrap()
            .count(),
        0
    );
    let ended = fs::read_to_string(bench.remote_dir().join("ended")).unwrap();
    assert!(
        ended.starts_with("0 ") && ended.trim_end().ends_with(TOKEN),
        "{ended}"
    );
}
