use rstest::rstest;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn run(state: &str) -> Run {
    Run {
        run_id: 17,
        stage: "chip".into(),
        site: "mustang".into(),
        label: "night1".into(),
        state: state.parse().unwrap(),
        path_base: String::new(),
        attempt: 1,
        token: "or-17-1-0a1b2c3d".into(),
        job_id: Some("4711".into()),
        fault: 0,
        reason: "the disk is full".into(),
        jobs: 60,
        passed: 57,
        failed: 2,
        retried: 3,
        lost: 1,
        unseen_since: None,
        created_at: at(0),
        changed_at: at(100),
        polled_at: Some(at(100)),
        harvested_at: None,
    }
}

fn told(run: &Run, facts: &Facts<'_>) -> String {
    format!(
        "{}\n> {}",
        standing(run, facts),
        next(run, facts).join("\n> ")
    )
}

const QUIET: Facts<'_> = Facts {
    now: Timestamp::UNIX_EPOCH,
    holder: None,
    followed_by: &[],
    stuck: 0,
    waiting: Waiting {
        components: 0,
        due_at: None,
    },
    tasks: None,
};

#[rstest]
#[case("new", "outrigger remote prepare 17")]
#[case("submitting", "outrigger remote exec 17")]
#[case("returning", "outrigger remote poll 17")]
#[case("auth:run", "outrigger connection start mustang")]
#[case("hold:pending", "outrigger remote release 17")]
#[case("error:poll", "outrigger remote revert 17; outrigger remote poll 17")]
#[case("full", "outrigger remote run --label night1")]
#[case("cancelled", "")]
fn each_state_has_the_command_that_moves_it_on(#[case] state: &str, #[case] command: &str) {
    assert_eq!(next(&run(state), &QUIET).join("; "), command);
}

#[test]
fn a_silent_scheduler_is_told_as_what_it_is() {
    let silent = Run {
        unseen_since: Some(at(100)),
        ..run("run")
    };
    let facts = Facts {
        now: at(400),
        ..QUIET
    };
    insta::assert_snapshot!(told(&silent, &facts), @r"
    the scheduler of mustang has not known batch job 4711 for 5 min: that is no end by itself, its own traces or its walltime decide; asked for 5 min ago
    > outrigger remote poll 17
    ");
}

#[test]
fn an_array_tells_how_its_tasks_stand() {
    let array = Run {
        reason: "3 of 8 tasks have ended, 2 run, 3 wait".into(),
        ..run("run")
    };
    let facts = Facts {
        tasks: Some(8),
        ..QUIET
    };
    insta::assert_snapshot!(told(&array, &facts), @r"
    batch job 4711 is queued or runs at mustang, an array of 8 tasks (3 of 8 tasks have ended, 2 run, 3 wait); asked for 0 s ago
    > outrigger remote poll 17
    ");
}

#[test]
fn a_run_that_is_over_tells_where_its_components_went() {
    let facts = Facts {
        followed_by: &[(18, 2)],
        stuck: 1,
        ..QUIET
    };
    insta::assert_snapshot!(told(&run("full"), &facts), @r"
    it is over: 57 of 60 jobs passed, 2 failed, 1 were lost; 2 of its components went on in run 18; 1 of its components will be bundled again by the next define; 1 of its components failed as often as they may
    > outrigger remote revert --components 17
    ");
}

#[test]
fn what_somebody_works_on_needs_no_command() {
    let facts = Facts {
        holder: Some("wapiti:1a2b/77/9"),
        ..QUIET
    };
    assert_eq!(next(&run("staging"), &facts), [""; 0]);
    assert!(standing(&run("staging"), &facts).ends_with("wapiti:1a2b/77/9 is at work on it"));
}
