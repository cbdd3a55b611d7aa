//! Running what was prepared, with the shell that is strictest about POSIX.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
};

use outrigger::state::run_dir::{
    decision::Allocation,
    journal::{self, JobRecord, Journal},
};
use rstest::rstest;

use crate::bench::{Bench, TOKEN, allocation};
use crate::fifo::fifo;

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
        if name.starts_with("journal.") {
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

/// Runs one job of a bench by its line of a config.
fn run_job(bench: &Bench, seq: usize, attempt: u32) -> JobRecord {
    let status = start(bench, "dash", seq, attempt).wait().unwrap();
    assert_eq!(status.code(), Some(0), "a recorded job ends no neighbours");
    let journal = read_journal(&bench.remote_dir());
    assert_eq!(journal.bad, []);
    journal.jobs[&(seq as u64)].clone()
}

fn start(bench: &Bench, shell: &str, seq: usize, attempt: u32) -> Child {
    let job = &bench.jobs()[seq];
    Command::new(shell)
        .args([
            "run-job.sh",
            &seq.to_string(),
            &job.offset.to_string(),
            &job.length.to_string(),
        ])
        .env("OR_ATTEMPT", attempt.to_string())
        .env("SLURMD_NODENAME", "node07")
        .current_dir(bench.remote_dir())
        .spawn()
        .unwrap()
}

/// Rows that share nothing.
fn rows(count: i64) -> (String, Vec<(String, &'static str)>) {
    let ids = 1..=count;
    let rows = ids.clone().map(|id| row(id, &format!("x{id}"))).collect();
    (rows, ids.map(|id| (format!("in/x{id}"), "four")).collect())
}

fn one(sh: &str) -> Bench {
    one_of(&stage(sh))
}

fn one_of(recipe: &str) -> Bench {
    prepared(recipe, &row(1, "x"), &[("in/x", "four")])
}

#[rstest]
#[case(
    "echo first; printf 'bad \\001\\033[1mvalue\\tx\\n'; exit 3",
    3,
    "first\nbad [1mvalue\tx\n"
)]
#[case("kill -9 $$", 137, "")]
#[case("if", 2, "")]
#[case("/nowhere/program", 127, "")]
#[case(
    "true",
    1,
    "outrigger: a required output is missing: SCRATCH/out/1/x\n"
)]
#[case(
    "echo note; : >{{ output(0) }}",
    1,
    "outrigger: a required output is empty: SCRATCH/out/1/x\nnote\n"
)]
#[case(
    "echo 1 >{{ output(0) }}",
    1,
    "outrigger: its record file is missing: SCRATCH/out/1/record\n"
)]
#[case(
    "echo 1 >{{ output(0) }}; head -c 70000 /dev/zero >out/1/record",
    1,
    "outrigger: its record file is over 65536 bytes: SCRATCH/out/1/record\n"
)]
fn a_job_that_fails_says_why(#[case] sh: &str, #[case] code: i32, #[case] message: &str) {
    let bench = one(sh);
    let job = run_job(&bench, 0, 1);
    let end = job.end.unwrap();
    assert_eq!(
        (end.exit_code, end.node.as_str(), end.skipped),
        (code, "node07", false)
    );
    let said = job
        .message
        .replace(&*bench.scratch().to_string_lossy(), "SCRATCH");
    assert!(
        said == message || (message.is_empty() && !said.is_empty()),
        "{said}"
    );
    assert_eq!(job.record, "");
    assert!(bench.remote_dir().join("log/0.out").exists());
}

#[test]
fn a_long_log_is_shown_by_its_end() {
    let job = run_job(&one("seq 1 100000; exit 1"), 0, 1);
    let lines: Vec<&str> = job.message.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[19]), (20, "99981", "100000"));
    let job = run_job(&one("head -c 100000 /dev/zero | tr '\\0' x; exit 1"), 0, 1);
    assert_eq!(job.message.trim_end().len(), 4000);
}

#[test]
fn an_optional_output_that_is_empty_counts_as_not_written() {
    let job = run_job(&one(&format!("{GOOD}; : >{{{{ output(1) }}}}")), 0, 1);
    assert_eq!((job.end.unwrap().exit_code, job.outputs.len()), (0, 1));
    let may = stage(&format!("{GOOD}; : >{{{{ output(1) }}}}"))
        .replace("required: false", "required: false, may_be_empty: true");
    let job = run_job(&one_of(&may), 0, 1);
    assert_eq!((job.outputs[1].size, job.outputs[1].id), (0, 2));
}

