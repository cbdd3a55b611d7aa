//! Lives whose batch jobs are arrays: the driver, a task or its supervisor dies at each step, and anything
//! at random times.

use std::time::Duration;

use rstest::rstest;

use crate::{
    life::{Life, ended_within},
    matrix::{all_come_to_the_end, deaths, each, lives},
};

const AT_ONCE: usize = 6;

/// What starts the jobs of each task.
const CHUNKS: &str = "launcher: chunks";
const WORKER: &str = "launcher: worker\nworker: {silence: 5s}";

/// One whose first run needs four nodes, so that it has four tasks, of which two run at once.
fn life(launcher: &str, retries: u32) -> Life {
    let site = format!(
        "{launcher}\narray: {{max_running: 2}}\nnodes: {{cores: 1, max: 4}}\nretries: {retries}"
    );
    Life::at(&site).expecting(1500)
}

/// The first run's tasks, as the scheduler has them.
fn tasks_of_the_first(life: &Life) -> usize {
    let id = life
        .ask("SELECT job_id FROM runs WHERE run_id = 1")
        .concat();
    let job = life.path().join("scratch/.outrigger-local/jobs").join(id);
    let entries = std::fs::read_dir(job).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().path().join("order.json").exists())
        .count()
}

#[rstest]
#[case::chunks(CHUNKS)]
#[case::worker(WORKER)]
fn whatever_dies_at_whichever_step_of_an_array_the_end_is_the_same(#[case] launcher: &str) {
    let model = life(launcher, 2);
    model.drive(None);
    model.is_sound("no death");
    let way = model.way();
    assert_eq!(tasks_of_the_first(&model), 4);
    let begun = |job: &str| way.begun[job];
    assert_eq!((begun("1.x"), begun("1.y"), begun("2.x")), (1, 2, 3));
    let deaths = deaths(&model.steps(), 1);
    assert!(deaths.len() > 20, "{deaths:#?}");
    let driver = ("remote run: ", Life::way);
    all_come_to_the_end(&deaths, AT_ONCE, || life(launcher, 2), &model, driver);
}

#[rstest]
#[case::chunks(CHUNKS)]
#[case::worker(WORKER)]
fn drivers_and_tasks_killed_at_random_times_come_to_the_same_end(#[case] launcher: &str) {
    let model = life(launcher, 6);
    model.drive(None);
    let end = model.end();
    each(&lives(1), AT_ONCE, |random| {
        let (which, mut chance) = (&random.which, random.chance());
        let life = life(launcher, 6);
        let mut driver = life.driver(None);
        for _ in 0..8 {
            ended_within(&mut driver, Duration::from_millis(chance.u64(10..300)));
            if chance.bool() {
                life.strike(|count| chance.usize(..count));
                continue;
            }
            driver.kill().unwrap();
            driver.wait().unwrap();
            driver = life.driver(None);
        }
        driver.wait().unwrap();
        life.drive(None);
        life.is_sound(which);
        assert_eq!(life.end(), end, "{which}: {}", life.said());
    });
}
