//! What is written into a run directory.

use std::fs;

use outrigger::{
    prepare::{Renderer, candidates},
    state::{
        component::{ComponentEvent, ComponentState},
        job::PreparedComponent,
        run_dir,
    },
};
use rstest::rstest;

use crate::bench::{Bench, act, recipe_of};

const CHIP: &str = r#"
stage: chip
components: {file: exposures.jsonl}
jobs: {for_each: imfile, key: "{{ imfile.class_id }}"}
lookups:
  detrend:
    from: {file: detrends.csv}
    params: [type, of]
    match: {type: "{{ type }}", filter: "{{ filter_of }}", class_id: "{{ of.class_id }}"}
    valid: {at: "{{ of.time }}", from: begin, until: end}
    newest: made
    value: path
vars:
  tag: "{{ exp_name }}.{{ stage_id }}"
  out: "{{ tag }}/{{ tag }}.ch.{{ imfile.class_id }}"
inputs:
  - {local: "{{ imfile.path }}", remote: "{{ imfile.path | raw }}"}
  - {local: "{{ detrend('FLAT', imfile) }}", remote: "{{ detrend('FLAT', imfile) | raw }}"}
  - {remote: "refcat/{{ item }}", each: catalogues, when: "{{ item != 'none' }}"}
  - {remote: "/permanent/{{ label }}"}
pre:
  - [mkdir, -p, "{{ output(0) | dirname }}"]
command:
  - ppImage
  - "-file"
  - "{{ input(0) }}"
  - {args: ["-flat", "{{ inputs[1] }}"], when: "{{ imfile.filter }}"}
  - {args: ["-cat", "{{ c }}"], each: "catalogues", as: c}
  - "-threads={{ threads }}"
  - "{{ imfile.note }}"
post:
  - sh: "echo {{ imfile.note }} >>{{ output(1) }}"
outputs:
  - {remote: "{{ out }}.cmf", local: "products/{{ out }}.cmf"}
  - {remote: "{{ out }}.log", local: "products/{{ out }}.log", required: false}
  - {remote: "{{ out }}.tmp"}
dbinfo:
  table: chip
  key: [exp_id, class_id]
  columns: {exp_id: integer, class_id: text, host: text, bg: real}
  values: {exp_id: "{{ stage_id }}", class_id: "{{ imfile.class_id }}", host: "{{ site }}"}
  from: "{{ out }}.dbinfo"
cost: {threads: 4, seconds: 150 s, memory: 2 GiB}
next: {stage: camera, id: "{{ cam_id }}"}
"#;

const EXPOSURES: &str = r#"{"stage_id": 91, "cam_id": 7, "exp_name": "o1", "catalogues": ["a", "none"], "imfiles": [{"class_id": "XY01", "path": "raw/1.fits", "filter": "r", "time": "2010-06-01", "note": "it's $HOME"}, {"class_id": "XY02", "path": "raw/2.fits", "filter": "r", "time": "2010-06-01", "note": ""}]}
"#;

const DETRENDS: &str = "\
type,filter,class_id,begin,end,made,path
FLAT,,XY01,2010-01-01,2011-01-01,1,cal/flat1.fits
FLAT,,XY02,2010-01-01,2011-01-01,1,cal/flat2.old.fits
FLAT,,XY02,2010-01-01,,2,cal/flat2.fits
";

const FILES: [(&str, &str); 7] = [
    ("exposures.jsonl", EXPOSURES),
    ("detrends.csv", DETRENDS),
    ("raw/1.fits", "one"),
    ("raw/2.fits", "two!"),
    ("cal/flat1.fits", "f"),
    ("cal/flat2.fits", "ff"),
    ("cal/flat2.old.fits", ""),
];

fn chip() -> String {
    CHIP.replace("{{ filter_of }}", "{{ of.filter }}")
}