#[test]
fn a_later_attempt_takes_the_place_of_an_earlier_one() {
    let bench = one(&format!("{GOOD}; [ $OR_ATTEMPT -gt 1 ]"));
    assert_eq!(run_job(&bench, 0, 1).end.unwrap().exit_code, 1);
    let job = run_job(&bench, 0, 2);
    assert_eq!((job.attempt, job.end.unwrap().exit_code), (2, 0));
    assert!(!bench.remote_dir().join("log/0.out").exists());
}

#[test]
fn a_job_over_its_limit_is_killed() {
    let recipe =
        stage("exec cat >/dev/null <hold").replace("dbinfo:", "cost: {limit: 1s}\ndbinfo:");
    let bench = one_of(&recipe);
    fifo(&bench.scratch().join("hold"));
    let job = run_job(&bench, 0, 1);
    assert_eq!(job.end.unwrap().exit_code, 124);
    assert_eq!(job.message, "outrigger: killed after 1 s (cost.limit)\n");
}

#[test]
fn a_job_within_its_limit_is_not() {
    let recipe = stage(GOOD).replace("dbinfo:", "cost: {limit: 1h}\ndbinfo:");
    assert_eq!(run_job(&one_of(&recipe), 0, 1).end.unwrap().exit_code, 0);
}

const DIFF: &str = r#"
stage: diff
components: {file: rows.jsonl}
precheck:
  files: ["warp/{{ name }}", "stack/{{ name }}"]
  otherwise: {id: "{{ stage_id }}", quality: 4242, note: "{{ name }}"}
command: {sh: "echo ran >ran; echo '{}' >record"}
outputs: [{remote: ran}]
dbinfo:
  table: diff
  key: [id]
  columns: {id: integer, quality: integer, note: text}
  from: record
  format: FORMAT
"#;

#[rstest]
#[case("json", "{\"id\":1,\"note\":\"it's\",\"quality\":4242}\n")]
#[case("lines", "id 1\nquality 4242\nnote it's\n")]
#[case("metadata", "id S64 1\nquality S64 4242\nnote STR it's\n")]
fn a_job_whose_files_are_not_there_runs_nothing_and_reports_so(
    #[case] format: &str,
    #[case] record: &str,
) {
    let bench = prepared(&DIFF.replace("FORMAT", format), &row(1, "it's"), &[]);
    for (dir, text) in [("warp", "w"), ("stack", "")] {
        fs::create_dir(bench.scratch().join(dir)).unwrap();
        fs::write(bench.scratch().join(dir).join("it's"), text).unwrap();
    }
    let job = run_job(&bench, 0, 1);
    let end = job.end.unwrap();
    assert_eq!(
        (end.exit_code, end.skipped, job.record.as_str()),
        (0, true, record)
    );
    assert!(!bench.scratch().join("ran").exists() && job.outputs.is_empty());

    fs::write(bench.scratch().join("stack/it's"), "s").unwrap();
    let job = run_job(&bench, 0, 2);
    assert_eq!(
        (job.end.unwrap().skipped, job.record.as_str()),
        (false, "{}\n")
    );
}

#[test]
fn any_bytes_reach_the_program_and_name_the_output() {
    let bench = one(GOOD);
    let path = [
        bench.scratch().to_str().unwrap().as_bytes(),
        b"/\xff\x81 \x88\n'\\$x\t",
    ]
    .concat();
    let quoted = |bytes: &[u8]| {
        let inner: Vec<u8> = bytes
            .iter()
            .flat_map(|byte| match byte {
                b'\'' => b"'\\''".to_vec(),
                byte => vec![*byte],
            })
            .collect();
        [b"'", inner.as_slice(), b"'"].concat()
    };
    let all: Vec<u8> = (1..=255).collect();
    let (path, all) = (quoted(&path), quoted(&all));
    let slice = [
        b"or_base=5\nor_outputs() {\nor_check r ".as_slice(),
        &path,
        b"\n}\nor_job() {\nprintf %s ",
        &all,
        b" >",
        &path,
        b" || return\n}\n",
    ]
    .concat();
    fs::write(
        bench.remote_dir().join("commands.sh"),
        [b"no".as_slice(), &slice].concat(),
    )
    .unwrap();
    for shell in ["dash", "bash"] {
        let status = Command::new(shell)
            .args(["run-job.sh", "0", "2", &slice.len().to_string()])
            .env("SLURMD_NODENAME", shell)
            .current_dir(bench.remote_dir())
            .status()
            .unwrap();
        assert!(status.success());
        let journal = fs::read(bench.remote_dir().join(format!("journal.{shell}.tsv"))).unwrap();
        let job = &journal::read(&journal).jobs[&0];
        assert_eq!(
            job.end.as_ref().unwrap().exit_code,
            0,
            "{shell}: {}",
            job.message
        );
        assert_eq!((job.outputs[0].id, job.outputs[0].size), (5, 255));
        // SHA-256 of the bytes 1 to 255.
        assert_eq!(
            job.outputs[0].hash,
            "929351ec9c272028c6c70f92a33c69059639c1ef81d7baea0650552d39730266"
        );
    }
}

