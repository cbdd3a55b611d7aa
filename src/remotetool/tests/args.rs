use std::num::NonZeroU32;

use proptest::prelude::*;
use rstest::rstest;

use crate::remotetool::*;

fn run(line: &str) -> Command {
    match parse(line.split_whitespace()) {
        Ok(Request::Run(command)) => command,
        other => panic!("{other:?}"),
    }
}

fn problem(line: &str) -> String {
    parse(line.split_whitespace())
        .unwrap_err()
        .problem
        .to_string()
}

fn all(simple: bool) -> Listing {
    Listing {
        limit: None,
        simple,
    }
}

#[test]
fn the_original_drivers_definition_is_understood() {
    let command = run(
        "-definebyquery -label demo.t1 -stage cam -path_base neb://@HOST@.0/remote/demo.t1 \
         -limit 500 -dbname gpc1",
    );
    assert_eq!(
        command,
        Command {
            dbname: Some("gpc1".into()),
            mode: Mode::DefineByQuery(Define {
                labels: vec!["demo.t1".into()],
                stage: "camera".into(),
                path_base: "neb://@HOST@.0/remote/demo.t1".into(),
                set_label: None,
                limit: NonZeroU32::new(500),
                pretend: false,
                simple: false,
            }),
        }
    );
}

#[test]
fn every_label_counts() {
    let command = run("-label one -listcomponent -label two -state new -label one -limit 32");
    assert_eq!(
        command.mode,
        Mode::ListComponent(
            ComponentFilter {
                state: Some(ComponentWord::New),
                labels: vec!["one".into(), "two".into()],
                ..ComponentFilter::default()
            },
            Listing {
                limit: NonZeroU32::new(32),
                simple: false
            },
        )
    );
}

#[test]
fn a_number_filters_only_where_it_is_given_and_then_even_zero_does() {
    let filtered = RunFilter {
        fault: Some(0),
        ..RunFilter::default()
    };
    assert_eq!(
        run("-listrun -fault 0 -simple").mode,
        Mode::ListRun(filtered, all(true))
    );
    assert_eq!(
        run("-listrun -limit 0").mode,
        Mode::ListRun(RunFilter::default(), all(false))
    );
}

#[test]
fn every_filter_of_a_listing_is_understood() {
    let command = run(
        "-listrun -remote_id 17 -state exec_fail -stage chip -label a -job_id Moab.17 \
         -poll_begin 2014-05-02T01:10:44.5Z -poll_end 2014/05/03,00:00:00 -fault -4",
    );
    let filter = RunFilter {
        remote_id: Some(17),
        state: Some(RunWord::ExecFail),
        stage: Some("chip".into()),
        labels: vec!["a".into()],
        job_id: Some(JobId::Job("Moab.17".into())),
        poll_begin: Some("2014-05-02T01:10:44.5Z".parse().unwrap()),
        poll_end: Some("2014-05-03T00:00:00Z".parse().unwrap()),
        fault: Some(-4),
    };
    assert_eq!(command.mode, Mode::ListRun(filter, all(false)));
}

#[rstest]
#[case(
    "-doneprep -state new -job_id -1",
    Mode::DonePrep(
        DonePrepFilter {
            job_id: Some(JobId::Unsubmitted),
            state: Some(RunWord::New),
            ..DonePrepFilter::default()
        },
        Listing { limit: None, simple: false },
    )
)]
#[case(
    "-updaterun -remote_id 3 -fault 0 -job_id 12345 -set_state run -set_label b",
    Mode::UpdateRun {
        remote_id: 3,
        change: RunChange {
            label: Some("b".into()),
            state: Some(RunWord::Run),
            job_id: Some(JobId::Job("12345".into())),
            fault: Some(0),
        },
    }
)]
#[case("-updatepoll -remote_id 3", Mode::UpdatePoll { remote_id: 3 })]
#[case(
    "-updatecomponent -remote_id 3 -stage_id 9 -state new -set_jobs 60 -set_path_base p -set_state prep_done",
    Mode::UpdateComponent {
        remote_id: 3,
        stage_id: Some(9),
        state: Some(ComponentWord::New),
        change: ComponentChange {
            state: Some(ComponentWord::PrepDone),
            path_base: Some("p".into()),
            jobs: Some(60),
        },
    }
)]
#[case(
    "-revertrun -label a -fault 4",
    Mode::RevertRun { remote_id: None, labels: vec!["a".into()], fault: Some(4) }
)]
#[case(
    "-dbname gpc1 -revertauth -label a -label b",
    Mode::RevertAuth { remote_id: None, labels: vec!["a".into(), "b".into()] }
)]
#[case(
    "-revertcomponent -remote_id 3",
    Mode::RevertComponent { remote_id: Some(3), stage_id: None }
)]
#[case(
    "-dropcomponent -stage_id 3",
    Mode::DropComponent { remote_id: None, stage_id: Some(3) }
)]
#[case("-updatepoll -trace db 45 -vv -remote_id 3", Mode::UpdatePoll { remote_id: 3 })]
fn every_mode_is_understood(#[case] line: &str, #[case] mode: Mode) {
    assert_eq!(run(line).mode, mode);
}

