//! The batch script, the configs and the decision.

use std::fs;

use outrigger::{
    config::site::{ArrayTasks, LauncherKind},
    prepare::{
        PrepareError, Rendered, dry_run,
        launch::{self, Launch, Starter},
    },
    state::run_dir::{
        self,
        decision::{Allocation, Decision},
        shares,
    },
};

use crate::bench::{Bench, TOKEN, allocation};

const STAGE: &str = r#"
stage: count
components: {file: rows.jsonl}
command: [/bin/true]
inputs: [{local: rows.jsonl, remote: "raw/rows"}]
outputs: [{remote: "o/{{ stage_id }}", local: "o/{{ stage_id }}"}]
dbinfo: {table: count, key: [id], columns: {id: integer}, format: lines}
next: {stage: camera, id: "{{ stage_id }}"}
"#;

fn bench() -> Bench {
    let rows: Vec<String> = (0..10)
        .map(|id| format!("{{\"stage_id\": {id}}}"))
        .collect();
    Bench::new(STAGE, &[("rows.jsonl", &rows.join("\n"))])
}

fn srun(conf: &str, tasks: u32, lanes: u32) -> Vec<String> {
    let beside = if lanes > 1 { "--overlap" } else { "it's" };
    [
        "srun",
        "-n",
        &tasks.to_string(),
        "--multi-prog",
        conf,
        beside,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn the_batch_script_claims_runs_and_marks() {
    let mut bench = bench();
    bench.site.environment = vec!["export A='b c'".into()];
    bench.site.modules = vec!["gcc; rm x".into()];
    let rendered = bench.render();
    bench.launch_with(&rendered, &["#SBATCH --nodes=2".into()], &srun);
    let script = bench.text(run_dir::BATCH_SCRIPT);
    let script = script.replace(&*bench.scratch().to_string_lossy(), "/SCRATCH DIR");
    insta::assert_snapshot!(script, @r#"
    #!/bin/sh
    #SBATCH --nodes=2
    # Run 1; run.yaml says what was decided for it.
    export A='b c'
    module load 'gcc; rm x'
    set -u

    cd '/SCRATCH DIR/runs/run 1' || exit 1
    or_token=or-1-1-0badcafe

    # A marker is there whole or not at all.
    or_mark() {
        printf '%s\n' "$2" >"$1.tmp" && mv -f "$1.tmp" "$1"
    }

    # Makes the directory that only one copy of this script can make.
    or_claim() {
        if ! mkdir "$1"; then
            if [ -d "$1" ]; then
                echo "outrigger: $or_token is claimed by another copy of this batch job; nothing to do"
                exit 0
            fi
            echo "outrigger: $or_token cannot be claimed in $PWD" >&2
            exit 1
        fi
    }

    # Only one copy of this script ever runs the jobs.
    or_claim "$or_token.claim"
    echo "${SLURM_JOB_ID:-${PBS_JOBID:-${OUTRIGGER_JOB_ID:-unknown}}}" >"$or_token.claim/job_id"
    or_part=

    OR_ATTEMPT=${or_token#or-*-}
    OR_ATTEMPT=${OR_ATTEMPT%%-*}
    export OR_ATTEMPT
    or_steps=$or_token.steps$or_part
    mkdir -p log "$or_steps"

    or_status=0
    or_pid=
    or_step=0

    or_end() {
        rm -rf "$or_steps"
        or_mark "ended$or_part" "$1 $(date +%s) $or_token"
        exit "$1"
    }

    or_stop() {
        trap '' TERM INT HUP
        [ -z "$or_lanes" ] || kill $or_lanes 2>/dev/null
        wait
        or_end 143
    }

    or_stop_lane() {
        trap '' TERM INT HUP
        if [ -n "$or_pid" ]; then
            kill "$or_pid" 2>/dev/null
            wait "$or_pid"
        fi
        exit 143
    }

    # Runs the step unless another lane has it: the one that makes its directory. In the background, so
    # that a signal is answered at once. A step that fails does not end the others: each job has its own
    # record.
    or_run() {
        or_step=$((or_step + 1))
        [ ! -d "$or_steps/$or_step" ] || return 0
        if ! mkdir "$or_steps/$or_step" 2>/dev/null; then
            [ ! -d "$or_steps/$or_step" ] || return 0
            or_status=1
            echo "outrigger: step $or_step cannot be begun: $*" >&2
            return 0
        fi
        "$@" </dev/null &
        or_pid=$!
        wait "$or_pid"
        or_code=$?
        or_pid=
        if [ "$or_code" -ne 0 ]; then
            or_status=$or_code
            echo "outrigger: step ended with $or_code: $*" >&2
        fi
    }

    # Whoever is done with a step goes on with the next, so a slow one holds nobody.
    or_lane() {
        trap or_stop_lane TERM INT HUP
        or_run srun -n 4 --multi-prog chunk.000.conf "it's"
        or_run srun -n 4 --multi-prog chunk.001.conf "it's"
        or_run srun -n 2 --multi-prog chunk.002.conf "it's"
        exit "$or_status"
    }

    or_lanes=
    or_left=1
    trap or_stop TERM INT HUP
    or_mark "started$or_part" "$(date +%s) $(uname -n) $or_token"
    while [ "$or_left" -gt 0 ]; do
        or_lane &
        or_lanes="$or_lanes $!"
        or_left=$((or_left - 1))
    done
    for or_lane in $or_lanes; do
        wait "$or_lane" || or_status=$?
    done
    or_end "$or_status"
    "#);
    let last = &bench.jobs()[8..];
    let line = |rank: usize| {
        format!(
            "{rank} /bin/sh run-job.sh {} {} {}\n",
            last[rank].seq, last[rank].offset, last[rank].length
        )
    };
    assert_eq!(bench.text("chunk.002.conf"), line(0) + &line(1));
    assert!(!bench.run_dir().join("chunk.003.conf").exists());
}

#[test]
fn lanes_run_narrower_steps_beside_each_other() {
    let mut bench = bench();
    bench.site.chunk.lanes = Some(2);
    bench.launch_with(&bench.render(), &[], &srun);
    let script = bench.text(run_dir::BATCH_SCRIPT);
    let lane: Vec<&str> = script
        .lines()
        .filter(|line| line.contains("or_run ") || line.starts_with("or_left="))
        .collect();
    insta::assert_snapshot!(lane.join("\n"), @r"
        or_run srun -n 2 --multi-prog chunk.000.conf --overlap
        or_run srun -n 2 --multi-prog chunk.001.conf --overlap
        or_run srun -n 2 --multi-prog chunk.002.conf --overlap
        or_run srun -n 2 --multi-prog chunk.003.conf --overlap
        or_run srun -n 2 --multi-prog chunk.004.conf --overlap
    or_left=2
    ");
}

#[test]
fn a_template_that_knows_no_lanes_gets_none() {
    let mut bench = bench();
    let rendered = bench.render();
    let path = bench.path("templates/msub/body.sh");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(
        &path,
        "{% for step in steps %}{{ step | safe }}\n{% endfor %}",
    )
    .unwrap();
    try_launch(&bench, &rendered, &[]).unwrap();
    bench.site.chunk.lanes = Some(2);
    let error = try_launch(&bench, &rendered, &[]).unwrap_err();
    assert!(
        error.contains("body.sh: it says nothing of `lanes`"),
        "{error}"
    );
}

#[test]
fn the_decision_says_all_that_exec_and_poll_need() {
    let bench = bench();
    let rendered = bench.render();
    bench.launch(&rendered);
    let decision = Decision::read(&bench.run_dir()).unwrap();
    assert_eq!(
        (decision.components, decision.jobs, decision.chunks),
        (10, 10, 3)
    );
    assert_eq!((decision.files_in, decision.files_out), (1, 10));
    assert_eq!(decision.next.as_deref(), Some("camera"));
    assert_eq!(decision.schema.unwrap().table, "count");
    assert_eq!(decision.allocation, allocation());
    assert_eq!(decision.remote_dir, bench.remote_dir());
}

#[test]
fn preparing_again_leaves_no_old_configs() {
    let mut bench = bench();
    bench.launch(&bench.render());
    bench.site.chunk.max_tasks = Some(1);
    bench.launch(&bench.render());
    assert!(bench.run_dir().join("chunk.009.conf").exists());
    bench.site.chunk.max_tasks = None;
    bench.launch(&bench.render());
    assert!(!bench.run_dir().join("chunk.009.conf").exists());
}

fn try_launch(bench: &Bench, rendered: &Rendered, directives: &[&str]) -> Result<Decision, String> {
    let directives: Vec<String> = directives.iter().map(|&line| line.to_owned()).collect();
    bench.with(&bench.run_dir(), |_, request| {
        let launch = Launch {
            token: TOKEN,
            allocation: &allocation(),
            directives: &directives,
            starter: Starter::Chunks(&srun),
        };
        launch::write(rendered, &request, &launch).map_err(|e| e.to_string())
    })
}

#[test]
fn what_cannot_be_a_directive_is_refused() {
    let bench = bench();
    let rendered = bench.render();
    let error = |line: &str| try_launch(&bench, &rendered, &[line]).unwrap_err();
    assert_eq!(
        error("#MSUB -N a\nrm -r x"),
        "`#MSUB -N a\\nrm -r x` cannot be a directive of the batch script"
    );
    assert_eq!(
        error("rm -r x"),
        "`rm -r x` cannot be a directive of the batch script"
    );
}

#[test]
fn a_job_that_fits_into_no_config_is_named() {
    let mut bench = bench();
    bench.site.chunk.max_bytes = "10".parse().unwrap();
    let rendered = bench.render();
    let error = try_launch(&bench, &rendered, &[]).unwrap_err();
    assert!(error.starts_with("job 0 does not fit"), "{error}");
}

#[test]
fn a_site_may_bring_its_own_template() {
    let bench = bench();
    let rendered = bench.render();
    let path = bench.path("templates/msub/local.sh");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "#!/bin/ksh\n# {{ dir }}\n{% include \"body.sh\" %}").unwrap();
    try_launch(&bench, &rendered, &[]).unwrap();
    assert!(
        bench
            .text(run_dir::BATCH_SCRIPT)
            .starts_with("#!/bin/ksh\n")
    );
    fs::write(&path, "{{ nonsense }}").unwrap();
    let error = try_launch(&bench, &rendered, &[]).unwrap_err();
    assert!(
        error.contains("local.sh") && error.contains("nonsense"),
        "{error}"
    );
}

#[test]
fn a_template_of_one_site_goes_before_that_of_all() {
    let bench = bench();
    let rendered = bench.render();
    let site = bench.with(&bench.run_dir(), |_, request| request.site_name.to_owned());
    for (path, text) in [
        ("templates/msub/body.sh".to_owned(), "all\n"),
        (format!("templates/msub/{site}/body.sh"), "this one\n"),
        ("templates/msub/other/body.sh".to_owned(), "other\n"),
        (
            "templates/msub/slurm.sh".to_owned(),
            "{% broken, and not used here",
        ),
    ] {
        let path = bench.path(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    try_launch(&bench, &rendered, &[]).unwrap();
    let script = bench.text(run_dir::BATCH_SCRIPT);
    assert!(script.trim_end().ends_with("this one"), "{script}");
}

#[test]
fn the_tasks_of_an_array_each_have_their_own_configs() {
    let bench = bench();
    let rendered = bench.render();
    let array = Allocation {
        tasks: Some(4),
        nodes: 1,
        ..allocation()
    };
    bench.launch_as(&rendered, &array);
    let script = bench.text(run_dir::BATCH_SCRIPT);
    let mut seen = Vec::new();
    for (index, jobs) in [2, 1, 2, 1, 2, 2].into_iter().enumerate() {
        let name = run_dir::chunk_name(index);
        assert_eq!(script.matches(&name).count(), 1, "{script}");
        let text = bench.text(&name);
        assert_eq!(text.lines().count(), jobs, "{name}: {text}");
        let seq = |line: &str| line.split(' ').nth(3).unwrap().to_owned();
        seen.extend(text.lines().map(seq));
    }
    seen.sort();
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let branch = script.split_once("    case $or_task in\n").unwrap().1;
    let branch = branch.split_once("    esac").unwrap().0;
    assert_eq!(branch.matches(";;").count(), 4, "{branch}");
    // Of one task's configs both are in its branch.
    let first = branch.split_once(";;").unwrap().0;
    assert!(
        first.contains("chunk.000.conf") && first.contains("chunk.001.conf"),
        "{branch}"
    );
}

#[test]
fn the_tasks_of_an_array_each_have_workers_for_their_own_share() {
    let bench = bench();
    let rendered = bench.render();
    bench.launch_workers(&rendered, &allocation());
    assert!(!bench.run_dir().join(run_dir::SHARES).exists());
    let array = Allocation {
        tasks: Some(4),
        nodes: 1,
        ..allocation()
    };
    bench.launch_workers(&rendered, &array);
    let script = bench.text(run_dir::BATCH_SCRIPT);
    let branch = script.split_once("    case $or_task in\n").unwrap().1;
    let branch = branch.split_once("    esac").unwrap().0;
    insta::assert_snapshot!(branch, @r"
    0)
        or_run /bin/outrigger worker run '--task=0'
        ;;
    1)
        or_run /bin/outrigger worker run '--task=1'
        ;;
    2)
        or_run /bin/outrigger worker run '--task=2'
        ;;
    3)
        or_run /bin/outrigger worker run '--task=3'
        ;;
    ");
    let share = |task| {
        let mut jobs: Vec<u64> = shares::of_task(&bench.run_dir(), task)
            .unwrap()
            .into_iter()
            .collect();
        jobs.sort_unstable();
        jobs
    };
    assert_eq!(
        (0..4).map(share).collect::<Vec<_>>(),
        [vec![0, 4, 8], vec![1, 5, 9], vec![2, 6], vec![3, 7]]
    );
    let decision = Decision::read(&bench.run_dir()).unwrap();
    assert!(decision.worker.is_some() && decision.chunks == 0);
}

#[rstest::rstest]
fn a_template_that_would_let_each_task_do_all_is_refused(
    #[values(LauncherKind::Chunks, LauncherKind::Worker)] launcher: LauncherKind,
) {
    let mut bench = bench();
    bench.site.launcher = launcher;
    bench.site.array = Some(ArrayTasks::default());
    let path = bench.path("templates/msub/body.sh");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(
        &path,
        "{% for step in steps %}{{ step }} # {{ lanes }}\n{% endfor %}",
    )
    .unwrap();
    let check = || {
        bench.with(&bench.run_dir(), |_, request| {
            launch::check_templates(request.home, request.site_name, request.site)
        })
    };
    let error = check().unwrap_err().to_string();
    assert!(error.contains("says nothing of `tasks`"), "{error}");
    fs::remove_file(&path).unwrap();
    check().unwrap();
}

#[test]
fn a_new_attempt_gets_its_own_token() {
    let bench = bench();
    bench.launch(&bench.render());
    launch::retoken(&bench.run_dir(), "or-1-2-deadbeef").unwrap();
    assert!(
        bench
            .text(run_dir::BATCH_SCRIPT)
            .contains("or_token=or-1-2-deadbeef\n")
    );
    let error = launch::retoken(&bench.run_dir(), "or-2-1-deadbeef").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("carries no token like or-2-1-deadbeef"),
        "{error}"
    );
}

#[test]
fn a_dry_run_shows_all_and_leaves_nothing() {
    let bench = bench();
    let shown = bench.with(&bench.run_dir(), |renderer, _| {
        dry_run(&renderer, &bench.store, &|_| {}, |rendered, show| {
            assert_eq!(rendered.jobs, 10);
            show(&Launch {
                token: TOKEN,
                allocation: &allocation(),
                directives: &[],
                starter: Starter::Chunks(&srun),
            })
        })
    });
    let shown: Result<_, PrepareError> = shown;
    let shown = shown.unwrap();
    assert_eq!((shown.decision.jobs, shown.decision.chunks), (10, 3));
    assert!(shown.job_script.contains("srun -n 4"));
    assert!(shown.first_chunk.starts_with("0 /bin/sh run-job.sh 0 0 "));
    assert!(!shown.rendered.dir().exists());
    assert!(!bench.run_dir().exists() && !bench.path("runs").exists());
}