#[test]
fn ranks_of_one_node_do_not_tear_each_others_records() {
    let (rows, files) = rows(12);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let sh = "cat {{ input(0) }} >{{ output(0) }}; seq 1 1500 >out/{{ stage_id }}/record";
    let bench = prepared(&stage(sh), &rows, &files);
    let jobs: Vec<Child> = (0..12)
        .map(|seq| start(&bench, if seq % 2 == 0 { "dash" } else { "bash" }, seq, 1))
        .collect();
    for mut job in jobs {
        assert!(job.wait().unwrap().success());
    }
    let journal = read_journal(&bench.remote_dir());
    assert_eq!(journal.bad, []);
    for job in journal.jobs.values() {
        assert_eq!(job.record.lines().count(), 1500);
        assert_eq!(job.end.as_ref().unwrap().exit_code, 0);
    }
    assert_eq!(journal.jobs.len(), 12);
}

#[test]
fn a_second_copy_of_the_batch_script_runs_nothing() {
    let bench = one("echo run >>out/1/x; cp out/1/x out/1/record");
    assert_eq!(run_script(&bench).0, Some(0));
    let (code, printed) = run_script(&bench);
    assert_eq!(code, Some(0));
    assert!(
        printed.contains(
            "or-1-1-0badcafe is claimed by another copy of this batch job; nothing to do"
        ),
        "{printed}"
    );
    assert_eq!(
        fs::read_to_string(bench.scratch().join("out/1/x")).unwrap(),
        "run\n"
    );
}

#[test]
fn a_step_that_fails_does_not_end_the_others() {
    let (rows, files) = rows(9);
    let mut all = vec![("rows.jsonl", rows.as_str())];
    all.extend(files.iter().map(|(path, text)| (path.as_str(), *text)));
    let bench = Bench::new(&stage(GOOD), &all);
    let rendered = bench.render();
    let step = |conf: &str, _: u32, _: u32| {
        ["/bin/sh", "-c", "echo $0; exit 7", conf]
            .map(str::to_owned)
            .to_vec()
    };
    bench.launch_with(&rendered, &[], &step);
    bench.stage_in();
    let (code, printed) = run_script(&bench);
    assert_eq!(code, Some(7));
    let steps: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with("chunk."))
        .collect();
    assert_eq!(
        steps,
        ["chunk.000.conf", "chunk.001.conf", "chunk.002.conf"]
    );
    assert!(
        fs::read_to_string(bench.remote_dir().join("ended"))
            .unwrap()
            .starts_with("7 ")
    );
}

/// Waits until something is written to a fifo.
fn wait_for(path: &Path) {
    fs::File::open(path)
        .unwrap()
        .read_to_end(&mut Vec::new())
        .unwrap();
}

fn terminate(child: &Child) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn a_job_that_is_ended_from_outside_says_so() {
    let bench = one("echo begun; echo >ready; exec cat <hold");
    let (ready, hold) = (bench.scratch().join("ready"), bench.scratch().join("hold"));
    fifo(&ready);
    fifo(&hold);
    let mut child = start(&bench, "dash", 0, 1);
    wait_for(&ready);
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    drop(fs::OpenOptions::new().write(true).open(&hold).unwrap());
    let journal = read_journal(&bench.remote_dir());
    let job = &journal.jobs[&0];
    assert_eq!(job.end.as_ref().unwrap().exit_code, 143);
    assert_eq!(
        job.message,
        "outrigger: ended by a signal: walltime, cancellation or shutdown\nbegun\n"
    );
}

#[rstest]
#[case("dash", 1)]
#[case("dash", 2)]
#[case("bash", 2)]
fn a_batch_script_that_is_ended_from_outside_marks_it(#[case] shell: &str, #[case] lanes: u32) {
    let (rows, files) = rows(2);
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    let mut bench = prepared(&stage("true"), &rows, &files);
    bench.site.chunk.lanes = Some(lanes);
    bench.site.chunk.max_tasks = Some(1);
    let ready = ["chunk.000.conf", "chunk.001.conf"]
        .map(|conf| bench.scratch().join(format!("ready.{conf}")));
    let hold = bench.scratch().join("hold");
    ready.iter().chain([&hold]).for_each(|path| fifo(path));
    let script = "echo >\"$1/ready.$2\"; exec cat <\"$1/hold\"";
    let scratch = bench.scratch().to_str().unwrap().to_owned();
    let step = |conf: &str, _: u32, _: u32| {
        ["/bin/sh", "-c", script, "step", &scratch, conf]
            .map(str::to_owned)
            .to_vec()
    };
    bench.launch_with(&bench.render(), &[], &step);
    bench.stage_in();
    let mut child = Command::new(shell)
        .arg("job.sh")
        .current_dir(bench.remote_dir())
        .spawn()
        .unwrap();
    ready
        .iter()
        .take(lanes as usize)
        .for_each(|path| wait_for(path));
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(
        fs::read_to_string(bench.remote_dir().join("ended"))
            .unwrap()
            .starts_with("143 ")
    );
    // Nobody is left who would read it.
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
    let opened = rustix::fs::open(&hold, flags, rustix::fs::Mode::empty());
    assert_eq!(opened.err(), Some(rustix::io::Errno::NXIO));
}