#[test]
fn a_component_becomes_jobs_files_and_commands() {
    let bench = Bench::new(&chip(), &FILES);
    let rendered = bench.render();
    assert_eq!(bench.outcomes(&rendered), [Ok("XY01 XY02".into())]);
    let home = bench.dir.path().display().to_string();
    let files = bench.files().join("\n").replace(&home, "/HOME");
    insta::assert_snapshot!(files, @r"
    In raw/1.fits -> tmp/HOME/raw/1.fits
    In cal/flat1.fits -> tmp/HOME/cal/flat1.fits
    There - -> refcat/a
    There - -> /permanent/survey
    Out products/o1.91/o1.91.ch.XY01.cmf -> o1.91/o1.91.ch.XY01.cmf
    OutOptional products/o1.91/o1.91.ch.XY01.log -> o1.91/o1.91.ch.XY01.log
    Keep - -> o1.91/o1.91.ch.XY01.tmp
    In raw/2.fits -> tmp/HOME/raw/2.fits
    In cal/flat2.fits -> tmp/HOME/cal/flat2.fits
    Out products/o1.91/o1.91.ch.XY02.cmf -> o1.91/o1.91.ch.XY02.cmf
    OutOptional products/o1.91/o1.91.ch.XY02.log -> o1.91/o1.91.ch.XY02.log
    Keep - -> o1.91/o1.91.ch.XY02.tmp
    ");
    insta::assert_snapshot!(bench.commands(0).replace(&home, "/HOME"), @r#"
    or_base=4
    or_record='SCRATCH/o1.91/o1.91.ch.XY01.dbinfo'
    or_outputs() {
    or_check r 'SCRATCH/o1.91/o1.91.ch.XY01.cmf' o 'SCRATCH/o1.91/o1.91.ch.XY01.log' r 'SCRATCH/o1.91/o1.91.ch.XY01.tmp'
    }
    or_job() {
    cd 'SCRATCH' || return
    mkdir -p 'SCRATCH/o1.91' || return
    ppImage -file 'SCRATCH/tmp/HOME/raw/1.fits' -flat 'SCRATCH/tmp/HOME/cal/flat1.fits' -cat a -cat none '-threads=4' "it's "'$HOME' || return
    /bin/sh -c "echo \"it's \"'"'$HOME'"' >>'SCRATCH/o1.91/o1.91.ch.XY01.log'" || return
    }
    "#);
    let job = &bench.jobs()[1];
    assert_eq!((job.stage_id, job.threads, job.seconds), (91, 4, 150));
    assert_eq!(job.memory, Some(2 << 30));
    assert_eq!(job.inputs, [7, 8, 2, 3]);
    assert_eq!(
        job.values,
        r#"{"class_id":"XY02","exp_id":91,"host":"Lab/Cluster"}"#
    );
    assert_eq!(
        (rendered.jobs, rendered.files_in, rendered.bytes_in),
        (2, 4, 10)
    );
    assert_eq!((rendered.files_out, rendered.seconds_total), (4, 300));
    let component = rendered.components().unwrap().next().unwrap();
    assert_eq!((component.first_seq, component.next_id), (0, Some(7)));
    assert!(component.path_base.ends_with("/stage_91"));
}

/// A stage whose jobs are whatever a row says.
const FREE: &str = r#"
stage: free
components: {file: rows.jsonl}
jobs: {for_each: job, key: "{{ job.key }}"}
lookups:
  flat: {from: {file: flats.csv}, params: [filter], match: {filter: "{{ filter }}"}, value: path}
inputs:
  - {local: "{{ job.local }}", remote: "{{ job.remote }}", when: "{{ job.local is defined }}"}
command: [run, "{{ job.argument }}", "{{ flat(job.filter) }}"]
outputs: [{remote: "{{ job.out }}", local: "{{ job.home }}", when: "{{ job.out is defined }}"}]
dbinfo: {table: free, key: [], columns: {n: integer}, values: {n: "{{ job.n }}"}}
cost: {each: "{{ job.takes | default(value=60) }}"}
"#;

/// Components that each differ from a good one by some fields of a job.
fn free(jobs: &[serde_json::Value]) -> Bench {
    let rows: String = (1..)
        .zip(jobs)
        .map(|(id, fields)| {
            let mut jobs = vec![serde_json::json!({
                "key": "a", "argument": "x", "filter": "r", "n": 1,
            })];
            for (name, value) in fields.as_object().unwrap() {
                if name == "more" {
                    jobs.push(value.clone());
                } else {
                    jobs[0][name] = value.clone();
                }
            }
            serde_json::json!({"stage_id": id, "jobs": jobs}).to_string() + "\n"
        })
        .collect();
    Bench::new(
        FREE,
        &[
            ("rows.jsonl", &rows),
            ("flats.csv", "filter,path\nr,flat.r\n"),
            ("a.fits", "a"),
            ("b.fits", "b"),
        ],
    )
}

#[rstest]
#[case(serde_json::json!({"local": "no.fits", "remote": "x"}), "job `a`: input `HOME/no.fits` (inputs[0].local): there is no such file")]
#[case(serde_json::json!({"local": "", "remote": "x"}), "job `a`: inputs[0].local renders to nothing; give the file a `when` if it is not always there")]
#[case(serde_json::json!({"local": "runs/..", "remote": "x"}), "job `a`: input `HOME/runs/..` (inputs[0].local): it is not a file")]
#[case(serde_json::json!({"local": "a.fits", "remote": "/etc/x"}), "job `a`: inputs[0].remote: `/etc/x` is outside the site's scratch HOME/the scratch")]
#[case(serde_json::json!({"local": "gopher://a/b", "remote": "x"}), "job `a`: inputs[0].local: `gopher://a/b`: the scheme `gopher` is not configured; add `names.gopher` to outrigger.yaml")]
#[case(serde_json::json!({"out": "../x", "home": "h"}), "job `a`: outputs[0].remote: `../x` has a `..`")]
#[case(serde_json::json!({"out": "/x", "home": "h"}), "job `a`: outputs[0].remote: `/x` is outside the site's scratch HOME/the scratch")]
#[case(serde_json::json!({"argument": {"a": 1}, "filter": "y"}), "job `a`: command[2]: `flat(filter='y')` finds nothing: no row has filter = 'y' at column 4 of `{{ flat(job.filter) }}`")]
#[case(serde_json::json!({"argument": "a\u{0}b"}), "job `a`: `a\\0b` holds a NUL")]
#[case(serde_json::json!({"n": "many"}), "job `a`: dbinfo.values.n: should be an integer, but is `many`")]
#[case(serde_json::json!({"takes": "long"}), "job `a`: cost.each: should be a number of seconds, but is `long`")]
#[case(serde_json::json!({"takes": -1}), "job `a`: cost.each: should be a number of seconds, but is `-1`")]
#[case(serde_json::json!({"key": ""}), "jobs.key renders to nothing")]
#[case(serde_json::json!({"more": {"key": "a"}}), "two of its jobs have the key `a` (jobs.key)")]
#[case(serde_json::json!({"more": {"key": "b"}}), "job `b`: command[1]: Field `argument` is not defined. Available fields: key at column 8 of `{{ job.argument }}`")]
#[case(serde_json::json!({"local": "a.fits", "remote": "x", "more": {"key": "b", "local": "b.fits", "remote": "x"}}), "job `b`: `HOME/the scratch/x` on the site would be both `HOME/a.fits` and `HOME/b.fits`")]
#[case(serde_json::json!({"out": "x", "home": "h", "more": {"key": "b", "out": "./x", "home": "i"}}), "job `b`: `HOME/the scratch/x` would be written by two jobs, or twice")]
fn what_is_wrong_with_a_component_is_said_and_the_others_go_on(
    #[case] fields: serde_json::Value,
    #[case] reason: &str,
) {
    let good = serde_json::json!({});
    let bench = free(&[good.clone(), fields, good]);
    let rendered = bench.render();
    let fine = Ok("a".to_owned());
    assert_eq!(
        bench.outcomes(&rendered),
        [fine.clone(), Err(reason.to_owned()), fine]
    );
    assert_eq!((rendered.components_ok, rendered.components_failed), (2, 1));
    assert_eq!(
        bench
            .jobs()
            .iter()
            .map(|job| job.stage_id)
            .collect::<Vec<_>>(),
        [1, 3]
    );
}

#[test]
fn what_a_job_is_expected_to_take_comes_from_its_row_where_the_recipe_says_so() {
    let takes = |seconds: f64| serde_json::json!({ "takes": seconds });
    let bench = free(&[takes(90.2), serde_json::json!({}), takes(0.0)]);
    let rendered = bench.render();
    let jobs = bench.jobs();
    let seconds: Vec<u64> = jobs.iter().map(|job| job.seconds).collect();
    assert_eq!(seconds, [91, 60, 1]);
    assert_eq!((rendered.seconds_total, rendered.seconds_max), (152, 91));
}

#[test]
fn contradictions_between_components_fail_the_later_one() {
    let input = |local: &str, remote: &str| serde_json::json!({"local": local, "remote": remote});
    let output = |out: &str, home: &str| serde_json::json!({"out": out, "home": home});
    let bench = free(&[
        input("a.fits", "x"),
        input("b.fits", "x"),
        input("a.fits", "./x"),
        output("o/1", "h/1"),
        output("o/1", "h/2"),
        output("o/2", "h/1"),
    ]);
    let rendered = bench.render();
    let failed: Vec<_> = bench
        .outcomes(&rendered)
        .into_iter()
        .map(Result::err)
        .collect();
    insta::assert_debug_snapshot!(failed, @r#"
    [
        None,
        Some(
            "`HOME/the scratch/x` on the site would be both `HOME/a.fits` and `HOME/b.fits`",
        ),
        None,
        None,
        Some(
            "`HOME/the scratch/o/1` would be written by two jobs, or twice",
        ),
        Some(
            "`HOME/h/1` would be written by two jobs, or twice",
        ),
    ]
    "#);
    assert_eq!(bench.files(), ["In a.fits -> x", "Out h/1 -> o/1"]);
    assert_eq!(rendered.files_in, 1);
}

#[test]
fn a_component_without_rows_is_told() {
    let bench = Bench::new(
        FREE,
        &[
            (
                "rows.jsonl",
                "{\"stage_id\": 1, \"jobs\": []}\n{\"stage_id\": 2}\n",
            ),
            ("flats.csv", "filter,path\n"),
        ],
    );
    insta::assert_debug_snapshot!(bench.outcomes(&bench.render()), @r#"
    [
        Err(
            "it has no jobs: there are no rows for it (jobs.from)",
        ),
        Err(
            "the component's row has no list `job` or `jobs` and jobs.from is not set",
        ),
    ]
    "#);
}

#[test]
fn a_retry_runs_only_what_failed() {
    let job = serde_json::json!({"more": {"key": "b", "argument": "y", "filter": "r", "n": 2}});
    let mut bench = free(&[job]);
    let prepared: Vec<PreparedComponent> = bench.render().components().unwrap().collect();
    let run = bench.run_id;
    bench
        .store
        .prepared(run, prepared.into_iter(), act())
        .unwrap();
    bench.pass_only("a");
    let component = bench.store.component("free", 1).unwrap().unwrap();
    assert_eq!(component.state, ComponentState::Partial);
    let moves = [(
        component.component_id,
        ComponentEvent::Revert,
        "again".to_owned(),
    )];
    bench.store.advance_components(&moves, act()).unwrap();

    bench.define();
    let rendered = bench.render();
    assert_eq!(bench.outcomes(&rendered), [Ok("b".into())]);
    assert!(bench.commands(0).contains("run y"));
}

const MANY: &str = r#"
stage: many
components: {file: rows.jsonl}
jobs: {for_each: job, from: FROM, by: stage_id, key: "{{ job.n }}"}
inputs: [{local: shared.fits, remote: "cal/shared"}, {local: "in/{{ stage_id }}", remote: "raw/{{ stage_id }}"}]
command: [run, "{{ input(1) }}", "{{ job.n }}", "{{ label }}"]
outputs: [{remote: "o/{{ stage_id }}.{{ job.n }}", local: "o/{{ stage_id }}.{{ job.n }}"}]
next: camera
"#;

fn many(from: &str) -> Bench {
    let mut files = vec![("shared.fits".to_owned(), "s".to_owned())];
    let mut rows = String::new();
    let mut jobs = "stage_id,n\n".to_owned();
    for id in 0..100 {
        rows.extend(["{\"stage_id\": ", &id.to_string(), "}\n"]);
        if id % 7 != 3 {
            files.push((format!("in/{id}"), "x".repeat(id)));
        }
        for n in 0..3 {
            jobs.extend([&id.to_string(), ",", &n.to_string(), "\n"]);
        }
    }
    files.push(("rows.jsonl".into(), rows));
    files.push(("jobs.csv".into(), jobs));
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    Bench::new(&MANY.replace("FROM", from), &files)
}

fn written(bench: &Bench) -> Vec<Vec<u8>> {
    ["jobs.tsv", "manifest.tsv", "commands.sh", "components.tsv"]
        .iter()
        .map(|name| fs::read(bench.run_dir().join(name)).unwrap())
        .collect()
}

#[test]
fn the_files_do_not_depend_on_threads_nor_on_going_by_fragments() {
    let bench = many("{file: jobs.csv}");
    let render = |threads: usize| {
        bench.with(&bench.run_dir(), |renderer: Renderer<'_>, _| {
            renderer
                .with_threads(threads)
                .render(&bench.store, &|_| {})
                .unwrap()
        })
    };
    let rendered = render(1);
    let one = written(&bench);
    assert_eq!((rendered.jobs, rendered.components_failed), (258, 14));
    for threads in [2, 7] {
        render(threads);
        assert_eq!(written(&bench), one, "{threads} threads");
    }
    let merged = bench.with(&bench.run_dir(), |renderer, _| {
        for component in bench.store.components(bench.run_id).unwrap() {
            let dir = renderer.render_component(&bench.store, &component).unwrap();
            assert!(dir.0.join(run_dir::JOBS).exists());
        }
        renderer.merge(&bench.store, &|_| {}).unwrap()
    });
    assert_eq!(written(&bench), one);
    assert_eq!(merged, rendered);
}

#[test]
fn a_merge_waits_for_every_fragment() {
    let bench = many("{file: jobs.csv}");
    let error = bench.with(&bench.run_dir(), |renderer, _| {
        renderer
            .merge(&bench.store, &|_| {})
            .unwrap_err()
            .to_string()
    });
    assert!(
        error.ends_with("stage_0: this component has not been prepared yet"),
        "{error}"
    );
    assert!(!bench.run_dir().exists());
}

#[rstest]
#[case::file("{file: jobs.csv}")]
#[case::command(r#"{command: [/bin/sh, -c, "for i in $(seq 0 99); do for n in 0 1 2; do echo \"{\\\"stage_id\\\": $i, \\\"n\\\": $n}\"; done; done"]}"#)]
#[case::sql(r#"{sql: "WITH n (n) AS (VALUES (0), (1), (2)) SELECT n, :label AS l FROM n WHERE :stage_id >= 0 ORDER BY n"}"#)]
fn job_rows_come_from_any_source(#[case] from: &str) {
    let bench = many(from);
    let rendered = bench.render();
    assert_eq!(rendered.jobs, 258);
    assert!(bench.commands(5).contains("run 'SCRATCH/raw/1' 2 survey"));
}

#[test]
fn progress_counts_components() {
    let bench = many("{file: jobs.csv}");
    let seen = std::cell::RefCell::new(Vec::new());
    bench.with(&bench.run_dir(), |renderer, _| {
        renderer
            .render(&bench.store, &|done| seen.borrow_mut().push(done))
            .unwrap()
    });
    assert_eq!(seen.into_inner(), (1..=100).collect::<Vec<u64>>());
}

#[rstest]
#[case(
    "stage_id,a\n1,x\n2,y\n1,z\n",
    "rows.csv, row 3: `stage_id` 1 came before"
)]
#[case(
    "stage_id,a\n1,x\nx,y\n",
    "rows.csv, row 2: `stage_id` should be an integer, but is `\"x\"`"
)]
#[case("id,a\n1,x\n", "rows.csv, row 1: has no `stage_id`")]
fn candidates_need_a_number_of_their_own(#[case] csv: &str, #[case] message: &str) {
    let bench = Bench::new(
        FREE,
        &[
            ("rows.jsonl", "{\"stage_id\": 1, \"jobs\": []}\n"),
            ("rows.csv", csv),
        ],
    );
    let recipe = recipe_of(&FREE.replace("rows.jsonl", "rows.csv"));
    let reader = bench.store.reader().unwrap();
    let error = candidates(
        &recipe,
        bench.dir.path(),
        &reader,
        "survey",
        &mut |_| Ok(()),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with(message), "{error}");
}
