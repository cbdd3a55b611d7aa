use insta::assert_snapshot;
use jiff::tz::TimeZone;

use super::*;
use crate::pantasks::{
    exit_macro::End,
    job::{Event, JobId, Stop},
    trange::Range,
};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Three tasks with a history: one simple, one dynamic with a range, one on a host of its own.
fn survey() -> (Tasks<()>, Jobs) {
    let mut tasks = Tasks::default();
    let mut jobs = Jobs::default();

    let mut load = tasks.edit("chip.imfile.load");
    load.settings.command = vec!["chiptool".into(), "-pending".into()];
    load.exits.set("0", ());
    load.exits.set("default", ());
    for _ in 0..5 {
        load.launch(NOW).unwrap();
        load.statistics.record(&End::Exit(0), 1.5);
    }
    load.statistics.record(&End::Crash(11), 0.25);
    load.statistics.record(&End::Timeout, 9.0);
    tasks.put(load).unwrap();

    let mut run = tasks.edit("chip.run");
    run.dynamic = true;
    run.exec = Some(());
    run.settings.command = vec!["chip_imfile.pl".into()];
    run.settings.host = Host::Any;
    run.settings.options = vec!["page.000".into()];
    run.settings.periods.pending = Some(60.0);
    for words in [
        ["06:00", "10:00", "-nmax", "3"].as_slice(),
        &["-exclude", "07:00", "07:30"],
    ] {
        run.ranges.add(Range::parse(words, &TimeZone::UTC).unwrap());
    }
    run.statistics.submitted = 123_456;
    run.statistics.skipped = 17;
    let launch = run.launch(NOW).unwrap();
    let id = tasks.put(run).unwrap();
    for _ in 0..2 {
        jobs.submit(Some(id), launch.clone(), NOW);
    }

    let mut copy = tasks.edit("copy");
    copy.active = false;
    copy.settings.command = vec!["cp".into()];
    copy.settings.stdout = Target::File("copy.log".into());
    copy.settings.stderr = Target::Variable("errors".into());
    copy.settings.block = vec!["/nfs/raw.fits".into()];
    copy.settings.host = Host::from_word("po01", true);
    let launch = copy.launch(NOW).unwrap();
    let id = tasks.put(copy).unwrap();
    let job = jobs.submit(Some(id), launch, NOW);
    let host = "po01".to_owned();
    jobs.apply(job, Event::Start { at: NOW, host }).unwrap();
    (tasks, jobs)
}

fn table(details: bool) -> String {
    let (tasks, jobs) = survey();
    TaskTable {
        tasks: &tasks,
        jobs: &jobs,
        now: NOW,
        details,
    }
    .to_string()
}

/// Keeps the blanks at both ends in the snapshot.
fn framed(text: impl fmt::Display) -> String {
    format!("|{text}|")
}

#[test]
fn the_head_says_what_is_running() {
    let standing = Standing {
        scheduler: false,
        harvest: true,
        controller: true,
    };
    assert_snapshot!(framed(Head(standing)), @r#"
    |
     Scheduler is stopped, harvesting jobs
     Controller is running
    |
    "#);
}

#[test]
fn the_table_of_tasks_is_as_wide_as_its_contents() {
    assert_snapshot!(framed(table(false)), @r#"
    |
     Task Status

      AV Name               Nrun   Njobs  Ngood Nfail Ntime Command
      ++ chip.imfile.load      0       5      5     1     1 chiptool
      +- chip.run              2  123457      0     0     0 (dynamic)
      -+ copy                  1       1      0     0     0 cp
    |
    "#);
}

#[test]
fn details_show_periods_ranges_and_hosts() {
    assert_snapshot!(framed(table(true)), @r#"
    |
     Task Status

      AV Name               Nrun   Njobs  Ngood Nfail Ntime Command
      ++ chip.imfile.load      0       5      5     1     1 chiptool
        spawn period: 1.000000, polling period: 1.000000, timeout period: 1.000000
        task runs locally
      +- chip.run              2  123457      0     0     0 (dynamic)
        spawn period: 1.000000, polling period: 1.000000, timeout period: 1.000000, pending period: 60.000000
         active : 06:00 10:00 (0 of 3)
         avoid  : 07:00 07:30
         Nskip exec: 17
        task host selected by controller
      -+ copy                  1       1      0     0     0 cp
        spawn period: 1.000000, polling period: 1.000000, timeout period: 1.000000
        host po01 (required)
    |
    "#);
}

#[test]
fn no_tasks_and_no_jobs_are_said_so() {
    let (tasks, jobs) = (Tasks::<()>::default(), Jobs::default());
    let table = TaskTable {
        tasks: &tasks,
        jobs: &jobs,
        now: NOW,
        details: true,
    };
    assert_snapshot!(framed(format!("{table}{}", JobTable(&jobs))), @r#"
    |
     Task Status

     no defined tasks
     no defined jobs
    |
    "#);
}

#[test]
fn the_table_of_jobs_shows_their_states() {
    let (_, mut jobs) = survey();
    jobs.apply(JobId(3), Event::Stop(Stop::Kill)).unwrap();
    assert_snapshot!(framed(JobTable(&jobs)), @r#"
    | Jobs in Pantasks Queue
        0         1: chip.run                     PENDING       chip_imfile.pl
        1         2: chip.run                     PENDING       chip_imfile.pl
        2         3: copy                            KILL                   cp
    |
    "#);
}

#[test]
fn statistics_show_times_in_seconds_or_none() {
    let (tasks, _) = survey();
    let shown = tasks.iter().take(2).collect();
    assert_snapshot!(framed(TaskStatistics(shown)), @r#"
    |
     Task Statistics

     chip.imfile.load
                     Njobs       Tmin       Tave       Tmax
       alljobs           6      0.250      1.292      1.500
       success           5      1.500      1.500      1.500
       failure           1      0.250      0.250      0.250
     chip.run
                     Njobs       Tmin       Tave       Tmax
       alljobs           0       NONE       NONE       NONE
       success           0       NONE       NONE       NONE
       failure           0       NONE       NONE       NONE
    |
    "#);
}

#[test]
fn showtask_shows_all_settings() {
    let (tasks, _) = survey();
    let all: Vec<String> = tasks
        .iter()
        .map(|task| ShowTask(task).to_string())
        .collect();
    assert_snapshot!(framed(all.join("\n")), @r#"
    | task chip.imfile.load
        active
        command: chiptool -pending
        stdout: NULL
        stderr: NULL
        jobs at once: unlimited, jobs ever: unlimited, nice: 0
        spawn period: 1.000000, polling period: 1.000000, timeout period: 1.000000
        task runs locally
        task.exec: no, task.exit: 0 default

     task chip.run
        active
        command: chip_imfile.pl
        options: page.000
        stdout: NULL
        stderr: NULL
        jobs at once: unlimited, jobs ever: unlimited, nice: 0
        spawn period: 1.000000, polling period: 1.000000, timeout period: 1.000000, pending period: 60.000000
         active : 06:00 10:00 (0 of 3)
         avoid  : 07:00 07:30
         Nskip exec: 17
        task host selected by controller
        task.exec: yes, task.exit: none

     task copy
        not active
        command: cp
        stdout: copy.log
        stderr: $errors
        waits for /nfs/raw.fits
        jobs at once: unlimited, jobs ever: unlimited, nice: 0
        spawn period: 1.000000, polling period: 1.000000, timeout period: 1.000000
        host po01 (required)
        task.exec: no, task.exit: none
    |
    "#);
}