/// A run of five jobs as an array of three tasks.
fn an_array() -> Bench {
    let rows: String = (1..=5).map(|id| row(id, &format!("n{id}"))).collect();
    let paths: Vec<String> = (1..=5).map(|id| format!("in/n{id}")).collect();
    let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "four")).collect();
    let bench = Bench::new(
        &stage(GOOD),
        &[&[("rows.jsonl", rows.as_str())][..], &files].concat(),
    );
    let array = Allocation {
        tasks: Some(3),
        nodes: 1,
        ..allocation()
    };
    bench.launch_as(&bench.render(), &array);
    bench.stage_in();
    bench
}

/// Runs one task of the copy `array` of the batch script; gives its exit code and what it printed.
fn run_task(bench: &Bench, array: &str, task: &str) -> (Option<i32>, String) {
    let output = Command::new("dash")
        .arg("job.sh")
        .current_dir(bench.remote_dir())
        .env("SLURM_ARRAY_JOB_ID", array)
        .env("SLURM_ARRAY_TASK_ID", task)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output.status.code(), text)
}

#[test]
fn tasks_of_an_array_share_the_jobs_and_a_second_copy_of_any_does_nothing() {
    let bench = an_array();
    let ran = |array: &str, task: &str| {
        let before = read_journal(&bench.remote_dir()).jobs.len();
        let (code, said) = run_task(&bench, array, task);
        let jobs = read_journal(&bench.remote_dir()).jobs.len() - before;
        (code, said, jobs)
    };
    assert_eq!(ran("17", "1"), (Some(0), String::new(), 2));
    let (code, said, jobs) = ran("17", "1");
    assert_eq!((code, jobs), (Some(0), 0));
    assert!(said.contains("is claimed by another copy"), "{said}");
    let (code, said, jobs) = ran("18", "0");
    assert_eq!((code, jobs), (Some(0), 0));
    assert!(
        said.contains("is claimed by 17, another copy of this array"),
        "{said}"
    );
    assert_eq!(ran("17", "0"), (Some(0), String::new(), 2));
    assert_eq!(ran("17", "2"), (Some(0), String::new(), 1));
    let journal = read_journal(&bench.remote_dir());
    let passed = |job: &JobRecord| job.end.as_ref().is_some_and(|end| end.exit_code == 0);
    assert_eq!(journal.jobs.len(), 5);
    assert!(journal.jobs.values().all(passed));
    for task in 0..3 {
        let ended = fs::read_to_string(bench.remote_dir().join(format!("ended.{task}"))).unwrap();
        assert!(
            ended.starts_with("0 ") && ended.ends_with(&format!(" {TOKEN}\n")),
            "{ended}"
        );
    }
}

#[test]
fn no_task_of_a_closed_array_begins_and_none_begins_without_its_number() {
    let bench = an_array();
    let (code, said) = run_task(&bench, "17", "");
    assert_eq!(code, Some(1));
    assert!(said.contains("does not say which task"), "{said}");
    let claim = bench.remote_dir().join(format!("{TOKEN}.claim"));
    fs::create_dir(&claim).unwrap();
    fs::write(claim.join("job_id"), "closed\n").unwrap();
    for task in ["0", "1", "2"] {
        let (code, said) = run_task(&bench, "17", task);
        assert_eq!(code, Some(0));
        assert!(said.contains("is claimed by closed"), "{said}");
    }
    assert!(read_journal(&bench.remote_dir()).jobs.is_empty());
}

#[test]
fn moab_names_a_task_by_the_brackets_of_its_job() {
    let bench = an_array();
    let status = Command::new("dash")
        .arg("job.sh")
        .current_dir(bench.remote_dir())
        .env("MOAB_JOBID", "Moab.45[2]")
        .env("MOAB_JOBARRAYINDEX", "2")
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let claim = bench.remote_dir().join(format!("{TOKEN}.claim"));
    assert_eq!(
        fs::read_to_string(claim.join("job_id")).unwrap(),
        "Moab.45\n"
    );
    assert_eq!(read_journal(&bench.remote_dir()).jobs.len(), 1);
}
