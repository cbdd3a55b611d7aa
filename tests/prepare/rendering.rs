//! What is written into a run directory.

use std::fs;

use outrigger::{
    prepare::{dry_run, launch, launch::Launch},
    state::{
        component::ComponentState,
        import::{Import, JobOutcome},
        job::JobEvent,
        run::RunEvent,
        run_dir::{self, decision::Decision},
    },
};

use crate::bench::{Bench, TOKEN, act, allocation};

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
    insta::assert_snapshot!(files, @"");
    insta::assert_snapshot!(bench.commands(0).replace(&home, "/HOME"), @"");
    let job = &bench.jobs()[1];
    assert_eq!((job.stage_id, job.threads, job.seconds), (91, 4, 150));
    assert_eq!(job.memory, Some(2 << 30));
    assert_eq!(
        job.values,
        r#"{"class_id":"XY02","exp_id":91,"host":"Lab/Cluster"}"#
    );
    assert_eq!(
        (rendered.jobs, rendered.files_in, rendered.bytes_in),
        (2, 4, 10)
    );
    assert_eq!((rendered.files_out, rendered.seconds_total), (4, 300));
    let component = &bench.components(&rendered)[0];
    assert_eq!((component.first_seq, component.next_id), (0, Some(7)));
    assert!(component.path_base.ends_with("/stage_91"));
}
