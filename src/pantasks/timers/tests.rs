use jiff::{SignedDuration, tz::TimeZone};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::pantasks::{
    exit_macro::End,
    job::Event,
    task::Host,
    tasks::{Deleted, TaskError},
    trange::Range,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn later(seconds: f64) -> Timestamp {
    NOW + SignedDuration::from_secs_f64(seconds)
}

fn one(change: impl FnOnce(&mut Task<()>)) -> (Tasks<()>, TaskId) {
    let mut tasks = Tasks::default();
    let id = add(&mut tasks, "copy", change);
    (tasks, id)
}

fn add(tasks: &mut Tasks<()>, name: &str, change: impl FnOnce(&mut Task<()>)) -> TaskId {
    let mut task = tasks.edit(name);
    task.settings.command = vec!["cp".into()];
    change(&mut task);
    tasks.put(task).unwrap()
}

fn submit(tasks: &mut Tasks<()>, jobs: &mut Jobs, id: TaskId, at: Timestamp) -> JobId {
    let launch = tasks.get_mut(id).unwrap().launch(at).unwrap();
    jobs.submit(Some(id), launch, at)
}

fn start(jobs: &mut Jobs, id: JobId, at: Timestamp) {
    let host = "localhost".to_owned();
    jobs.apply(id, Event::Start { at, host }).unwrap();
}

/// When anything may be due though nothing happens.
fn next_wake(tasks: &Tasks<()>, jobs: &Jobs, now: Timestamp) -> Option<Timestamp> {
    let evaluation = next_evaluation(tasks, jobs, now);
    let deadline = next_deadline(tasks, jobs).map(|at| at.max(now));
    [evaluation, deadline].into_iter().flatten().min()
}

#[test]
fn a_new_task_is_due_at_once_and_then_every_exec_period() {
    let (mut tasks, id) = one(|task| task.settings.periods.exec = 5.0);
    let jobs = Jobs::default();
    assert_eq!(due(&tasks, &jobs, NOW), [id]);
    tasks.get_mut(id).unwrap().evaluated(NOW, 0.0);
    assert_eq!(due(&tasks, &jobs, later(4.9)), []);
    assert_eq!(next_wake(&tasks, &jobs, later(1.0)), Some(later(5.0)));
    assert_eq!(due(&tasks, &jobs, later(5.0)), [id]);
}

#[test]
fn jitter_moves_the_next_evaluation_by_a_part_of_the_period() {
    let (mut tasks, id) = one(|task| task.settings.periods.exec = 4.0);
    tasks.get_mut(id).unwrap().evaluated(NOW, 0.25);
    let wake = next_wake(&tasks, &Jobs::default(), NOW);
    assert_eq!(wake, Some(later(5.0)));
}

#[test]
fn a_period_set_inside_task_exec_counts_for_the_next_check() {
    let (mut tasks, id) = one(|task| task.settings.periods.exec = 30.0);
    let task = tasks.get_mut(id).unwrap();
    task.evaluated(NOW, 0.0);
    task.settings.periods.exec = 0.05;
    assert_eq!(due(&tasks, &Jobs::default(), later(0.05)), [id]);
}

#[test]
fn a_restarted_timer_waits_a_fraction_of_the_period() {
    let (mut tasks, id) = one(|task| task.settings.periods.exec = 10.0);
    tasks.get_mut(id).unwrap().restarted(NOW, 0.3);
    assert_eq!(due(&tasks, &Jobs::default(), later(2.9)), []);
    assert_eq!(due(&tasks, &Jobs::default(), later(3.1)), [id]);
}

#[test]
fn a_task_without_a_period_that_makes_no_job_does_not_spin() {
    let (mut tasks, id) = one(|task| task.settings.periods.exec = 0.0);
    let task = tasks.get_mut(id).unwrap();
    task.evaluated(NOW, 0.0);
    task.skipped(NOW);
    let wake = next_wake(&tasks, &Jobs::default(), NOW).unwrap();
    assert!(wake > NOW);
    assert_eq!(tasks.get(id).unwrap().statistics.skipped, 1);
}

#[rstest]
#[case::inactive(|task: &mut Task<()>| task.active = false)]
#[case::npending_reached(|task: &mut Task<()>| task.npending = 1)]
#[case::nmax_reached(|task: &mut Task<()>| task.nmax = 1)]
fn a_task_at_its_limit_waits_for_an_event(#[case] limit: fn(&mut Task<()>)) {
    let (mut tasks, id) = one(|task| task.settings.host = Host::Any);
    let mut jobs = Jobs::default();
    submit(&mut tasks, &mut jobs, id, NOW);
    limit(tasks.get_mut(id).unwrap());
    assert_eq!(due(&tasks, &jobs, later(9.0)), []);
    assert_eq!(next_wake(&tasks, &jobs, later(9.0)), None);
}

#[test]
fn a_finished_job_makes_room_for_the_next() {
    let (mut tasks, id) = one(|task| task.npending = 1);
    let mut jobs = Jobs::default();
    let job = submit(&mut tasks, &mut jobs, id, NOW);
    start(&mut jobs, job, NOW);
    let ended = jobs.apply(job, Event::Finish(End::Exit(0))).unwrap();
    assert_eq!(ended.map(|ended| ended.end), Some(End::Exit(0)));
    assert_eq!(due(&tasks, &jobs, NOW), [id]);
}

#[test]
fn outside_its_range_a_task_sleeps_until_the_range_opens() {
    let (tasks, _) = one(|task| {
        let range = Range::parse(&["06:00", "07:00"], &TimeZone::UTC).unwrap();
        task.ranges.add(range);
    });
    let jobs = Jobs::default();
    assert_eq!(due(&tasks, &jobs, NOW), []);
    assert_eq!(next_wake(&tasks, &jobs, NOW), Some(later(6.0 * 3600.0)));
}

#[rstest]
#[case::whole_polls(1.0, 5.0, 5.0)]
#[case::between_looks(2.0, 5.0, 6.0)]
#[case::one_look_at_least(60.0, 5.0, 60.0)]
#[case::without_looks(0.0, 5.0, 5.0)]
#[case::tenths(0.1, 0.3, 0.3)]
#[case::negative(1.0, -5.0, 1.0)]
fn a_timeout_is_noticed_at_a_look(#[case] poll: f64, #[case] timeout: f64, #[case] age: f64) {
    let periods = Periods {
        poll,
        timeout,
        ..Periods::default()
    };
    let error = (timeout_at(NOW, &periods) - later(age))
        .total(jiff::Unit::Second)
        .unwrap();
    assert!(error.abs() < 1e-6, "{error}");
}

#[test]
fn only_local_jobs_time_out() {
    let (mut tasks, id) = one(|_| {});
    let mut jobs = Jobs::default();
    let here = submit(&mut tasks, &mut jobs, id, NOW);
    tasks.get_mut(id).unwrap().settings.host = Host::Any;
    let there = submit(&mut tasks, &mut jobs, id, NOW);
    start(&mut jobs, here, NOW);
    start(&mut jobs, there, NOW);
    assert_eq!(overdue(&tasks, &jobs, later(0.5)), []);
    assert_eq!(
        overdue(&tasks, &jobs, later(100.0)),
        [(here, Stop::Timeout)]
    );
    jobs.apply(here, Event::Stop(Stop::Timeout)).unwrap();
    assert_eq!(overdue(&tasks, &jobs, later(100.0)), []);
}

#[test]
fn waiting_is_unlimited_unless_the_task_limits_it() {
    let (mut tasks, id) = one(|task| task.active = true);
    let mut jobs = Jobs::default();
    let job = submit(&mut tasks, &mut jobs, id, NOW);
    assert_eq!(overdue(&tasks, &jobs, later(1e9)), []);
    tasks.get_mut(id).unwrap().settings.periods.pending = Some(60.0);
    tasks.get_mut(id).unwrap().active = false;
    assert_eq!(next_wake(&tasks, &jobs, NOW), Some(later(60.0)));
    assert_eq!(overdue(&tasks, &jobs, later(60.0)), [(job, Stop::Pending)]);
}

#[test]
fn a_users_own_job_never_times_out() {
    let (mut tasks, id) = one(|_| {});
    let mut jobs = Jobs::default();
    let launch = tasks.get_mut(id).unwrap().launch(NOW).unwrap();
    let own = jobs.submit(None, launch, NOW);
    start(&mut jobs, own, NOW);
    assert_eq!(overdue(&tasks, &jobs, later(1e6)), []);
}

#[test]
fn a_redefined_task_goes_to_the_end_and_keeps_its_jobs_and_counters() {
    let (mut tasks, copy) = one(|_| {});
    let mark = add(&mut tasks, "mark", |_| {});
    let mut jobs = Jobs::default();
    submit(&mut tasks, &mut jobs, copy, NOW);
    assert_eq!(due(&tasks, &jobs, NOW), [copy, mark]);
    add(&mut tasks, "copy", |task| task.nice = 5);
    assert_eq!(due(&tasks, &jobs, NOW), [mark, copy]);
    assert_eq!(tasks.get(copy).unwrap().statistics.submitted, 1);
}

#[test]
fn a_task_without_a_command_is_not_defined() {
    let mut tasks: Tasks<()> = Tasks::default();
    let task = tasks.edit("empty");
    assert_eq!(tasks.put(task), Err(TaskError::NoCommand("empty".into())));
    let mut task = tasks.edit("dynamic");
    task.dynamic = true;
    assert!(tasks.put(task).is_ok());
}

#[test]
fn a_deleted_task_makes_no_jobs_and_goes_with_its_last_one() {
    let (mut tasks, old) = one(|_| {});
    let mut jobs = Jobs::default();
    let job = submit(&mut tasks, &mut jobs, old, NOW);
    assert_eq!(tasks.delete("copy", &jobs), Ok(Deleted::Draining));
    assert_eq!(due(&tasks, &jobs, later(9.0)), []);
    let new = add(&mut tasks, "copy", |_| {});
    assert_ne!(new, old);
    jobs.apply(job, Event::Finish(End::Exit(0))).unwrap();
    tasks.sweep(&jobs);
    assert!(tasks.get(old).is_none());
    assert_eq!(tasks.delete("copy", &jobs), Ok(Deleted::Gone));
    assert_eq!(
        tasks.delete("copy", &jobs),
        Err(TaskError::Unknown("copy".into()))
    );
}

#[test]
fn periods_outside_a_task_are_the_defaults_of_later_tasks() {
    let mut tasks: Tasks<()> = Tasks::default();
    tasks.default_periods.exec = 7.0;
    assert!((tasks.edit("new").settings.periods.exec - 7.0).abs() < f64::EPSILON);
}

#[test]
fn flushed_jobs_are_handed_out_and_leave_room() {
    let (mut tasks, id) = one(|task| task.npending = 2);
    let mut jobs = Jobs::default();
    submit(&mut tasks, &mut jobs, id, NOW);
    submit(&mut tasks, &mut jobs, id, NOW);
    assert_eq!(jobs.flush().len(), 2);
    assert!(jobs.is_empty());
    assert_eq!(due(&tasks, &jobs, NOW), [id]);
}

proptest! {
    #[test]
    fn nothing_becomes_due_before_the_next_wake(
        shapes in prop::collection::vec((0.0..5.0f64, 0.1..2.0f64, 0.0..4.0f64, 0..3u64), 1..5),
        age in 0.0..3.0f64,
        part in 0.0..1.0f64,
    ) {
        let mut tasks = Tasks::default();
        let mut jobs = Jobs::default();
        for (n, (exec, poll, timeout, npending)) in shapes.into_iter().enumerate() {
            let id = add(&mut tasks, &n.to_string(), |task| {
                task.settings.periods = Periods { exec, poll, timeout, pending: Some(timeout) };
                task.npending = npending;
            });
            tasks.get_mut(id).unwrap().evaluated(NOW, 0.1);
            let job = submit(&mut tasks, &mut jobs, id, NOW);
            if n % 2 == 0 {
                start(&mut jobs, job, NOW);
            }
        }
        let now = later(age);
        let quiet = |at| due(&tasks, &jobs, at).is_empty() && overdue(&tasks, &jobs, at).is_empty();
        let wake = next_wake(&tasks, &jobs, now);
        prop_assert_eq!(wake == Some(now), !quiet(now));
        if let Some(wake) = wake.filter(|wake| *wake > now) {
            let length = (wake - now).total(jiff::Unit::Second).unwrap();
            prop_assert!(quiet(now + SignedDuration::from_secs_f64(length * part * 0.999)));
            prop_assert!(!quiet(wake));
        }
    }
}