#[rstest]
#[case("", "mode argument is required")]
#[case("-simple", "mode argument is required")]
#[case(
    "-listrun -doneprep",
    "only one mode selection is allowed: -listrun and -doneprep are two"
)]
#[case("-listrun -lable x", "Unknown option: -lable (did you mean -label?)")]
#[case("-listrn", "Unknown option: -listrn (did you mean -listrun?)")]
#[case("-revertauth -fault 4", "Unknown option: -fault")]
#[case("-listrun 17", "extra arguments: 17")]
#[case("-listrun -label", "Required argument for -label is missing.")]
#[case("-listrun -label -simple", "Required argument for -label is missing.")]
#[case("-definebyquery -stage chip -path_base p", "-label is required")]
#[case("-updaterun -set_state full", "-remote_id is required")]
#[case(
    "-listrun -fault 40000",
    "Unable to read argument value for -fault: `40000`: number too large to fit in target type"
)]
#[case(
    "-listrun -remote_id x",
    "Unable to read argument value for -remote_id: `x`: invalid digit found in string"
)]
#[case(
    "-listrun -poll_begin yesterday",
    "Unable to read argument value for -poll_begin: `yesterday` is not a time such as 2014-05-02T01:10:44"
)]
#[case(
    "-updaterun -remote_id 1 -set_state fail_state",
    "Unable to read argument value for -set_state: `fail_state` is no state of a run: use new, pending, run, auth, full, prep_fail, exec_fail, cleaned, hold, cancelled"
)]
#[case(
    "-listcomponent -state prepared",
    "Unable to read argument value for -state: `prepared` is no state of a component: use new, prep_done, prep_fail, fail, pass, retry"
)]
#[case(
    "-listrun -stage chip -stage warp",
    "-stage is given as `chip` and as `warp`"
)]
fn what_is_wrong_is_named(#[case] line: &str, #[case] message: &str) {
    assert_eq!(problem(line), message);
}

#[rstest]
#[case("-definebyquery", Exit::Unknown, 1)]
#[case("-listrun -x", Exit::Config, 3)]
fn usage_errors_end_with_the_originals_codes(
    #[case] line: &str,
    #[case] exit: Exit,
    #[case] code: u8,
) {
    let error = parse(line.split_whitespace()).unwrap_err();
    assert_eq!((error.exit(), error.exit().code()), (exit, code));
}

#[test]
fn help_shows_a_modes_options_with_an_example() {
    let Ok(Request::Help(text)) = parse(["-updaterun", "-help"]) else {
        panic!("no help");
    };
    insta::assert_snapshot!(text, @"
    Usage: remotetool -updaterun [<options>]

    -updaterun: change a run
      -remote_id N          run (required)
      -set_label LABEL      label of the run
      -set_state STATE      state to go to, where that is a legal move
      -job_id JOB           batch job; -1 for none
      -fault N              fault code; 0 for none
      -dbname NAME          database

    Example: remotetool -updaterun -remote_id 17 -set_state pending -fault 0
    ");
}

#[test]
fn help_without_a_mode_shows_the_modes() {
    let Ok(Request::Help(text)) = parse(["-h"]) else {
        panic!("no help");
    };
    insta::assert_snapshot!(text, @"
    Usage: remotetool <mode> [<options>]

    <mode>:
      -definebyquery        bundle components that wait under a label into a new run
      -listrun              list runs
      -doneprep             list runs in which every component is prepared or has failed
      -listcomponent        list components
      -revertcomponent      free failed components to be bundled again
      -dropcomponent        disabled: revert the component instead
      -updaterun            change a run
      -updatepoll           note that a run was polled now
      -updatecomponent      change components of a run
      -revertrun            clear the fault of runs
      -revertauth           let runs that waited for a login go on

    remotetool <mode> -help lists the options of a mode.
    Example: remotetool -listrun -state pending
    ");
}

#[test]
fn every_option_of_every_mode_is_described_and_every_example_is_understood() {
    for mode in options::MODES {
        for name in mode.options() {
            assert!(options::option(name).is_some(), "{name}");
        }
        run(mode.example);
    }
}

proptest! {
    #[test]
    fn any_command_line_is_understood_or_refused(
        words in prop::collection::vec(
            prop_oneof![
                prop::sample::select(
                    options::MODES
                        .iter()
                        .map(|mode| mode.name)
                        .chain(options::OPTIONS.iter().map(|option| option.name))
                        .chain(["-help", "-trace", "-v", "17", "-1", "run", "2014-05-02"])
                        .collect::<Vec<_>>()
                ).prop_map(str::to_owned),
                ".{0,8}",
            ],
            0..8,
        )
    ) {
        let _either = parse(words);
    }
}
